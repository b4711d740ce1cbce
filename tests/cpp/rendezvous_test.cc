// SPDX-License-Identifier: Apache-2.0
// Boards that find each other on this machine's own network, among strangers.
#include "rendezvous.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <future>
#include <memory>
#include <thread>

#include "caught.h"
#include "clock.h"
#include "delayed_transport.h"

namespace flexpie {

namespace {

constexpr int64_t kLongNs = int64_t{60} * 1000 * 1000 * 1000;
constexpr int64_t kShortNs = int64_t{500} * 1000 * 1000;
constexpr char kHost[] = "127.0.0.1";

Token TokenOf(unsigned char byte) {
  Token token;
  token.fill(byte);
  return token;
}

Fd Listener() {
  std::string error;
  Fd listener = Listen(kHost, 0, &error);
  EXPECT_TRUE(listener.open()) << error;
  return listener;
}

/*! \brief What a board knows before it meets others. */
struct Board {
  int rank;
  Token token = TokenOf(1);
  std::vector<PeerAddress> dials;
  std::set<int> awaited;
  int64_t deadline_ns = kLongNs;
  std::shared_ptr<const Tls> tls = nullptr;
};

/*! \brief One board's side of a rendezvous: its links. */
std::unique_ptr<Transport> Meet(const Board& board, const Fd& listener,
                                const std::atomic<bool>* cancelled) {
  Rendezvous rendezvous(board.rank, board.token, board.tls, board.dials, board.awaited, listener,
                        board.deadline_ns, cancelled);
  return NetworkTransport(rendezvous.Run());
}

std::unique_ptr<Transport> Meet(const Board& board, const Fd& listener = Fd()) {
  const std::atomic<bool> cancelled{false};
  return Meet(board, listener, &cancelled);
}

/*! \brief Moves one byte, which must come. */
char Said(Transport* from, int to, Transport* listens, int rank, char byte) {
  const iovec part{&byte, 1};
  EXPECT_EQ(from->TrySend(to, &part, 1).bytes, 1u);
  char heard = 0;
  const iovec room{&heard, 1};
  while (listens->TryRecv(rank, &room, 1).status == IoResult::Status::kWouldBlock) {
    listens->Wait({{rank, false, true}}, kLongNs);
  }
  return heard;
}

/*! \brief A connection to a listener from somebody who has said something, or nothing. */
Fd Stranger(const Fd& listener, const std::vector<unsigned char>& words) {
  std::string error;
  const std::vector<Address> addresses = Resolve(kHost, PortOf(listener), false, &error);
  Fd fd = StartConnect(addresses.at(0));
  EXPECT_TRUE(fd.open());
  pollfd writable{fd.get(), POLLOUT, 0};
  EXPECT_EQ(::poll(&writable, 1, -1), 1);
  const iovec all{const_cast<unsigned char*>(words.data()), words.size()};
  if (!words.empty()) {
    EXPECT_EQ(Send(fd.get(), &all, 1).bytes, words.size());
  }
  return fd;
}

TEST(Rendezvous, ConnectsEveryPair) {
  const Fd listeners[] = {Listener(), Listener()};
  const PeerAddress zero{0, kHost, PortOf(listeners[0])};
  const PeerAddress one{1, kHost, PortOf(listeners[1])};
  auto meeting1 = std::async(std::launch::async,
                             [&] { return Meet({1, TokenOf(1), {zero}, {2}}, listeners[1]); });
  auto meeting2 =
      std::async(std::launch::async, [&] { return Meet({2, TokenOf(1), {zero, one}, {}}); });
  const auto board0 = Meet({0, TokenOf(1), {}, {1, 2}}, listeners[0]);
  const auto board1 = meeting1.get();
  const auto board2 = meeting2.get();
  EXPECT_EQ(Said(board0.get(), 1, board1.get(), 0, 'a'), 'a');
  EXPECT_EQ(Said(board1.get(), 2, board2.get(), 1, 'b'), 'b');
  EXPECT_EQ(Said(board2.get(), 0, board0.get(), 2, 'c'), 'c');
}

TEST(Rendezvous, WaitsForABoardThatComesLater) {
  const int port = [] {
    const Fd gone = Listener();
    return PortOf(gone);
  }();
  auto early =
      std::async(std::launch::async, [&] { return Meet({1, TokenOf(1), {{0, kHost, port}}, {}}); });
  std::string error;
  Fd listener;
  // A dial can meet itself while nobody listens; it lets go of the port and tries again.
  while (!listener.open()) listener = Listen(kHost, port, &error);
  const auto board0 = Meet({0, TokenOf(1), {}, {1}}, listener);
  EXPECT_EQ(Said(board0.get(), 1, early.get().get(), 0, 'x'), 'x');
}

TEST(Rendezvous, DropsATokenThatIsNotItsOwn) {
  const Fd listener = Listener();
  const PeerAddress zero{0, kHost, PortOf(listener)};
  auto wrong = std::async(std::launch::async, [&] {
    return ErrorOf([&] { Meet({1, TokenOf(2), {zero}, {}, 3 * kShortNs}); });
  });
  const Caught here = ErrorOf([&] { Meet({0, TokenOf(1), {}, {1}, 6 * kShortNs}, listener); });
  const Caught there = wrong.get();
  EXPECT_EQ(there.kind, "handshake");
  EXPECT_EQ(there.board, 1);
  EXPECT_EQ(there.peer, 0);
  EXPECT_EQ(here.board, 0);
  EXPECT_EQ(here.peer, 1);
  EXPECT_NE(here.sentence.find("its session token is another one"), std::string::npos)
      << here.sentence;
}

TEST(Rendezvous, IsNotHeldUpByGuestsThatSayNothing) {
  const Fd listener = Listener();
  std::vector<Fd> silent;
  for (int i = 0; i < 3; ++i) silent.push_back(Stranger(listener, {}));
  for (int i = 0; i < 3; ++i) silent.push_back(Stranger(listener, {'F', 'X', 'P'}));
  const PeerAddress zero{0, kHost, PortOf(listener)};
  auto other = std::async(std::launch::async, [&] { return Meet({1, TokenOf(1), {zero}, {}}); });
  const auto board0 = Meet({0, TokenOf(1), {}, {1}}, listener);
  EXPECT_EQ(Said(board0.get(), 1, other.get().get(), 0, 'y'), 'y');
}

TEST(Rendezvous, SaysWhomItTurnedAwayLast) {
  Hello old{kProtocolVersion - 1, 1, 0, TokenOf(1)};
  const HelloBytes hello = Encode(old);
  const Fd listener = Listener();
  const Fd stranger = Stranger(listener, {hello.begin(), hello.end()});
  const Caught error = ErrorOf([&] { Meet({0, TokenOf(1), {}, {1}, kShortNs}, listener); });
  EXPECT_EQ(error.peer, 1);
  EXPECT_NE(error.sentence.find("board 1 did not connect within 500 ms"), std::string::npos);
  EXPECT_NE(error.sentence.find(Differs(hello, {kProtocolVersion, 1, 0, TokenOf(1)})),
            std::string::npos)
      << error.sentence;
}

TEST(Rendezvous, EndsAtItsDeadline) {
  const Fd listener = Listener();
  const int64_t begin = NowNs();
  const Caught awaited = ErrorOf([&] { Meet({0, TokenOf(1), {}, {1, 2}, kShortNs}, listener); });
  EXPECT_GE(NowNs() - begin, kShortNs);
  EXPECT_EQ(awaited.kind, "deadline");
  EXPECT_EQ(awaited.sentence, "board 1 did not connect within 500 ms");
  // It listens, but nobody answers there.
  const PeerAddress zero{0, kHost, PortOf(listener)};
  const Caught dialled = ErrorOf([&] { Meet({1, TokenOf(1), {zero}, {}, kShortNs}); });
  EXPECT_EQ(dialled.kind, "deadline");
  EXPECT_EQ(dialled.peer, 0);
  EXPECT_NE(dialled.sentence.find("no connection to board 0 at 127.0.0.1:"), std::string::npos);
}

TEST(Rendezvous, EndsWhenItIsCancelled) {
  const Fd listener = Listener();
  std::atomic<bool> cancelled{false};
  auto meeting = std::async(std::launch::async, [&] {
    return ErrorOf([&] { Meet({0, TokenOf(1), {}, {1}}, listener, &cancelled); });
  });
  cancelled = true;
  const Caught error = meeting.get();
  EXPECT_EQ(error.kind, "failed");
  EXPECT_EQ(error.sentence, "the board was closed while it connected");
}

}  // namespace

}  // namespace flexpie
