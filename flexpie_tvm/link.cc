// SPDX-License-Identifier: Apache-2.0
#include "link.h"

#include <algorithm>

namespace flexpie {

namespace {

/*! \brief Waking up for each packet costs a slow board more than its bytes do. */
constexpr int64_t kWakeBytes = 32 << 10;

}  // namespace

Link::Link(Fd fd, const std::shared_ptr<const Tls>& tls, Tls::End end) : fd_(std::move(fd)) {
  if (tls && fd_.open()) tls_ = tls->Begin(fd_.get(), end);
}

void Link::Close() {
  tls_.reset();
  fd_.Close();
}

IoResult Link::Shake() const {
  if (tls_) return tls_->Shake();
  return {IoResult::Status::kMoved, 0, 0};
}

IoResult Link::Send(const iovec* parts, int count) const {
  return tls_ ? tls_->Send(parts, count) : flexpie::Send(fd_.get(), parts, count);
}

IoResult Link::Recv(const iovec* parts, int count) const {
  return tls_ ? tls_->Recv(parts, count) : flexpie::Recv(fd_.get(), parts, count);
}

void Link::WakeAt(int64_t awaited) const {
  if (!tls_) flexpie::WakeAt(fd_.get(), static_cast<int>(std::min(awaited, kWakeBytes)));
}

IoResult Link::RecvStamped(const iovec& part, int64_t* arrived_ns) const {
  if (!tls_) return flexpie::RecvStamped(fd_.get(), part, arrived_ns);
  const IoResult result = tls_->Recv(&part, 1);
  *arrived_ns = tls_->arrived_ns();
  return result;
}

}  // namespace flexpie
