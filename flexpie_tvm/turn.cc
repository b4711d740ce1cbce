// SPDX-License-Identifier: Apache-2.0
#include "turn.h"

namespace flexpie {

void Turn::Take(uint32_t frame) {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto place = waiting_.insert(frame);
  changed_.Wait(&lock, [&] { return !taken_ && *waiting_.begin() == frame; });
  waiting_.erase(place);
  taken_ = true;
}

void Turn::GiveUp() {
  std::lock_guard<std::mutex> lock(mutex_);
  taken_ = false;
  if (!waiting_.empty()) changed_.NotifyAll();
}

size_t Turn::waiting() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return waiting_.size();
}

}  // namespace flexpie
