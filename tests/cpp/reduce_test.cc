// SPDX-License-Identifier: Apache-2.0
// Folding against element by element, in wider numbers.
#include "reduce.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "random.h"

namespace flexpie {

namespace {

constexpr DLDataType kFloat32{kDLFloat, 32, 1};
constexpr DLDataType kInt32{kDLInt, 32, 1};

/*! \brief dst after a region of src is folded in: of that region's elements, by apply. */
template <typename T, typename Apply>
std::vector<T> Expected(const std::vector<T>& src, const Region& src_box, std::vector<T> dst,
                        const Region& dst_box, const Region& region, Apply apply) {
  for (const auto& point : PointsOf(region)) {
    T* into = &dst[PlaceIn(dst_box, point)];
    *into = apply(*into, src[PlaceIn(src_box, point)]);
  }
  return dst;
}

/*! \brief Folds random elements over random regions and compares bit for bit. */
template <typename T, typename Element, typename Apply>
void Check(Combine combine, DLDataType dtype, Element element, Apply apply) {
  for (const uint64_t seed : Seeds(200)) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Region region =
        RandomInside(&random, Region(Between(&random, 0, 4), {0, Between(&random, 1, 5)}));
    const Region src_box = RandomAround(&random, region);
    const Region dst_box = RandomAround(&random, region);
    std::vector<T> src(Volume(src_box)), dst(Volume(dst_box));
    for (T& value : src) value = element(&random);
    for (T& value : dst) value = element(&random);
    const std::vector<T> expected = Expected(src, src_box, dst, dst_box, region, apply);
    Fold(combine, dtype, RegionCopy(region, src_box, dst_box, sizeof(T)),
         reinterpret_cast<const char*>(src.data()), reinterpret_cast<char*>(dst.data()));
    EXPECT_EQ(std::memcmp(dst.data(), expected.data(), dst.size() * sizeof(T)), 0);
  }
}

float AnyFloat(Random* random) { return std::normal_distribution<float>(0, 100)(*random); }

int32_t AnyInt(Random* random) { return static_cast<int32_t>((*random)()); }

TEST(Fold, SumsFloats) {
  // A double holds the sum of two floats of such sizes exactly, or rounds it as a float would.
  Check<float>(Combine::kSum, kFloat32, AnyFloat, [](float a, float b) {
    return static_cast<float>(static_cast<double>(a) + static_cast<double>(b));
  });
}

TEST(Fold, SumsIntegersAndWrapsAround) {
  Check<int32_t>(Combine::kSum, kInt32, AnyInt, [](int32_t a, int32_t b) {
    const int64_t sum = (int64_t{a} + b) & 0xFFFFFFFF;
    return static_cast<int32_t>(sum > 0x7FFFFFFF ? sum - (int64_t{1} << 32) : sum);
  });
}

TEST(Fold, TakesTheMaximumOfIntegers) {
  Check<int32_t>(Combine::kMax, kInt32, AnyInt, [](int32_t a, int32_t b) { return a > b ? a : b; });
}

TEST(Fold, TakesTheMaximumOfFloats) {
  Check<float>(Combine::kMax, kFloat32, AnyFloat, [](float a, float b) { return std::fmax(a, b); });
}

TEST(Fold, KeepsNan) {
  const float nan = std::nanf("");
  for (const auto& [a, b] : {std::pair(nan, 1.0f), std::pair(1.0f, nan), std::pair(nan, nan)}) {
    float into = a;
    Fold(Combine::kMax, kFloat32, RegionCopy({}, {}, {}, 4), reinterpret_cast<const char*>(&b),
         reinterpret_cast<char*>(&into));
    EXPECT_TRUE(std::isnan(into));
  }
}

/*! \brief What folding starts from leaves any first contribution as it is. */
template <typename T>
void CheckIdentity(Combine combine, DLDataType dtype, const std::vector<T>& values) {
  std::vector<T> into(values.size());
  const auto bytes = static_cast<int64_t>(values.size() * sizeof(T));
  FillIdentity(combine, dtype, reinterpret_cast<char*>(into.data()), bytes);
  const Region box{{0, static_cast<int64_t>(values.size())}};
  Fold(combine, dtype, RegionCopy(box, box, box, sizeof(T)),
       reinterpret_cast<const char*>(values.data()), reinterpret_cast<char*>(into.data()));
  EXPECT_EQ(into, values);
}

TEST(FillIdentity, ChangesNothing) {
  using Float = std::numeric_limits<float>;
  using Int = std::numeric_limits<int32_t>;
  const std::vector<float> floats{-Float::infinity(), Float::lowest(),  -1, 0, 1,
                                  Float::max(),       Float::infinity()};
  const std::vector<int32_t> integers{Int::min(), -1, 0, 1, Int::max()};
  for (const Combine combine : {Combine::kSum, Combine::kMax}) {
    CheckIdentity(combine, kFloat32, floats);
    CheckIdentity(combine, kInt32, integers);
  }
}

}  // namespace

}  // namespace flexpie
