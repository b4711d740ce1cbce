// SPDX-License-Identifier: Apache-2.0
/*!
 * \file bell.h
 * \brief Wakes one waiting board from any thread.
 *
 *  ring    something changed for the board that listens to this bell
 *  count   how often it was rung (it wraps): who remembers the count misses no ring between looking
 *          and waiting
 *
 * std::condition_variable would do, but on the steady clock it needs glibc 2.34 when built with a
 * new one (see compat.cc), and a futex is all there is to it.
 */
#ifndef FLEXPIE_TVM_BELL_H_
#define FLEXPIE_TVM_BELL_H_

#include <atomic>
#include <cstdint>

namespace flexpie {

class Bell {
 public:
  void Ring();

  /*! \brief Returns the count as soon as it differs from seen, or after timeout_ns. */
  uint32_t Wait(uint32_t seen, int64_t timeout_ns);

 private:
  std::atomic<uint32_t> count_{0};
  std::atomic<bool> waiting_{false};
};

}  // namespace flexpie

#endif  // FLEXPIE_TVM_BELL_H_
