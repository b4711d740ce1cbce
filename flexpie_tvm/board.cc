// SPDX-License-Identifier: Apache-2.0
#include "board.h"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <nlohmann/json.hpp>

#include "clock.h"
#include "delayed_transport.h"
#include "json.h"
#include "local_transport.h"
#include "tensor_check.h"

namespace flexpie {

Board::Board(const ExchangeTable& table, int deadline_ms, std::shared_ptr<const Tls> tls)
    : rank_(table.rank),
      boards_(table.boards),
      deadline_ns_(int64_t{deadline_ms} * 1000000),
      tls_(std::move(tls)),
      neighbours_(table.Neighbours()),
      staging_(nullptr, std::free),
      stats_(table.exchanges.size()),
      run_start_ns_(NowNs()),
      run_end_ns_(run_start_ns_) {
  if (deadline_ms <= 0) {
    Throw(ErrorKind::kTable, At(),
          "deadline_ms is " + std::to_string(deadline_ms) + ", must be positive");
  }
  int64_t staging_bytes = 0;
  for (const ExchangeSpec& spec : table.exchanges) {
    by_id_[spec.id] = exchanges_.size();
    exchanges_.emplace_back(spec, rank_);
    staging_bytes = std::max(staging_bytes, exchanges_.back().staging_bytes());
  }
  if (staging_bytes > 0) {
    staging_.reset(static_cast<char*>(std::aligned_alloc(64, staging_bytes)));
    if (!staging_) {
      Throw(ErrorKind::kIo, At(),
            "no memory for " + std::to_string(staging_bytes) + " bytes of staging");
    }
  }
}

int Board::Listen(const std::string& host, int port) {
  std::lock_guard<std::mutex> work(work_mutex_);
  CheckCreated("listen");
  if (port < 0 || port > 65535)
    Throw(ErrorKind::kTable, At(), "no such port: " + std::to_string(port));
  std::string error;
  listener_ = flexpie::Listen(host, port, &error);
  if (!listener_.open()) {
    Throw(ErrorKind::kIo, At(),
          "cannot listen at " + host + ":" + std::to_string(port) + ": " + error);
  }
  return PortOf(listener_);
}

void Board::Connect(const std::string& peers_json, const std::string& token_hex) {
  std::lock_guard<std::mutex> work(work_mutex_);
  CheckCreated("connect");
  Token token;
  if (!ParseToken(token_hex, &token)) {
    Throw(ErrorKind::kTable, At(), "the session token is not 32 hex digits");
  }
  std::vector<PeerAddress> dials;
  for (const PeerAddress& peer : ParsePeers(peers_json)) {
    if (peer.rank < rank_ && neighbours_.count(peer.rank)) dials.push_back(peer);
  }
  const std::set<int> awaited(neighbours_.upper_bound(rank_), neighbours_.end());
  if (!awaited.empty() && !listener_.open()) {
    Throw(ErrorKind::kFailed, At(),
          "connect needs listen first: higher ranks connect to this board");
  }
  // However this ends, nobody else is expected: dials of others must not wait in the backlog.
  const Fd listener = std::move(listener_);
  Guarded([&] {
    Rendezvous rendezvous(rank_, token, tls_, dials, awaited, listener, deadline_ns_, &cancelled_);
    SetTransport(NetworkTransport(rendezvous.Run()));
  });
}

void Board::Join(const std::shared_ptr<LocalGroup>& group) {
  std::lock_guard<std::mutex> work(work_mutex_);
  CheckCreated("connect_local");
  if (!group->Join(rank_)) {
    Throw(ErrorKind::kHandshake, At(),
          "a board of this rank was in the group before; use a new group");
  }
  SetTransport(std::make_unique<LocalTransport>(group, rank_, neighbours_));
}

void Board::BeginFrame(int frame) {
  std::lock_guard<std::mutex> lock(state_mutex_);
  CheckUsableLocked(At());
  if (in_frame_) Throw(ErrorKind::kFailed, At(), "a run is already under way");
  in_frame_ = true;
  frame_ = static_cast<uint32_t>(frame);
  run_start_ns_ = NowNs();
}

void Board::EndFrame() {
  std::lock_guard<std::mutex> lock(state_mutex_);
  in_frame_ = false;
  CheckUsableLocked(At());
  run_end_ns_ = NowNs();
  run_ns_ += run_end_ns_ - run_start_ns_;
  ++frames_;
}

bool Board::InFrame() const {
  std::lock_guard<std::mutex> lock(state_mutex_);
  return in_frame_;
}

const Exchange& Board::Find(int id) const {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) {
    ErrorPlace place = At();
    place.exchange = id;
    Throw(ErrorKind::kTable, place, "no exchange " + std::to_string(id) + " in the table");
  }
  return exchanges_[found->second];
}

