// SPDX-License-Identifier: Apache-2.0
/*!
 * \file key_file.h
 * \brief The key of a board's links, from a file on the board.
 *
 * The host must not send it: TVM's RPC is plain. So the file is named by the environment of the
 * board's server (FLEXPIE_PSK_FILE). A board that has a key makes no plain link.
 */
#ifndef FLEXPIE_TVM_KEY_FILE_H_
#define FLEXPIE_TVM_KEY_FILE_H_

#include <memory>
#include <string>

#include "tls.h"

namespace flexpie {

/*!
 * \brief Reads a key: 64 hex digits in a file that its owner alone may read.
 * \return false if it is none, and why in *error.
 */
bool ReadKey(const std::string& path, Key* key, std::string* error);

/*! \brief What encrypts the links of a board; null if it has no key. Throws if it cannot. */
std::shared_ptr<const Tls> TlsOfBoard(int rank);

}  // namespace flexpie

#endif  // FLEXPIE_TVM_KEY_FILE_H_
