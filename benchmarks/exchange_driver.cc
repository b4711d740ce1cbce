// SPDX-License-Identifier: Apache-2.0
/*!
 * \file exchange_driver.cc
 * \brief One of two boards that swap bytes, by the runtime's exchange and by bare sockets.
 *
 *  exchange_driver RANK LIBRARY OWN_ADDRESS OTHER_ADDRESS PORT TABLE_JSON SIZE...
 *
 * Answers each line "exchange K REPETITIONS" or "raw K REPETITIONS", which the other one gets as
 * well, with a JSON list of microseconds: what each swap of SIZE number K, both ways at once, took.
 * "raw" is sendmsg of all bytes and recv of all bytes. Swaps follow each other without a pause.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <tvm/runtime/module.h>
#include <tvm/runtime/ndarray.h>
#include <tvm/runtime/registry.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <random>
#include <string>
#include <vector>

namespace {

using tvm::runtime::Module;
using tvm::runtime::NDArray;
using tvm::runtime::PackedFunc;
using tvm::runtime::Registry;
using tvm::runtime::String;

constexpr char kToken[] = "00112233445566778899aabbccddeeff";

void Require(bool fine, const char* what) {
  if (fine) return;
  std::perror(what);
  std::exit(1);
}

sockaddr_in Place(const char* address, int port) {
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = htons(static_cast<uint16_t>(port));
  Require(::inet_pton(AF_INET, address, &place.sin_addr) == 1, address);
  return place;
}

/*! \brief A connection of the two; rank 0 listens. */
int Meet(int rank, const char* own, const char* other, int port) {
  const int on = 1;
  const sockaddr_in place = Place(rank == 0 ? own : other, port);
  const auto* where = reinterpret_cast<const sockaddr*>(&place);
  int link = ::socket(AF_INET, SOCK_STREAM, 0);
  if (rank == 0) {
    ::setsockopt(link, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    Require(::bind(link, where, sizeof(place)) == 0 && ::listen(link, 1) == 0, "listen");
    link = ::accept(link, nullptr, nullptr);
  } else {
    while (::connect(link, where, sizeof(place)) != 0) {
      ::close(link);
      ::usleep(20000);
      link = ::socket(AF_INET, SOCK_STREAM, 0);
    }
  }
  ::setsockopt(link, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return link;
}

/*! \brief Sends and receives all of it; what no buffer takes goes while the other's comes. */
void SwapRaw(int link, char* out, char* in, size_t bytes) {
  size_t sent = 0, received = 0;
  while (sent < bytes || received < bytes) {
    bool moved = false;
    if (sent < bytes) {
      iovec part{out + sent, bytes - sent};
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      const ssize_t count = ::sendmsg(link, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
      Require(count > 0 || errno == EAGAIN, "sendmsg");
      if (count > 0) sent += static_cast<size_t>(count);
      moved |= count > 0;
    }
    if (received < bytes) {
      const ssize_t count = ::recv(link, in + received, bytes - received, MSG_DONTWAIT);
      Require(count > 0 || (count < 0 && errno == EAGAIN), "recv");
      if (count > 0) received += static_cast<size_t>(count);
      moved |= count > 0;
    }
    if (moved) continue;
    pollfd wait{link, static_cast<short>(POLLIN | (sent < bytes ? POLLOUT : 0)), 0};
    ::poll(&wait, 1, -1);
  }
}

NDArray Bytes(int64_t count, unsigned seed) {
  NDArray array = NDArray::Empty({1, count}, {kDLUInt, 8, 1}, {kDLCPU, 0});
  std::mt19937 random(seed);
  char* data = static_cast<char*>(array->data);
  for (int64_t i = 0; i < count; ++i) data[i] = static_cast<char>(random());
  return array;
}

}  // namespace

int main(int argc, char** argv) {
  Require(argc > 7, "usage: RANK LIBRARY OWN OTHER PORT TABLE SIZE...");
  const int rank = std::atoi(argv[1]), port = std::atoi(argv[5]);
  cpu_set_t core;
  CPU_ZERO(&core);
  CPU_SET(static_cast<size_t>(rank), &core);
  ::sched_setaffinity(0, sizeof(core), &core);

  const int link = Meet(rank, argv[3], argv[4], port);
  const Module library = Module::LoadFromFile(argv[2]);
  Module board = (*Registry::Get("flexpie.board_create"))(rank, 2, String(argv[6]), 30000);
  board.GetFunction("listen")(String(argv[3]), port + 1 + rank);
  std::string peers = "[";
  for (int k = 0; k < 2; ++k) {
    peers += std::string(k ? "," : "") + R"({"rank":)" + std::to_string(k) + R"(,"host":")" +
             argv[k == rank ? 3 : 4] + R"(","port":)" + std::to_string(port + 1 + k) + "}";
  }
  char ready = 0;
  SwapRaw(link, &ready, &ready, 1);  // both listen
  board.GetFunction("connect")(String(peers + "]"), String(kToken));

  std::vector<NDArray> xs, ys;
  for (int k = 7; k < argc; ++k) {
    xs.push_back(Bytes(std::atoll(argv[k]), 2 * static_cast<unsigned>(k) + (rank ? 1 : 0)));
    ys.push_back(Bytes(std::atoll(argv[k]), 0));
  }
  NDArray tokens[2] = {NDArray::Empty({1}, {kDLInt, 32, 1}, {kDLCPU, 0}),
                       NDArray::Empty({1}, {kDLInt, 32, 1}, {kDLCPU, 0})};
  const PackedFunc exchange = *Registry::Get("flexpie.exchange");
  std::cout << "ready" << std::endl;
  std::string kind;
  int number, repetitions;
  while (std::cin >> kind >> number >> repetitions) {
    const NDArray& x = xs[static_cast<size_t>(number)];
    const NDArray& y = ys[static_cast<size_t>(number)];
    SwapRaw(link, &ready, &ready, 1);
    std::string answer = "[";
    for (int i = 0; i < repetitions; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      if (kind == "raw") {
        SwapRaw(link, static_cast<char*>(x->data), static_cast<char*>(y->data),
                static_cast<size_t>(x.Shape()[1]));
      } else {
        exchange(rank, number, tokens[0], tokens[1], x, y);
      }
      const std::chrono::duration<double, std::micro> took =
          std::chrono::steady_clock::now() - begin;
      answer += (i ? "," : "") + std::to_string(took.count());
    }
    std::cout << answer << "]" << std::endl;
  }
  board.GetFunction("close")();
  return 0;
}
