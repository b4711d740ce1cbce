// SPDX-License-Identifier: Apache-2.0
/*!
 * \file tls.h
 * \brief Authenticated encryption of one connection by a key that both ends know (TLS-PSK).
 *
 *  key      32 random bytes, on each machine in a file of its own; it never crosses a network
 *  key id   a few digits that tell keys apart and nothing more, so that ends can compare them
 *  session  the state of one connection; it owns no socket
 *  record   at most 16 KiB that are encrypted together. What is changed, repeated, left out or put
 *           elsewhere makes a record that is refused, and ends the session.
 *
 * TLS 1.2 with ECDHE-PSK and ChaCha20-Poly1305 by Mbed TLS (tls_mbedtls.cc): who finds the key
 * later still cannot read what was recorded before. Without that library (tls_none.cc) there is no
 * encryption, and who asks for it is told so.
 */
#ifndef FLEXPIE_TVM_TLS_H_
#define FLEXPIE_TVM_TLS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "transport.h"

namespace flexpie {

constexpr size_t kKeyBytes = 32;
using Key = std::array<unsigned char, kKeyBytes>;

/*! \brief All calls are safe from several threads, and none waits. */
class TlsSession {
 public:
  virtual ~TlsSession() = default;

  /*!
   * \brief Goes on with the handshake: kMoved once it is over, kWouldBlock if awaits() must come
   * first; otherwise trouble() says why it came to nothing.
   */
  virtual IoResult Shake() = 0;
  /*! \brief POLLIN or POLLOUT: what the handshake waits for. */
  virtual short awaits() const = 0;
  virtual std::string trouble() const = 0;

  /*!
   * \brief After kWouldBlock the next Send must begin with the same bytes: a part of them may be on
   * its way already.
   */
  virtual IoResult Send(const iovec* parts, int count) = 0;
  virtual IoResult Recv(const iovec* parts, int count) = 0;
  /*! \brief Whether there is more to Recv of a record that was read already: poll cannot know. */
  virtual bool held() const = 0;
  /*! \brief When the last of what Recv gave had arrived; see RecvStamped. */
  virtual int64_t arrived_ns() const = 0;
};

/*! \brief Begins sessions of one key. */
class Tls {
 public:
  enum class End { kDials, kAnswers };

  virtual ~Tls() = default;
  virtual std::unique_ptr<TlsSession> Begin(int fd, End end) const = 0;
  virtual std::string KeyId() const = 0;
};

/*! \brief Whether this library was built with encryption. */
bool HasTls();

/*! \brief Null if it was built without. */
std::shared_ptr<const Tls> MakeTls(const Key& key);

}  // namespace flexpie

#endif  // FLEXPIE_TVM_TLS_H_
