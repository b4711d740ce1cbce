// SPDX-License-Identifier: Apache-2.0
// flexpie.let_go, for the host: an array on a board that is lost.
#include <tvm/runtime/ndarray.h>

#include "register.h"

namespace flexpie {

namespace {

using ::tvm::runtime::NDArray;

/*!
 * \brief Has an array that a board returned not be freed there when it is freed here.
 *
 * TVM asks the board to free what the array's manager_ctx stands for; on a broken connection that
 * throws, and what is left keeps the session, of which a process has room for 32.
 */
void LetGo(NDArray array) {
  const auto* held = static_cast<const NDArray::Container*>(array.get());
  const_cast<NDArray::Container*>(held)->manager_ctx = nullptr;  // this is the only handle
}

const Registration kRegistration{Typed("flexpie.let_go", LetGo)};

}  // namespace

}  // namespace flexpie
