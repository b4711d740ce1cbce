// SPDX-License-Identifier: Apache-2.0
/*!
 * \file exchange_table.h
 * \brief What one board has to send and receive, as the host planned it.
 *
 *  exchange   for one tensor, the regions that go between boards. Boards meet exchanges in table
 *             order.
 *  in         the box of the tensor that this board's input x holds; absent if it holds nothing
 *  out        the box that this board's output y shall hold; absent if it needs nothing
 *  message    a region that goes to or comes from one peer; at most one per exchange, peer and
 *             direction
 *  via        the board at the other end of the link that a message crosses here: the peer itself,
 *             or a neighbour that passes it on
 *  hops       how many links a message has crossed when it is here
 *  relay      a message between two other boards that this one passes on
 *  combine    how y comes about. copy: every element from whoever sent it. sum, max: from every
 *             board whose box has it, in the order of ranks, so that the result repeats bit for
 *             bit.
 *
 * The table comes from outside: parsing checks all of it, and what the rest of the runtime relies
 * on (boxes nested, y written everywhere, lengths that fit a header) is checked here and nowhere
 * else.
 */
#ifndef FLEXPIE_TVM_EXCHANGE_TABLE_H_
#define FLEXPIE_TVM_EXCHANGE_TABLE_H_

#include <dlpack/dlpack.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "error.h"
#include "region.h"

namespace flexpie {

enum class Combine { kCopy, kSum, kMax };

struct Message {
  int peer;
  Region region;
  int via;
  int hops;  // 0 for what is sent
};

struct Relay {
  int source;
  int target;
  int64_t bytes;
  int from;  // the neighbour that it comes from
  int to;    // the neighbour that it goes on to
  int hops;
};

struct ExchangeSpec {
  int id = -1;
  std::string tensor;
  std::string layer;
  DLDataType dtype;
  int64_t element_bytes = 0;
  Combine combine = Combine::kCopy;
  std::optional<Region> in;
  std::optional<Region> out;
  std::vector<Message> sends;
  std::vector<Message> recvs;
  std::vector<Relay> relays;

  /*! \brief in ∩ out, the part that needs no message; absent when empty. */
  std::optional<Region> Local() const;
};

struct ExchangeTable {
  int rank = -1;
  int boards = 0;
  std::vector<ExchangeSpec> exchanges;

  /*! \brief The ranks that this board has a link with. */
  std::set<int> Neighbours() const;
};

/*! \brief Parses and checks; throws ErrorKind::kTable. */
ExchangeTable ParseTable(const std::string& json, int rank, int boards);

}  // namespace flexpie

#endif  // FLEXPIE_TVM_EXCHANGE_TABLE_H_
