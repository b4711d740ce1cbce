// SPDX-License-Identifier: Apache-2.0
/*!
 * \file pipes.h
 * \brief A transport over socket pairs with small buffers, of which each call moves an amount of
 * its own choice: headers, payloads and trailers break off anywhere.
 */
#ifndef FLEXPIE_TESTS_PIPES_H_
#define FLEXPIE_TESTS_PIPES_H_

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <map>
#include <utility>
#include <vector>

#include "clock.h"
#include "random.h"
#include "socket.h"
#include "transport.h"

namespace flexpie {

class Pipes : public Transport {
 public:
  /*! \brief The two ends of a link between two boards. */
  static std::pair<Pipes, Pipes> Pair(uint64_t seed, int one = 0, int other = 1) {
    int fds[2] = {-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    for (const int fd : fds) {
      const int bytes = 8192;
      ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    }
    std::pair<Pipes, Pipes> ends{Pipes(seed), Pipes(~seed)};
    ends.first.fds_[other] = Fd(fds[0]);
    ends.second.fds_[one] = Fd(fds[1]);
    return ends;
  }

  /*! \brief A board that has the links of both. */
  static Pipes Join(Pipes a, Pipes b) {
    a.fds_.merge(b.fds_);
    return a;
  }

  IoResult TrySend(int peer, const iovec* parts, int count) override {
    const std::vector<iovec> some = Some(parts, count);
    return Send(fds_.at(peer).get(), some.data(), static_cast<int>(some.size()));
  }

  IoResult TryRecv(int peer, const iovec* parts, int count) override {
    const std::vector<iovec> some = Some(parts, count);
    return Recv(fds_.at(peer).get(), some.data(), static_cast<int>(some.size()));
  }

  void Wait(const std::vector<Interest>& interests, int64_t timeout_ns) override {
    std::vector<pollfd> polled;
    for (const Interest& interest : interests) {
      const int events = (interest.send ? POLLOUT : 0) | (interest.recv ? POLLIN : 0);
      polled.push_back({fds_.at(interest.peer).get(), static_cast<short>(events), 0});
    }
    ::poll(polled.data(), polled.size(), PollTimeoutMs(timeout_ns));
  }

  void Shutdown() override {
    for (const auto& [peer, fd] : fds_) ::shutdown(fd.get(), SHUT_RDWR);
  }

  /*! \brief Says a few bytes as they are, to the peer that this end was made for. */
  void SayAll(int from, const std::vector<unsigned char>& bytes) {
    const iovec all{const_cast<unsigned char*>(bytes.data()), bytes.size()};
    EXPECT_EQ(Send(fds_.at(1 - from).get(), &all, 1).bytes, bytes.size());
  }

 private:
  explicit Pipes(uint64_t seed) : random_(seed) {}

  /*! \brief The first bytes of all parts: now and then all of them, mostly fewer, at least one. */
  std::vector<iovec> Some(const iovec* parts, int count) {
    size_t left = Between(&random_, 0, 3) ? Between(&random_, 1, 20000) : SIZE_MAX;
    std::vector<iovec> some;
    for (int i = 0; i < count && left > 0; ++i) {
      some.push_back({parts[i].iov_base, std::min(left, parts[i].iov_len)});
      left -= some.back().iov_len;
    }
    return some;
  }

  Random random_;
  std::map<int, Fd> fds_;
};

}  // namespace flexpie

#endif  // FLEXPIE_TESTS_PIPES_H_
