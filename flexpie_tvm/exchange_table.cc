// SPDX-License-Identifier: Apache-2.0
#include "exchange_table.h"

#include <tvm/runtime/data_type.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "json.h"
#include "region_copy.h"
#include "wire.h"

namespace flexpie {

namespace {

/*! \brief Far beyond any board's memory, and products with an element's size cannot overflow. */
constexpr int64_t kMaxBytes = int64_t{1} << 48;

[[noreturn]] void Bad(const ErrorPlace& place, const std::string& sentence) {
  Throw(ErrorKind::kTable, place, "bad exchange table: " + sentence);
}

Region ParseRegion(const json::Value& value) {
  Region region;
  for (const json::Value& axis : json::Array(value)) {
    if (json::Array(axis).size() != 2) throw json::Error("an axis of a region is [start, stop]");
    region.push_back({json::Int(axis[0]), json::Int(axis[1])});
  }
  return region;
}

std::optional<Region> ParseBox(const json::Value& value) {
  if (value.is_null()) return std::nullopt;
  return ParseRegion(value);
}

int ParseInt(const json::Value& value) {
  const int64_t number = json::Int(value);
  if (number < 0 || number > std::numeric_limits<int>::max()) {
    throw json::Error("integer out of range: " + std::to_string(number));
  }
  return static_cast<int>(number);
}

std::vector<Message> ParseMessages(const json::Value& value, bool received) {
  std::vector<Message> messages;
  for (const json::Value& item : json::Array(value)) {
    messages.push_back({ParseInt(json::At(item, "peer")), ParseRegion(json::At(item, "region")),
                        ParseInt(json::At(item, "via")),
                        received ? ParseInt(json::At(item, "hops")) : 0});
  }
  return messages;
}

std::vector<Relay> ParseRelays(const json::Value& value) {
  std::vector<Relay> relays;
  for (const json::Value& item : json::Array(value)) {
    relays.push_back({ParseInt(json::At(item, "source")), ParseInt(json::At(item, "target")),
                      json::Int(json::At(item, "bytes")), ParseInt(json::At(item, "from")),
                      ParseInt(json::At(item, "to")), ParseInt(json::At(item, "hops"))});
  }
  return relays;
}

Combine ParseCombine(const std::string& name) {
  if (name == "copy") return Combine::kCopy;
  if (name == "sum") return Combine::kSum;
  if (name == "max") return Combine::kMax;
  throw json::Error("combine is copy, sum or max, not " + json::Text(name));
}

DLDataType ParseDtype(const std::string& name) {
  try {
    return tvm::runtime::String2DLDataType(name);
  } catch (const std::exception&) {
    throw json::Error("unknown dtype " + json::Text(name));
  }
}

void ParseExchange(const json::Value& value, ErrorPlace* place, ExchangeSpec* spec) {
  spec->id = place->exchange = ParseInt(json::At(value, "id"));
  spec->tensor = place->tensor = json::String(json::At(value, "name"));
  const json::Value& layer = json::At(value, "layer");
  if (!layer.is_null()) spec->layer = place->layer = json::String(layer);
  spec->dtype = ParseDtype(json::String(json::At(value, "dtype")));
  spec->combine = ParseCombine(json::String(json::At(value, "combine")));
  spec->in = ParseBox(json::At(value, "in"));
  spec->out = ParseBox(json::At(value, "out"));
  spec->sends = ParseMessages(json::At(value, "sends"), false);
  spec->recvs = ParseMessages(json::At(value, "recvs"), true);
  spec->relays = ParseRelays(json::At(value, "relays"));
}

/*! \brief Sets element_bytes. What fills no whole bytes (int4) cannot be cut at any element. */
void CheckDtype(const ErrorPlace& place, ExchangeSpec* spec) {
  const DLDataType& type = spec->dtype;
  const bool is_bool = type.code == kDLUInt && type.bits == 1 && type.lanes == 1;
  const int bits = is_bool ? 8 : type.bits * type.lanes;
  // Scalable vectors have negative lanes, which a DLDataType stores as large ones.
  if (bits <= 0 || bits % 8 != 0 || type.lanes > 1024 || type.code == kDLOpaqueHandle) {
    Bad(place, "dtype has no fixed width in bytes");
  }
  spec->element_bytes = bits / 8;
  const bool reducible =
      type.bits == 32 && type.lanes == 1 && (type.code == kDLFloat || type.code == kDLInt);
  if (spec->combine != Combine::kCopy && !reducible) {
    Bad(place, "sum and max are for float32 and int32 only");
  }
}

void CheckRegion(const ErrorPlace& place, const Region& region, int64_t element_bytes,
                 const std::string& what) {
  if (region.size() > kMaxRank) Bad(place, what + " has more than 16 axes");
  int64_t bytes = element_bytes;
  for (const Interval& axis : region) {
    if (axis.start < 0 || axis.stop > kMaxBytes)
      Bad(place, what + " " + ToString(region) + " out of range");
    if (axis.stop <= axis.start) {
      Bad(place, what + " " + ToString(region) + " is empty; leave out what is empty");
    }
    if (axis.extent() > kMaxBytes / bytes)
      Bad(place, what + " " + ToString(region) + " is too large");
    bytes *= axis.extent();
  }
}

/*! \brief A neighbour is a board of the cluster, but not this one. */
void CheckNeighbour(const ErrorPlace& place, const ExchangeTable& table, int neighbour) {
  if (neighbour >= table.boards || neighbour == table.rank) {
    Bad(place, "a message goes by way of board " + std::to_string(neighbour));
  }
}

/*! \brief What has crossed more links than there are boards goes in circles. */
void CheckHops(const ErrorPlace& place, const ExchangeTable& table, int hops) {
  if (hops < 1 || hops >= table.boards) {
    Bad(place, "a message has crossed " + std::to_string(hops) + " links");
  }
}

void CheckRelays(const ErrorPlace& place, const ExchangeTable& table, const ExchangeSpec& spec) {
  std::set<std::pair<int, int>> seen;
  for (const Relay& relay : spec.relays) {
    const std::string what =
        "relay from board " + std::to_string(relay.source) + " to " + std::to_string(relay.target);
    if (std::max(relay.source, relay.target) >= table.boards || relay.source == relay.target ||
        relay.source == table.rank || relay.target == table.rank) {
      Bad(place, what + " is not between two other boards");
    }
    if (!seen.insert({relay.source, relay.target}).second) Bad(place, what + " appears twice");
    CheckNeighbour(place, table, relay.from);
    CheckNeighbour(place, table, relay.to);
    if (relay.from == relay.to) Bad(place, what + " goes back where it came from");
    CheckHops(place, table, relay.hops);
    if (relay.bytes < 1 || relay.bytes > std::numeric_limits<uint32_t>::max()) {
      Bad(place, what + " has " + std::to_string(relay.bytes) + " bytes");
    }
  }
}

void CheckMessages(ErrorPlace place, const ExchangeTable& table, const ExchangeSpec& spec,
                   const std::vector<Message>& messages, const std::optional<Region>& box,
                   const std::string& what) {
  std::set<int> seen;
  for (const Message& message : messages) {
    place.peer = message.peer;
    if (message.peer >= table.boards || message.peer == table.rank) {
      Bad(place, what + " names board " + std::to_string(message.peer) + " as peer");
    }
    if (!seen.insert(message.peer).second) {
      Bad(place, "more than one " + what + " for board " + std::to_string(message.peer));
    }
    CheckNeighbour(place, table, message.via);
    if (&messages == &spec.recvs) CheckHops(place, table, message.hops);
    CheckRegion(place, message.region, spec.element_bytes, what);
    if (!box || !Contains(*box, message.region)) {
      Bad(place, what + " " + ToString(message.region) + " is not inside this board's box " +
                     (box ? ToString(*box) : "null"));
    }
    if (Volume(message.region) * spec.element_bytes > std::numeric_limits<uint32_t>::max()) {
      Bad(place, what + " " + ToString(message.region) + " exceeds 4 GiB");
    }
  }
}

/*! \brief What nobody writes would be whatever the memory held: a wrong answer, not an error. */
void CheckCovered(const ErrorPlace& place, const ExchangeSpec& spec) {
  if (!spec.out) return;
  std::vector<Region> boxes;
  if (spec.Local()) boxes.push_back(*spec.Local());
  for (const Message& message : spec.recvs) boxes.push_back(message.region);
  const std::vector<Region> left = Subtract(*spec.out, boxes);
  if (!left.empty())
    Bad(place, "nobody gives " + ToString(left[0]) + " of \"out\" " + ToString(*spec.out));
}

void CheckExchange(const ErrorPlace& place, const ExchangeTable& table, ExchangeSpec* spec) {
  CheckDtype(place, spec);
  if (spec->in) CheckRegion(place, *spec->in, spec->element_bytes, "\"in\"");
  if (spec->out) CheckRegion(place, *spec->out, spec->element_bytes, "\"out\"");
  if (spec->in && spec->out && spec->in->size() != spec->out->size()) {
    Bad(place, "\"in\" and \"out\" have different numbers of axes");
  }
  CheckMessages(place, table, *spec, spec->sends, spec->in, "send");
  CheckMessages(place, table, *spec, spec->recvs, spec->out, "recv");
  CheckRelays(place, table, *spec);
  CheckCovered(place, *spec);
}

}  // namespace

std::optional<Region> ExchangeSpec::Local() const {
  if (!in || !out) return std::nullopt;
  Region common = Intersect(*in, *out);
  if (IsEmpty(common)) return std::nullopt;
  return common;
}

std::set<int> ExchangeTable::Neighbours() const {
  std::set<int> neighbours;
  for (const ExchangeSpec& spec : exchanges) {
    for (const Message& message : spec.sends) neighbours.insert(message.via);
    for (const Message& message : spec.recvs) neighbours.insert(message.via);
    for (const Relay& relay : spec.relays) neighbours.insert({relay.from, relay.to});
  }
  return neighbours;
}

ExchangeTable ParseTable(const std::string& text, int rank, int boards) {
  ErrorPlace place;
  place.board = rank;
  if (boards < 1 || boards > kMaxBoards || rank < 0 || rank >= boards) {
    Bad(place, "rank " + std::to_string(rank) + " of " + std::to_string(boards) + " boards");
  }
  ExchangeTable table{rank, boards, {}};
  std::set<int> ids;
  try {
    const json::Value document = json::Parse(text);
    if (json::Int(json::At(document, "rank")) != rank ||
        json::Int(json::At(document, "boards")) != boards) {
      Bad(place, "it is the table of another board or cluster");
    }
    for (const json::Value& item : json::Array(json::At(document, "exchanges"))) {
      ErrorPlace here = place;
      ExchangeSpec spec;
      try {
        ParseExchange(item, &here, &spec);
      } catch (const json::Error& error) {
        Bad(here, error.what());
      }
      if (!ids.insert(spec.id).second) Bad(here, "exchange id appears twice");
      CheckExchange(here, table, &spec);
      table.exchanges.push_back(std::move(spec));
    }
  } catch (const json::Error& error) {
    Bad(place, error.what());
  }
  return table;
}

}  // namespace flexpie
