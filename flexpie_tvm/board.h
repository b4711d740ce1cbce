// SPDX-License-Identifier: Apache-2.0
/*!
 * \file board.h
 * \brief One board: its exchanges, its connections, its state.
 *
 *  created     knows its table; exchanges without messages already run
 *  connected   exchanges run
 *  failed      something went wrong while connecting, in an exchange or in the graph. Connections
 *              are shut down at once, so that peers see the end instead of waiting for their
 *              deadlines. A failed board stays failed: what its peers have received is unknown.
 *  closed      like failed, on purpose
 *
 *  frame       one run of the graph; its number travels with every message
 *
 * Exchange runs on the thread of the compiled graph; Close and Stats may come from any other.
 */
#ifndef FLEXPIE_TVM_BOARD_H_
#define FLEXPIE_TVM_BOARD_H_

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "exchange.h"
#include "rendezvous.h"
#include "socket.h"
#include "tls.h"
#include "transport.h"
#include "turn.h"

namespace flexpie {

class LocalGroup;

class Board {
 public:
  /*! \param tls what encrypts its links over TCP; null leaves them plain. */
  Board(const ExchangeTable& table, int deadline_ms, std::shared_ptr<const Tls> tls = nullptr);
  ~Board() { Close(); }

  int rank() const { return rank_; }

  /*! \brief Opens the listener; returns its port. */
  int Listen(const std::string& host, int port);
  /*! \brief Connects to all neighbours over TCP; returns when all connections stand. */
  void Connect(const std::string& peers_json, const std::string& token_hex);
  /*! \brief Joins a group of boards of this process; does not wait for the others. */
  void Join(const std::shared_ptr<LocalGroup>& group);

  /*! \brief Takes turns to compute with another board of this process. */
  void ShareTurn(const Board& other) { turn_ = other.turn_; }
  Turn* turn() const { return turn_.get(); }

  /*! \brief Begins a frame; throws if the board cannot run one. */
  void BeginFrame(int frame);
  /*! \brief Ends it; throws if the board failed meanwhile without the graph noticing. */
  void EndFrame();

  /*! \brief The exchange of that id; throws if there is none. */
  const Exchange& Find(int id) const;
  /*!
   * \brief Performs an exchange; an error makes the board fail.
   * \param x holds the box "in", null if the table has none
   * \param y holds the box "out", null if the table has none
   */
  void Run(const Exchange& exchange, const DLTensor* x, const DLTensor* y);

  /*! \brief Makes the board fail, unless it has already failed or is closed. */
  void Fail(const std::string& sentence);

  std::string StatsJson() const;
  void ResetStats();

  /*! \brief Ends everything, also a Connect or Run under way; any number of times. */
  void Close();

 private:
  enum class State { kCreated, kConnected, kFailed, kClosed };

  /*! \brief Runs f; an error makes the board fail and goes on to the caller. */
  template <typename F>
  void Guarded(F f);
  bool InFrame() const;
  void CheckCreated(const char* what) const;
  void CheckUsableLocked(const ErrorPlace& place) const;
  void SetTransport(std::unique_ptr<Transport> transport);
  std::shared_ptr<Transport> TransportFor(const Exchange& exchange) const;
  std::vector<PeerAddress> ParsePeers(const std::string& peers_json) const;
  ErrorPlace At() const;

  const int rank_;
  const int boards_;
  const int64_t deadline_ns_;
  const std::shared_ptr<const Tls> tls_;
  std::set<int> neighbours_;
  std::vector<Exchange> exchanges_;
  std::map<int, size_t> by_id_;
  std::unique_ptr<char, void (*)(void*)> staging_;
  std::shared_ptr<Turn> turn_ = std::make_shared<Turn>();

  /*! \brief Held while connecting or exchanging: one at a time. */
  std::mutex work_mutex_;
  Fd listener_;
  std::atomic<bool> cancelled_{false};
  std::atomic<uint32_t> frame_{0};

  /*! \brief Guards all below; never held while waiting. */
  mutable std::mutex state_mutex_;
  State state_ = State::kCreated;
  std::string failure_;
  std::shared_ptr<Transport> transport_;
  std::vector<ExchangeStats> stats_;
  int64_t frames_ = 0;
  int64_t run_ns_ = 0;  // of all frames
  bool in_frame_ = false;
  int64_t run_start_ns_;
  int64_t run_end_ns_;
};

}  // namespace flexpie

#endif  // FLEXPIE_TVM_BOARD_H_
