// SPDX-License-Identifier: Apache-2.0
#include "crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#define FLEXPIE_CRC_TARGET __attribute__((target("sse4.2")))
#elif defined(__aarch64__)
#include <sys/auxv.h>
#define FLEXPIE_CRC_TARGET __attribute__((target("+crc")))
#endif

namespace flexpie {

namespace {

/*! \brief x^32 + ... of RFC 3720, its bits reversed as the bytes' are. */
constexpr uint32_t kPolynomial = 0x82F63B78;

/*! \brief table[k][b]: the sum of byte b followed by k zero bytes. */
using Tables = std::array<std::array<uint32_t, 256>, 8>;

Tables MakeTables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t sum = byte;
    for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ ((sum & 1) ? kPolynomial : 0);
    tables[0][byte] = sum;
  }
  for (size_t k = 1; k < tables.size(); ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t sum = tables[k - 1][byte];
      tables[k][byte] = (sum >> 8) ^ tables[0][sum & 255];
    }
  }
  return tables;
}

/*! \brief Continues a sum that is not inverted at its ends, so that it is linear. */
uint32_t TableSum(uint32_t sum, const unsigned char* data, size_t bytes) {
  static const Tables tables = MakeTables();
  for (; bytes >= 8; bytes -= 8, data += 8) {
    uint64_t word;
    std::memcpy(&word, data, 8);
    word ^= sum;
    sum = 0;
    for (int i = 0; i < 8; ++i) sum ^= tables[7 - i][(word >> (8 * i)) & 255];
  }
  for (; bytes > 0; --bytes) sum = (sum >> 8) ^ tables[0][(sum ^ *data++) & 255];
  return sum;
}

#ifdef FLEXPIE_CRC_TARGET

/*! \brief What a number of zero bytes makes of a sum. */
class Zeros {
 public:
  explicit Zeros(size_t count) {
    const std::array<unsigned char, 256> zeros{};
    std::array<uint32_t, 32> of_bit;
    for (int bit = 0; bit < 32; ++bit) {
      uint32_t sum = uint32_t{1} << bit;
      for (size_t done = 0; done < count; done += zeros.size()) {
        sum = TableSum(sum, zeros.data(), zeros.size());
      }
      of_bit[bit] = sum;
    }
    for (int byte = 0; byte < 4; ++byte) {
      for (int value = 0; value < 256; ++value) {
        uint32_t sum = 0;
        for (int bit = 0; bit < 8; ++bit) sum ^= (value >> bit & 1) ? of_bit[8 * byte + bit] : 0;
        table_[byte][value] = sum;
      }
    }
  }

  uint32_t After(uint32_t sum) const {
    return table_[0][sum & 255] ^ table_[1][sum >> 8 & 255] ^ table_[2][sum >> 16 & 255] ^
           table_[3][sum >> 24];
  }

 private:
  std::array<std::array<uint32_t, 256>, 4> table_;
};

// Lengths of a block, multiples of what Zeros steps by.
constexpr size_t kLong = 4096;
constexpr size_t kShort = 256;

#if defined(__x86_64__)
FLEXPIE_CRC_TARGET inline uint64_t Add(uint64_t sum, const unsigned char* data) {
  uint64_t word;
  std::memcpy(&word, data, 8);
  return _mm_crc32_u64(sum, word);
}
FLEXPIE_CRC_TARGET inline uint64_t AddByte(uint64_t sum, unsigned char byte) {
  return _mm_crc32_u8(static_cast<uint32_t>(sum), byte);
}
#else
FLEXPIE_CRC_TARGET inline uint64_t Add(uint64_t sum, const unsigned char* data) {
  uint64_t word;
  std::memcpy(&word, data, 8);
  return __builtin_aarch64_crc32cx(static_cast<uint32_t>(sum), word);
}
FLEXPIE_CRC_TARGET inline uint64_t AddByte(uint64_t sum, unsigned char byte) {
  return __builtin_aarch64_crc32cb(static_cast<uint32_t>(sum), byte);
}
#endif

template <size_t kBlock>
FLEXPIE_CRC_TARGET uint64_t AddBlocks(uint64_t sum, const unsigned char** data, size_t* bytes) {
  static const Zeros zeros(kBlock);
  for (; *bytes >= 3 * kBlock; *bytes -= 3 * kBlock, *data += 3 * kBlock) {
    const unsigned char* at = *data;
    uint64_t second = 0, third = 0;
    for (const unsigned char* end = at + kBlock; at < end; at += 8) {
      sum = Add(sum, at);
      second = Add(second, at + kBlock);
      third = Add(third, at + 2 * kBlock);
    }
    sum = zeros.After(static_cast<uint32_t>(sum)) ^ second;
    sum = zeros.After(static_cast<uint32_t>(sum)) ^ third;
  }
  return sum;
}

FLEXPIE_CRC_TARGET uint32_t InstructionSum(uint32_t before, const unsigned char* data,
                                           size_t bytes) {
  uint64_t sum = before;
  sum = AddBlocks<kLong>(sum, &data, &bytes);
  sum = AddBlocks<kShort>(sum, &data, &bytes);
  for (; bytes >= 8; bytes -= 8, data += 8) sum = Add(sum, data);
  for (; bytes > 0; --bytes) sum = AddByte(sum, *data++);
  return static_cast<uint32_t>(sum);
}

#endif  // FLEXPIE_CRC_TARGET

}  // namespace

bool HasCrc32cInstruction() {
#if defined(__x86_64__)
  static const bool has = __builtin_cpu_supports("sse4.2");
#elif defined(__aarch64__)
  static const bool has = (getauxval(AT_HWCAP) & (1 << 7)) != 0;  // HWCAP_CRC32
#else
  static const bool has = false;
#endif
  return has;
}

uint32_t Crc32cByTables(uint32_t before, const void* data, size_t bytes) {
  return ~TableSum(~before, static_cast<const unsigned char*>(data), bytes);
}

uint32_t Crc32c(uint32_t before, const void* data, size_t bytes) {
#ifdef FLEXPIE_CRC_TARGET
  if (HasCrc32cInstruction()) {
    return ~InstructionSum(~before, static_cast<const unsigned char*>(data), bytes);
  }
#endif
  return Crc32cByTables(before, data, bytes);
}

}  // namespace flexpie
