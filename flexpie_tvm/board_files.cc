// SPDX-License-Identifier: Apache-2.0
/*!
 * \file board_files.cc
 * \brief Files that the host puts on a board.
 *
 *  flexpie.write_file(path, x)  writes the bytes of a tensor
 *
 * TVM's RPC handles a file byte by byte, which for a network's weights takes seconds. So the host
 * sends it into a tensor, over its own link, and has that written.
 */
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "error.h"
#include "register.h"
#include "tensor_check.h"

namespace flexpie {

namespace {

void WriteFile(tvm::runtime::String path, DLTensor* tensor) {
  if (tensor->device.device_type != kDLCPU || !IsCompact(*tensor)) {
    Throw(ErrorKind::kTable, {}, "a file's bytes are a compact tensor of the CPU");
  }
  const iovec bytes = MemoryOf(*tensor);
  std::FILE* file = std::fopen(path.c_str(), "wb");
  bool written = file && std::fwrite(bytes.iov_base, 1, bytes.iov_len, file) == bytes.iov_len;
  int why = errno;
  if (file && std::fclose(file) != 0) {
    why = written ? errno : why;
    written = false;
  }
  if (!written) {
    Throw(ErrorKind::kIo, {}, "cannot write " + std::string(path) + ": " + std::strerror(why));
  }
}

const Registration kRegistration{Typed("flexpie.write_file", WriteFile)};

}  // namespace

}  // namespace flexpie
