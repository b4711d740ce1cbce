// SPDX-License-Identifier: Apache-2.0
/*!
 * \file link.h
 * \brief A connection, plain or encrypted, with the same calls for both.
 */
#ifndef FLEXPIE_TVM_LINK_H_
#define FLEXPIE_TVM_LINK_H_

#include <poll.h>

#include <memory>
#include <string>

#include "socket.h"
#include "tls.h"

namespace flexpie {

class Link {
 public:
  Link() = default;
  /*! \brief Takes a connection over; encrypted if there is a key, which takes a handshake. */
  Link(Fd fd, const std::shared_ptr<const Tls>& tls, Tls::End end);

  int get() const { return fd_.get(); }
  bool open() const { return fd_.open(); }
  void Close();

  /*! \brief See TlsSession; a plain link has nothing to do. */
  IoResult Shake() const;
  /*! \brief What poll shall wait for before the handshake goes on. */
  short awaits() const { return tls_ ? tls_->awaits() : POLLIN; }
  /*! \brief Why the handshake came to nothing. */
  std::string trouble() const { return tls_ ? tls_->trouble() : ""; }

  /*! \brief As those of socket.h, and see TlsSession. */
  IoResult Send(const iovec* parts, int count) const;
  IoResult Recv(const iovec* parts, int count) const;
  IoResult RecvStamped(const iovec& part, int64_t* arrived_ns) const;
  /*!
   * \brief Has poll tell of what comes when as many bytes as are awaited, or many, are here; or the
   * end. An encrypted link wakes at once, as bytes of a record may be held.
   */
  void WakeAt(int64_t awaited) const;
  bool held() const { return tls_ && tls_->held(); }

 private:
  Fd fd_;
  std::unique_ptr<TlsSession> tls_;
};

}  // namespace flexpie

#endif  // FLEXPIE_TVM_LINK_H_
