// SPDX-License-Identifier: Apache-2.0
#include "delayed_transport.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "clock.h"

namespace flexpie {

namespace {

constexpr size_t kChunkBytes = 64 << 10;
/*! \brief More than 10 Gb/s have under way in 10 ms; beyond it the kernel holds bytes. */
constexpr size_t kHeldBytes = 16 << 20;

}  // namespace

DelayedTransport::DelayedTransport(std::map<int, Link> links, int64_t latency_ns)
    : TcpTransport(std::move(links)), latency_ns_(latency_ns) {
  for (const int peer : peers()) {
    StampArrivals(link(peer).get());
    lines_[peer];
  }
}

bool DelayedTransport::Full(const Line& line) { return line.ended || line.held >= kHeldBytes; }

void DelayedTransport::Fill(int peer, Line* line) {
  while (!Full(*line)) {
    Chunk chunk{std::vector<char>(kChunkBytes), 0, 0};
    int64_t arrived_ns = 0;
    const iovec part{chunk.bytes.data(), chunk.bytes.size()};
    const IoResult result = link(peer).RecvStamped(part, &arrived_ns);
    if (result.status == IoResult::Status::kWouldBlock) return;
    if (result.status != IoResult::Status::kMoved) {
      line->ended = true;
      line->end = result;
      return;
    }
    chunk.bytes.resize(result.bytes);
    chunk.due_ns = arrived_ns + latency_ns_;
    line->held += result.bytes;
    line->chunks.push_back(std::move(chunk));
  }
}

IoResult DelayedTransport::TryRecv(int peer, const iovec* parts, int count) {
  Line* line = &lines_.at(peer);
  Fill(peer, line);
  const int64_t now = NowNs();
  size_t moved = 0;
  for (int i = 0; i < count; ++i) {
    size_t filled = 0;
    while (filled < parts[i].iov_len && !line->chunks.empty() &&
           line->chunks.front().due_ns <= now) {
      Chunk* chunk = &line->chunks.front();
      const size_t size = std::min(parts[i].iov_len - filled, chunk->bytes.size() - chunk->taken);
      std::memcpy(static_cast<char*>(parts[i].iov_base) + filled,
                  chunk->bytes.data() + chunk->taken, size);
      filled += size;
      chunk->taken += size;
      if (chunk->taken == chunk->bytes.size()) line->chunks.pop_front();
    }
    moved += filled;
    if (filled < parts[i].iov_len) break;
  }
  line->held -= moved;
  if (moved > 0) return {IoResult::Status::kMoved, moved, 0};
  if (line->chunks.empty() && line->ended) return line->end;
  return {IoResult::Status::kWouldBlock, 0, 0};
}

void DelayedTransport::Wait(const std::vector<Interest>& interests, int64_t timeout_ns) {
  const int64_t now = NowNs();
  std::vector<Interest> open;
  for (Interest interest : interests) {
    const Line& line = lines_.at(interest.peer);
    if (interest.recv) {
      if (!line.chunks.empty()) {
        timeout_ns = std::min(timeout_ns, std::max<int64_t>(line.chunks.front().due_ns - now, 0));
      } else if (line.ended) {
        return;
      }
      interest.recv = !Full(line);
      interest.bytes = 1;  // what is held counts, too
    }
    if (interest.send || interest.recv) open.push_back(interest);
  }
  TcpTransport::Wait(open, timeout_ns);
}

std::unique_ptr<Transport> NetworkTransport(std::map<int, Link> links) {
  const char* text = std::getenv("FLEXPIE_LINK_LATENCY_US");
  const int64_t latency_ns = text == nullptr ? 0 : std::strtoll(text, nullptr, 10) * 1000;
  if (latency_ns > 0) return std::make_unique<DelayedTransport>(std::move(links), latency_ns);
  return std::make_unique<TcpTransport>(std::move(links));
}

}  // namespace flexpie
