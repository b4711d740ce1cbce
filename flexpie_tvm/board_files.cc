// SPDX-License-Identifier: Apache-2.0
/*!
 * \file board_files.cc
 * \brief Files that the host puts on a board.
 *
 *  flexpie.write_piece(path, offset, x, bytes)  writes that many bytes of a tensor at a place
 *  flexpie.file_crc32c(path)                    checksum of a file, as it can be read back now
 *
 * TVM's RPC handles a file byte by byte, which for a network's weights takes seconds. So the host
 * sends it into a tensor, piece by piece over its own link, and has each written.
 */
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "crc32c.h"
#include "error.h"
#include "register.h"
#include "tensor_check.h"

namespace flexpie {

namespace {

void WritePiece(tvm::runtime::String path, int64_t offset, DLTensor* tensor, int64_t bytes) {
  if (tensor->device.device_type != kDLCPU || !IsCompact(*tensor)) {
    Throw(ErrorKind::kTable, {}, "a file's bytes are a compact tensor of the CPU");
  }
  const iovec held = MemoryOf(*tensor);
  if (offset < 0 || bytes < 0 || static_cast<size_t>(bytes) > held.iov_len) {
    Throw(ErrorKind::kTable, {}, "a piece of a file is not what its tensor holds");
  }
  const size_t wanted = static_cast<size_t>(bytes);
  std::FILE* file = std::fopen(path.c_str(), offset == 0 ? "wb" : "r+b");
  bool written = file && ::fseeko(file, offset, SEEK_SET) == 0 &&
                 std::fwrite(held.iov_base, 1, wanted, file) == wanted;
  int why = errno;
  if (file && std::fclose(file) != 0) {
    why = written ? errno : why;
    written = false;
  }
  if (!written) {
    Throw(ErrorKind::kIo, {}, "cannot write " + std::string(path) + ": " + std::strerror(why));
  }
}

int64_t FileChecksum(tvm::runtime::String path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  std::vector<char> piece(size_t{1} << 20);
  uint32_t sum = 0;
  bool read = file != nullptr;
  for (size_t got = piece.size(); read && got == piece.size();) {
    got = std::fread(piece.data(), 1, piece.size(), file);
    sum = Crc32c(sum, piece.data(), got);
    read = std::ferror(file) == 0;
  }
  const int why = errno;
  if (file) {
    std::fclose(file);
  }
  if (!read) {
    Throw(ErrorKind::kIo, {}, "cannot read " + std::string(path) + ": " + std::strerror(why));
  }
  return sum;
}

const Registration kRegistration{Typed("flexpie.write_piece", WritePiece),
                                 Typed("flexpie.file_crc32c", FileChecksum)};

}  // namespace

}  // namespace flexpie
