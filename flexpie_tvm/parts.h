// SPDX-License-Identifier: Apache-2.0
/*!
 * \file parts.h
 * \brief Memory of several tensors, one piece each.
 */
#ifndef FLEXPIE_TVM_PARTS_H_
#define FLEXPIE_TVM_PARTS_H_

#include <sys/uio.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "crc32c.h"

namespace flexpie {

inline uint64_t BytesOf(const std::vector<iovec>& parts, size_t first = 0) {
  uint64_t bytes = 0;
  for (size_t i = first; i < parts.size(); ++i) bytes += parts[i].iov_len;
  return bytes;
}

/*! \brief The checksum of what came before, continued by all parts. */
inline uint32_t ChecksumOf(uint32_t before, const std::vector<iovec>& parts) {
  for (const iovec& part : parts) before = Crc32c(before, part.iov_base, part.iov_len);
  return before;
}

/*! \brief Copies each part to its place, which is as large. */
inline void Copy(const std::vector<iovec>& from, const std::vector<iovec>& to) {
  for (size_t i = 0; i < from.size(); ++i) {
    std::memcpy(to[i].iov_base, from[i].iov_base, from[i].iov_len);
  }
}

}  // namespace flexpie

#endif  // FLEXPIE_TVM_PARTS_H_
