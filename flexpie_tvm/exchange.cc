// SPDX-License-Identifier: Apache-2.0
#include "exchange.h"

#include <algorithm>

#include "clock.h"
#include "duplex.h"
#include "reduce.h"

namespace flexpie {

namespace {

/*! \brief Below this, an iovec a run costs the kernel more than copying the bytes costs us. */
constexpr int64_t kDirectRunBytes = 512;

/*! \brief Staged messages begin on cache lines, which also aligns elements for folding. */
constexpr int64_t kStagingAlignment = 64;

/*! \brief Adds the time until its end to a counter. */
class Timer {
 public:
  explicit Timer(int64_t* total) : total_(total), begin_(NowNs()) {}
  ~Timer() { *total_ += NowNs() - begin_; }

 private:
  int64_t* total_;
  int64_t begin_;
};

}  // namespace

Exchange::Exchange(const ExchangeSpec& spec, int rank) : spec_(spec), rank_(rank) {
  place_ = {rank, -1, spec.id, spec.tensor, spec.layer};
  const int64_t element = spec.element_bytes;
  if (spec_.out) out_bytes_ = Volume(*spec_.out) * element;
  if (const auto local = spec_.Local()) {
    local_ = RegionCopy(*local, *spec_.in, *spec_.out, element);
    local_bytes_ = local_.bytes();
  }
  for (const Message& message : spec_.sends) {
    const RegionCopy copy(message.region, *spec_.in, message.region, element);
    sends_.push_back(MakePort(message.peer, copy, RunList::SourceOf(copy), false));
  }
  for (const Message& message : spec_.recvs) {
    const RegionCopy copy(message.region, message.region, *spec_.out, element);
    const bool fold = spec_.combine != Combine::kCopy;
    recvs_.push_back(MakePort(message.peer, copy, RunList::DestinationOf(copy), fold));
  }
  // Folding walks contributions by rank, whatever the order of the table.
  std::sort(recvs_.begin(), recvs_.end(),
            [](const Port& a, const Port& b) { return a.peer < b.peer; });
}

Exchange::Port Exchange::MakePort(int peer, const RegionCopy& copy, const RunList& direct,
                                  bool must_stage) {
  const bool one_run = copy.axes().empty();
  Port port{peer, must_stage || !(one_run || copy.run_bytes() >= kDirectRunBytes), 0, copy, direct};
  if (port.staged) {
    port.runs = RunList::Contiguous(copy.bytes());
    port.staging_offset = staging_bytes_;
    staging_bytes_ +=
        (copy.bytes() + kStagingAlignment - 1) / kStagingAlignment * kStagingAlignment;
  }
  return port;
}

ExchangeStats Exchange::Run(const Context& context, const char* x, char* y) const {
  ExchangeStats stats;
  stats.count = 1;
  stats.local_bytes = local_bytes_;
  const Header header{static_cast<uint32_t>(spec_.id), context.frame, 0};
  Duplex duplex(context.transport, place_, header, context.deadline_ns);
  for (const Port& port : sends_) {
    char* staged = context.staging + port.staging_offset;
    if (port.staged) {
      Timer timer(&stats.pack_ns);
      port.copy.Run(x, staged);
    }
    duplex.StartSend(port.peer, port.runs, port.staged ? staged : x);
    stats.bytes_sent += port.runs.bytes();
  }
  const bool fold = spec_.combine != Combine::kCopy;
  if (!fold && local_bytes_ > 0) {
    Timer timer(&stats.pack_ns);
    local_.Run(x, y);
  }
  for (const Port& port : recvs_) {
    duplex.StartRecv(port.peer, port.runs, port.staged ? context.staging + port.staging_offset : y);
    stats.bytes_received += port.runs.bytes();
  }
  duplex.Finish([&](size_t number) {
    const Port& port = recvs_[number];
    if (fold || !port.staged) return;
    Timer timer(&stats.pack_ns);
    port.copy.Run(context.staging + port.staging_offset, y);
  });
  if (fold && y) {
    Timer timer(&stats.pack_ns);
    FoldAll(x, context.staging, y);
  }
  stats.wait_ns = duplex.wait_ns();
  return stats;
}

void Exchange::FoldAll(const char* x, const char* staging, char* y) const {
  bool first = true;
  const auto contribute = [&](const RegionCopy& region, const char* from) {
    // Mostly the first contribution is all of y, and copying saves a pass over it.
    if (first && region.bytes() == out_bytes_) {
      region.Run(from, y);
    } else {
      if (first) FillIdentity(spec_.combine, spec_.dtype, y, out_bytes_);
      Fold(spec_.combine, spec_.dtype, region, from, y);
    }
    first = false;
  };
  bool own_due = local_bytes_ > 0;
  for (const Port& port : recvs_) {
    if (own_due && port.peer > rank_) {
      contribute(local_, x);
      own_due = false;
    }
    contribute(port.copy, staging + port.staging_offset);
  }
  if (own_due) contribute(local_, x);
}

}  // namespace flexpie