void Board::Run(const Exchange& exchange, const DLTensor* x, const DLTensor* y) {
  std::lock_guard<std::mutex> work(work_mutex_);
  const std::shared_ptr<Transport> transport = TransportFor(exchange);
  const int64_t start = NowNs();
  Turn::Pause pause(exchange.has_messages() && InFrame() ? turn_.get() : nullptr, frame_);
  ExchangeStats stats;
  Guarded([&] {
    const TensorPair memory = CheckTensors(exchange, x, y);
    stats =
        exchange.Run({transport.get(), staging_.get(), frame_, deadline_ns_}, memory.x, memory.y);
  });
  const int64_t done = NowNs();
  pause.End();
  const int64_t end = NowNs();
  stats.wait_ns += end - done;
  stats.total_ns = end - start;
  std::lock_guard<std::mutex> lock(state_mutex_);
  stats.last_start_ns = start - run_start_ns_;
  stats.last_end_ns = end - run_start_ns_;
  stats_[&exchange - exchanges_.data()].Add(stats);
}

void Board::Fail(const std::string& sentence) {
  std::lock_guard<std::mutex> lock(state_mutex_);
  in_frame_ = false;
  if (state_ == State::kFailed || state_ == State::kClosed) return;
  state_ = State::kFailed;
  failure_ = sentence;
  if (transport_) transport_->Shutdown();
}

std::string Board::StatsJson() const {
  std::lock_guard<std::mutex> lock(state_mutex_);
  json::Value stats = {{"rank", rank_},
                       {"frames", frames_},
                       {"run_ns", run_ns_},
                       {"run_start_ns", run_start_ns_},
                       {"run_end_ns", run_end_ns_},
                       {"exchanges", json::Value::array()}};
  for (size_t i = 0; i < exchanges_.size(); ++i) {
    const ExchangeSpec& spec = exchanges_[i].spec();
    json::Value exchange = stats_[i].Json();
    exchange.update({{"id", spec.id}, {"name", spec.tensor}, {"layer", spec.layer}});
    stats["exchanges"].push_back(std::move(exchange));
  }
  return json::Text(stats);
}

void Board::ResetStats() {
  std::lock_guard<std::mutex> lock(state_mutex_);
  frames_ = 0;
  run_ns_ = 0;
  std::fill(stats_.begin(), stats_.end(), ExchangeStats());
}

void Board::Close() {
  cancelled_ = true;
  {
    std::lock_guard<std::mutex> lock(state_mutex_);
    state_ = State::kClosed;
    if (transport_) transport_->Shutdown();
  }
  // Whoever is at work has been woken and will find the board closed.
  std::lock_guard<std::mutex> work(work_mutex_);
  listener_.Close();
  std::lock_guard<std::mutex> lock(state_mutex_);
  transport_.reset();
}

template <typename F>
void Board::Guarded(F f) {
  try {
    f();
  } catch (const std::exception& error) {
    Fail(SentenceOf(error));
    std::lock_guard<std::mutex> lock(state_mutex_);
    // Closing breaks off what is under way; that is no fault of a peer.
    if (state_ == State::kClosed) CheckUsableLocked(At());
    throw;
  }
}

void Board::CheckCreated(const char* what) const {
  std::lock_guard<std::mutex> lock(state_mutex_);
  CheckUsableLocked(At());
  if (state_ == State::kConnected) {
    Throw(ErrorKind::kFailed, At(), std::string(what) + ": the board is already connected");
  }
}

void Board::CheckUsableLocked(const ErrorPlace& place) const {
  if (state_ == State::kClosed) Throw(ErrorKind::kFailed, place, "the board is closed");
  if (state_ == State::kFailed)
    Throw(ErrorKind::kFailed, place, "the board failed before: " + failure_);
}

void Board::SetTransport(std::unique_ptr<Transport> transport) {
  std::lock_guard<std::mutex> lock(state_mutex_);
  CheckUsableLocked(At());
  transport_ = std::move(transport);
  state_ = State::kConnected;
}

std::shared_ptr<Transport> Board::TransportFor(const Exchange& exchange) const {
  std::lock_guard<std::mutex> lock(state_mutex_);
  CheckUsableLocked(exchange.place());
  if (exchange.has_messages() && !transport_) {
    Throw(ErrorKind::kFailed, exchange.place(), "the board is not connected");
  }
  return transport_;
}

std::vector<PeerAddress> Board::ParsePeers(const std::string& peers_json) const {
  std::vector<PeerAddress> addresses;
  std::set<int64_t> named;
  std::set<int> missing = neighbours_;
  try {
    const json::Value document = json::Parse(peers_json);
    for (const json::Value& item : json::Array(document)) {
      const int64_t rank = json::Int(json::At(item, "rank"));
      const int64_t port = json::Int(json::At(item, "port"));
      if (rank < 0 || rank >= boards_ || port < 0 || port > 65535) {
        throw json::Error("rank " + std::to_string(rank) + ", port " + std::to_string(port));
      }
      if (!named.insert(rank).second)
        throw json::Error("rank " + std::to_string(rank) + " appears twice");
      addresses.push_back(
          {static_cast<int>(rank), json::String(json::At(item, "host")), static_cast<int>(port)});
      missing.erase(static_cast<int>(rank));
    }
  } catch (const json::Error& error) {
    Throw(ErrorKind::kTable, At(), std::string("bad list of peers: ") + error.what());
  }
  if (!missing.empty()) {
    Throw(ErrorKind::kTable, At(),
          "bad list of peers: no board " + std::to_string(*missing.begin()));
  }
  return addresses;
}

ErrorPlace Board::At() const {
  ErrorPlace place;
  place.board = rank_;
  return place;
}

}  // namespace flexpie
