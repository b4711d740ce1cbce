// SPDX-License-Identifier: Apache-2.0
#include "reduce.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace flexpie {

namespace {

float Add(float a, float b) { return a + b; }
/*! \brief Wraps around like the boards' own int32 arithmetic. */
int32_t Add(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
}
float Max(float a, float b) { return (a < b || b != b) ? b : a; }
int32_t Max(int32_t a, int32_t b) { return std::max(a, b); }

template <typename T, T (*kOp)(T, T)>
void FoldWith(const RegionCopy& region, const char* src, char* dst) {
  const int64_t count = region.run_bytes() / static_cast<int64_t>(sizeof(T));
  region.ForEachRun(src, dst, [count](const char* s, char* d) {
    const T* from = reinterpret_cast<const T*>(s);
    T* to = reinterpret_cast<T*>(d);
    for (int64_t i = 0; i < count; ++i) to[i] = kOp(to[i], from[i]);
  });
}

template <typename T>
void Fill(T value, char* memory, int64_t bytes) {
  T* begin = reinterpret_cast<T*>(memory);
  std::fill(begin, begin + bytes / static_cast<int64_t>(sizeof(T)), value);
}

bool IsFloat(DLDataType dtype) { return dtype.code == kDLFloat; }

}  // namespace

void FillIdentity(Combine combine, DLDataType dtype, char* memory, int64_t bytes) {
  if (combine == Combine::kSum) {
    std::memset(memory, 0, bytes);
  } else if (IsFloat(dtype)) {
    Fill(-std::numeric_limits<float>::infinity(), memory, bytes);
  } else {
    Fill(std::numeric_limits<int32_t>::min(), memory, bytes);
  }
}

void Fold(Combine combine, DLDataType dtype, const RegionCopy& region, const char* src, char* dst) {
  if (combine == Combine::kSum) {
    IsFloat(dtype) ? FoldWith<float, Add>(region, src, dst)
                   : FoldWith<int32_t, Add>(region, src, dst);
  } else {
    IsFloat(dtype) ? FoldWith<float, Max>(region, src, dst)
                   : FoldWith<int32_t, Max>(region, src, dst);
  }
}

}  // namespace flexpie
