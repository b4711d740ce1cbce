// SPDX-License-Identifier: Apache-2.0
/*!
 * \file transport.h
 * \brief Byte streams between a board and its peers.
 *
 *  stream    what one board sends to one peer: ordered, lossless, with bounded buffering. TrySend
 *            and TryRecv never wait; they move what can be moved now.
 *  interest  a peer whose stream the caller wants to go on with, and in which direction
 *  shutdown  the end of all streams of this board: peers read what is still under way, then the end
 *
 * The exchange engine (duplex.h) works on this interface only; a peer here is a neighbour, the
 * other end of a link. A topology that forwards (ring, ps) changes which links a message crosses,
 * not how bytes move.
 */
#ifndef FLEXPIE_TVM_TRANSPORT_H_
#define FLEXPIE_TVM_TRANSPORT_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace flexpie {

struct IoResult {
  enum class Status {
    kMoved,       // bytes > 0 were moved
    kWouldBlock,  // nothing to read, or no room to write
    kClosed,      // the peer is gone, or this board was shut down
    kTampered,    // what came over an encrypted link is not what was sent
    kUnreached,   // the operating system has given up on the link to the peer
    kError        // the operating system says error (an errno)
  };
  Status status = Status::kMoved;
  size_t bytes = 0;
  int error = 0;
};

struct Interest {
  int peer;
  bool send;
  bool recv;
  int64_t bytes = 1;  // so many are awaited: it is enough to be woken when they, or many, are here
};

class Transport {
 public:
  virtual ~Transport() = default;

  virtual IoResult TrySend(int peer, const iovec* parts, int count) = 0;
  virtual IoResult TryRecv(int peer, const iovec* parts, int count) = 0;

  /*!
   * \brief Waits until one of the interests may go on, or for timeout_ns. May return early.
   * Nothing that happened after the last Try* of an interest is missed.
   */
  virtual void Wait(const std::vector<Interest>& interests, int64_t timeout_ns) = 0;

  /*!
   * \brief Whether a peer's system has left unanswered what was sent to it: the link is cut, or the
   * machine gone. A system answers for a process that is slow or frozen.
   */
  virtual bool Unreached(int /*peer*/) const { return false; }

  /*! \brief Ends all streams and wakes who waits; any thread, any number of times. */
  virtual void Shutdown() = 0;
};

}  // namespace flexpie

#endif  // FLEXPIE_TVM_TRANSPORT_H_
