// SPDX-License-Identifier: Apache-2.0
/*!
 * \file region_copy.h
 * \brief Moving a region between two memories that hold different boxes of the same tensor.
 *
 *  run     bytes that lie together in both memories. Trailing axes that the region fills in both
 *          are merged into the run, so the halo row [[0,1),[0,64),[27,28),[0,56)] of a float32
 *          tensor cut by InH is 64 runs of 224 bytes, and the channels [0,32) of it are one single
 *          run.
 *  axis    what is stepped over to get from run to run, outermost first; neighbouring axes that
 *          step evenly are merged too.
 *
 * Packing is a copy whose destination box is the region itself, unpacking one whose source box is.
 */
#ifndef FLEXPIE_TVM_REGION_COPY_H_
#define FLEXPIE_TVM_REGION_COPY_H_

#include <sys/uio.h>

#include <cstdint>
#include <vector>

#include "region.h"

namespace flexpie {

/*! \brief Tensors of higher rank are refused by the table. */
constexpr int kMaxRank = 16;

class RegionCopy {
 public:
  struct Axis {
    int64_t extent;
    int64_t src_stride;  // bytes
    int64_t dst_stride;  // bytes
  };

  RegionCopy() = default;

  /*! \brief The copy of region from a memory that holds src_box to one that holds dst_box. */
  RegionCopy(const Region& region, const Region& src_box, const Region& dst_box,
             int64_t element_bytes);

  /*! \brief Copies; src and dst are where the boxes begin. */
  void Run(const char* src, char* dst) const;

  /*! \brief Calls f(src of run, dst of run) for every run, in row-major order. */
  template <typename F>
  void ForEachRun(const char* src, char* dst, F f) const;

  const std::vector<Axis>& axes() const { return axes_; }
  int64_t run_bytes() const { return run_bytes_; }
  int64_t src_offset() const { return src_offset_; }
  int64_t dst_offset() const { return dst_offset_; }
  int64_t bytes() const;

 private:
  template <int64_t kRunBytes>
  void CopyFixed(const char* src, char* dst) const;
  /*! \brief Calls f(src, dst) at the beginning of every innermost axis. */
  template <typename F>
  void ForEachRow(const char* src, char* dst, F f) const;

  std::vector<Axis> axes_;
  int64_t run_bytes_ = 0;
  int64_t src_offset_ = 0;
  int64_t dst_offset_ = 0;
};

template <typename F>
void RegionCopy::ForEachRow(const char* src, char* dst, F f) const {
  src += src_offset_;
  dst += dst_offset_;
  const int outer = static_cast<int>(axes_.size()) - 1;
  int64_t index[kMaxRank] = {0};
  while (true) {
    f(src, dst);
    int i = outer - 1;
    for (; i >= 0; --i) {
      src += axes_[i].src_stride;
      dst += axes_[i].dst_stride;
      if (++index[i] < axes_[i].extent) break;
      src -= axes_[i].src_stride * axes_[i].extent;
      dst -= axes_[i].dst_stride * axes_[i].extent;
      index[i] = 0;
    }
    if (i < 0) return;
  }
}

template <typename F>
void RegionCopy::ForEachRun(const char* src, char* dst, F f) const {
  const Axis inner = axes_.empty() ? Axis{1, 0, 0} : axes_.back();
  ForEachRow(src, dst, [&](const char* s, char* d) {
    for (int64_t k = 0; k < inner.extent; ++k) {
      f(s + k * inner.src_stride, d + k * inner.dst_stride);
    }
  });
}

/*!
 * \brief The runs of a region in one memory: what a gather-write sends and a scatter-read fills.
 */
class RunList {
 public:
  /*! \brief One run of bytes, at the beginning of the memory. */
  static RunList Contiguous(int64_t bytes);
  /*! \brief The source side of a copy whose destination is packed. */
  static RunList SourceOf(const RegionCopy& copy);
  /*! \brief The destination side of a copy whose source is packed. */
  static RunList DestinationOf(const RegionCopy& copy);

  int64_t bytes() const { return bytes_; }

  /*!
   * \brief Points the window at what follows the first `from` bytes.
   * \return the number of entries filled, at most capacity.
   */
  int Fill(char* base, int64_t from, iovec* window, int capacity) const;

 private:
  struct Axis {
    int64_t extent;
    int64_t stride;
  };
  std::vector<Axis> axes_;
  int64_t offset_ = 0;
  int64_t run_bytes_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace flexpie

#endif  // FLEXPIE_TVM_REGION_COPY_H_
