// SPDX-License-Identifier: Apache-2.0
/*!
 * \file host_link_module.cc
 * \brief The host's link at the boundary to TVM.
 *
 *  flexpie.host_link(rank, address, token, deadline_ms) -> Module "flexpie.HostLink"
 */
#include <tvm/runtime/module.h>

#include <vector>

#include "host_link.h"
#include "key_file.h"
#include "register.h"
#include "tensor_check.h"

namespace flexpie {

using tvm::runtime::make_object;
using tvm::runtime::Module;
using tvm::runtime::ModuleNode;
using tvm::runtime::ObjectPtr;
using tvm::runtime::PackedFunc;
using tvm::runtime::Registry;
using tvm::runtime::String;
using tvm::runtime::TVMArgs;
using tvm::runtime::TVMRetValue;

namespace {

std::vector<iovec> PartsOf(TVMArgs args) {
  std::vector<iovec> parts;
  for (int i = 0; i < args.size(); ++i) {
    DLTensor* tensor = args[i];
    if (tensor->device.device_type != kDLCPU || !IsCompact(*tensor)) {
      Throw(ErrorKind::kTable, {}, "a host's link moves compact tensors of the CPU");
    }
    parts.push_back(MemoryOf(*tensor));
  }
  return parts;
}

/*! \brief Owns a link; the last reference to it ends the link. */
class HostLinkModule : public ModuleNode {
 public:
  HostLinkModule(int rank, const std::string& address, const Token& token, int deadline_ms)
      : link_(rank, address, token, TlsOfBoard(rank), deadline_ms) {}

  int Port() { return link_.port(); }
  void SetInputs(TVMArgs args, TVMRetValue*) { link_.SetInputs(PartsOf(args)); }
  void SetOutputs(TVMArgs args, TVMRetValue*) { link_.SetOutputs(PartsOf(args)); }
  void Accept() { link_.Accept(); }
  void Take() { link_.Take(); }
  void Give() { link_.Give(); }
  void Close() { link_.Close(); }

  /*! \brief One inference: run(module, name, arguments...) calls the module's function of a name.
   */
  void Run(TVMArgs args, TVMRetValue* result) {
    Module module = args[0];
    const String name = args[1];
    Between(module.GetFunction(name), name, Rest(args, 2), result);
  }

  /*! \brief One inference: call(name, arguments...) calls a registered function. */
  void Call(TVMArgs args, TVMRetValue* result) {
    const String name = args[0];
    const PackedFunc* function = Registry::Get(name);
    Between(function ? *function : PackedFunc(), name, Rest(args, 1), result);
  }

  /*!
   * \brief A stream: serve(board, graph_executor, frame, step) runs every frame as it comes, until
   * the host ends the stream; returns how many. The first is numbered frame, each further one by
   * step more.
   */
  int64_t Serve(Module board, Module graph_executor, int frame, int step) {
    const PackedFunc run = board.GetFunction("run");
    if (run == nullptr) Throw(ErrorKind::kTable, {}, "what serves a stream has no \"run\"");
    int64_t frames = 0;
    for (; link_.TakeFrame(); ++frames) {
      run(graph_executor, static_cast<int>((frame + frames * step) & 0x7fffffff));
      link_.GiveFrame();
    }
    return frames;
  }

  int GetPropertyMask() const final { return tvm::runtime::ModulePropertyMask::kRunnable; }

  TVM_MODULE_VTABLE_BEGIN("flexpie.HostLink");
  TVM_MODULE_VTABLE_ENTRY("port", &HostLinkModule::Port);
  TVM_MODULE_VTABLE_ENTRY_PACKED("inputs", &HostLinkModule::SetInputs);
  TVM_MODULE_VTABLE_ENTRY_PACKED("outputs", &HostLinkModule::SetOutputs);
  TVM_MODULE_VTABLE_ENTRY("accept", &HostLinkModule::Accept);
  TVM_MODULE_VTABLE_ENTRY("take", &HostLinkModule::Take);
  TVM_MODULE_VTABLE_ENTRY("give", &HostLinkModule::Give);
  TVM_MODULE_VTABLE_ENTRY_PACKED("run", &HostLinkModule::Run);
  TVM_MODULE_VTABLE_ENTRY_PACKED("call", &HostLinkModule::Call);
  TVM_MODULE_VTABLE_ENTRY("serve", &HostLinkModule::Serve);
  TVM_MODULE_VTABLE_ENTRY("close", &HostLinkModule::Close);
  TVM_MODULE_VTABLE_END();

 private:
  static TVMArgs Rest(TVMArgs args, int skipped) {
    return TVMArgs(args.values + skipped, args.type_codes + skipped, args.size() - skipped);
  }

  void Between(const PackedFunc& function, const String& name, TVMArgs args, TVMRetValue* result) {
    if (function == nullptr) {
      Throw(ErrorKind::kTable, {}, "there is no function \"" + std::string(name) + "\" to run");
    }
    link_.Take();
    function.CallPacked(args, result);
    link_.Give();
  }

  HostLink link_;
};

Module CreateHostLink(int rank, String address, String token_hex, int deadline_ms) {
  Token token;
  if (!ParseToken(token_hex, &token)) {
    Throw(ErrorKind::kTable, {}, "the token of the host's link is not 32 hex digits");
  }
  return Module(make_object<HostLinkModule>(rank, address, token, deadline_ms));
}

const Registration kRegistration{Typed("flexpie.host_link", CreateHostLink)};

}  // namespace

}  // namespace flexpie
