// SPDX-License-Identifier: Apache-2.0
#include "host_link.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "clock.h"

namespace flexpie {

namespace {

/*! \brief How often a waiting board looks whether its deadline is over. */
constexpr int64_t kSliceNs = 1000 * 1000 * 1000;

}  // namespace

HostLink::HostLink(int rank, const std::string& address, const Token& token, int deadline_ms)
    : rank_(rank), token_(token), deadline_ns_(int64_t{deadline_ms} * 1000000) {
  std::string error;
  listener_ = Listen(address, 0, &error);
  if (!listener_.open()) {
    Throw(ErrorKind::kIo, At(), "cannot listen for the host at " + address + ": " + error);
  }
  port_ = PortOf(listener_);
}

void HostLink::Accept() {
  if (!listener_.open()) Throw(ErrorKind::kFailed, At(), "the link to the host was opened before");
  const Fd listener = std::move(listener_);
  const int64_t end = NowNs() + deadline_ns_;
  while (!host_.open()) {
    pollfd waiting{listener.get(), POLLIN, 0};
    if (::poll(&waiting, 1, PollTimeoutMs(end - NowNs())) == 0) {
      Throw(ErrorKind::kDeadline, At(), "the host did not connect to board " +
                                            std::to_string(rank_) + "'s port " +
                                            std::to_string(port_));
    }
    Fd guest = flexpie::Accept(listener);
    if (guest.open() && IsHost(guest, end)) host_ = std::move(guest);
  }
  receiver_ = std::thread([this] { Receive(); });
  sender_ = std::thread([this] { Send(); });
}

void HostLink::Take() {
  if (inputs_.empty()) return;
  std::unique_lock<std::mutex> lock(mutex_);
  int64_t seen = moved_, since = NowNs();
  while (!arrived_) {
    CheckUsableLocked();
    changed_.WaitOnce(&lock, std::min(deadline_ns_, kSliceNs));
    if (moved_ != seen) {
      seen = moved_;
      since = NowNs();
    } else if (!arrived_ && !ended_ && NowNs() - since >= deadline_ns_) {
      Throw(ErrorKind::kDeadline, At(),
            "the host sent no input to board " + std::to_string(rank_) + " for " +
                std::to_string(deadline_ns_ / 1000000) + " ms");
    }
  }
  arrived_ = false;
  changed_.NotifyAll();
}

void HostLink::Give() {
  if (outputs_.empty()) return;
  std::lock_guard<std::mutex> lock(mutex_);
  CheckUsableLocked();
  giving_ = true;
  changed_.NotifyAll();
}

void HostLink::Close() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ended_ = true;
    changed_.NotifyAll();
  }
  listener_.Close();
  if (host_.open()) ::shutdown(host_.get(), SHUT_RDWR);  // wakes who waits for the host
  if (receiver_.joinable()) receiver_.join();
  if (sender_.joinable()) sender_.join();
  host_.Close();
}

bool HostLink::IsHost(const Fd& guest, int64_t end_ns) const {
  Token said{};
  for (size_t read = 0; read < said.size();) {
    const iovec rest{said.data() + read, said.size() - read};
    const IoResult result = Recv(guest.get(), &rest, 1);
    if (result.status == IoResult::Status::kMoved) {
      read += result.bytes;
      continue;
    }
    if (result.status != IoResult::Status::kWouldBlock || NowNs() >= end_ns) return false;
    pollfd waiting{guest.get(), POLLIN, 0};
    ::poll(&waiting, 1, PollTimeoutMs(end_ns - NowNs()));
  }
  return said == token_;
}

void HostLink::Receive() {
  while (!inputs_.empty() && MoveAll(&Recv, POLLIN, inputs_)) {
    std::unique_lock<std::mutex> lock(mutex_);
    arrived_ = true;
    changed_.NotifyAll();
    // the next inputs may not overwrite these
    changed_.Wait(&lock, [this] { return !arrived_ || ended_; });
  }
}

void HostLink::Send() {
  while (true) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.Wait(&lock, [this] { return giving_ || ended_; });
      if (ended_) return;
      giving_ = false;
    }
    if (!MoveAll(&flexpie::Send, POLLOUT, outputs_)) return;
  }
}

bool HostLink::MoveAll(Move move, short event, const std::vector<iovec>& parts) {
  for (iovec rest : parts) {
    while (rest.iov_len > 0) {
      const IoResult result = move(host_.get(), &rest, 1);
      if (result.status == IoResult::Status::kWouldBlock) {
        pollfd waiting{host_.get(), event, 0};
        ::poll(&waiting, 1, -1);
        continue;
      }
      std::lock_guard<std::mutex> lock(mutex_);
      if (result.status != IoResult::Status::kMoved) ended_ = true;
      if (ended_) {
        changed_.NotifyAll();
        return false;
      }
      rest.iov_base = static_cast<char*>(rest.iov_base) + result.bytes;
      rest.iov_len -= result.bytes;
      moved_ += result.bytes;
    }
  }
  return true;
}

void HostLink::CheckUsableLocked() const {
  if (!ended_) return;
  Throw(ErrorKind::kFailed, At(), "the link of the host to board " + std::to_string(rank_) +
                                      " is closed");
}

ErrorPlace HostLink::At() const {
  ErrorPlace place;
  place.board = rank_;
  return place;
}

}  // namespace flexpie
