// SPDX-License-Identifier: Apache-2.0
// flexpie.crc32c, for tests of the checksum on the processor that boards use; flexpie_crc32c.
#include <tvm/runtime/ndarray.h>
#include <tvm/runtime/registry.h>

#include "crc32c.h"

namespace flexpie {

namespace {

using ::tvm::runtime::NDArray;
using ::tvm::runtime::Registry;
using ::tvm::runtime::String;

/*! \brief data: contiguous uint8 of this machine; by: "processor" or "tables". */
int64_t Checksum(NDArray data, int64_t before, String by) {
  const size_t bytes = ::tvm::runtime::GetDataSize(*data.operator->());
  const auto sum = by == "tables" ? Crc32cByTables : Crc32c;
  return sum(static_cast<uint32_t>(before), data->data, bytes);
}

/*! \brief As in board_module.cc: of several copies of this library the first one registers. */
bool RegisterOnce() {
  if (Registry::Get("flexpie.crc32c")) return false;
  Registry::Register("flexpie.crc32c").set_body_typed(Checksum);
  Registry::Register("flexpie.has_crc32c").set_body_typed(HasCrc32cInstruction);
  return true;
}

[[maybe_unused]] const bool registered = RegisterOnce();

}  // namespace

/*! \brief Crc32c for the host's end of its links, which is Python: no copy, no interpreter lock. */
extern "C" __attribute__((visibility("default"))) uint32_t flexpie_crc32c(uint32_t before,
                                                                          const void* data,
                                                                          size_t bytes) {
  return Crc32c(before, data, bytes);
}

}  // namespace flexpie
