// SPDX-License-Identifier: Apache-2.0
#include "region_copy.h"

#include <algorithm>
#include <cstring>

namespace flexpie {

RegionCopy::RegionCopy(const Region& region, const Region& src_box, const Region& dst_box,
                       int64_t element_bytes)
    : run_bytes_(element_bytes) {
  // From the innermost axis outwards: grow the run while both memories are dense, then merge axes
  // that step evenly in both.
  int64_t src_stride = element_bytes;
  int64_t dst_stride = element_bytes;
  for (size_t i = region.size(); i-- > 0;) {
    src_offset_ += (region[i].start - src_box[i].start) * src_stride;
    dst_offset_ += (region[i].start - dst_box[i].start) * dst_stride;
    const int64_t extent = region[i].extent();
    if (extent != 1) {
      if (axes_.empty() && src_stride == run_bytes_ && dst_stride == run_bytes_) {
        run_bytes_ *= extent;
      } else if (!axes_.empty() && src_stride == axes_.back().src_stride * axes_.back().extent &&
                 dst_stride == axes_.back().dst_stride * axes_.back().extent) {
        axes_.back().extent *= extent;
      } else {
        axes_.push_back({extent, src_stride, dst_stride});
      }
    }
    src_stride *= src_box[i].extent();
    dst_stride *= dst_box[i].extent();
  }
  std::reverse(axes_.begin(), axes_.end());
}

int64_t RegionCopy::bytes() const {
  int64_t bytes = run_bytes_;
  for (const Axis& axis : axes_) bytes *= axis.extent;
  return bytes;
}

template <int64_t kRunBytes>
void RegionCopy::CopyFixed(const char* src, char* dst) const {
  const Axis inner = axes_.back();
  ForEachRow(src, dst, [&](const char* s, char* d) {
    for (int64_t k = 0; k < inner.extent; ++k) {
      std::memcpy(d, s, kRunBytes);
      s += inner.src_stride;
      d += inner.dst_stride;
    }
  });
}

void RegionCopy::Run(const char* src, char* dst) const {
  // A column of a tensor cut by InW is thousands of runs of a few bytes: there a call of memcpy
  // costs more than the copy.
  if (!axes_.empty()) {
    if (run_bytes_ == 4) return CopyFixed<4>(src, dst);
    if (run_bytes_ == 8) return CopyFixed<8>(src, dst);
    if (run_bytes_ == 12) return CopyFixed<12>(src, dst);
    if (run_bytes_ == 16) return CopyFixed<16>(src, dst);
    if (run_bytes_ == 1) return CopyFixed<1>(src, dst);
    if (run_bytes_ == 2) return CopyFixed<2>(src, dst);
  }
  ForEachRun(src, dst, [this](const char* s, char* d) { std::memcpy(d, s, run_bytes_); });
}

RunList RunList::Contiguous(int64_t bytes) {
  RunList list;
  list.run_bytes_ = list.bytes_ = bytes;
  return list;
}

RunList RunList::SourceOf(const RegionCopy& copy) {
  RunList list = Contiguous(copy.run_bytes());
  list.offset_ = copy.src_offset();
  for (const RegionCopy::Axis& axis : copy.axes()) {
    list.axes_.push_back({axis.extent, axis.src_stride});
    list.bytes_ *= axis.extent;
  }
  return list;
}

RunList RunList::DestinationOf(const RegionCopy& copy) {
  RunList list = Contiguous(copy.run_bytes());
  list.offset_ = copy.dst_offset();
  for (const RegionCopy::Axis& axis : copy.axes()) {
    list.axes_.push_back({axis.extent, axis.dst_stride});
    list.bytes_ *= axis.extent;
  }
  return list;
}

int RunList::Fill(char* base, int64_t from, iovec* window, int capacity) const {
  if (from >= bytes_) return 0;
  int64_t skip = from % run_bytes_;
  int64_t rest = from / run_bytes_;  // the number of the first run, taken apart axis by axis
  int64_t index[kMaxRank] = {0};
  char* at = base + offset_;
  const int rank = static_cast<int>(axes_.size());
  for (int i = rank - 1; i >= 0; --i) {
    index[i] = rest % axes_[i].extent;
    rest /= axes_[i].extent;
    at += index[i] * axes_[i].stride;
  }
  for (int count = 0; count < capacity; ++count, skip = 0) {
    window[count] = {at + skip, static_cast<size_t>(run_bytes_ - skip)};
    int i = rank - 1;
    for (; i >= 0; --i) {
      at += axes_[i].stride;
      if (++index[i] < axes_[i].extent) break;
      at -= axes_[i].stride * axes_[i].extent;
      index[i] = 0;
    }
    if (i < 0) return count + 1;
  }
  return capacity;
}

}  // namespace flexpie
