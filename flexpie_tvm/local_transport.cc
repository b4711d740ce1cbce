// SPDX-License-Identifier: Apache-2.0
#include "local_transport.h"

#include <algorithm>
#include <cstring>

namespace flexpie {

namespace {

constexpr size_t kMailboxBytes = size_t{256} * 1024;

}  // namespace

IoResult Mailbox::Put(const iovec* parts, int count) {
  size_t moved = 0;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return {IoResult::Status::kClosed, 0, 0};
    if (ring_.empty()) ring_.resize(kMailboxBytes);
    for (int i = 0; i < count && filled_ < ring_.size(); ++i) {
      const size_t bytes = std::min(parts[i].iov_len, ring_.size() - filled_);
      CopyIn(static_cast<const char*>(parts[i].iov_base), bytes);
      moved += bytes;
    }
  }
  if (moved == 0) return {IoResult::Status::kWouldBlock, 0, 0};
  receiver_->Ring();
  return {IoResult::Status::kMoved, moved, 0};
}

IoResult Mailbox::Take(const iovec* parts, int count) {
  size_t moved = 0;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (filled_ == 0 && closed_) return {IoResult::Status::kClosed, 0, 0};
    for (int i = 0; i < count && filled_ > 0; ++i) {
      const size_t bytes = std::min(parts[i].iov_len, filled_);
      CopyOut(static_cast<char*>(parts[i].iov_base), bytes);
      moved += bytes;
    }
  }
  if (moved == 0) return {IoResult::Status::kWouldBlock, 0, 0};
  sender_->Ring();
  return {IoResult::Status::kMoved, moved, 0};
}

void Mailbox::Close() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
  }
  sender_->Ring();
  receiver_->Ring();
}

void Mailbox::CopyIn(const char* from, size_t bytes) {
  const size_t at = (begin_ + filled_) % ring_.size();
  const size_t first = std::min(bytes, ring_.size() - at);
  std::memcpy(ring_.data() + at, from, first);
  std::memcpy(ring_.data(), from + first, bytes - first);
  filled_ += bytes;
}

void Mailbox::CopyOut(char* to, size_t bytes) {
  const size_t first = std::min(bytes, ring_.size() - begin_);
  std::memcpy(to, ring_.data() + begin_, first);
  std::memcpy(to + first, ring_.data(), bytes - first);
  begin_ = (begin_ + bytes) % ring_.size();
  filled_ -= bytes;
}

bool LocalGroup::Join(int rank) {
  std::lock_guard<std::mutex> lock(mutex_);
  return joined_.insert(rank).second;
}

void LocalGroup::Leave(int rank) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!left_.insert(rank).second) return;
  for (auto& entry : mailboxes_) {
    if (entry.first.first == rank || entry.first.second == rank) entry.second->Close();
  }
}

Mailbox* LocalGroup::MailboxOf(int from, int to) {
  std::lock_guard<std::mutex> lock(mutex_);
  std::unique_ptr<Mailbox>& mailbox = mailboxes_[{from, to}];
  if (!mailbox) {
    mailbox = std::make_unique<Mailbox>(BellLocked(from), BellLocked(to));
    // Whoever left before its peer came is as gone as one that left after.
    if (left_.count(from) || left_.count(to)) mailbox->Close();
  }
  return mailbox.get();
}

Bell* LocalGroup::BellOf(int rank) {
  std::lock_guard<std::mutex> lock(mutex_);
  return BellLocked(rank);
}

Bell* LocalGroup::BellLocked(int rank) {
  std::unique_ptr<Bell>& bell = bells_[rank];
  if (!bell) bell = std::make_unique<Bell>();
  return bell.get();
}

LocalTransport::LocalTransport(std::shared_ptr<LocalGroup> group, int rank,
                               const std::set<int>& peers)
    : group_(std::move(group)), rank_(rank), bell_(group_->BellOf(rank)) {
  for (const int peer : peers) {
    to_[peer] = group_->MailboxOf(rank, peer);
    from_[peer] = group_->MailboxOf(peer, rank);
  }
}

IoResult LocalTransport::TrySend(int peer, const iovec* parts, int count) {
  return to_.at(peer)->Put(parts, count);
}

IoResult LocalTransport::TryRecv(int peer, const iovec* parts, int count) {
  return from_.at(peer)->Take(parts, count);
}

void LocalTransport::Wait(const std::vector<Interest>&, int64_t timeout_ns) {
  // The bell rings for any peer. What rang before the last Try* makes this return early, once.
  heard_ = bell_->Wait(heard_, timeout_ns);
}

void LocalTransport::Shutdown() { group_->Leave(rank_); }

}  // namespace flexpie
