// SPDX-License-Identifier: Apache-2.0
/*!
 * \file register.h
 * \brief How functions of this library become known to TVM.
 *
 *     const Registration kRegistration{Typed("flexpie.version", Version),
 *                                     Packed("flexpie.exchange", RunExchange)};
 *
 *  typed   TVM checks and converts the arguments of a call
 *  packed  the function is given them as they are
 *
 * Several copies of this library can be loaded into one process, and the first one has the say:
 * boards made by one copy are unknown to the other. So functions that belong together are
 * registered together, or not at all if the first of them is there. The linker flag -z nodelete
 * keeps that copy loaded for as long as the process lives.
 */
#ifndef FLEXPIE_TVM_REGISTER_H_
#define FLEXPIE_TVM_REGISTER_H_

#include <tvm/runtime/packed_func.h>
#include <tvm/runtime/registry.h>

#include <initializer_list>
#include <string>

namespace flexpie {

class Registration {
 public:
  struct Entry {
    std::string name;
    tvm::runtime::PackedFunc body;
  };

  /*! \param entries at least one. */
  Registration(std::initializer_list<Entry> entries) {
    if (tvm::runtime::Registry::Get(entries.begin()->name)) return;
    for (const Entry& entry : entries) {
      tvm::runtime::Registry::Register(entry.name).set_body(entry.body);
    }
  }
};

template <typename Result, typename... Args>
Registration::Entry Typed(const std::string& name, Result (*function)(Args...)) {
  return {name, tvm::runtime::TypedPackedFunc<Result(Args...)>(function, name).packed()};
}

template <typename Function>
Registration::Entry Packed(const std::string& name, const Function& function) {
  return {name, tvm::runtime::PackedFunc(function)};
}

}  // namespace flexpie

#endif  // FLEXPIE_TVM_REGISTER_H_
