// SPDX-License-Identifier: Apache-2.0
/*!
 * \file local_transport.h
 * \brief Streams between boards that live in one process, each on a thread of its own.
 *
 *  mailbox   the stream of one ordered pair of boards: a ring buffer, bounded like a socket's, so
 *            that what would hang on a network hangs (and is found) here too
 *  group     the mailboxes and bells of one deployment; its name keeps deployments apart. A rank
 *            joins a group once: who comes back after a failure needs a new group.
 */
#ifndef FLEXPIE_TVM_LOCAL_TRANSPORT_H_
#define FLEXPIE_TVM_LOCAL_TRANSPORT_H_

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "bell.h"
#include "transport.h"

namespace flexpie {

class Mailbox {
 public:
  Mailbox(Bell* sender, Bell* receiver) : sender_(sender), receiver_(receiver) {}

  IoResult Put(const iovec* parts, int count);
  IoResult Take(const iovec* parts, int count);
  /*! \brief The receiver can still take what is in it. */
  void Close();

 private:
  void CopyIn(const char* from, size_t bytes);
  void CopyOut(char* to, size_t bytes);

  Bell* sender_;
  Bell* receiver_;
  std::mutex mutex_;
  std::vector<char> ring_;  // allocated by the first Put
  size_t begin_ = 0;
  size_t filled_ = 0;
  bool closed_ = false;
};

class LocalGroup {
 public:
  /*! \brief False if the rank has joined before. */
  bool Join(int rank);
  /*! \brief Closes all mailboxes from and to the rank, for good. */
  void Leave(int rank);
  Mailbox* MailboxOf(int from, int to);
  Bell* BellOf(int rank);

 private:
  Bell* BellLocked(int rank);

  std::mutex mutex_;
  std::set<int> joined_;
  std::set<int> left_;
  std::map<int, std::unique_ptr<Bell>> bells_;
  std::map<std::pair<int, int>, std::unique_ptr<Mailbox>> mailboxes_;
};

class LocalTransport : public Transport {
 public:
  /*! \brief The caller has joined the group as rank. */
  LocalTransport(std::shared_ptr<LocalGroup> group, int rank, const std::set<int>& peers);

  IoResult TrySend(int peer, const iovec* parts, int count) override;
  IoResult TryRecv(int peer, const iovec* parts, int count) override;
  void Wait(const std::vector<Interest>& interests, int64_t timeout_ns) override;
  void Shutdown() override;

 private:
  std::shared_ptr<LocalGroup> group_;
  int rank_;
  Bell* bell_;
  uint32_t heard_ = 0;
  std::map<int, Mailbox*> to_;
  std::map<int, Mailbox*> from_;
};

}  // namespace flexpie

#endif  // FLEXPIE_TVM_LOCAL_TRANSPORT_H_
