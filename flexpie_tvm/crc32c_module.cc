// SPDX-License-Identifier: Apache-2.0
// flexpie.crc32c, for tests of the checksum on the processor that boards use; flexpie_crc32c.
#include <tvm/runtime/ndarray.h>

#include "crc32c.h"
#include "register.h"

namespace flexpie {

namespace {

using ::tvm::runtime::NDArray;
using ::tvm::runtime::String;

/*! \brief data: contiguous uint8 of this machine; by: "processor" or "tables". */
int64_t Checksum(NDArray data, int64_t before, String by) {
  const size_t bytes = ::tvm::runtime::GetDataSize(*data.operator->());
  const auto sum = by == "tables" ? Crc32cByTables : Crc32c;
  return sum(static_cast<uint32_t>(before), data->data, bytes);
}

const Registration kRegistration{Typed("flexpie.crc32c", Checksum),
                                 Typed("flexpie.has_crc32c", HasCrc32cInstruction)};

}  // namespace

/*! \brief Crc32c for the host's end of its links, which is Python: no copy, no interpreter lock. */
extern "C" __attribute__((visibility("default"))) uint32_t flexpie_crc32c(uint32_t before,
                                                                          const void* data,
                                                                          size_t bytes) {
  return Crc32c(before, data, bytes);
}

}  // namespace flexpie
