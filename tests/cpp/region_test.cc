// SPDX-License-Identifier: Apache-2.0
// Boxes against the sets of points that they stand for.
#include "region.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "random.h"

namespace flexpie {

namespace {

using Points = std::set<std::vector<int64_t>>;

Points SetOf(const Region& region) {
  const auto points = PointsOf(region);
  return Points(points.begin(), points.end());
}

/*! \brief Of up to three axes of up to seven elements; some are empty. */
Region Anywhere(Random* random, int64_t rank) {
  Region region;
  for (int64_t i = 0; i < rank; ++i) {
    const int64_t start = Between(random, -3, 4);
    region.push_back({start, start + Between(random, Between(random, 0, 9) ? 1 : 0, 4)});
  }
  return region;
}

TEST(Region, IsTheSetOfItsPoints) {
  for (const uint64_t seed : Seeds(300)) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const int64_t rank = Between(&random, 0, 3);
    const Region a = Anywhere(&random, rank);
    const Region b = Anywhere(&random, rank);
    const Points in_a = SetOf(a);
    const Points in_b = SetOf(b);
    EXPECT_EQ(IsEmpty(a), in_a.empty());
    EXPECT_EQ(Volume(a), static_cast<int64_t>(in_a.size()));
    Points common;
    std::set_intersection(in_a.begin(), in_a.end(), in_b.begin(), in_b.end(),
                          std::inserter(common, common.end()));
    EXPECT_EQ(SetOf(Intersect(a, b)), common);
    if (!in_a.empty() && !in_b.empty()) {
      EXPECT_EQ(Contains(a, b), common == in_b);
    }
  }
}

TEST(Region, SubtractLeavesEachPointOnce) {
  for (const uint64_t seed : Seeds(300)) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const int64_t rank = Between(&random, 0, 3);
    const Region whole = RandomAround(&random, Region(rank, {0, 3}));
    std::vector<Region> boxes;
    Points expected = SetOf(whole);
    for (int64_t i = Between(&random, 0, 4); i > 0; --i) {
      boxes.push_back(Anywhere(&random, rank));
      for (const auto& point : SetOf(boxes.back())) expected.erase(point);
    }
    Points left;
    size_t counted = 0;
    for (const Region& piece : Subtract(whole, boxes)) {
      const Points points = SetOf(piece);
      EXPECT_FALSE(points.empty());
      counted += points.size();
      left.insert(points.begin(), points.end());
    }
    EXPECT_EQ(left, expected);
    EXPECT_EQ(counted, expected.size());
  }
}

TEST(Region, OfRankZeroIsOneElement) {
  EXPECT_FALSE(IsEmpty({}));
  EXPECT_EQ(Volume({}), 1);
  EXPECT_TRUE(Contains({}, {}));
  EXPECT_FALSE(Contains({}, {{0, 1}}));
  EXPECT_TRUE(Subtract({}, {Region{}}).empty());
}

TEST(Region, IsWrittenAsTheDocumentationDoes) {
  EXPECT_EQ(ToString({{0, 1}, {0, 64}, {-2, 56}}), "[[0,1),[0,64),[-2,56)]");
  EXPECT_EQ(ToString({}), "[]");
}

}  // namespace

}  // namespace flexpie
