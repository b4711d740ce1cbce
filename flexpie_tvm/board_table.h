// SPDX-License-Identifier: Apache-2.0
/*!
 * \file board_table.h
 * \brief The live boards of this process: how compiled code, which knows only a rank, reaches its
 * board. This is the only state of the process, and it owns nothing: a board lives as long as its
 * module, a group as long as a board is in it.
 *
 * Several models may be deployed on the same boards, so several live boards may have one rank. Code
 * that a board runs belongs to that board; only code that runs outside of any board's run is looked
 * up by rank.
 */
#ifndef FLEXPIE_TVM_BOARD_TABLE_H_
#define FLEXPIE_TVM_BOARD_TABLE_H_

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "board.h"
#include "local_transport.h"

namespace flexpie {

class BoardTable {
 public:
  static BoardTable* Get();

  /*! \brief Makes a board known; it stays so until it is removed or gone. */
  void Add(const std::shared_ptr<Board>& board);
  void Remove(const Board* board);
  /*!
   * \brief The board of that rank that runs on this thread, or else the only one that is live;
   * throws if there is none or if there are several.
   */
  std::shared_ptr<Board> Find(int rank);

  /*! \brief While it lives, code on this thread is run by a board. */
  class Running {
   public:
    explicit Running(std::shared_ptr<Board> board);
    ~Running();
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

   private:
    std::shared_ptr<Board> before_;
  };

  /*! \brief The group of that name, made if no board is in one. */
  std::shared_ptr<LocalGroup> Group(const std::string& name);

 private:
  std::mutex mutex_;
  std::map<int, std::vector<std::weak_ptr<Board>>> boards_;
  std::map<std::string, std::weak_ptr<LocalGroup>> groups_;
};

}  // namespace flexpie

#endif  // FLEXPIE_TVM_BOARD_TABLE_H_
