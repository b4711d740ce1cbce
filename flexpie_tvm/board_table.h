// SPDX-License-Identifier: Apache-2.0
/*!
 * \file board_table.h
 * \brief The live boards of this process, by rank: how compiled code, which knows only a rank,
 * reaches its board. This is the only state of the process, and it owns nothing: a board lives as
 * long as its module, a group as long as a board is in it.
 */
#ifndef FLEXPIE_TVM_BOARD_TABLE_H_
#define FLEXPIE_TVM_BOARD_TABLE_H_

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "board.h"
#include "local_transport.h"

namespace flexpie {

class BoardTable {
 public:
  static BoardTable* Get();

  /*! \brief Throws if a board of this rank is live. */
  void Add(const std::shared_ptr<Board>& board);
  /*! \brief Frees the rank, if it is this board's. */
  void Remove(const Board* board);
  /*! \brief The live board of that rank; throws if there is none. */
  std::shared_ptr<Board> Find(int rank);

  /*! \brief The group of that name, made if no board is in one. */
  std::shared_ptr<LocalGroup> Group(const std::string& name);

 private:
  std::mutex mutex_;
  std::map<int, std::weak_ptr<Board>> boards_;
  std::map<std::string, std::weak_ptr<LocalGroup>> groups_;
};

}  // namespace flexpie

#endif  // FLEXPIE_TVM_BOARD_TABLE_H_
