// SPDX-License-Identifier: Apache-2.0
#include "board_table.h"

#include <algorithm>

namespace flexpie {

namespace {

/*! \brief The board that runs the code of this thread; null outside of runs. */
thread_local std::shared_ptr<Board> running;

}  // namespace

BoardTable* BoardTable::Get() {
  // Never destroyed: boards may outlive static destruction when the process ends.
  static BoardTable* table = new BoardTable();
  return table;
}

void BoardTable::Add(const std::shared_ptr<Board>& board) {
  std::lock_guard<std::mutex> lock(mutex_);
  boards_[board->rank()].push_back(board);
}

void BoardTable::Remove(const Board* board) {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<std::weak_ptr<Board>>& known = boards_[board->rank()];
  const auto gone = [board](const std::weak_ptr<Board>& one) {
    const std::shared_ptr<Board> live = one.lock();
    return !live || live.get() == board;
  };
  known.erase(std::remove_if(known.begin(), known.end(), gone), known.end());
}

std::shared_ptr<Board> BoardTable::Find(int rank) {
  if (running && running->rank() == rank) return running;
  std::vector<std::shared_ptr<Board>> live;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const std::weak_ptr<Board>& one : boards_[rank]) {
      if (std::shared_ptr<Board> board = one.lock()) live.push_back(std::move(board));
    }
  }
  if (live.size() != 1) {
    ErrorPlace place;
    place.board = rank;
    const std::string name = "board " + std::to_string(rank);
    Throw(ErrorKind::kFailed, place,
          live.empty()
              ? "no " + name + " is live in this process"
              : "more than one " + name + " is live in this process: call the board's run instead");
  }
  return live.front();
}

BoardTable::Running::Running(std::shared_ptr<Board> board) : before_(std::move(running)) {
  running = std::move(board);
}

BoardTable::Running::~Running() { running = std::move(before_); }

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
