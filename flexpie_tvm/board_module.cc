// SPDX-License-Identifier: Apache-2.0
/*!
 * \file board_module.cc
 * \brief The boundary to TVM: what the host calls over RPC, and what compiled code calls.
 *
 *  flexpie.version() -> str
 *  flexpie.board_create(rank, boards, table_json, deadline_ms) -> Module "flexpie.Board"
 *  flexpie.exchange(rank, exchange_id, token_in, token_out, [x], [y])
 *
 * x is passed if the table's "in" is not null, y if "out" is not null. Tokens only order exchanges.
 */
#include <tvm/runtime/module.h>

#include <cstring>

#include "board.h"
#include "board_table.h"
#include "clock.h"
#include "key_file.h"
#include "register.h"
#include "tensor_check.h"
#include "wire.h"

namespace flexpie {

using tvm::runtime::make_object;
using tvm::runtime::Module;
using tvm::runtime::ModuleNode;
using tvm::runtime::ObjectPtr;
using tvm::runtime::PackedFunc;
using tvm::runtime::String;
using tvm::runtime::TVMArgs;
using tvm::runtime::TVMArgValue;
using tvm::runtime::TVMRetValue;

namespace {

/*! \brief Owns a board; the last reference to it ends the board. */
class BoardModule : public ModuleNode {
 public:
  explicit BoardModule(std::shared_ptr<Board> board) : board_(std::move(board)) {}
  ~BoardModule() override { Close(); }

  int Listen(String host, int port) { return board_->Listen(host, port); }
  void Connect(String peers_json, String token_hex) { board_->Connect(peers_json, token_hex); }
  void ConnectLocal(String group) { board_->Join(BoardTable::Get()->Group(group)); }

  void Run(Module graph_executor, int frame) {
    const PackedFunc run = graph_executor.GetFunction("run");
    const BoardTable::Running running(board_);
    const Turn::Hold turn(board_->turn(), static_cast<uint32_t>(frame));
    board_->BeginFrame(frame);
    try {
      ICHECK(run != nullptr) << "a module without \"run\" was given to a board";
      run();
    } catch (const std::exception& error) {
      // Peers must not wait for their deadlines because a kernel of this board failed.
      board_->Fail(SentenceOf(error));
      throw;
    }
    board_->EndFrame();
  }

  /*! \brief Computes in turns with another board of this process: with the same board's other
   * frame. */
  void ShareTurn(Module other) {
    ICHECK_EQ(std::string(other->type_key()), type_key()) << "only boards take turns";
    board_->ShareTurn(*static_cast<const BoardModule*>(other.operator->())->board_);
  }
  void Fail(String sentence) { board_->Fail(sentence); }

  // Strings go out as std::string: a String is an object, and over RPC the host would get a handle
  // to it.
  std::string Stats() { return board_->StatsJson(); }
  void ResetStats() { board_->ResetStats(); }
  /*! \brief The clock of run_start_ns and run_end_ns: lets the host find how far it is from its
   * own. */
  int64_t Now() { return NowNs(); }

  void Close() {
    board_->Close();
    BoardTable::Get()->Remove(board_.get());
  }

  int GetPropertyMask() const final { return tvm::runtime::ModulePropertyMask::kRunnable; }

  TVM_MODULE_VTABLE_BEGIN("flexpie.Board");
  TVM_MODULE_VTABLE_ENTRY("listen", &BoardModule::Listen);
  TVM_MODULE_VTABLE_ENTRY("connect", &BoardModule::Connect);
  TVM_MODULE_VTABLE_ENTRY("connect_local", &BoardModule::ConnectLocal);
  TVM_MODULE_VTABLE_ENTRY("run", &BoardModule::Run);
  TVM_MODULE_VTABLE_ENTRY("share_turn", &BoardModule::ShareTurn);
  TVM_MODULE_VTABLE_ENTRY("fail", &BoardModule::Fail);
  TVM_MODULE_VTABLE_ENTRY("stats", &BoardModule::Stats);
  TVM_MODULE_VTABLE_ENTRY("reset_stats", &BoardModule::ResetStats);
  TVM_MODULE_VTABLE_ENTRY("now", &BoardModule::Now);
  TVM_MODULE_VTABLE_ENTRY("close", &BoardModule::Close);
  TVM_MODULE_VTABLE_END();

 private:
  std::shared_ptr<Board> board_;
};

Module CreateBoard(int rank, int boards, String table_json, int deadline_ms) {
  auto board =
      std::make_shared<Board>(ParseTable(table_json, rank, boards), deadline_ms, TlsOfBoard(rank));
  BoardTable::Get()->Add(board);
  return Module(make_object<BoardModule>(std::move(board)));
}

DLTensor* TensorArg(const TVMArgValue& arg, const ErrorPlace& place) {
  if (arg.type_code() == kTVMDLTensorHandle || arg.type_code() == kTVMNDArrayHandle) return arg;
  Throw(ErrorKind::kTable, place, "flexpie.exchange takes tensors after rank and exchange id");
}

/*! \brief A graph's output should not be whatever the memory held before. */
void ZeroToken(DLTensor* token) {
  const iovec memory = MemoryOf(*token);
  std::memset(memory.iov_base, 0, memory.iov_len);
}

void RunExchange(TVMArgs args, TVMRetValue*) {
  ErrorPlace place;
  if (args.size() < 4)
    Throw(ErrorKind::kTable, place, "flexpie.exchange takes at least 4 arguments");
  const std::shared_ptr<Board> board = BoardTable::Get()->Find(args[0]);
  const Exchange& exchange = board->Find(args[1]);
  const ExchangeSpec& spec = exchange.spec();
  const int tensors = (spec.in ? 1 : 0) + (spec.out ? 1 : 0);
  if (args.size() != 4 + tensors) {
    Throw(ErrorKind::kTable, exchange.place(),
          "flexpie.exchange got " + std::to_string(args.size() - 4) +
              " tensors besides the tokens, " + "the table says " + std::to_string(tensors));
  }
  TensorArg(args[2], exchange.place());
  DLTensor* token_out = TensorArg(args[3], exchange.place());
  const DLTensor* x = spec.in ? TensorArg(args[4], exchange.place()) : nullptr;
  const DLTensor* y = spec.out ? TensorArg(args[3 + tensors], exchange.place()) : nullptr;
  board->Run(exchange, x, y);
  ZeroToken(token_out);
}

std::string Version() { return std::to_string(kProtocolVersion); }

const Registration kRegistration{Typed("flexpie.version", Version),
                                 Typed("flexpie.board_create", CreateBoard),
                                 Packed("flexpie.exchange", RunExchange)};

}  // namespace

}  // namespace flexpie
