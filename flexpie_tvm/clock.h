// SPDX-License-Identifier: Apache-2.0
/*!
 * \file clock.h
 * \brief The one clock of the runtime: steady, in nanoseconds.
 */
#ifndef FLEXPIE_TVM_CLOCK_H_
#define FLEXPIE_TVM_CLOCK_H_

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace flexpie {

inline int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/*! \brief A timeout for poll(2): rounded up, or waiting would end just before the deadline. */
inline int PollTimeoutMs(int64_t timeout_ns) {
  return static_cast<int>(std::clamp<int64_t>((timeout_ns + 999999) / 1000000, 0, 1 << 30));
}

}  // namespace flexpie

#endif  // FLEXPIE_TVM_CLOCK_H_
