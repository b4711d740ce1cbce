// SPDX-License-Identifier: Apache-2.0
// Copies of boxes against copies of one element after the other.
#include "region_copy.h"

#include <gtest/gtest.h>

#include <cstring>

#include "random.h"

namespace flexpie {

namespace {

/*! \brief A region, and two memories that hold different boxes around it. */
struct Boxes {
  explicit Boxes(Random* random)
      : element(Between(random, 1, 9)),
        region(RandomInside(random, Region(Between(random, 0, 4), {0, Between(random, 1, 5)}))),
        source(RandomAround(random, region)),
        target(RandomAround(random, region)),
        from(RandomBytes(random, Volume(source) * element)),
        to(RandomBytes(random, Volume(target) * element)) {}

  /*! \brief The region's bytes in row-major order. */
  std::vector<char> Packed() const {
    std::vector<char> bytes;
    for (const auto& point : PointsOf(region)) {
      const char* at = from.data() + PlaceIn(source, point) * element;
      bytes.insert(bytes.end(), at, at + element);
    }
    return bytes;
  }

  /*! \brief The target after the copy, all else as it was. */
  std::vector<char> Copied() const {
    std::vector<char> bytes = to;
    for (const auto& point : PointsOf(region)) {
      std::memcpy(bytes.data() + PlaceIn(target, point) * element,
                  from.data() + PlaceIn(source, point) * element, element);
    }
    return bytes;
  }

  int64_t element;
  Region region, source, target;
  std::vector<char> from, to;
};

TEST(RegionCopy, CopiesTheRegionAndNothingElse) {
  for (const uint64_t seed : Seeds(400)) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Boxes boxes(&random);
    const RegionCopy copy(boxes.region, boxes.source, boxes.target, boxes.element);
    std::vector<char> to = boxes.to;
    copy.Run(boxes.from.data(), to.data());
    EXPECT_EQ(to, boxes.Copied());
    EXPECT_EQ(copy.bytes(), Volume(boxes.region) * boxes.element);
    to = boxes.to;
    copy.ForEachRun(boxes.from.data(), to.data(), [&](const char* source, char* target) {
      std::memcpy(target, source, copy.run_bytes());
    });
    EXPECT_EQ(to, boxes.Copied());
  }
}

TEST(RunList, GivesTheRegionFromAnyByteInWindowsOfAnySize) {
  for (const uint64_t seed : Seeds(400)) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Boxes boxes(&random);
    const RegionCopy copy(boxes.region, boxes.source, boxes.target, boxes.element);
    const RunList runs = RunList::SourceOf(copy);
    const std::vector<char> packed = boxes.Packed();
    ASSERT_EQ(runs.bytes(), static_cast<int64_t>(packed.size()));
    const int64_t from = Between(&random, 0, runs.bytes());
    std::vector<char> seen(packed.begin(), packed.begin() + from);
    while (seen.size() < packed.size()) {
      iovec window[7];
      const int capacity = static_cast<int>(Between(&random, 1, 7));
      const int count =
          runs.Fill(boxes.from.data(), static_cast<int64_t>(seen.size()), window, capacity);
      ASSERT_GT(count, 0);
      ASSERT_LE(count, capacity);
      for (int i = 0; i < count; ++i) {
        const char* run = static_cast<const char*>(window[i].iov_base);
        seen.insert(seen.end(), run, run + window[i].iov_len);
      }
      if (count < capacity) {
        EXPECT_EQ(seen.size(), packed.size());
      }
    }
    EXPECT_EQ(seen, packed);
    iovec none;
    EXPECT_EQ(runs.Fill(boxes.from.data(), runs.bytes(), &none, 1), 0);
  }
}

TEST(RunList, OfTheDestinationReceivesWhatWasPacked) {
  for (const uint64_t seed : Seeds(200)) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Boxes boxes(&random);
    const RegionCopy copy(boxes.region, boxes.source, boxes.target, boxes.element);
    const RunList runs = RunList::DestinationOf(copy);
    const std::vector<char> packed = boxes.Packed();
    std::vector<char> to = boxes.to;
    for (size_t done = 0; done < packed.size();) {
      iovec run;
      ASSERT_EQ(runs.Fill(to.data(), static_cast<int64_t>(done), &run, 1), 1);
      std::memcpy(run.iov_base, packed.data() + done, run.iov_len);
      done += run.iov_len;
    }
    EXPECT_EQ(to, boxes.Copied());
  }
}

TEST(RegionCopy, MergesRunsAsItsDocumentationSays) {
  const Region whole{{0, 1}, {0, 64}, {0, 28}, {0, 56}};
  const Region halo{{0, 1}, {0, 64}, {27, 28}, {0, 56}};
  EXPECT_EQ(RegionCopy(halo, whole, halo, 4).run_bytes(), 224);
  int64_t runs = 0;
  std::vector<char> from(Volume(whole) * 4), to(Volume(halo) * 4);
  RegionCopy(halo, whole, halo, 4).ForEachRun(from.data(), to.data(), [&](const char*, char*) {
    ++runs;
  });
  EXPECT_EQ(runs, 64);
  const Region channels{{0, 1}, {0, 32}, {0, 28}, {0, 56}};
  EXPECT_EQ(RegionCopy(channels, whole, channels, 4).run_bytes(), Volume(channels) * 4);
}

}  // namespace

}  // namespace flexpie
