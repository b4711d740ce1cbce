// SPDX-License-Identifier: Apache-2.0
/*!
 * \file wire.h
 * \brief The three fixed-size things that boards say to each other besides tensor bytes.
 *
 *  token    128 bits made by the host, the same on all boards of a deployment
 *  hello    32 bytes, said once by each side of a new connection, the dialling side first:
 *           magic, version, sender's rank, receiver's rank (u32 each), token (16 bytes)
 *  header   16 bytes before every message, on every link that it crosses: magic (2 bytes), rank
 * that it is from, rank that it is for (u8 each), exchange, frame, payload length (u32 each)
 *  trailer  4 bytes after every message: the checksum of its payload (crc32c.h), made by the board
 *           that it is from and checked by the one that it is for
 *
 * All numbers are little-endian; tensor bytes travel as they are, so boards are little-endian too.
 */
#ifndef FLEXPIE_TVM_WIRE_H_
#define FLEXPIE_TVM_WIRE_H_

#include <array>
#include <cstdint>
#include <string>

namespace flexpie {

/*! \brief Raised with every change of hello, header, table, packed functions or the host's link. */
constexpr uint32_t kProtocolVersion = 6;

/*! \brief Ranks have a byte in a header. */
constexpr int kMaxBoards = 256;

using Token = std::array<unsigned char, 16>;

/*! \brief Reads two hex digits for each byte; false when the text is anything else. */
bool ParseHex(const std::string& hex, unsigned char* bytes, size_t count);

/*! \brief Reads 32 hex digits; false when the text is anything else. */
bool ParseToken(const std::string& hex, Token* token);

/*! \brief Whether 16 bytes are a token; the time taken says nothing about it. */
bool IsToken(const unsigned char* bytes, const Token& token);

struct Hello {
  uint32_t version = kProtocolVersion;
  uint32_t from = 0;
  uint32_t to = 0;
  Token token{};
};

constexpr size_t kHelloBytes = 32;
using HelloBytes = std::array<unsigned char, kHelloBytes>;

HelloBytes Encode(const Hello& hello);

/*!
 * \brief Whether the bytes are the hello that is expected, in every field.
 * \return "" or what differs; never says what the token is.
 */
std::string Differs(const HelloBytes& bytes, const Hello& expected);

/*! \brief The sender's rank as claimed. */
uint32_t ClaimedRank(const HelloBytes& bytes);

struct Header {
  int source = 0;
  int target = 0;
  uint32_t exchange = 0;
  uint32_t frame = 0;
  uint32_t length = 0;
};

constexpr size_t kHeaderBytes = 16;
using HeaderBytes = std::array<unsigned char, kHeaderBytes>;

HeaderBytes Encode(const Header& header);

constexpr size_t kTrailerBytes = 4;
using TrailerBytes = std::array<unsigned char, kTrailerBytes>;

TrailerBytes EncodeTrailer(uint32_t checksum);

/*! \brief "exchange 3, frame 7, 128 bytes from board 0 to board 2", or that it is no header. */
std::string ToString(const HeaderBytes& bytes);

}  // namespace flexpie

#endif  // FLEXPIE_TVM_WIRE_H_
