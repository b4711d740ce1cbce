// SPDX-License-Identifier: Apache-2.0
#include "duplex.h"

#include <algorithm>
#include <tuple>

#include "clock.h"
#include "crc32c.h"

namespace flexpie {

namespace {

/*! \brief Below IOV_MAX (1024), and 128 KiB a call of the shortest runs that are sent unpacked. */
constexpr int kWindow = 256;

/*!
 * \brief Each link that a message crosses before the last gives this share of the deadline more:
 * of the boards that wait for a silent one, its own neighbour shall be the first to say so.
 */
constexpr int64_t kPatiencePerHop = 8;

/*! \brief "from it", or "from it, which passes it on for board 2" */
std::string From(const Crossing& crossing) {
  if (crossing.peer == crossing.source) return "from it";
  return "from it, which passes it on for board " + std::to_string(crossing.source);
}

}  // namespace

bool Precedes(const Crossing& a, const Crossing& b) {
  return std::tie(a.hops, a.source, a.target) < std::tie(b.hops, b.source, b.target);
}

Duplex::Duplex(Transport* transport, const ErrorPlace& place, uint32_t frame, int64_t deadline_ns)
    : transport_(transport), place_(place), frame_(frame), deadline_ns_(deadline_ns) {}

int64_t Duplex::Transfer::body_moved() const {
  return std::max<int64_t>(position - static_cast<int64_t>(kHeaderBytes), 0);
}

void Duplex::StartSend(const Crossing& crossing, const RunList& payload, const char* base) {
  // Sends and receives share one window of iovecs, which knows no const.
  Lane* lane = Start(crossing, true, payload, const_cast<char*>(base), nullptr);
  Advance(lane, nullptr);
}

size_t Duplex::StartRecv(const Crossing& crossing, const RunList& payload, char* base) {
  Start(crossing, false, payload, base, nullptr);
  receives_.push_back(&transfers_.back());
  return transfers_.back().number = receives_.size() - 1;
}

void Duplex::StartForward(const Crossing& crossing, size_t received) {
  Transfer* feed = receives_[received];
  feed->passed_on = true;
  Start(crossing, true, *feed->payload, feed->base, feed);
}

Duplex::Lane* Duplex::Start(const Crossing& crossing, bool send, const RunList& payload, char* base,
                            const Transfer* feed) {
  const HeaderBytes header =
      Encode(Header{crossing.source, crossing.target, static_cast<uint32_t>(place_.exchange),
                    frame_, static_cast<uint32_t>(payload.bytes())});
  transfers_.push_back({crossing, send, 0, feed, &payload, base, header, header});
  Lane* lane = LaneOf(crossing.peer, send);
  lane->transfers.push_back(&transfers_.back());
  return lane;
}

Duplex::Lane* Duplex::LaneOf(int peer, bool send) {
  const auto same = [&](const Lane& lane) { return lane.peer == peer && lane.send == send; };
  auto found = std::find_if(lanes_.begin(), lanes_.end(), same);
  if (found == lanes_.end()) {
    const int64_t now = NowNs();
    found = lanes_.insert(found, {peer, send, now, now, {}});
  }
  return &*found;
}

void Duplex::Finish(const std::function<void(size_t)>& received) {
  while (true) {
    bool moved = false;
    bool all_done = true;
    for (Lane& lane : lanes_) {
      moved |= Advance(&lane, received);
      all_done &= lane.done();
    }
    if (all_done) return;
    if (!moved) Wait();
  }
}

bool Duplex::Advance(Lane* lane, const std::function<void(size_t)>& received) {
  bool moved = false;
  while (!lane->done()) {
    Transfer* transfer = lane->transfers[lane->next];
    if (!Step(lane, transfer)) break;
    moved = true;
    if (!transfer->done()) break;  // the other lanes' turn
    ++lane->next;
    if (!transfer->send) received(transfer->number);
  }
  return moved;
}

bool Duplex::Step(Lane* lane, Transfer* transfer) {
  if (transfer->starved()) {
    lane->ready_ns = NowNs();
    return false;
  }
  iovec window[kWindow + 1];
  const int count = FillWindow(transfer, window);
  const int64_t header_bytes = kHeaderBytes;
  const bool in_header = transfer->position < header_bytes;

  const int peer = lane->peer;
  const IoResult result = transfer->send ? transport_->TrySend(peer, window, count)
                                         : transport_->TryRecv(peer, window, count);
  if (result.status == IoResult::Status::kWouldBlock) return false;
  if (result.status == IoResult::Status::kClosed) ThrowLost(*transfer);
  if (result.status == IoResult::Status::kTampered) ThrowTampered(*transfer);
  if (result.status == IoResult::Status::kUnreached) {
    Throw(ErrorKind::kUnreached, At(peer),
          "board " + std::to_string(peer) + " is not reached: " + ErrnoText(result.error));
  }
  if (result.status == IoResult::Status::kError) {
    Throw(
        ErrorKind::kIo, At(peer),
        "the connection to board " + std::to_string(peer) + " failed: " + ErrnoText(result.error));
  }
  transfer->position += static_cast<int64_t>(result.bytes);
  lane->progress_ns = NowNs();
  if (transfer->send) return true;
  if (in_header && transfer->position >= header_bytes) CheckHeader(*transfer);
  if (transfer->passed_on) return true;
  SumUpTo(transfer, std::min(transfer->body_moved(), transfer->payload->bytes()));
  if (transfer->done()) CheckTrailer(*transfer);
  return true;
}

int Duplex::FillWindow(Transfer* transfer, iovec* window) const {
  int count = 0;
  const int64_t header_bytes = kHeaderBytes;
  if (transfer->position < header_bytes) {
    window[count++] = {transfer->header.data() + transfer->position,
                       static_cast<size_t>(header_bytes - transfer->position)};
  }
  const int64_t payload_bytes = transfer->payload->bytes();
  const int64_t moved = transfer->body_moved();
  const int64_t there = transfer->feed ? transfer->feed->body_moved() : transfer->body_bytes();
  const int64_t most = std::min(payload_bytes, there);
  int64_t end = moved;
  const int runs =
      count + transfer->payload->Fill(transfer->base, moved, window + count, kWindow - count);
  for (; count < runs && end < most; ++count) {
    const int64_t bytes = std::min<int64_t>(window[count].iov_len, most - end);
    window[count].iov_len = static_cast<size_t>(bytes);
    end += bytes;
  }
  if (transfer->send && !transfer->feed && moved < payload_bytes) SumUpTo(transfer, end);
  if (end < payload_bytes || there <= payload_bytes) return count;
  if (transfer->send) {
    transfer->trailer =
        transfer->feed ? transfer->feed->trailer : EncodeTrailer(transfer->checksum);
  }
  const int64_t into = end - payload_bytes;
  window[count++] = {transfer->trailer.data() + into, static_cast<size_t>(there - end)};
  return count;
}

void Duplex::SumUpTo(Transfer* transfer, int64_t end) const {
  iovec window[kWindow];
  while (transfer->summed < end) {
    const int count = transfer->payload->Fill(transfer->base, transfer->summed, window, kWindow);
    for (int i = 0; i < count && transfer->summed < end; ++i) {
      const int64_t bytes = std::min<int64_t>(window[i].iov_len, end - transfer->summed);
      transfer->checksum =
          Crc32c(transfer->checksum, window[i].iov_base, static_cast<size_t>(bytes));
      transfer->summed += bytes;
    }
  }
}

void Duplex::CheckHeader(const Transfer& transfer) const {
  if (transfer.header == transfer.expected) return;
  const int peer = transfer.crossing.peer;
  Throw(ErrorKind::kDesync, At(peer),
        "out of step with board " + std::to_string(peer) + ": expected " +
            ToString(transfer.expected) + ", but it sent " + ToString(transfer.header));
}

void Duplex::CheckTrailer(const Transfer& transfer) const {
  if (transfer.trailer == EncodeTrailer(transfer.checksum)) return;
  const int peer = transfer.crossing.peer;
  std::string from = "board " + std::to_string(peer);
  if (transfer.crossing.source != peer) {
    from = "board " + std::to_string(transfer.crossing.source) + " by way of " + from;
  }
  Throw(ErrorKind::kDamaged, At(peer),
        std::to_string(transfer.payload->bytes()) + " bytes from " + from +
            " came damaged: their checksum is not the one that it sent");
}

void Duplex::ThrowLost(const Transfer& transfer) const {
  const int peer = transfer.crossing.peer;
  Throw(ErrorKind::kLostBoard, At(peer),
        "lost board " + std::to_string(peer) + " after " + std::to_string(transfer.position) +
            " bytes of a message " + (transfer.send ? "to it" : From(transfer.crossing)));
}

void Duplex::ThrowTampered(const Transfer& transfer) const {
  const int peer = transfer.crossing.peer;
  Throw(ErrorKind::kDamaged, At(peer),
        "the encrypted link to board " + std::to_string(peer) +
            " is over: something on it was changed, repeated or left out on the way");
}

void Duplex::ThrowLate(const Transfer& transfer, int64_t patience_ns) const {
  const int peer = transfer.crossing.peer;
  const bool unreached = transport_->Unreached(peer);
  Throw(unreached ? ErrorKind::kUnreached : ErrorKind::kDeadline, At(peer),
        std::string(unreached ? "no sign of life" : "no progress") + " from board " +
            std::to_string(peer) + " for " + std::to_string(patience_ns / 1000000) + " ms, " +
            std::to_string(transfer.position) + " bytes into a message " +
            (transfer.send ? "to it" : From(transfer.crossing)));
}

void Duplex::Wait() {
  const int64_t begin = NowNs();
  int64_t timeout = deadline_ns_;
  interests_.clear();
  for (const Lane& lane : lanes_) {
    if (lane.done() || lane.transfers[lane.next]->starved()) continue;
    const Transfer& transfer = *lane.transfers[lane.next];
    const int64_t patience = PatienceOf(transfer);
    const int64_t left = std::max(LastProgress(lane.peer), lane.ready_ns) + patience - begin;
    if (left <= 0) ThrowLate(transfer, patience);
    timeout = std::min(timeout, left);
    auto same = std::find_if(interests_.begin(), interests_.end(),
                             [&](const Interest& i) { return i.peer == lane.peer; });
    if (same == interests_.end()) same = interests_.insert(same, {lane.peer, false, false});
    (lane.send ? same->send : same->recv) = true;
    if (!lane.send && !transfer.passed_on) same->bytes = transfer.left();
  }
  transport_->Wait(interests_, timeout);
  wait_ns_ += NowNs() - begin;
}

int64_t Duplex::LastProgress(int peer) const {
  int64_t latest = 0;
  for (const Lane& lane : lanes_) {
    if (lane.peer == peer) latest = std::max(latest, lane.progress_ns);
  }
  return latest;
}

int64_t Duplex::PatienceOf(const Transfer& transfer) const {
  const int64_t hops = transfer.send ? 0 : transfer.crossing.hops;
  return deadline_ns_ + hops * (deadline_ns_ / kPatiencePerHop);
}

ErrorPlace Duplex::At(int peer) const {
  ErrorPlace place = place_;
  place.peer = peer;
  return place;
}

}  // namespace flexpie
