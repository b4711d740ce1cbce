// SPDX-License-Identifier: Apache-2.0
/*!
 * \file duplex.h
 * \brief Moves all messages of one exchange at the same time.
 *
 *  transfer   one message on its way: header, then payload, straight from or to the runs of a
 *             tensor or a staging buffer
 *  window     the iovecs of one system call; a payload of many runs goes in as many windows as
 *             needed, because the kernel takes at most IOV_MAX iovecs a call
 *  progress   bytes moved with a peer, in either direction
 *
 * Full duplex is what keeps boards from hanging: a board that first wrote everything would wait for
 * its peer to read while the peer, writing everything too, waits for it. Here no transfer waits for
 * another.
 *
 *   1. Start() each send: most small ones are gone before anything else is done
 *   2. Start() each receive
 *   3. Finish(): try every transfer; if none moved, wait for any of them; until all are done
 *
 * A receive asks for exactly the bytes of its message, so what a peer that ran ahead has sent for
 * the next exchange stays in the stream.
 */
#ifndef FLEXPIE_TVM_DUPLEX_H_
#define FLEXPIE_TVM_DUPLEX_H_

#include <functional>
#include <vector>

#include "error.h"
#include "region_copy.h"
#include "transport.h"
#include "wire.h"

namespace flexpie {

class Duplex {
 public:
  /*! \param place where errors are said to have happened; must outlive this object. */
  Duplex(Transport* transport, const ErrorPlace& place, const Header& header, int64_t deadline_ns);

  /*! \brief Adds a message and, if it is a send, moves what goes at once. */
  void StartSend(int peer, const RunList& payload, const char* base);
  void StartRecv(int peer, const RunList& payload, char* base);

  /*!
   * \brief Returns when every message has been moved.
   * \param received called with the number of each receive, in order of StartRecv, as it completes.
   */
  void Finish(const std::function<void(size_t)>& received);

  int64_t wait_ns() const { return wait_ns_; }

 private:
  struct Transfer {
    int peer;
    bool send;
    size_t number;  // among the transfers of its direction
    const RunList* payload;
    char* base;
    HeaderBytes header;    // to be sent, or as received
    HeaderBytes expected;  // what a receive must find in header
    int64_t position;      // bytes moved, header included
    int64_t progress_ns;   // when the peer last let something move
    bool done() const { return position == payload->bytes() + static_cast<int64_t>(kHeaderBytes); }
  };

  void Start(int peer, bool send, const RunList& payload, char* base);
  /*! \brief Moves one window; whether anything moved. */
  bool Step(Transfer* transfer);
  void CheckHeader(const Transfer& transfer) const;
  [[noreturn]] void ThrowLost(const Transfer& transfer) const;
  /*! \brief Waits for any unfinished transfer; throws when a peer let its deadline pass. */
  void Wait();
  /*! \brief When the peer last let anything move, in either direction. */
  int64_t LastProgress(int peer) const;
  ErrorPlace At(int peer) const;

  Transport* transport_;
  const ErrorPlace& place_;
  Header header_;
  int64_t deadline_ns_;
  int64_t wait_ns_ = 0;
  size_t sends_ = 0;
  size_t recvs_ = 0;
  std::vector<Transfer> transfers_;
  std::vector<Interest> interests_;
};

}  // namespace flexpie

#endif  // FLEXPIE_TVM_DUPLEX_H_
