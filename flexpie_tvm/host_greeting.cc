// SPDX-License-Identifier: Apache-2.0
#include "host_greeting.h"

#include <poll.h>

#include <array>

#include "clock.h"

namespace flexpie {

namespace {

constexpr size_t kVersionBytes = 4;

void Await(const Link& guest, short events, int64_t end_ns) {
  pollfd waiting{guest.get(), events, 0};
  ::poll(&waiting, 1, PollTimeoutMs(end_ns - NowNs()));
}

bool Shake(const Link& guest, int64_t end_ns) {
  IoResult result = guest.Shake();
  while (result.status == IoResult::Status::kWouldBlock && NowNs() < end_ns) {
    Await(guest, guest.awaits(), end_ns);
    result = guest.Shake();
  }
  return result.status == IoResult::Status::kMoved;
}

}  // namespace

Greeting ReadGreeting(const Link& guest, const Token& token, int64_t end_ns) {
  if (!Shake(guest, end_ns)) return {false, 0, guest.trouble()};
  std::array<uint8_t, std::tuple_size<Token>::value + kVersionBytes> said{};
  for (size_t read = 0; read < said.size();) {
    const iovec rest{said.data() + read, said.size() - read};
    const IoResult result = guest.Recv(&rest, 1);
    if (result.status == IoResult::Status::kMoved) {
      read += result.bytes;
      continue;
    }
    if (result.status != IoResult::Status::kWouldBlock || NowNs() >= end_ns) return {};
    Await(guest, POLLIN, end_ns);
  }
  uint32_t version = 0;
  for (size_t i = 0; i < kVersionBytes; ++i) version |= uint32_t{said[token.size() + i]} << (8 * i);
  return {IsToken(said.data(), token), version, ""};
}

}  // namespace flexpie
