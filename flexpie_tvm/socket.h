// SPDX-License-Identifier: Apache-2.0
/*!
 * \file socket.h
 * \brief TCP sockets, all non-blocking.
 *
 *  listener   a socket that accepts
 *  address    one of the socket addresses that a host name and port stand for (IPv4 or IPv6)
 */
#ifndef FLEXPIE_TVM_SOCKET_H_
#define FLEXPIE_TVM_SOCKET_H_

#include <sys/socket.h>
#include <sys/uio.h>

#include <string>
#include <vector>

#include "transport.h"

namespace flexpie {

/*! \brief Owns a file descriptor. */
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Fd& operator=(Fd&& other) noexcept;
  ~Fd() { Close(); }

  void Close();
  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

struct Address {
  sockaddr_storage storage;
  socklen_t length;
};

/*! \brief The addresses of host and port; on failure none, and why in *error. */
std::vector<Address> Resolve(const std::string& host, int port, bool to_listen, std::string* error);

/*! \brief A listener; on failure not open, and why in *error. Port 0 takes any free one. */
Fd Listen(const std::string& host, int port, std::string* error);

/*! \brief The port a listener has; 0 on failure. */
int PortOf(const Fd& listener);

/*! \brief Starts connecting; on failure not open, and errno says why. */
Fd StartConnect(const Address& address);

/*! \brief Takes a waiting connection, ready for use; not open when none is waiting. */
Fd Accept(const Fd& listener);

/*! \brief The error a connecting socket ended with; 0 if it is connected. */
int ConnectError(int fd);

/*! \brief One gather-write, one scatter-read. */
IoResult Send(int fd, const iovec* parts, int count);
IoResult Recv(int fd, const iovec* parts, int count);

/*! \brief Has poll tell of what has come only when it is so many bytes, or the end. */
void WakeAt(int fd, int bytes);

/*! \brief Has the kernel ask the other end for a sign of life each second that nothing is said. */
void AskForLife(int fd);

/*! \brief Whether the other end's kernel leaves unanswered what was sent to it, again, or asked. */
bool IsUnanswered(int fd);

/*! \brief Asks the kernel to note when it receives what RecvStamped will read. */
void StampArrivals(int fd);

/*! \brief Like Recv; also tells when the last byte read had arrived, on NowNs()'s clock. */
IoResult RecvStamped(int fd, const iovec& part, int64_t* arrived_ns);

}  // namespace flexpie

#endif  // FLEXPIE_TVM_SOCKET_H_
