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
    const Crossing crossing{message.via, rank, message.peer, 0};
    const RegionCopy copy(message.region, *spec_.in, message.region, element);
    sends_.push_back(MakePort(crossing, copy, RunList::SourceOf(copy), false));
  }
  for (const Message& message : spec_.recvs) {
    const Crossing crossing{message.via, message.peer, rank, message.hops - 1};
    const RegionCopy copy(message.region, message.region, *spec_.out, element);
    const bool fold = spec_.combine != Combine::kCopy;
    recvs_.push_back(MakePort(crossing, copy, RunList::DestinationOf(copy), fold));
  }
  for (const Relay& relay : spec_.relays) passages_.push_back(MakePassage(relay));
  SortMessages();
}

Exchange::Port Exchange::MakePort(const Crossing& crossing, const RegionCopy& copy,
                                  const RunList& direct, bool must_stage) {
  const bool one_run = copy.axes().empty();
  const bool staged = must_stage || !(one_run || copy.run_bytes() >= kDirectRunBytes);
  if (!staged) return {crossing, false, 0, copy, direct};
  return {crossing, true, Stage(copy.bytes()), copy, RunList::Contiguous(copy.bytes())};
}

Exchange::Passage Exchange::MakePassage(const Relay& relay) {
  return {{relay.from, relay.source, relay.target, relay.hops - 1},
          {relay.to, relay.source, relay.target, relay.hops},
          Stage(relay.bytes),
          RunList::Contiguous(relay.bytes)};
}

int64_t Exchange::Stage(int64_t bytes) {
  const int64_t offset = staging_bytes_;
  staging_bytes_ += (bytes + kStagingAlignment - 1) / kStagingAlignment * kStagingAlignment;
  return offset;
}

void Exchange::SortMessages() {
  const auto by_target = [](const Port& a, const Port& b) {
    return a.crossing.target < b.crossing.target;
  };
  std::sort(sends_.begin(), sends_.end(), by_target);
  // Folding walks contributions by rank, whatever the order of the table.
  const auto by_source = [](const Port& a, const Port& b) {
    return a.crossing.source < b.crossing.source;
  };
  std::sort(recvs_.begin(), recvs_.end(), by_source);
  std::sort(passages_.begin(), passages_.end(),
            [](const Passage& a, const Passage& b) { return Precedes(a.out, b.out); });
  for (size_t i = 0; i < recvs_.size(); ++i) arrivals_.push_back({recvs_[i].crossing, false, i});
  for (size_t i = 0; i < passages_.size(); ++i) arrivals_.push_back({passages_[i].in, true, i});
  std::sort(arrivals_.begin(), arrivals_.end(),
            [](const Arrival& a, const Arrival& b) { return Precedes(a.crossing, b.crossing); });
}

ExchangeStats Exchange::Run(const Context& context, const char* x, char* y) const {
  ExchangeStats stats;
  stats.count = 1;
  stats.local_bytes = local_bytes_;
  Duplex duplex(context.transport, place_, context.frame, context.deadline_ns);
  for (const Port& port : sends_) {
    char* staged = context.staging + port.staging_offset;
    if (port.staged) {
      Timer timer(&stats.pack_ns);
      port.copy.Run(x, staged);
    }
    duplex.StartSend(port.crossing, port.runs, port.staged ? staged : x);
    stats.bytes_sent += port.runs.bytes();
  }
  const bool fold = spec_.combine != Combine::kCopy;
  if (!fold && local_bytes_ > 0) {
    Timer timer(&stats.pack_ns);
    local_.Run(x, y);
  }
  StartArrivals(&duplex, context, y, &stats);
  duplex.Finish([&](size_t number) {
    const Arrival& arrival = arrivals_[number];
    if (fold || arrival.passed_on || !recvs_[arrival.index].staged) return;
    const Port& port = recvs_[arrival.index];
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

void Exchange::StartArrivals(Duplex* duplex, const Context& context, char* y,
                             ExchangeStats* stats) const {
  std::vector<size_t> receives(passages_.size());
  for (const Arrival& arrival : arrivals_) {
    if (arrival.passed_on) {
      const Passage& passage = passages_[arrival.index];
      char* staged = context.staging + passage.staging_offset;
      receives[arrival.index] = duplex->StartRecv(passage.in, passage.runs, staged);
    } else {
      const Port& port = recvs_[arrival.index];
      char* base = port.staged ? context.staging + port.staging_offset : y;
      duplex->StartRecv(port.crossing, port.runs, base);
      stats->bytes_received += port.runs.bytes();
    }
  }
  for (size_t i = 0; i < passages_.size(); ++i) {
    duplex->StartForward(passages_[i].out, receives[i]);
    stats->bytes_forwarded += passages_[i].runs.bytes();
  }
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
    if (own_due && port.crossing.source > rank_) {
      contribute(local_, x);
      own_due = false;
    }
    contribute(port.copy, staging + port.staging_offset);
  }
  if (own_due) contribute(local_, x);
}

}  // namespace flexpie
