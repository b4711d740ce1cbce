// SPDX-License-Identifier: Apache-2.0
#include "tcp_transport.h"

#include "clock.h"

namespace flexpie {

IoResult TcpTransport::TrySend(int peer, const iovec* parts, int count) {
  return Send(connections_.at(peer).get(), parts, count);
}

IoResult TcpTransport::TryRecv(int peer, const iovec* parts, int count) {
  return Recv(connections_.at(peer).get(), parts, count);
}

void TcpTransport::Wait(const std::vector<Interest>& interests, int64_t timeout_ns) {
  polled_.clear();
  for (const Interest& interest : interests) {
    const short events = (interest.send ? POLLOUT : 0) | (interest.recv ? POLLIN : 0);  // NOLINT
    polled_.push_back({connections_.at(interest.peer).get(), events, 0});
  }
  // Whatever poll says, an error included, the next Try* on the stream finds out.
  ::poll(polled_.data(), polled_.size(), PollTimeoutMs(timeout_ns));
}

void TcpTransport::Shutdown() {
  for (const auto& connection : connections_) ::shutdown(connection.second.get(), SHUT_RDWR);
}

}  // namespace flexpie
