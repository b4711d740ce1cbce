// SPDX-License-Identifier: Apache-2.0
/*!
 * \file crc32c.h
 * \brief CRC-32C (Castagnoli, RFC 3720): finds every damage of up to 32 bits in a row.
 *
 * TCP's own 16-bit sum lets one damaged segment of 65536 through, and says nothing of damage in a
 * network card's or a board's memory.
 *
 * The processor's own instruction takes 8 bytes and gives its result three cycles later. So long
 * data are three blocks side by side, whose sums are put together afterwards: the sum is linear,
 * and a block's length of zeros after it is a table of 4 x 256 entries.
 */
#ifndef FLEXPIE_TVM_CRC32C_H_
#define FLEXPIE_TVM_CRC32C_H_

#include <cstddef>
#include <cstdint>

namespace flexpie {

/*!
 * \brief The checksum of what came before (0 at the beginning) continued by these bytes.
 *
 * By the processor's instruction (SSE4.2, ARMv8 CRC) where this machine has one.
 */
uint32_t Crc32c(uint32_t before, const void* data, size_t bytes);

/*! \brief The same by tables, eight bytes at a time: for processors without the instruction. */
uint32_t Crc32cByTables(uint32_t before, const void* data, size_t bytes);

/*! \brief Whether Crc32c uses the processor's instruction. */
bool HasCrc32cInstruction();

}  // namespace flexpie

#endif  // FLEXPIE_TVM_CRC32C_H_
