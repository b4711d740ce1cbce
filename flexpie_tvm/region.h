// SPDX-License-Identifier: Apache-2.0
/*!
 * \file region.h
 * \brief Boxes of a tensor.
 *
 *  region    a half-open box, one [start, stop) per axis, in the coordinates of the whole tensor.
 *            A region of rank 0 is the one element of a scalar, not an empty box.
 *  empty     a region with start >= stop on some axis. "Nothing" is said by the absence of a
 *            region; empty ones only come out of Intersect.
 *
 * Example: the rows a board holds of a 1x64x56x56 tensor cut in two by InH are
 * [[0,1),[0,64),[0,28),[0,56)]; the one row its neighbour needs of them is
 * [[0,1),[0,64),[27,28),[0,56)].
 */
#ifndef FLEXPIE_TVM_REGION_H_
#define FLEXPIE_TVM_REGION_H_

#include <cstdint>
#include <string>
#include <vector>

namespace flexpie {

struct Interval {
  int64_t start;
  int64_t stop;
  int64_t extent() const { return stop - start; }
};

using Region = std::vector<Interval>;

bool IsEmpty(const Region& region);

/*! \brief Number of elements; the caller has bounded the extents (see exchange_table.cc). */
int64_t Volume(const Region& region);

/*! \brief The box common to two regions of the same rank; may be empty. */
Region Intersect(const Region& a, const Region& b);

/*! \brief Whether inner lies inside outer; regions of different rank never do. */
bool Contains(const Region& outer, const Region& inner);

/*! \brief What is left of whole when all boxes are taken away, as disjoint regions. */
std::vector<Region> Subtract(const Region& whole, const std::vector<Region>& boxes);

/*! \brief "[[0,1),[0,64)]" */
std::string ToString(const Region& region);

}  // namespace flexpie

#endif  // FLEXPIE_TVM_REGION_H_
