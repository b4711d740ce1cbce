// SPDX-License-Identifier: Apache-2.0
/*!
 * \file delayed_transport.h
 * \brief Streams over a network that is farther away than the real one: for testbeds on a kernel
 * that cannot delay packets itself.
 *
 * Every byte is held back until the latency has passed since the kernel received it. The kernel's
 * own time stamps say when that was, so a board that looks late at its connections is not delayed
 * twice. Only what boards send each other is delayed, not what the host says over RPC.
 */
#ifndef FLEXPIE_TVM_DELAYED_TRANSPORT_H_
#define FLEXPIE_TVM_DELAYED_TRANSPORT_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "tcp_transport.h"

namespace flexpie {

class DelayedTransport : public TcpTransport {
 public:
  /*!
   * \param links the link to each peer, past its handshake.
   * \param latency_ns how long each byte is under way, above 0.
   */
  DelayedTransport(std::map<int, Link> links, int64_t latency_ns);

  IoResult TryRecv(int peer, const iovec* parts, int count) override;
  void Wait(const std::vector<Interest>& interests, int64_t timeout_ns) override;

 private:
  /*! \brief Bytes that were received together. */
  struct Chunk {
    std::vector<char> bytes;
    size_t taken;
    int64_t due_ns;
  };
  /*! \brief What is under way from one peer. */
  struct Line {
    std::deque<Chunk> chunks;
    size_t held = 0;
    bool ended = false;
    IoResult end;
  };

  void Fill(int peer, Line* line);
  static bool Full(const Line& line);

  const int64_t latency_ns_;
  std::map<int, Line> lines_;
};

/*!
 * \brief A transport over links: delayed if the environment says by how much
 * (FLEXPIE_LINK_LATENCY_US, microseconds). A stock RPC server has no other way to be told.
 */
std::unique_ptr<Transport> NetworkTransport(std::map<int, Link> links);

}  // namespace flexpie

#endif  // FLEXPIE_TVM_DELAYED_TRANSPORT_H_
