// SPDX-License-Identifier: Apache-2.0
#include "socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "clock.h"
#include "error.h"

namespace flexpie {

namespace {

/*! \brief Between questions for signs of life. */
constexpr int kLifeSeconds = 1;

/*! \brief Nagle would hold a halo row back until the peer has acknowledged the one before. */
void SetNoDelay(const Fd& fd) {
  const int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

msghdr MessageOf(const iovec* parts, int count) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = count;
  return message;
}

IoResult Failure(int error) {
  if (error == EAGAIN || error == EWOULDBLOCK || error == EINTR) {
    return {IoResult::Status::kWouldBlock, 0, 0};
  }
  switch (error) {
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
    case ENOTCONN:
      return {IoResult::Status::kClosed, 0, 0};
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
      return {IoResult::Status::kUnreached, 0, error};
    default:
      return {IoResult::Status::kError, 0, error};
  }
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    Close();
    fd_ = other.fd_;
    other.fd_ = -1;
  }
  return *this;
}

void Fd::Close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

std::vector<Address> Resolve(const std::string& host, int port, bool to_listen,
                             std::string* error) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (to_listen ? AI_PASSIVE : 0);
  addrinfo* found = nullptr;
  const int code = getaddrinfo(host.empty() ? nullptr : host.c_str(), std::to_string(port).c_str(),
                               &hints, &found);
  std::vector<Address> addresses;
  if (code != 0) {
    *error = gai_strerror(code);
    return addresses;
  }
  for (const addrinfo* info = found; info; info = info->ai_next) {
    Address address{};
    std::memcpy(&address.storage, info->ai_addr, info->ai_addrlen);
    address.length = info->ai_addrlen;
    addresses.push_back(address);
  }
  freeaddrinfo(found);
  return addresses;
}

Fd Listen(const std::string& host, int port, std::string* error) {
  for (const Address& address : Resolve(host, port, true, error)) {
    Fd fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int on = 1;
    if (fd.open() && setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length) ==
            0 &&
        ::listen(fd.get(), SOMAXCONN) == 0) {
      return fd;
    }
    *error = ErrnoText(errno);
  }
  return Fd();
}

int PortOf(const Fd& listener) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  if (getsockname(listener.get(), reinterpret_cast<sockaddr*>(&storage), &length) != 0) return 0;
  return ntohs(storage.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port
                                             : reinterpret_cast<sockaddr_in*>(&storage)->sin_port);
}

Fd StartConnect(const Address& address) {
  Fd fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.open()) return fd;
  SetNoDelay(fd);
  const auto* to = reinterpret_cast<const sockaddr*>(&address.storage);
  if (::connect(fd.get(), to, address.length) != 0 && errno != EINPROGRESS) {
    const int error = errno;
    fd.Close();
    errno = error;
  }
  return fd;
}

Fd Accept(const Fd& listener) {
  Fd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd.open()) SetNoDelay(fd);
  return fd;
}

int ConnectError(int fd) {
  int error = 0;
  socklen_t length = sizeof(error);
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

IoResult Send(int fd, const iovec* parts, int count) {
  const msghdr message = MessageOf(parts, count);
  const ssize_t bytes = ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (bytes < 0) return Failure(errno);
  return {IoResult::Status::kMoved, static_cast<size_t>(bytes), 0};
}

IoResult Recv(int fd, const iovec* parts, int count) {
  msghdr message = MessageOf(parts, count);
  const ssize_t bytes = ::recvmsg(fd, &message, MSG_DONTWAIT);
  if (bytes < 0) return Failure(errno);
  if (bytes == 0) return {IoResult::Status::kClosed, 0, 0};
  return {IoResult::Status::kMoved, static_cast<size_t>(bytes), 0};
}

void WakeAt(int fd, int bytes) { setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes)); }

void AskForLife(int fd) {
  const int on = 1, seconds = kLifeSeconds;
  // As many as the kernel takes: it is for who has a deadline to say when a link is given up.
  const int questions = 127;
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof(seconds));
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &questions, sizeof(questions));
}

bool IsUnanswered(int fd) {
  tcp_info info{};
  socklen_t length = sizeof(info);
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return false;
  const bool sent_again = info.tcpi_unacked > 0 && info.tcpi_backoff > 0;
  // A question that has just been asked is answered in a moment: what counts is that one before it
  // was not.
  const bool asked_in_vain = info.tcpi_probes > 0 && info.tcpi_last_ack_recv > kLifeSeconds * 1500;
  return sent_again || asked_in_vain;
}

void StampArrivals(int fd) {
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
}

IoResult RecvStamped(int fd, const iovec& part, int64_t* arrived_ns) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(timespec))];
  msghdr message = MessageOf(&part, 1);
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const ssize_t bytes = ::recvmsg(fd, &message, MSG_DONTWAIT);
  if (bytes < 0) return Failure(errno);
  if (bytes == 0) return {IoResult::Status::kClosed, 0, 0};
  *arrived_ns = NowNs();
  const cmsghdr* stamp = CMSG_FIRSTHDR(&message);
  if (stamp != nullptr && stamp->cmsg_level == SOL_SOCKET && stamp->cmsg_type == SCM_TIMESTAMPNS) {
    timespec then{}, now{};  // both on the clock of the day, which may be set: only the age counts
    std::memcpy(&then, CMSG_DATA(stamp), sizeof(then));
    clock_gettime(CLOCK_REALTIME, &now);
    const int64_t age = (now.tv_sec - then.tv_sec) * 1000000000LL + (now.tv_nsec - then.tv_nsec);
    *arrived_ns -= std::max<int64_t>(age, 0);
  }
  return {IoResult::Status::kMoved, static_cast<size_t>(bytes), 0};
}

}  // namespace flexpie
