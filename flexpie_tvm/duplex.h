// SPDX-License-Identifier: Apache-2.0
/*!
 * \file duplex.h
 * \brief Moves all messages of one exchange at the same time.
 *
 *  crossing  one message on one link: who it is from and for, and the board at the other end here
 *  transfer  a crossing on its way: header, then payload, straight from or to the runs of a tensor
 *            or a staging buffer, then trailer. The checksum is made of what a window holds before
 * it is sent, and of what has come before more is waited for lane      one direction of one link;
 * its transfers go one after the other, as they were started forward   a send that is fed by a
 * receive: it passes bytes on as they come, the trailer too. What is damaged is found by the board
 * that the message is for window    the iovecs of one system call; a payload of many runs goes in
 * as many windows as needed, because the kernel takes at most IOV_MAX iovecs a call progress  bytes
 * moved with a peer, in either direction
 *
 * Full duplex is what keeps boards from hanging: a board that first wrote everything would wait for
 * its peer to read while the peer, writing everything too, waits for it. Here no lane waits for
 * another, except for what it passes on.
 *
 *   1. StartSend() each send: most small ones are gone before anything else is done
 *   2. StartRecv() each receive, StartForward() each forward
 *   3. Finish(): try every lane; if nothing moved, wait for any of them; until all are done
 *
 * A receive asks for exactly the bytes of its message, so what a peer that ran ahead has sent for
 * the next exchange stays in the stream.
 */
#ifndef FLEXPIE_TVM_DUPLEX_H_
#define FLEXPIE_TVM_DUPLEX_H_

#include <deque>
#include <functional>
#include <vector>

#include "error.h"
#include "region_copy.h"
#include "transport.h"
#include "wire.h"

namespace flexpie {

struct Crossing {
  int peer;  // the other end of the link
  int source;
  int target;
  int hops;  // links crossed before this one
};

/*! \brief The order of messages on a link, the same for both ends (see exchange.h). */
bool Precedes(const Crossing& a, const Crossing& b);

class Duplex {
 public:
  /*! \param place where errors are said to have happened; must outlive this object. */
  Duplex(Transport* transport, const ErrorPlace& place, uint32_t frame, int64_t deadline_ns);

  /*! \brief Adds a message to send and, if its lane is free, moves what goes at once. */
  void StartSend(const Crossing& crossing, const RunList& payload, const char* base);
  /*! \brief Adds a message to receive; returns its number, counted from 0. */
  size_t StartRecv(const Crossing& crossing, const RunList& payload, char* base);
  /*! \brief Adds the message of a receive, whose payload is one run, to what is sent. */
  void StartForward(const Crossing& crossing, size_t received);

  /*!
   * \brief Returns when every message has been moved.
   * \param received called with the number of each receive as it completes.
   */
  void Finish(const std::function<void(size_t)>& received);

  int64_t wait_ns() const { return wait_ns_; }

 private:
  struct Transfer {
    Crossing crossing;
    bool send;
    size_t number;         // of a receive
    const Transfer* feed;  // the receive that a forward passes on; null for all else
    const RunList* payload;
    char* base;
    HeaderBytes header;      // to be sent, or as received
    HeaderBytes expected;    // what a receive must find in header
    bool passed_on = false;  // a receive that feeds a forward
    TrailerBytes trailer{};  // to be sent, or as received
    uint32_t checksum = 0;   // of the first bytes of the payload:
    int64_t summed = 0;      // so many
    int64_t position = 0;    // bytes moved, header and trailer included
    bool done() const { return body_moved() == body_bytes(); }
    /*! \brief Payload and trailer. */
    int64_t body_bytes() const { return payload->bytes() + static_cast<int64_t>(kTrailerBytes); }
    int64_t body_moved() const;
    int64_t left() const { return static_cast<int64_t>(kHeaderBytes) + body_bytes() - position; }
    /*! \brief A forward that has passed on all that has come so far. */
    bool starved() const { return feed && body_moved() >= feed->body_moved(); }
  };
  struct Lane {
    int peer;
    bool send;
    int64_t ready_ns;     // since when its first transfer could go on, for all we know
    int64_t progress_ns;  // when the peer last let something move here
    std::vector<Transfer*> transfers;
    size_t next = 0;
    bool done() const { return next == transfers.size(); }
  };

  Lane* Start(const Crossing& crossing, bool send, const RunList& payload, char* base,
              const Transfer* feed);
  Lane* LaneOf(int peer, bool send);
  /*! \brief Moves on with the first transfers of a lane; whether anything moved. */
  bool Advance(Lane* lane, const std::function<void(size_t)>& received);
  /*! \brief Moves one window; whether anything moved. */
  bool Step(Lane* lane, Transfer* transfer);
  /*! \brief Points the window at what a transfer moves next; the number of entries filled. */
  int FillWindow(Transfer* transfer, iovec* window) const;
  /*! \brief Continues a transfer's checksum up to so many bytes of its payload. */
  void SumUpTo(Transfer* transfer, int64_t end) const;
  void CheckHeader(const Transfer& transfer) const;
  void CheckTrailer(const Transfer& transfer) const;
  [[noreturn]] void ThrowLost(const Transfer& transfer) const;
  [[noreturn]] void ThrowTampered(const Transfer& transfer) const;
  [[noreturn]] void ThrowLate(const Transfer& transfer, int64_t patience_ns) const;
  /*! \brief Waits for any lane that can go on; throws when a peer let its deadline pass. */
  void Wait();
  /*! \brief When the peer last let anything move, in either direction. */
  int64_t LastProgress(int peer) const;
  int64_t PatienceOf(const Transfer& transfer) const;
  ErrorPlace At(int peer) const;

  Transport* transport_;
  const ErrorPlace& place_;
  uint32_t frame_;
  int64_t deadline_ns_;
  int64_t wait_ns_ = 0;
  std::deque<Transfer> transfers_;  // lanes and forwards point into it
  std::vector<Transfer*> receives_;
  std::vector<Lane> lanes_;
  std::vector<Interest> interests_;
};

}  // namespace flexpie

#endif  // FLEXPIE_TVM_DUPLEX_H_
