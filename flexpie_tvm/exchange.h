// SPDX-License-Identifier: Apache-2.0
/*!
 * \file exchange.h
 * \brief One exchange of the table, made ready to run.
 *
 *  direct    a message whose runs are long enough to go straight from x or into y
 *  staged    a message of short runs: packed into, or unpacked from, staging memory. What is to be
 *            folded (sum, max) is always received staged.
 *  staging   one memory of the board, as large as its largest exchange needs; exchanges never
 *            overlap
 *  arrival   a message that comes over a link: received here, or to be passed on
 *
 * The order of messages on a link is the same for both its ends, and such that nothing waits in a
 * circle: first what has crossed the fewest links, then by source and target. A message thus only
 * ever waits for messages that have crossed fewer links, or that precede it in this order.
 *
 * Run() does, in this order:
 *
 *   1. pack each send that is staged, and start it: peers may be waiting for it
 *   2. copy the local part from x to y, while those bytes travel
 *   3. start the receives and what is passed on, and finish everything, unpacking as messages come
 *      in; what is passed on leaves as it comes, not when it is all here
 *   4. for sum and max, instead of 2 and of unpacking: fold all contributions by rank
 */
#ifndef FLEXPIE_TVM_EXCHANGE_H_
#define FLEXPIE_TVM_EXCHANGE_H_

#include <vector>

#include "duplex.h"
#include "exchange_table.h"
#include "region_copy.h"
#include "stats.h"
#include "transport.h"

namespace flexpie {

class Exchange {
 public:
  /*! \brief What a run needs besides the tensors. */
  struct Context {
    Transport* transport;  // may be null if the exchange has no messages
    char* staging;
    uint32_t frame;
    int64_t deadline_ns;
  };

  Exchange(const ExchangeSpec& spec, int rank);

  const ExchangeSpec& spec() const { return spec_; }
  const ErrorPlace& place() const { return place_; }
  int64_t staging_bytes() const { return staging_bytes_; }
  bool has_messages() const { return !sends_.empty() || !arrivals_.empty(); }

  /*!
   * \param x where the box "in" begins, null if there is none
   * \param y where the box "out" begins, null if there is none
   * \return bytes and times of this run; start and end are not set.
   */
  ExchangeStats Run(const Context& context, const char* x, char* y) const;

 private:
  struct Port {
    Crossing crossing;
    bool staged;
    int64_t staging_offset;
    RegionCopy copy;  // x to packed, or packed to y
    RunList runs;     // what the transport moves: of the tensor if direct, of staging if staged
  };

  struct Passage {
    Crossing in;
    Crossing out;
    int64_t staging_offset;
    RunList runs;
  };
  struct Arrival {
    Crossing crossing;
    bool passed_on;
    size_t index;  // in recvs_ or passages_
  };

  Port MakePort(const Crossing& crossing, const RegionCopy& copy, const RunList& direct,
                bool must_stage);
  Passage MakePassage(const Relay& relay);
  void SortMessages();
  int64_t Stage(int64_t bytes);
  void StartArrivals(Duplex* duplex, const Context& context, char* y, ExchangeStats* stats) const;
  void FoldAll(const char* x, const char* staging, char* y) const;

  ExchangeSpec spec_;
  ErrorPlace place_;
  int rank_;
  int64_t staging_bytes_ = 0;
  int64_t out_bytes_ = 0;
  int64_t local_bytes_ = 0;
  RegionCopy local_;  // x to y; means nothing if local_bytes_ is 0
  std::vector<Port> sends_;
  std::vector<Port> recvs_;
  std::vector<Passage> passages_;
  std::vector<Arrival> arrivals_;
};

}  // namespace flexpie

#endif  // FLEXPIE_TVM_EXCHANGE_H_
