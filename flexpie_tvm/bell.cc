// SPDX-License-Identifier: Apache-2.0
#include "bell.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ctime>

#include "clock.h"

namespace flexpie {

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t),
              "the kernel looks at the count itself");

void Bell::Ring() {
  // Sequentially consistent with Wait: either this sees waiting_, or the waiter sees the new count.
  count_.fetch_add(1);
  if (waiting_) syscall(SYS_futex, &count_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

uint32_t Bell::Wait(uint32_t seen, int64_t timeout_ns) {
  const int64_t end = NowNs() + timeout_ns;
  waiting_ = true;
  while (count_ == seen) {
    const int64_t left = end - NowNs();
    if (left <= 0) break;
    const timespec timeout{static_cast<time_t>(left / 1000000000),
                           static_cast<long>(left % 1000000000)};
    syscall(SYS_futex, &count_, FUTEX_WAIT_PRIVATE, seen, &timeout, nullptr, 0);
  }
  waiting_ = false;
  return count_;
}

}  // namespace flexpie
