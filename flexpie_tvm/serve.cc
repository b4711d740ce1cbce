// SPDX-License-Identifier: Apache-2.0
/*!
 * \file serve.cc
 * \brief A stream with several frames at a time on a board.
 *
 *  flexpie.serve(frame, link, board, executor, link, board, executor, ...) -> frames
 *
 *  track   a host's link, a board and an executor: what one frame at a time needs. Each track has
 *          a thread; track t of T runs the frames numbered frame + t, frame + t + T, ... as they
 *          come, and the same track of every board is connected with the others, so messages of
 *          two frames never share a connection.
 *
 * Returns when the host has ended the frames of every track. If a track fails, the others are
 * ended, and its error is told.
 */
#include <tvm/runtime/module.h>

#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "error.h"
#include "register.h"

namespace flexpie {

namespace {

using tvm::runtime::Module;
using tvm::runtime::TVMArgs;
using tvm::runtime::TVMRetValue;

struct Track {
  Module link;
  Module board;
  Module executor;
};

class Tracks {
 public:
  explicit Tracks(std::vector<Track> tracks) : tracks_(std::move(tracks)) {}

  int64_t Serve(int first) {
    std::vector<std::thread> threads;
    for (size_t t = 1; t < tracks_.size(); ++t) {
      threads.emplace_back([this, first, t] { ServeOne(first, t); });
    }
    ServeOne(first, 0);
    for (std::thread& thread : threads) thread.join();
    if (failure_) std::rethrow_exception(failure_);
    return frames_;
  }

 private:
  void ServeOne(int first, size_t t) {
    const Track& track = tracks_[t];
    try {
      const int64_t frames =
          Module(track.link)
              .GetFunction("serve")(track.board, track.executor, first + static_cast<int>(t),
                                    static_cast<int>(tracks_.size()));
      std::lock_guard<std::mutex> lock(mutex_);
      frames_ += frames;
    } catch (const std::exception& error) {
      EndOthers(t, std::current_exception(), SentenceOf(error));
    }
  }

  void EndOthers(size_t t, std::exception_ptr failure, const std::string& sentence) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (failure_) return;  // of another track, which ended this one
      failure_ = std::move(failure);
    }
    for (size_t other = 0; other < tracks_.size(); ++other) {
      if (other == t) continue;
      tracks_[other].board.GetFunction("fail")(sentence);
      tracks_[other].link.GetFunction("close")();
    }
  }

  std::vector<Track> tracks_;
  std::mutex mutex_;  // guards what follows
  int64_t frames_ = 0;
  std::exception_ptr failure_;
};

void Serve(TVMArgs args, TVMRetValue* result) {
  if (args.size() < 4 || args.size() % 3 != 1) {
    Throw(ErrorKind::kTable, {}, "flexpie.serve takes a frame, and link, board and executor each");
  }
  std::vector<Track> tracks;
  for (int i = 1; i < args.size(); i += 3) tracks.push_back({args[i], args[i + 1], args[i + 2]});
  *result = Tracks(std::move(tracks)).Serve(args[0]);
}

const Registration kRegistration{Packed("flexpie.serve", Serve)};

}  // namespace

}  // namespace flexpie
