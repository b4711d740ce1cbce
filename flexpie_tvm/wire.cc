// SPDX-License-Identifier: Apache-2.0
#include "wire.h"

#include <algorithm>

namespace flexpie {

namespace {

constexpr uint32_t kHelloMagic = 0x48505846;  // "FXPH"
constexpr unsigned char kHeaderMagic[2] = {'F', 'X'};

void Put(uint32_t value, unsigned char* at) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<unsigned char>(value >> (8 * i));
}

uint32_t Get(const unsigned char* at) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value |= static_cast<uint32_t>(at[i]) << (8 * i);
  return value;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

bool ParseHex(const std::string& hex, unsigned char* bytes, size_t count) {
  if (hex.size() != 2 * count) return false;
  for (size_t i = 0; i < count; ++i) {
    const int high = HexDigit(hex[2 * i]);
    const int low = HexDigit(hex[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    bytes[i] = static_cast<unsigned char>(16 * high + low);
  }
  return true;
}

bool ParseToken(const std::string& hex, Token* token) {
  return ParseHex(hex, token->data(), token->size());
}

bool IsToken(const unsigned char* bytes, const Token& token) {
  unsigned char difference = 0;  // of all bytes, whichever differs
  for (size_t i = 0; i < token.size(); ++i) difference |= bytes[i] ^ token[i];
  return difference == 0;
}

HelloBytes Encode(const Hello& hello) {
  HelloBytes bytes;
  Put(kHelloMagic, &bytes[0]);
  Put(hello.version, &bytes[4]);
  Put(hello.from, &bytes[8]);
  Put(hello.to, &bytes[12]);
  std::copy(hello.token.begin(), hello.token.end(), &bytes[16]);
  return bytes;
}

std::string Differs(const HelloBytes& bytes, const Hello& expected) {
  if (Get(&bytes[0]) != kHelloMagic) return "it does not speak this protocol";
  if (Get(&bytes[4]) != expected.version) {
    return "it speaks version " + std::to_string(Get(&bytes[4])) + " of the protocol, this board " +
           std::to_string(expected.version);
  }
  if (!IsToken(&bytes[16], expected.token)) return "its session token is another one";
  if (Get(&bytes[8]) != expected.from) return "it is board " + std::to_string(Get(&bytes[8]));
  if (Get(&bytes[12]) != expected.to) {
    return "it wants to talk to board " + std::to_string(Get(&bytes[12]));
  }
  return "";
}

uint32_t ClaimedRank(const HelloBytes& bytes) { return Get(&bytes[8]); }

HeaderBytes Encode(const Header& header) {
  HeaderBytes bytes;
  bytes[0] = kHeaderMagic[0];
  bytes[1] = kHeaderMagic[1];
  bytes[2] = static_cast<unsigned char>(header.source);
  bytes[3] = static_cast<unsigned char>(header.target);
  Put(header.exchange, &bytes[4]);
  Put(header.frame, &bytes[8]);
  Put(header.length, &bytes[12]);
  return bytes;
}

TrailerBytes EncodeTrailer(uint32_t checksum) {
  TrailerBytes bytes;
  Put(checksum, bytes.data());
  return bytes;
}

std::string ToString(const HeaderBytes& bytes) {
  if (bytes[0] != kHeaderMagic[0] || bytes[1] != kHeaderMagic[1]) return "bytes that are no header";
  return "exchange " + std::to_string(Get(&bytes[4])) + ", frame " +
         std::to_string(Get(&bytes[8])) + ", " + std::to_string(Get(&bytes[12])) +
         " bytes from board " + std::to_string(bytes[2]) + " to board " + std::to_string(bytes[3]);
}

}  // namespace flexpie
