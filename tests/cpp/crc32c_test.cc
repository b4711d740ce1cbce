// SPDX-License-Identifier: Apache-2.0
// The checksum against the standard's examples and against one that goes bit by bit.
#include "crc32c.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "random.h"

namespace flexpie {

namespace {

/*! \brief RFC 3720: the remainder of a division of polynomials, one bit after the other. */
uint32_t BitByBit(const std::vector<char>& data) {
  uint32_t sum = 0xFFFFFFFF;
  for (const char byte : data) {
    for (int bit = 0; bit < 8; ++bit) {
      const uint32_t out = (sum ^ (static_cast<unsigned char>(byte) >> bit)) & 1;
      sum = (sum >> 1) ^ (out ? 0x82F63B78 : 0);
    }
  }
  return ~sum;
}

uint32_t (*const kBoth[])(uint32_t, const void*, size_t) = {Crc32c, Crc32cByTables};

TEST(Crc32c, IsTheStandards) {
  std::vector<char> up(32), down(32);
  for (char i = 0; i < 32; ++i) up[i] = down[31 - i] = i;
  const std::pair<std::vector<char>, uint32_t> known[] = {
      {{}, 0},
      {std::vector<char>(32, 0), 0x8A9136AA},
      {std::vector<char>(32, '\xFF'), 0x62A8AB43},
      {up, 0x46DD794E},
      {down, 0x113FDB5C},
      {{'1', '2', '3', '4', '5', '6', '7', '8', '9'}, 0xE3069283},
  };
  for (const auto& [data, sum] : known) {
    for (const auto checksum : kBoth) EXPECT_EQ(checksum(0, data.data(), data.size()), sum);
    EXPECT_EQ(BitByBit(data), sum);
  }
}

TEST(Crc32c, IsThatOfBruteForceAtEveryLengthAndPlace) {
  // Around the lengths at which it changes its way: 8 bytes, three blocks of 256, three of 4096.
  const int64_t lengths[] = {1,   7,    8,    9,     255,   767,   768,
                             769, 1536, 3071, 12287, 12288, 12289, 40000};
  for (const uint64_t seed : Seeds(40)) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const int64_t chosen = lengths[Between(&random, 0, std::size(lengths) - 1)];
    const std::vector<char> data = RandomBytes(&random, chosen + Between(&random, 0, 16));
    const int64_t skip = Between(&random, 0, std::min<int64_t>(15, data.size()));
    const std::vector<char> rest(data.begin() + skip, data.end());
    for (const auto checksum : kBoth) {
      EXPECT_EQ(checksum(0, data.data() + skip, rest.size()), BitByBit(rest));
    }
  }
}

TEST(Crc32c, GoesOnFromPartToPart) {
  for (const uint64_t seed : Seeds(40)) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::vector<char> data = RandomBytes(&random, Between(&random, 0, 30000));
    for (const auto checksum : kBoth) {
      uint32_t sum = 0;
      for (size_t done = 0; done < data.size();) {
        const size_t part = Between(&random, 0, static_cast<int64_t>(data.size() - done));
        sum = checksum(sum, data.data() + done, part);
        done += part;
      }
      EXPECT_EQ(sum, BitByBit(data));
    }
  }
}

TEST(Crc32c, FindsEveryBurstOfUpToThirtyTwoBits) {
  Random random(Seeds(1)[0]);
  const std::vector<char> data = RandomBytes(&random, 600);
  const uint32_t sum = Crc32c(0, data.data(), data.size());
  for (const uint64_t seed : Seeds(2000)) {
    SCOPED_TRACE(seed);
    Random burst(seed);
    std::vector<char> damaged = data;
    const int64_t first = Between(&burst, 0, 8 * 600 - 32);
    const uint32_t bits = static_cast<uint32_t>(burst()) | 1;
    for (int64_t i = 0; i < 32; ++i) {
      if (bits >> i & 1) damaged[(first + i) / 8] ^= static_cast<char>(1 << (first + i) % 8);
    }
    EXPECT_NE(Crc32c(0, damaged.data(), damaged.size()), sum);
  }
}

}  // namespace

}  // namespace flexpie
