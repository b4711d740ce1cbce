// SPDX-License-Identifier: Apache-2.0
/*!
 * \file random.h
 * \brief Random data of known seeds.
 *
 *     for (const uint64_t seed : Seeds(100)) {
 *       SCOPED_TRACE(seed);  // a failure tells its seed
 *       Random random(seed);
 *
 * FLEXPIE_SEED in the environment is the first of them, else 1.
 */
#ifndef FLEXPIE_TESTS_RANDOM_H_
#define FLEXPIE_TESTS_RANDOM_H_

#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "region.h"

namespace flexpie {

using Random = std::mt19937_64;

inline std::vector<uint64_t> Seeds(size_t count) {
  const char* first = std::getenv("FLEXPIE_SEED");
  std::vector<uint64_t> seeds(count);
  std::iota(seeds.begin(), seeds.end(), first ? std::strtoull(first, nullptr, 10) : 1);
  return seeds;
}

/*! \brief A number from low to high, both included. */
inline int64_t Between(Random* random, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(*random);
}

inline std::vector<char> RandomBytes(Random* random, size_t count) {
  std::vector<char> bytes(count);
  for (char& byte : bytes) byte = static_cast<char>((*random)());
  return bytes;
}

/*! \brief A region inside of another one, which has no empty axis; neither has the result. */
inline Region RandomInside(Random* random, const Region& outer) {
  Region inner;
  for (const Interval& axis : outer) {
    const int64_t start = Between(random, axis.start, axis.stop - 1);
    inner.push_back({start, Between(random, start + 1, axis.stop)});
  }
  return inner;
}

/*! \brief A region around another one, up to two larger at each end of each axis. */
inline Region RandomAround(Random* random, const Region& inner) {
  Region outer;
  for (const Interval& axis : inner) {
    outer.push_back({axis.start - Between(random, 0, 2), axis.stop + Between(random, 0, 2)});
  }
  return outer;
}

/*! \brief The coordinates of all elements, in row-major order: what a region is, by brute force. */
inline std::vector<std::vector<int64_t>> PointsOf(const Region& region) {
  std::vector<std::vector<int64_t>> points{{}};
  for (const Interval& axis : region) {
    std::vector<std::vector<int64_t>> longer;
    for (const std::vector<int64_t>& point : points) {
      for (int64_t at = axis.start; at < axis.stop; ++at) {
        longer.push_back(point);
        longer.back().push_back(at);
      }
    }
    points = longer;
  }
  return points;
}

/*! \brief The place of an element in a memory that holds a box, counted in elements. */
inline int64_t PlaceIn(const Region& box, const std::vector<int64_t>& point) {
  int64_t place = 0;
  for (size_t i = 0; i < box.size(); ++i) {
    place = place * (box[i].stop - box[i].start) + point[i] - box[i].start;
  }
  return place;
}

}  // namespace flexpie

#endif  // FLEXPIE_TESTS_RANDOM_H_
