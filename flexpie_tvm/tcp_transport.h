// SPDX-License-Identifier: Apache-2.0
/*!
 * \file tcp_transport.h
 * \brief Streams between boards on a network: one connection per link, kept for the whole
 * deployment.
 */
#ifndef FLEXPIE_TVM_TCP_TRANSPORT_H_
#define FLEXPIE_TVM_TCP_TRANSPORT_H_

#include <poll.h>

#include <map>
#include <vector>

#include "link.h"
#include "transport.h"

namespace flexpie {

class TcpTransport : public Transport {
 public:
  /*! \param links the link to each peer, past its handshake. */
  explicit TcpTransport(std::map<int, Link> links);

  IoResult TrySend(int peer, const iovec* parts, int count) override;
  IoResult TryRecv(int peer, const iovec* parts, int count) override;
  void Wait(const std::vector<Interest>& interests, int64_t timeout_ns) override;
  bool Unreached(int peer) const override;
  void Shutdown() override;

 protected:
  const Link& link(int peer) const { return links_.at(peer); }
  std::vector<int> peers() const;

 private:
  /*! \brief Never changed after construction, so that Shutdown needs no lock. */
  const std::map<int, Link> links_;
  std::vector<pollfd> polled_;
};

}  // namespace flexpie

#endif  // FLEXPIE_TVM_TCP_TRANSPORT_H_
