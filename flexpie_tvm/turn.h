// SPDX-License-Identifier: Apache-2.0
/*!
 * \file turn.h
 * \brief Whose turn it is to compute, on a board that has two frames of a stream under way.
 *
 *  turn   held by a frame while its layers are computed, and given up while it exchanges: meanwhile
 *         the other frame computes. Of frames that wait for it, the earliest goes first.
 *
 * Layers of two frames at once would take as long as one after the other, and use the caches and
 * threads of the board twice. Nobody waits for another board while holding the turn, so nothing
 * waits in a circle.
 */
#ifndef FLEXPIE_TVM_TURN_H_
#define FLEXPIE_TVM_TURN_H_

#include <cstdint>
#include <mutex>
#include <set>

#include "condition.h"

namespace flexpie {

class Turn {
 public:
  /*! \brief Waits until nobody has it, and no earlier frame waits. */
  void Take(uint32_t frame);
  void GiveUp();
  /*! \brief How many wait for it. */
  size_t waiting() const;

  /*! \brief Has it while it lives. */
  class Hold {
   public:
    Hold(Turn* turn, uint32_t frame) : turn_(turn) { turn_->Take(frame); }
    ~Hold() { turn_->GiveUp(); }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    Turn* turn_;
  };

  /*! \brief Lets others have it, until End or for as long as it lives; null has nothing to do. */
  class Pause {
   public:
    Pause(Turn* turn, uint32_t frame) : turn_(turn), frame_(frame) {
      if (turn_) turn_->GiveUp();
    }
    ~Pause() { End(); }
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

    void End() {
      if (turn_) turn_->Take(frame_);
      turn_ = nullptr;
    }

   private:
    Turn* turn_;
    uint32_t frame_;
  };

 private:
  mutable std::mutex mutex_;
  Condition changed_;
  bool taken_ = false;
  std::multiset<uint32_t> waiting_;
};

}  // namespace flexpie

#endif  // FLEXPIE_TVM_TURN_H_
