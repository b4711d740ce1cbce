// SPDX-License-Identifier: Apache-2.0
/*!
 * \file condition.h
 * \brief A condition variable for boards with old systems.
 *
 * That of the standard library would ask for functions that came with GCC 12 and glibc 2.34.
 */
#ifndef FLEXPIE_TVM_CONDITION_H_
#define FLEXPIE_TVM_CONDITION_H_

#include <pthread.h>

#include <cstdint>
#include <ctime>
#include <mutex>

namespace flexpie {

class Condition {
 public:
  Condition() = default;
  Condition(const Condition&) = delete;
  Condition& operator=(const Condition&) = delete;
  ~Condition() { pthread_cond_destroy(&condition_); }

  void NotifyAll() { pthread_cond_broadcast(&condition_); }

  /*! \brief Waits until done() holds. */
  template <typename Done>
  void Wait(std::unique_lock<std::mutex>* lock, Done done) {
    while (!done()) pthread_cond_wait(&condition_, lock->mutex()->native_handle());
  }

  /*! \brief Waits for a notification or for timeout_ns; on the clock of the day, so about that. */
  void WaitOnce(std::unique_lock<std::mutex>* lock, int64_t timeout_ns) {
    timespec until{};
    clock_gettime(CLOCK_REALTIME, &until);
    const int64_t nanoseconds = until.tv_nsec + timeout_ns;
    until.tv_sec += nanoseconds / kSecondNs;
    until.tv_nsec = nanoseconds % kSecondNs;
    pthread_cond_timedwait(&condition_, lock->mutex()->native_handle(), &until);
  }

 private:
  static constexpr int64_t kSecondNs = int64_t{1000} * 1000 * 1000;

  pthread_cond_t condition_ = PTHREAD_COND_INITIALIZER;
};

}  // namespace flexpie

#endif  // FLEXPIE_TVM_CONDITION_H_
