// SPDX-License-Identifier: Apache-2.0
// Streams between boards of one process.
#include "local_transport.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "random.h"

namespace flexpie {

namespace {

using Status = IoResult::Status;

constexpr int64_t kLongNs = int64_t{60} * 1000 * 1000 * 1000;

/*! \brief Splits a piece of bytes into a few parts of any lengths. */
std::vector<iovec> PartsOf(Random* random, char* bytes, size_t count) {
  std::vector<iovec> parts;
  for (size_t done = 0; done < count;) {
    const size_t part = Between(random, 0, static_cast<int64_t>(count - done));
    parts.push_back({bytes + done, part});
    done += part;
  }
  return parts;
}

/*! \brief Two boards that know each other. */
struct Pair {
  std::shared_ptr<LocalGroup> group = std::make_shared<LocalGroup>();
  LocalTransport a{group, 0, {1}};
  LocalTransport b{group, 1, {0}};
};

TEST(LocalTransport, MovesAStreamInOrder) {
  for (const uint64_t seed : Seeds(10)) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Pair pair;
    std::vector<char> sent = RandomBytes(&random, Between(&random, 0, 3000000));
    std::thread sender([&, seed] {
      Random own(seed + 1000);
      for (size_t done = 0; done < sent.size();) {
        const size_t some = std::min<size_t>(sent.size() - done, Between(&own, 1, 900000));
        const std::vector<iovec> parts = PartsOf(&own, sent.data() + done, some);
        const IoResult result = pair.a.TrySend(1, parts.data(), static_cast<int>(parts.size()));
        if (result.status == Status::kWouldBlock) pair.a.Wait({{1, true, false}}, kLongNs);
        done += result.bytes;
      }
    });
    std::vector<char> received(sent.size());
    for (size_t done = 0; done < received.size();) {
      const size_t some = std::min<size_t>(received.size() - done, Between(&random, 1, 900000));
      const std::vector<iovec> parts = PartsOf(&random, received.data() + done, some);
      const IoResult result = pair.b.TryRecv(0, parts.data(), static_cast<int>(parts.size()));
      if (result.status == Status::kWouldBlock) pair.b.Wait({{0, false, true}}, kLongNs);
      done += result.bytes;
    }
    sender.join();
    EXPECT_EQ(received, sent);
  }
}

TEST(LocalTransport, IsBoundedAsASocketIs) {
  Pair pair;
  std::vector<char> much(1 << 20);
  const iovec part{much.data(), much.size()};
  size_t held = 0;
  IoResult result;
  while ((result = pair.a.TrySend(1, &part, 1)).status == Status::kMoved) {
    held += result.bytes;
    ASSERT_LT(held, size_t{1} << 30);
  }
  EXPECT_EQ(result.status, Status::kWouldBlock);
  std::vector<char> one(1);
  const iovec little{one.data(), one.size()};
  ASSERT_EQ(pair.b.TryRecv(0, &little, 1).bytes, 1u);
  EXPECT_EQ(pair.a.TrySend(1, &part, 1).bytes, 1u);
}

TEST(LocalTransport, EndsAfterWhatWasUnderWay) {
  Pair pair;
  char bytes[] = "last words";
  const iovec part{bytes, sizeof(bytes)};
  ASSERT_EQ(pair.a.TrySend(1, &part, 1).bytes, sizeof(bytes));
  pair.a.Shutdown();
  pair.a.Shutdown();
  char heard[64];
  const iovec room{heard, sizeof(heard)};
  ASSERT_EQ(pair.b.TryRecv(0, &room, 1).bytes, sizeof(bytes));
  EXPECT_STREQ(heard, bytes);
  EXPECT_EQ(pair.b.TryRecv(0, &room, 1).status, Status::kClosed);
  EXPECT_EQ(pair.b.TrySend(0, &part, 1).status, Status::kClosed);
  EXPECT_EQ(pair.a.TrySend(1, &part, 1).status, Status::kClosed);
}

TEST(LocalTransport, WakesWhoWaitsWhenItsPeerEnds) {
  Pair pair;
  char byte = 0;
  const iovec room{&byte, 1};
  std::thread waiter([&] {
    while (pair.b.TryRecv(0, &room, 1).status == Status::kWouldBlock) {
      pair.b.Wait({{0, false, true}}, kLongNs);
    }
  });
  pair.a.Shutdown();
  waiter.join();  // hangs for a minute if nobody is woken
  EXPECT_EQ(pair.b.TryRecv(0, &room, 1).status, Status::kClosed);
}

TEST(LocalGroup, TakesEachRankOnce) {
  LocalGroup group;
  EXPECT_TRUE(group.Join(0));
  EXPECT_TRUE(group.Join(1));
  EXPECT_FALSE(group.Join(0));
  group.Leave(0);
  EXPECT_FALSE(group.Join(0));
}

TEST(LocalGroup, ClosesForWhoComesTooLate) {
  const auto group = std::make_shared<LocalGroup>();
  LocalTransport(group, 0, {1}).Shutdown();
  LocalTransport late(group, 1, {0, 2});
  char byte = 0;
  const iovec room{&byte, 1};
  EXPECT_EQ(late.TryRecv(0, &room, 1).status, Status::kClosed);
  EXPECT_EQ(late.TryRecv(2, &room, 1).status, Status::kWouldBlock);
}

}  // namespace

}  // namespace flexpie
