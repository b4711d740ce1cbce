// SPDX-License-Identifier: Apache-2.0
#include "exchange_table.h"

#include <tvm/runtime/data_type.h>

#include <limits>

#include "json.h"
#include "region_copy.h"

namespace flexpie {

namespace {

/*! \brief Far beyond any board's memory, and products with an element's size cannot overflow. */
constexpr int64_t kMaxBytes = int64_t{1} << 48;

[[noreturn]] void Bad(const ErrorPlace& place, const std::string& sentence) {
  Throw(ErrorKind::kTable, place, "bad exchange table: " + sentence);
}

Region ParseRegion(const json::Value& value) {
  Region region;
  for (const json::Value& axis : value.Array()) {
    if (axis.Array().size() != 2) throw json::Error("an axis of a region is [start, stop]");
    region.push_back({axis.items[0].Int(), axis.items[1].Int()});
  }
  return region;
}

std::optional<Region> ParseBox(const json::Value& value) {
  if (value.is_null()) return std::nullopt;
  return ParseRegion(value);
}

int ParseInt(const json::Value& value) {
  const int64_t number = value.Int();
  if (number < 0 || number > std::numeric_limits<int>::max()) {
    throw json::Error("integer out of range: " + std::to_string(number));
  }
  return static_cast<int>(number);
}

std::vector<Message> ParseMessages(const json::Value& value) {
  std::vector<Message> messages;
  for (const json::Value& item : value.Array()) {
    messages.push_back({ParseInt(item.At("peer")), ParseRegion(item.At("region"))});
  }
  return messages;
}

Combine ParseCombine(const std::string& name) {
  if (name == "copy") return Combine::kCopy;
  if (name == "sum") return Combine::kSum;
  if (name == "max") return Combine::kMax;
  throw json::Error("combine is copy, sum or max, not " + json::Quote(name));
}

DLDataType ParseDtype(const std::string& name) {
  try {
    return tvm::runtime::String2DLDataType(name);
  } catch (const std::exception&) {
    throw json::Error("unknown dtype " + json::Quote(name));
  }
}

void ParseExchange(const json::Value& value, ErrorPlace* place, ExchangeSpec* spec) {
  spec->id = place->exchange = ParseInt(value.At("id"));
  spec->tensor = place->tensor = value.At("name").String();
  const json::Value& layer = value.At("layer");
  if (!layer.is_null()) spec->layer = place->layer = layer.String();
  spec->dtype = ParseDtype(value.At("dtype").String());
  spec->combine = ParseCombine(value.At("combine").String());
  spec->in = ParseBox(value.At("in"));
  spec->out = ParseBox(value.At("out"));
  spec->sends = ParseMessages(value.At("sends"));
  spec->recvs = ParseMessages(value.At("recvs"));
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
  CheckCovered(place, *spec);
}

}  // namespace

std::optional<Region> ExchangeSpec::Local() const {
  if (!in || !out) return std::nullopt;
  Region common = Intersect(*in, *out);
  if (IsEmpty(common)) return std::nullopt;
  return common;
}

std::set<int> ExchangeTable::Peers() const {
  std::set<int> peers;
  for (const ExchangeSpec& spec : exchanges) {
    for (const Message& message : spec.sends) peers.insert(message.peer);
    for (const Message& message : spec.recvs) peers.insert(message.peer);
  }
  return peers;
}

ExchangeTable ParseTable(const std::string& text, int rank, int boards) {
  ErrorPlace place;
  place.board = rank;
  if (boards < 1 || rank < 0 || rank >= boards) {
    Bad(place, "rank " + std::to_string(rank) + " of " + std::to_string(boards) + " boards");
  }
  ExchangeTable table{rank, boards, {}};
  std::set<int> ids;
  try {
    const json::Value document = json::Parse(text);
    if (document.At("rank").Int() != rank || document.At("boards").Int() != boards) {
      Bad(place, "it is the table of another board or cluster");
    }
    for (const json::Value& item : document.At("exchanges").Array()) {
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
