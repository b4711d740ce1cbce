// SPDX-License-Identifier: Apache-2.0
#include "board_table.h"

namespace flexpie {

BoardTable* BoardTable::Get() {
  // Never destroyed: boards may outlive static destruction when the process ends.
  static BoardTable* table = new BoardTable();
  return table;
}

void BoardTable::Add(const std::shared_ptr<Board>& board) {
  std::lock_guard<std::mutex> lock(mutex_);
  std::weak_ptr<Board>& slot = boards_[board->rank()];
  if (slot.lock()) {
    ErrorPlace place;
    place.board = board->rank();
    Throw(ErrorKind::kFailed, place,
          "board " + std::to_string(board->rank()) +
              " is already live in this process; close it first");
  }
  slot = board;
}

void BoardTable::Remove(const Board* board) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = boards_.find(board->rank());
  if (found == boards_.end()) return;
  const std::shared_ptr<Board> live = found->second.lock();
  if (!live || live.get() == board) boards_.erase(found);
}

std::shared_ptr<Board> BoardTable::Find(int rank) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = boards_.find(rank);
  std::shared_ptr<Board> board = found == boards_.end() ? nullptr : found->second.lock();
  if (!board) {
    ErrorPlace place;
    place.board = rank;
    Throw(ErrorKind::kFailed, place,
          "no board " + std::to_string(rank) + " is live in this process");
  }
  return board;
}

std::shared_ptr<LocalGroup> BoardTable::Group(const std::string& name) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (auto it = groups_.begin(); it != groups_.end();) {
    it = it->second.expired() ? groups_.erase(it) : std::next(it);
  }
  std::shared_ptr<LocalGroup> group = groups_[name].lock();
  if (!group) {
    group = std::make_shared<LocalGroup>();
    groups_[name] = group;
  }
  return group;
}

}  // namespace flexpie
