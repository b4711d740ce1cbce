// SPDX-License-Identifier: Apache-2.0
/*!
 * \file stats.h
 * \brief Counters and times of exchanges; always on.
 *
 * Bytes are payload, without headers. Sums run over all frames since the last reset; last_* are of
 * the latest frame, last_start and last_end in nanoseconds from the beginning of its run.
 * run_start and run_end are the steady clock's own values, run_ns the sum of all runs; what a run
 * does not spend in exchanges, it computes.
 *
 *  bytes_sent, bytes_received   what went to and came from peers
 *  bytes_forwarded              what was passed on between other boards
 *  local_bytes                  the part of x that stayed here
 *  pack_ns                      packing, unpacking, the local copy, folding
 *  wait_ns                      nothing to do but wait for a peer, or for the turn (turn.h)
 *  total_ns                     the exchange as the compiled graph sees it
 *  wire_ns                      what is left of total: moving bytes to and from the links
 */
#ifndef FLEXPIE_TVM_STATS_H_
#define FLEXPIE_TVM_STATS_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

namespace flexpie {

struct ExchangeStats {
  int64_t count = 0;
  int64_t bytes_sent = 0;
  int64_t bytes_received = 0;
  int64_t bytes_forwarded = 0;
  int64_t local_bytes = 0;
  int64_t pack_ns = 0;
  int64_t wait_ns = 0;
  int64_t total_ns = 0;
  int64_t last_start_ns = 0;
  int64_t last_end_ns = 0;
  int64_t last_pack_ns = 0;
  int64_t last_wait_ns = 0;

  /*! \brief Adds one more exchange; last_* become its own. */
  void Add(const ExchangeStats& one);
  nlohmann::json Json() const;
};

}  // namespace flexpie

#endif  // FLEXPIE_TVM_STATS_H_
