// SPDX-License-Identifier: Apache-2.0
/*!
 * \file secure_host.cc
 * \brief The host's end of an encrypted link, as plain C functions for Python's ctypes; and what a
 * board tells of its key.
 *
 *  flexpie.key_id(rank) -> str   "" if the board has no key; throws if it has one but cannot use it
 *
 * Nothing here waits: moving returns bytes, or one of the codes below, and who calls waits for the
 * socket.
 */
#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "key_file.h"
#include "link.h"
#include "register.h"

namespace flexpie {

namespace {

constexpr int64_t kWouldRead = -1;
constexpr int64_t kWouldWrite = -2;
constexpr int64_t kClosed = -3;
constexpr int64_t kTampered = -4;
constexpr int64_t kFailed = -5;

int64_t CodeOf(const IoResult& result, bool writes) {
  switch (result.status) {
    case IoResult::Status::kMoved:
      return static_cast<int64_t>(result.bytes);
    case IoResult::Status::kWouldBlock:
      return writes ? kWouldWrite : kWouldRead;
    case IoResult::Status::kClosed:
      return kClosed;
    case IoResult::Status::kTampered:
      return kTampered;
    default:
      return kFailed;
  }
}

std::string KeyId(int rank) {
  const std::shared_ptr<const Tls> tls = TlsOfBoard(rank);
  return tls ? tls->KeyId() : "";
}

const Registration kRegistration{Typed("flexpie.key_id", KeyId)};

}  // namespace

}  // namespace flexpie

#define FLEXPIE_C extern "C" __attribute__((visibility("default")))

/*! \brief Whether this library can encrypt. */
FLEXPIE_C int flexpie_has_tls() { return flexpie::HasTls() ? 1 : 0; }

/*! \brief Takes over a connected socket; key has 32 bytes. */
FLEXPIE_C void* flexpie_secure_dial(int fd, const unsigned char* key) {
  flexpie::Key bytes;
  std::memcpy(bytes.data(), key, bytes.size());
  return new flexpie::Link(flexpie::Fd(fd), flexpie::MakeTls(bytes), flexpie::Tls::End::kDials);
}

/*! \brief Goes on with the handshake; 0 once it is over. */
FLEXPIE_C int64_t flexpie_secure_shake(const void* link) {
  const auto* secure = static_cast<const flexpie::Link*>(link);
  return flexpie::CodeOf(secure->Shake(), secure->awaits() == POLLOUT);
}

/*! \brief Writes why the handshake came to nothing. */
FLEXPIE_C void flexpie_secure_trouble(const void* link, char* text, size_t size) {
  const std::string trouble = static_cast<const flexpie::Link*>(link)->trouble();
  text[trouble.copy(text, size - 1)] = 0;
}

FLEXPIE_C int64_t flexpie_secure_send(const void* link, const iovec* parts, int count) {
  return flexpie::CodeOf(static_cast<const flexpie::Link*>(link)->Send(parts, count), true);
}

FLEXPIE_C int64_t flexpie_secure_recv(const void* link, const iovec* parts, int count) {
  return flexpie::CodeOf(static_cast<const flexpie::Link*>(link)->Recv(parts, count), false);
}

/*! \brief Closes the socket; nobody may use the link any more. */
FLEXPIE_C void flexpie_secure_free(void* link) { delete static_cast<flexpie::Link*>(link); }
