// SPDX-License-Identifier: Apache-2.0
/*!
 * \file host_greeting.h
 * \brief Who has connected to a board's link for the host: the host, or a stranger.
 *
 *  guest     a connection that has not yet proved to be the host's
 *  greeting  20 bytes that the host says first: the token, the version of the protocol (u32)
 */
#ifndef FLEXPIE_TVM_HOST_GREETING_H_
#define FLEXPIE_TVM_HOST_GREETING_H_

#include <cstdint>
#include <string>

#include "link.h"
#include "wire.h"

namespace flexpie {

struct Greeting {
  bool ours = false;  // it knows the token
  uint32_t version = 0;
  std::string trouble;  // in the handshake of an encrypted link
};

/*! \brief Waits for a guest's handshake and greeting, at most until then. */
Greeting ReadGreeting(const Link& guest, const Token& token, int64_t end_ns);

}  // namespace flexpie

#endif  // FLEXPIE_TVM_HOST_GREETING_H_
