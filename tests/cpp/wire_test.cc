// SPDX-License-Identifier: Apache-2.0
// Hellos, headers and trailers byte by byte, and everything that is none.
#include "wire.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "random.h"

namespace flexpie {

namespace {

constexpr char kHex[] = "000102030405060708090a0b0c0d0eFF";

Hello Known() {
  Hello hello;
  hello.from = 3;
  hello.to = 1;
  EXPECT_TRUE(ParseToken(kHex, &hello.token));
  return hello;
}

TEST(Token, IsThirtyTwoHexDigits) {
  Token token{};
  ASSERT_TRUE(ParseToken(kHex, &token));
  EXPECT_EQ(token[1], 1);
  EXPECT_EQ(token[15], 255);
  const std::string hex = kHex;
  for (const std::string& bad :
       {std::string(), hex.substr(1), hex + "0", "g" + hex.substr(1), hex.substr(1) + " ",
        "0x" + hex.substr(2), hex.substr(1) + std::string(1, '\0')}) {
    EXPECT_FALSE(ParseToken(bad, &token)) << bad;
  }
}

TEST(Token, DiffersInAnyBit) {
  Token token{};
  ASSERT_TRUE(ParseToken(kHex, &token));
  for (size_t bit = 0; bit < 128; ++bit) {
    Token other = token;
    other[bit / 8] ^= static_cast<unsigned char>(1 << bit % 8);
    EXPECT_FALSE(IsToken(other.data(), token));
  }
  EXPECT_TRUE(IsToken(token.data(), token));
}

TEST(Hello, HasItsBytesInOrder) {
  const HelloBytes bytes = Encode(Known());
  HelloBytes expected{};
  std::copy_n("FXPH", 4, expected.begin());
  for (int i = 0; i < 4; ++i) {
    expected[4 + i] = static_cast<unsigned char>(kProtocolVersion >> (8 * i));
  }
  expected[8] = 3;
  expected[12] = 1;
  for (unsigned char i = 0; i < 15; ++i) expected[16 + i] = i;
  expected[31] = 255;
  EXPECT_EQ(bytes, expected);
  EXPECT_EQ(ClaimedRank(bytes), 3u);
  EXPECT_EQ(Differs(bytes, Known()), "");
}

TEST(Hello, WithAnyWrongBitIsNotTheExpectedOne) {
  const HelloBytes right = Encode(Known());
  for (size_t bit = 0; bit < 8 * kHelloBytes; ++bit) {
    HelloBytes bytes = right;
    bytes[bit / 8] ^= static_cast<unsigned char>(1 << bit % 8);
    EXPECT_NE(Differs(bytes, Known()), "") << "bit " << bit;
  }
}

TEST(Hello, OfAnotherVersionNamesBoth) {
  for (const uint32_t version : {0u, kProtocolVersion - 1, kProtocolVersion + 1, 0xFFFFFFFFu}) {
    Hello other = Known();
    other.version = version;
    EXPECT_EQ(Differs(Encode(other), Known()), "it speaks version " + std::to_string(version) +
                                                   " of the protocol, this board " +
                                                   std::to_string(kProtocolVersion));
  }
}

TEST(Hello, SaysWhatDiffersButNeverTheToken) {
  Hello other = Known();
  other.from = 7;
  EXPECT_EQ(Differs(Encode(other), Known()), "it is board 7");
  other = Known();
  other.to = 9;
  EXPECT_EQ(Differs(Encode(other), Known()), "it wants to talk to board 9");
  other.token[0] = 0xAB;
  EXPECT_EQ(Differs(Encode(other), Known()), "its session token is another one");
  HelloBytes noise{};
  EXPECT_EQ(Differs(noise, Known()), "it does not speak this protocol");
}

TEST(Header, HasItsBytesInOrder) {
  const HeaderBytes bytes = Encode(Header{2, 255, 0x01020304, 0xA0B0C0D0, 0xFFFFFFFF});
  const HeaderBytes expected{'F',  'X',  2,    255,  4,    3,    2,    1,
                             0xD0, 0xC0, 0xB0, 0xA0, 0xFF, 0xFF, 0xFF, 0xFF};
  EXPECT_EQ(bytes, expected);
  EXPECT_EQ(ToString(bytes),
            "exchange 16909060, frame 2695938256, 4294967295 bytes from board 2 to board 255");
}

TEST(Header, OfDifferentMessagesDiffers) {
  for (const uint64_t seed : Seeds(100)) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Header header{static_cast<int>(Between(&random, 0, 255)),
                  static_cast<int>(Between(&random, 0, 255)), static_cast<uint32_t>(random()),
                  static_cast<uint32_t>(random()), static_cast<uint32_t>(random())};
    const HeaderBytes bytes = Encode(header);
    EXPECT_EQ(Encode(header), bytes);
    switch (Between(&random, 0, 4)) {
      case 0:
        header.source ^= 1;
        break;
      case 1:
        header.target ^= 128;
        break;
      case 2:
        header.exchange ^= uint32_t{1} << Between(&random, 0, 31);
        break;
      case 3:
        header.frame ^= uint32_t{1} << Between(&random, 0, 31);
        break;
      default:
        header.length ^= uint32_t{1} << Between(&random, 0, 31);
    }
    EXPECT_NE(Encode(header), bytes);
  }
}

TEST(Header, IsNotWhatBeginsOtherwise) {
  HeaderBytes bytes = Encode(Header{});
  bytes[1] = 'Y';
  EXPECT_EQ(ToString(bytes), "bytes that are no header");
}

TEST(Trailer, IsLittleEndian) { EXPECT_EQ(EncodeTrailer(0x04030201), (TrailerBytes{1, 2, 3, 4})); }

}  // namespace

}  // namespace flexpie
