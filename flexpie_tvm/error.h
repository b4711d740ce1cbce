// SPDX-License-Identifier: Apache-2.0
/*!
 * \file error.h
 * \brief Errors that reach the host as typed exceptions.
 *
 * Every error text has one line
 *
 *     FLEXPIE_ERROR {"board":...,"exchange":...,"kind":...,"layer":...,"peer":...,"tensor":...}
 *     sentence
 *
 * which survives TVM's C API, generated code and RPC; the host looks for that line and nothing
 * else.
 *
 *  kLostBoard  the peer closed the connection, or its process or link died
 *  kUnreached  no progress for deadline_ms, and the peer's system answers nothing of what was sent:
 *              the link is cut or the machine gone (the system of a slow board still answers)
 *  kDeadline   no progress from the peer for deadline_ms
 *  kDesync     the peer is at another exchange or frame, or disagrees about a message's length
 *  kDamaged    a message is not what the board sent that it is from: its checksum is another
 *  kHandshake  whoever answered at the peer's address is not that board of this deployment
 *  kUntrusted  an end of a link has no key, or another one, or cannot use it
 *  kTable      a bad exchange table or argument, or a tensor that does not fit the table
 *  kFailed     the board cannot be used: it failed earlier, is closed or is not connected
 *  kIo         the operating system refused
 */
#ifndef FLEXPIE_TVM_ERROR_H_
#define FLEXPIE_TVM_ERROR_H_

#include <exception>
#include <string>

namespace flexpie {

enum class ErrorKind {
  kLostBoard,
  kUnreached,
  kDeadline,
  kDesync,
  kDamaged,
  kHandshake,
  kUntrusted,
  kTable,
  kFailed,
  kIo
};

/*! \brief Where an error happened; -1 and "" where there is no such thing. */
struct ErrorPlace {
  int board = -1;
  int peer = -1;
  int exchange = -1;
  std::string tensor;
  std::string layer;
};

/*! \brief Throws a TVM error; sentence is for people, without a line break. */
[[noreturn]] void Throw(ErrorKind kind, const ErrorPlace& place, const std::string& sentence);

/*! \brief What a caught error says, in one line: the sentence of ours, the first line of others. */
std::string SentenceOf(const std::exception& error);

/*! \brief "Connection refused (errno 111)" */
std::string ErrnoText(int error);

}  // namespace flexpie

#endif  // FLEXPIE_TVM_ERROR_H_
