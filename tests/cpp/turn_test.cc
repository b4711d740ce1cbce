// SPDX-License-Identifier: Apache-2.0
// One at a time, the earliest first, and others while one pauses.
#include "turn.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace flexpie {

namespace {

TEST(Turn, OneAtATime) {
  Turn turn;
  std::atomic<int> holders{0};
  std::atomic<bool> crowded{false};
  const auto work = [&](uint32_t first) {
    for (uint32_t frame = first; frame < first + 2000; frame += 2) {
      const Turn::Hold hold(&turn, frame);
      if (++holders > 1) crowded = true;
      --holders;
      const Turn::Pause pause(&turn, frame);
    }
  };
  std::thread other(work, 1);
  work(0);
  other.join();
  EXPECT_FALSE(crowded);
}

TEST(Turn, TheEarliestOfThoseThatWaitGoesFirst) {
  Turn turn;
  std::vector<uint32_t> order;  // guarded by the turn
  std::vector<std::thread> waiting;
  turn.Take(9);
  for (const uint32_t frame : {7, 3, 5}) {
    waiting.emplace_back([&, frame] {
      const Turn::Hold hold(&turn, frame);
      order.push_back(frame);
    });
  }
  while (turn.waiting() < 3) std::this_thread::yield();
  turn.GiveUp();
  for (std::thread& thread : waiting) thread.join();
  EXPECT_EQ(order, (std::vector<uint32_t>{3, 5, 7}));
}

TEST(Turn, WhoPausesLetsOthersHaveIt) {
  Turn turn;
  const Turn::Hold hold(&turn, 0);
  Turn::Pause pause(&turn, 0);
  std::atomic<bool> had{false};
  std::thread other([&] {
    const Turn::Hold later(&turn, 1);
    had = true;
  });
  other.join();  // would hang if nobody let it
  EXPECT_TRUE(had);
  pause.End();
  EXPECT_EQ(turn.waiting(), 0u);
}

TEST(Turn, NothingToPause) {
  Turn turn;
  Turn::Pause pause(nullptr, 0);
  pause.End();
  const Turn::Hold hold(&turn, 0);  // nobody took it
}

}  // namespace

}  // namespace flexpie
