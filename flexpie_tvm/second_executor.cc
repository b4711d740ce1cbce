// SPDX-License-Identifier: Apache-2.0
/*!
 * \file second_executor.cc
 * \brief Another executor of a loaded model, for a second frame at a time.
 *
 *  flexpie.second_executor(library, executor) -> Module, a graph executor
 *
 * It has memory of its own for what its layers compute, and reads the weights of the first one,
 * which must outlive it. Memory that it was given for weights is never touched, so the system
 * never has to find it.
 */
#include <tvm/runtime/container/map.h>
#include <tvm/runtime/module.h>
#include <tvm/runtime/ndarray.h>

#include "register.h"

namespace flexpie {

namespace {

using tvm::runtime::Map;
using tvm::runtime::Module;
using tvm::runtime::NDArray;
using tvm::runtime::PackedFunc;
using tvm::runtime::String;

Module SecondExecutor(Module library, Module executor) {
  const Map<String, NDArray> weights = library.GetFunction("get_graph_params")();
  Module bare = library.GetFunction("remove_params")();
  Module second = bare.GetFunction("default")(DLDevice{kDLCPU, 0});
  const PackedFunc theirs = executor.GetFunction("get_input");
  const PackedFunc ours = second.GetFunction("get_input");
  const PackedFunc share = second.GetFunction("set_input_zero_copy");
  const PackedFunc copy = second.GetFunction("set_input");
  const PackedFunc output = second.GetFunction("get_output");
  const int outputs = second.GetFunction("get_num_outputs")();
  for (const auto& named : weights) {
    const tvm::runtime::TVMRetValue found = theirs(named.first);
    if (found.type_code() == kTVMNullptr) continue;  // no layer reads it
    const NDArray weight = found;
    const NDArray own = ours(named.first);
    share(named.first, weight);
    // An answer that is a weight is read where the executor's own memory for it is.
    for (int k = 0; k < outputs; ++k) {
      const NDArray answer = output(k);
      if (answer->data == own->data) copy(named.first, weight);
    }
  }
  return second;
}

const Registration kRegistration{Typed("flexpie.second_executor", SecondExecutor)};

}  // namespace

}  // namespace flexpie
