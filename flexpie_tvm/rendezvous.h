// SPDX-License-Identifier: Apache-2.0
/*!
 * \file rendezvous.h
 * \brief How boards find each other: every link of the topology that is used gets one connection.
 *
 *  dial     this board connects to each neighbour of lower rank, again and again until
 *           the deadline: boards start at different times
 *  guest    an accepted connection that has not yet proved to be one of the higher ranks waited for
 *  shake    the handshake of an encrypted link, before anything else is said; a plain link has none
 *  hello    see wire.h; the dialling side speaks first, the other answers only to the right hello
 *
 * A guest may be anyone. Nothing is read from one but its handshake and the 32 bytes of its hello,
 * guests do not keep each other or the dials waiting, and there are never more than kMaxGuests of
 * them.
 *
 *   1. dial whoever is due, accept whoever knocks
 *   2. poll all of them; each dial and each guest goes on by itself
 *   3. until every peer is connected, or the deadline has passed
 */
#ifndef FLEXPIE_TVM_RENDEZVOUS_H_
#define FLEXPIE_TVM_RENDEZVOUS_H_

#include <poll.h>

#include <atomic>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "error.h"
#include "link.h"
#include "socket.h"
#include "wire.h"

namespace flexpie {

struct PeerAddress {
  int rank;
  std::string host;
  int port;
};

class Rendezvous {
 public:
  /*!
   * \param tls encrypts links; null leaves them plain
   * \param dials   lower ranks and where they listen
   * \param awaited higher ranks
   * \param listener may be closed if nobody is awaited
   * \param cancelled ends the wait from another thread
   */
  Rendezvous(int rank, const Token& token, std::shared_ptr<const Tls> tls,
             const std::vector<PeerAddress>& dials, const std::set<int>& awaited,
             const Fd& listener, int64_t deadline_ns, const std::atomic<bool>* cancelled);

  /*! \brief The link to each peer; throws when one does not come, or is somebody else. */
  std::map<int, Link> Run();

 private:
  struct Dial {
    PeerAddress to;
    std::vector<Address> addresses;
    size_t next_address = 0;
    int64_t due_ns = 0;  // when to dial, while the link is not open
    Link link;
    bool connected = false;
    bool greeted = false;  // the hello is said, the answer awaited
    HelloBytes answer{};
    size_t answered = 0;
    std::string trouble;  // why the last attempt came to nothing
    // The last attempt ended after our hello, most likely for a wrong token; or in the handshake.
    ErrorKind ended = ErrorKind::kDeadline;
  };
  struct Guest {
    Link link;
    bool shaken = false;
    HelloBytes hello{};
    size_t read = 0;
  };

  bool Done() const { return dials_.empty() && awaited_.empty(); }
  void CheckTime() const;
  void DialDue();
  void Poll();
  void StepDial(Dial* dial);
  void Greet(Dial* dial);
  short Awaits(const Dial& dial) const;
  void ReadAnswer(Dial* dial);
  void Redial(Dial* dial, const std::string& trouble, ErrorKind ended = ErrorKind::kDeadline);
  void AcceptGuests();
  /*! \brief Whether the guest is done with: connected or dropped. */
  bool StepGuest(Guest* guest);
  /*! \brief Remembers why a guest is turned away; true. */
  bool Drop(const std::string& why, ErrorKind kind);
  Hello HelloTo(int peer) const;
  ErrorPlace At(int peer) const;

  int rank_;
  Token token_;
  std::shared_ptr<const Tls> tls_;
  std::deque<Dial> dials_;
  std::deque<Guest> guests_;
  std::set<int> awaited_;
  std::string dropped_;  // what was wrong with the last guest turned away
  ErrorKind dropped_for_ = ErrorKind::kDeadline;
  const Fd& listener_;
  int64_t deadline_ns_;
  int64_t end_ns_;
  const std::atomic<bool>* cancelled_;
  std::map<int, Link> connected_;
  std::vector<pollfd> polled_;
};

}  // namespace flexpie

#endif  // FLEXPIE_TVM_RENDEZVOUS_H_
