// SPDX-License-Identifier: Apache-2.0
#include "host_link.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "clock.h"
#include "crc32c.h"
#include "host_greeting.h"
#include "parts.h"

namespace flexpie {

namespace {

/*! \brief How often a waiting board looks whether its deadline is over. */
constexpr int64_t kSliceNs = int64_t{1000} * 1000 * 1000;

/*! \brief "FXHL"; then the kind, 4 bytes, and the length, 8. */
constexpr uint32_t kMagic = 0x4c485846;
/*! \brief The kernel takes at most IOV_MAX (1024) at once. */
constexpr int kWindow = 256;
constexpr int kTrickleMs = 100;
constexpr char kTampered[] = "something on it was changed, repeated or left out on the way";

void Put(uint64_t value, int bytes, uint8_t* to) {
  for (int i = 0; i < bytes; ++i) to[i] = static_cast<uint8_t>(value >> (8 * i));
}

uint64_t Get(const uint8_t* from, int bytes) {
  uint64_t value = 0;
  for (int i = 0; i < bytes; ++i) value |= uint64_t{from[i]} << (8 * i);
  return value;
}

/*! \brief A host that is gone without a word breaks the connection after about a deadline. */
void AskForLife(const Link& host, int64_t deadline_ns) {
  const int probes = 3;
  const int pause = static_cast<int>(std::max<int64_t>(1, deadline_ns / 1000000000 / (probes + 1)));
  const int on = 1;
  ::setsockopt(host.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  ::setsockopt(host.get(), IPPROTO_TCP, TCP_KEEPIDLE, &pause, sizeof(pause));
  ::setsockopt(host.get(), IPPROTO_TCP, TCP_KEEPINTVL, &pause, sizeof(pause));
  ::setsockopt(host.get(), IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

}  // namespace

HostLink::Staging::Staging(const std::vector<iovec>& tensors) {
  for (const iovec& tensor : tensors) {
    memory.emplace_back(tensor.iov_len);
    parts.push_back({memory.back().data(), tensor.iov_len});
  }
}

HostLink::HostLink(int rank, const std::string& address, const Token& token,
                   std::shared_ptr<const Tls> tls, int deadline_ms)
    : rank_(rank),
      token_(token),
      tls_(std::move(tls)),
      deadline_ns_(int64_t{deadline_ms} * 1000000) {
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
  std::string trouble;
  while (!host_.open()) {
    pollfd waiting{listener.get(), POLLIN, 0};
    if (::poll(&waiting, 1, PollTimeoutMs(end - NowNs())) == 0) {
      Throw(trouble.empty() ? ErrorKind::kDeadline : ErrorKind::kUntrusted, At(),
            "the host did not connect to board " + std::to_string(rank_) + "'s port " +
                std::to_string(port_) +
                (trouble.empty() ? "" : "; last one turned away: " + trouble));
    }
    Link guest(flexpie::Accept(listener), tls_, Tls::End::kAnswers);
    if (!guest.open()) continue;
    const Greeting greeting = ReadGreeting(guest, token_, end);
    if (greeting.ours && greeting.version != kProtocolVersion) ThrowVersion(greeting.version);
    if (greeting.ours) host_ = std::move(guest);
    trouble = greeting.trouble;
  }
  AskForLife(host_, deadline_ns_);
  receiver_ = std::thread([this] { Receive(); });
  sender_ = std::thread([this] { Send(); });
}

void HostLink::Take() {
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

bool HostLink::TakeFrame() {
  std::unique_lock<std::mutex> lock(mutex_);
  // no deadline: a stream's source may rest, and a host that is gone breaks the connection
  changed_.Wait(&lock, [this] { return staged_ || no_more_ || ended_; });
  if (!staged_ && no_more_) {
    no_more_ = false;
    changed_.NotifyAll();
    return false;
  }
  if (!staged_) CheckUsableLocked();
  lock.unlock();
  Copy(frame_->parts, inputs_);
  lock.lock();
  staged_ = false;
  changed_.NotifyAll();
  return true;
}

void HostLink::GiveFrame() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.Wait(&lock, [this] { return !giving_frame_ || ended_; });
  CheckUsableLocked();
  lock.unlock();
  if (!answer_) answer_ = std::make_unique<Staging>(outputs_);
  Copy(outputs_, answer_->parts);
  lock.lock();
  giving_frame_ = true;
  changed_.NotifyAll();
}

void HostLink::Give() {
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

void HostLink::ThrowVersion(uint32_t version) const {
  Throw(ErrorKind::kHandshake, At(),
        "the host speaks version " + std::to_string(version) + " of the protocol, board " +
            std::to_string(rank_) + " " + std::to_string(kProtocolVersion) +
            ": install the package on the host again");
}

void HostLink::Receive() {
  Kind kind;
  HostHeader header{};
  while (ReadHeader(&header, &kind)) {
    if (kind == Kind::kFrame && !frame_) frame_ = std::make_unique<Staging>(inputs_);
    if (kind != Kind::kEnd && !ReadBody(header, kind == Kind::kFrame ? frame_->parts : inputs_)) {
      return;
    }
    bool& here = kind == Kind::kInputs ? arrived_ : kind == Kind::kFrame ? staged_ : no_more_;
    std::unique_lock<std::mutex> lock(mutex_);
    here = true;
    changed_.NotifyAll();
    // the next inputs may not overwrite these
    changed_.Wait(&lock, [&] { return !here || ended_; });
  }
}

bool HostLink::ReadHeader(HostHeader* header, Kind* kind) {
  if (!MoveAll(&Link::Recv, POLLIN, {{header->data(), header->size()}})) return false;
  *kind = static_cast<Kind>(Get(&(*header)[4], 4));
  const bool known = *kind == Kind::kInputs || *kind == Kind::kFrame || *kind == Kind::kEnd;
  const uint64_t expected = *kind == Kind::kEnd ? 0 : BytesOf(inputs_);
  if (Get(&(*header)[0], 4) == kMagic && known && Get(&(*header)[8], 8) == expected) return true;
  std::lock_guard<std::mutex> lock(mutex_);
  EndLocked(ErrorKind::kFailed, "the host sent what is not an inference's inputs");
  return false;
}

bool HostLink::ReadBody(const HostHeader& header, const std::vector<iovec>& parts) {
  TrailerBytes trailer{};
  std::vector<iovec> all = parts;
  all.push_back({trailer.data(), trailer.size()});
  if (!MoveAll(&Link::Recv, POLLIN, std::move(all))) return false;
  const uint32_t checksum = ChecksumOf(Crc32c(0, header.data(), header.size()), parts);
  if (trailer == EncodeTrailer(checksum)) return true;
  std::lock_guard<std::mutex> lock(mutex_);
  EndLocked(ErrorKind::kDamaged, std::to_string(BytesOf(parts)) +
                                     " bytes from the host came damaged: their checksum is not "
                                     "the one that it sent");
  return false;
}

void HostLink::Send() {
  HostHeader header{};
  Put(kMagic, 4, &header[0]);
  Put(static_cast<uint32_t>(Kind::kOutputs), 4, &header[4]);
  Put(BytesOf(outputs_), 8, &header[8]);
  const uint32_t before = Crc32c(0, header.data(), header.size());
  while (true) {
    bool frame;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.Wait(&lock, [this] { return giving_ || giving_frame_ || ended_; });
      if (ended_) return;
      frame = giving_frame_;
      giving_ = false;
    }
    std::vector<iovec> parts{{header.data(), header.size()}};
    const std::vector<iovec>& outputs = frame ? answer_->parts : outputs_;
    parts.insert(parts.end(), outputs.begin(), outputs.end());
    TrailerBytes trailer = EncodeTrailer(ChecksumOf(before, outputs));
    parts.push_back({trailer.data(), trailer.size()});
    if (!MoveAll(&Link::Send, POLLOUT, std::move(parts))) return;
    std::lock_guard<std::mutex> lock(mutex_);
    if (frame) giving_frame_ = false;
    changed_.NotifyAll();
  }
}

bool HostLink::MoveAll(Move move, short event, std::vector<iovec> parts) {
  for (size_t next = 0; next < parts.size();) {
    if (parts[next].iov_len == 0) {
      ++next;
      continue;
    }
    const int count = static_cast<int>(std::min<size_t>(parts.size() - next, kWindow));
    const IoResult result = (host_.*move)(&parts[next], count);
    if (result.status == IoResult::Status::kWouldBlock) {
      const auto awaited = static_cast<int64_t>(BytesOf(parts, next));
      if (event == POLLIN) host_.WakeAt(awaited);
      const bool body = event == POLLIN && awaited > static_cast<int64_t>(sizeof(HostHeader));
      pollfd waiting{host_.get(), event, 0};
      ::poll(&waiting, 1, body ? kTrickleMs : -1);  // fewer bytes than wake are progress as well
      continue;
    }
    std::lock_guard<std::mutex> lock(mutex_);
    if (result.status == IoResult::Status::kTampered) EndLocked(ErrorKind::kDamaged, kTampered);
    if (result.status != IoResult::Status::kMoved) EndLocked(ErrorKind::kFailed, "");
    if (ended_) return false;
    moved_ += result.bytes;
    for (size_t left = result.bytes; left > 0;) {
      iovec* part = &parts[next];
      const size_t taken = std::min(left, part->iov_len);
      part->iov_base = static_cast<char*>(part->iov_base) + taken;
      part->iov_len -= taken;
      left -= taken;
      if (part->iov_len == 0) ++next;
    }
  }
  return true;
}

void HostLink::EndLocked(ErrorKind kind, const std::string& why) {
  if (!ended_) kind_ = kind;
  ended_ = true;
  if (why_.empty()) why_ = why;
  changed_.NotifyAll();
}

void HostLink::CheckUsableLocked() const {
  if (!ended_) return;
  Throw(kind_, At(),
        "the link of the host to board " + std::to_string(rank_) + " is closed" +
            (why_.empty() ? "" : ": " + why_));
}

ErrorPlace HostLink::At() const {
  ErrorPlace place;
  place.board = rank_;
  return place;
}

}  // namespace flexpie
