// SPDX-License-Identifier: Apache-2.0
#include "duplex.h"

#include <algorithm>

#include "clock.h"

namespace flexpie {

namespace {

/*! \brief Below IOV_MAX (1024), and 128 KiB a call of the shortest runs that are sent unpacked. */
constexpr int kWindow = 256;

}  // namespace

Duplex::Duplex(Transport* transport, const ErrorPlace& place, const Header& header,
               int64_t deadline_ns)
    : transport_(transport), place_(place), header_(header), deadline_ns_(deadline_ns) {}

void Duplex::StartSend(int peer, const RunList& payload, const char* base) {
  // Sends and receives share one window of iovecs, which knows no const.
  Start(peer, true, payload, const_cast<char*>(base));
  Step(&transfers_.back());
}

void Duplex::StartRecv(int peer, const RunList& payload, char* base) {
  Start(peer, false, payload, base);
}

void Duplex::Start(int peer, bool send, const RunList& payload, char* base) {
  Header header = header_;
  header.length = static_cast<uint32_t>(payload.bytes());
  const HeaderBytes bytes = Encode(header);
  const size_t number = send ? sends_++ : recvs_++;
  transfers_.push_back({peer, send, number, &payload, base, bytes, bytes, 0, NowNs()});
}

void Duplex::Finish(const std::function<void(size_t)>& received) {
  while (true) {
    bool moved = false;
    bool all_done = true;
    for (Transfer& transfer : transfers_) {
      if (transfer.done()) continue;
      moved |= Step(&transfer);
      if (!transfer.done()) {
        all_done = false;
      } else if (!transfer.send) {
        received(transfer.number);
      }
    }
    if (all_done) return;
    if (!moved) Wait();
  }
}

bool Duplex::Step(Transfer* transfer) {
  iovec window[kWindow];
  int count = 0;
  const int64_t header_bytes = kHeaderBytes;
  const bool in_header = transfer->position < header_bytes;
  if (in_header) {
    window[count++] = {transfer->header.data() + transfer->position,
                       static_cast<size_t>(header_bytes - transfer->position)};
  }
  const int64_t from = std::max<int64_t>(transfer->position - header_bytes, 0);
  count += transfer->payload->Fill(transfer->base, from, window + count, kWindow - count);

  const IoResult result = transfer->send ? transport_->TrySend(transfer->peer, window, count)
                                         : transport_->TryRecv(transfer->peer, window, count);
  if (result.status == IoResult::Status::kWouldBlock) return false;
  if (result.status == IoResult::Status::kClosed) ThrowLost(*transfer);
  if (result.status == IoResult::Status::kError) {
    Throw(ErrorKind::kIo, At(transfer->peer),
          "the connection to board " + std::to_string(transfer->peer) +
              " failed: " + ErrnoText(result.error));
  }
  transfer->position += static_cast<int64_t>(result.bytes);
  transfer->progress_ns = NowNs();
  if (in_header && !transfer->send && transfer->position >= header_bytes) CheckHeader(*transfer);
  return true;
}

void Duplex::CheckHeader(const Transfer& transfer) const {
  if (transfer.header == transfer.expected) return;
  Throw(ErrorKind::kDesync, At(transfer.peer),
        "out of step with board " + std::to_string(transfer.peer) + ": expected " +
            ToString(transfer.expected) + ", but it sent " + ToString(transfer.header));
}

void Duplex::ThrowLost(const Transfer& transfer) const {
  Throw(ErrorKind::kLostBoard, At(transfer.peer),
        "lost board " + std::to_string(transfer.peer) + " after " +
            std::to_string(transfer.position) + " bytes of a message " +
            (transfer.send ? "to it" : "from it"));
}

void Duplex::Wait() {
  const int64_t begin = NowNs();
  int64_t timeout = deadline_ns_;
  interests_.clear();
  for (const Transfer& transfer : transfers_) {
    if (transfer.done()) continue;
    const int64_t left = LastProgress(transfer.peer) + deadline_ns_ - begin;
    if (left <= 0) {
      Throw(ErrorKind::kDeadline, At(transfer.peer),
            "no progress from board " + std::to_string(transfer.peer) + " for " +
                std::to_string(deadline_ns_ / 1000000) + " ms, " +
                std::to_string(transfer.position) + " bytes into a message " +
                (transfer.send ? "to it" : "from it"));
    }
    timeout = std::min(timeout, left);
    auto same = std::find_if(interests_.begin(), interests_.end(),
                             [&](const Interest& i) { return i.peer == transfer.peer; });
    if (same == interests_.end()) same = interests_.insert(same, {transfer.peer, false, false});
    (transfer.send ? same->send : same->recv) = true;
  }
  transport_->Wait(interests_, timeout);
  wait_ns_ += NowNs() - begin;
}

int64_t Duplex::LastProgress(int peer) const {
  int64_t latest = 0;
  for (const Transfer& transfer : transfers_) {
    if (transfer.peer == peer) latest = std::max(latest, transfer.progress_ns);
  }
  return latest;
}

ErrorPlace Duplex::At(int peer) const {
  ErrorPlace place = place_;
  place.peer = peer;
  return place;
}

}  // namespace flexpie
