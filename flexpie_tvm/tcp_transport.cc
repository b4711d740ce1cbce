// SPDX-License-Identifier: Apache-2.0
#include "tcp_transport.h"

#include <algorithm>
#include <ctime>

namespace flexpie {

TcpTransport::TcpTransport(std::map<int, Link> links) : links_(std::move(links)) {
  for (const auto& one : links_) AskForLife(one.second.get());
}

IoResult TcpTransport::TrySend(int peer, const iovec* parts, int count) {
  return link(peer).Send(parts, count);
}

IoResult TcpTransport::TryRecv(int peer, const iovec* parts, int count) {
  return link(peer).Recv(parts, count);
}

void TcpTransport::Wait(const std::vector<Interest>& interests, int64_t timeout_ns) {
  polled_.clear();
  for (const Interest& interest : interests) {
    if (interest.recv && link(interest.peer).held()) return;
    if (interest.recv) link(interest.peer).WakeAt(interest.bytes);
    const short events = (interest.send ? POLLOUT : 0) | (interest.recv ? POLLIN : 0);
    polled_.push_back({link(interest.peer).get(), events, 0});
  }
  // Whatever poll says, an error included, the next Try* on the stream finds out.
  const int64_t left = std::max<int64_t>(timeout_ns, 0);
  const timespec timeout{left / 1000000000, left % 1000000000};
  ::ppoll(polled_.data(), polled_.size(), &timeout, nullptr);
}

bool TcpTransport::Unreached(int peer) const { return IsUnanswered(link(peer).get()); }

std::vector<int> TcpTransport::peers() const {
  std::vector<int> ranks;
  for (const auto& one : links_) ranks.push_back(one.first);
  return ranks;
}

void TcpTransport::Shutdown() {
  for (const auto& one : links_) ::shutdown(one.second.get(), SHUT_RDWR);
}

}  // namespace flexpie
