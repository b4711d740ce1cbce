// SPDX-License-Identifier: Apache-2.0
// Messages over socket pairs that take and give as little as they like.
#include "duplex.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "caught.h"
#include "pipes.h"
#include "random.h"

namespace flexpie {

namespace {

constexpr int64_t kLongNs = int64_t{60} * 1000 * 1000 * 1000;
constexpr int64_t kShortNs = int64_t{50} * 1000 * 1000;

ErrorPlace PlaceOf(int board) {
  ErrorPlace place;
  place.board = board;
  place.exchange = 3;
  return place;
}

/*! \brief One message, in the memory of the one who sends and of the one who receives it. */
struct Message {
  Message(Random* random, int64_t most)
      : sent(RandomBytes(random, Between(random, 1, most))),
        received(sent.size()),
        runs(RunList::Contiguous(static_cast<int64_t>(sent.size()))) {}
  std::vector<char> sent, received;
  RunList runs;
};

/*! \brief A board's side: it sends all of one list and receives all of another. */
void Swap(Pipes* pipes, int rank, std::vector<Message>* out, std::vector<Message>* in) {
  const ErrorPlace place = PlaceOf(rank);
  Duplex duplex(pipes, place, 7, kLongNs);
  const int peer = 1 - rank;
  for (Message& message : *out) {
    duplex.StartSend({peer, rank, peer, 0}, message.runs, message.sent.data());
  }
  for (Message& message : *in) {
    duplex.StartRecv({peer, peer, rank, 1}, message.runs, message.received.data());
  }
  std::vector<size_t> order;
  duplex.Finish([&](size_t number) { order.push_back(number); });
  ASSERT_EQ(order.size(), in->size());
  for (size_t i = 0; i < order.size(); ++i) EXPECT_EQ(order[i], i);
}

TEST(Duplex, MovesMoreThanTheSocketsHoldInBothDirections) {
  for (const uint64_t seed : Seeds(20)) {
    SCOPED_TRACE(seed);
    Random random(seed);
    std::vector<Message> there, back;
    for (int64_t i = Between(&random, 1, 4); i > 0; --i) there.emplace_back(&random, 400000);
    for (int64_t i = Between(&random, 0, 4); i > 0; --i) back.emplace_back(&random, 400000);
    auto [a, b] = Pipes::Pair(seed);
    std::thread other([&, pipes = &b] { Swap(pipes, 1, &back, &there); });
    Swap(&a, 0, &there, &back);
    other.join();
    for (const auto* messages : {&there, &back}) {
      for (const Message& message : *messages) EXPECT_EQ(message.received, message.sent);
    }
  }
}

TEST(Duplex, GathersAndScattersShortRuns) {
  for (const uint64_t seed : Seeds(20)) {
    SCOPED_TRACE(seed);
    Random random(seed);
    // 600 rows of which a column goes: more runs than one system call takes.
    const Region whole{{0, 600}, {0, 9}};
    const Region column{{0, 600}, {Between(&random, 0, 4), Between(&random, 5, 8)}};
    const RegionCopy copy(column, whole, whole, 4);
    const std::vector<char> x = RandomBytes(&random, Volume(whole) * 4);
    std::vector<char> y = RandomBytes(&random, x.size());
    std::vector<char> expected = y;
    for (const auto& point : PointsOf(column)) {
      const int64_t at = PlaceIn(whole, point) * 4;
      std::copy_n(x.begin() + at, 4, expected.begin() + at);
    }
    auto [a, b] = Pipes::Pair(seed);
    const RunList source = RunList::SourceOf(copy);
    const RunList destination = RunList::DestinationOf(copy);
    std::thread other([&, pipes = &b] {
      const ErrorPlace place = PlaceOf(1);
      Duplex duplex(pipes, place, 7, kLongNs);
      duplex.StartRecv({0, 0, 1, 1}, destination, y.data());
      duplex.Finish([](size_t) {});
    });
    const ErrorPlace place = PlaceOf(0);
    Duplex duplex(&a, place, 7, kLongNs);
    duplex.StartSend({1, 0, 1, 0}, source, x.data());
    duplex.Finish(nullptr);
    other.join();
    EXPECT_EQ(y, expected);
  }
}

TEST(Duplex, PassesOnWhatComes) {
  for (const uint64_t seed : Seeds(10)) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Message message(&random, 600000);
    std::vector<char> staging(message.sent.size());
    auto [first, middle_in] = Pipes::Pair(seed, 0, 1);
    auto [middle_out, last] = Pipes::Pair(seed + 1000, 1, 2);
    Pipes middle = Pipes::Join(std::move(middle_in), std::move(middle_out));
    const auto on = [&](int rank, Pipes* pipes, auto start) {
      const ErrorPlace place = PlaceOf(rank);
      Duplex duplex(pipes, place, 7, kLongNs);
      start(&duplex);
      duplex.Finish([](size_t) {});
    };
    std::thread sends([&, pipes = &first] {
      on(0, pipes, [&](Duplex* duplex) {
        duplex->StartSend({1, 0, 2, 0}, message.runs, message.sent.data());
      });
    });
    std::thread passes([&] {
      on(1, &middle, [&](Duplex* duplex) {
        const size_t number = duplex->StartRecv({0, 0, 2, 1}, message.runs, staging.data());
        duplex->StartForward({2, 0, 2, 1}, number);
      });
    });
    on(2, &last, [&](Duplex* duplex) {
      duplex->StartRecv({1, 0, 2, 2}, message.runs, message.received.data());
    });
    sends.join();
    passes.join();
    EXPECT_EQ(message.received, message.sent);
  }
}

/*! \brief What board 0 says of a peer that does as told and then hangs up, or keeps silent. */
Caught AfterPeerSaid(const std::vector<unsigned char>& said, bool hangs_up, int64_t deadline_ns) {
  auto [a, b] = Pipes::Pair(1);
  b.SayAll(1, said);
  if (hangs_up) b.Shutdown();
  std::vector<char> memory(8);
  const RunList runs = RunList::Contiguous(8);
  const ErrorPlace place = PlaceOf(0);
  Duplex duplex(&a, place, 7, deadline_ns);
  duplex.StartRecv({1, 1, 0, 1}, runs, memory.data());
  return ErrorOf([&] { duplex.Finish([](size_t) {}); });
}

std::vector<unsigned char> HeaderOf(int source, uint32_t exchange, uint32_t frame,
                                    uint32_t length) {
  const HeaderBytes header = Encode(Header{source, 0, exchange, frame, length});
  return std::vector<unsigned char>(header.begin(), header.end());
}

TEST(Duplex, TellsABoardThatIsLost) {
  const Caught error = AfterPeerSaid(HeaderOf(1, 3, 7, 8), true, kLongNs);
  EXPECT_EQ(error.kind, "lost_board");
  EXPECT_EQ(error.peer, 1);
  EXPECT_EQ(error.exchange, 3);
  EXPECT_EQ(error.sentence, "lost board 1 after 16 bytes of a message from it");
}

TEST(Duplex, TellsABoardThatIsSilent) {
  const Caught error = AfterPeerSaid({'F', 'X'}, false, kShortNs);
  EXPECT_EQ(error.kind, "deadline");
  EXPECT_NE(error.sentence.find("2 bytes into a message from it"), std::string::npos)
      << error.sentence;
}

TEST(Duplex, TellsABoardThatIsSomewhereElse) {
  for (const auto& header : {HeaderOf(1, 4, 7, 8), HeaderOf(1, 3, 6, 8), HeaderOf(1, 3, 7, 9),
                             HeaderOf(2, 3, 7, 8), std::vector<unsigned char>(16, 'x')}) {
    EXPECT_EQ(AfterPeerSaid(header, true, kLongNs).kind, "desync");
  }
}

TEST(Duplex, TellsAMessageThatIsDamaged) {
  std::vector<unsigned char> message = HeaderOf(1, 3, 7, 8);
  message.insert(message.end(), {1, 2, 3, 4, 5, 6, 7, 8});
  message.insert(message.end(), {0, 0, 0, 0});
  EXPECT_EQ(AfterPeerSaid(message, true, kLongNs).kind, "damaged");
}

TEST(Duplex, OrdersMessagesTheSameAtBothEnds) {
  EXPECT_TRUE(Precedes({0, 3, 3, 1}, {9, 0, 0, 2}));
  EXPECT_TRUE(Precedes({0, 1, 3, 1}, {9, 2, 0, 1}));
  EXPECT_TRUE(Precedes({0, 1, 2, 1}, {9, 1, 3, 1}));
  EXPECT_FALSE(Precedes({0, 1, 2, 1}, {9, 1, 2, 1}));
}

}  // namespace

}  // namespace flexpie
