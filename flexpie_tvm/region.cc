// SPDX-License-Identifier: Apache-2.0
#include "region.h"

#include <algorithm>

namespace flexpie {

bool IsEmpty(const Region& region) {
  return std::any_of(region.begin(), region.end(),
                     [](const Interval& axis) { return axis.start >= axis.stop; });
}

int64_t Volume(const Region& region) {
  if (IsEmpty(region)) return 0;
  int64_t volume = 1;
  for (const Interval& axis : region) volume *= axis.extent();
  return volume;
}

Region Intersect(const Region& a, const Region& b) {
  Region common(a.size());
  for (size_t i = 0; i < a.size(); ++i) {
    common[i] = {std::max(a[i].start, b[i].start), std::min(a[i].stop, b[i].stop)};
  }
  return common;
}

bool Contains(const Region& outer, const Region& inner) {
  if (outer.size() != inner.size()) return false;
  for (size_t i = 0; i < outer.size(); ++i) {
    if (inner[i].start < outer[i].start || inner[i].stop > outer[i].stop) return false;
  }
  return true;
}

namespace {

/*! \brief Peels slabs off piece, axis by axis, until only piece ∩ box is left, and drops that. */
void Peel(Region piece, const Region& box, std::vector<Region>* left) {
  const Region common = Intersect(piece, box);
  if (IsEmpty(common)) {
    left->push_back(std::move(piece));
    return;
  }
  for (size_t i = 0; i < piece.size(); ++i) {
    if (piece[i].start < common[i].start) {
      left->push_back(piece);
      left->back()[i].stop = common[i].start;
    }
    if (common[i].stop < piece[i].stop) {
      left->push_back(piece);
      left->back()[i].start = common[i].stop;
    }
    piece[i] = common[i];
  }
}

}  // namespace

std::vector<Region> Subtract(const Region& whole, const std::vector<Region>& boxes) {
  std::vector<Region> left{whole};
  for (const Region& box : boxes) {
    std::vector<Region> next;
    for (Region& piece : left) Peel(std::move(piece), box, &next);
    left = std::move(next);
  }
  return left;
}

std::string ToString(const Region& region) {
  std::string text = "[";
  for (const Interval& axis : region) {
    if (text.size() > 1) text += ',';
    text += "[" + std::to_string(axis.start) + "," + std::to_string(axis.stop) + ")";
  }
  return text + "]";
}

}  // namespace flexpie
