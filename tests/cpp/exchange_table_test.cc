// SPDX-License-Identifier: Apache-2.0
// What a table says, and what is no table.
#include "exchange_table.h"

#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "caught.h"
#include "random.h"

namespace flexpie {

namespace {

using nlohmann::json;

/*! \brief Board 1 of a ring of four: it sends, receives, and passes a message on. */
const char kRing[] = R"({"rank": 1, "boards": 4, "exchanges": [
{"id": 5, "name": "t", "layer": "conv", "dtype": "float32", "combine": "copy",
 "in": [[0, 2], [0, 9]], "out": [[0, 4], [0, 9]],
 "sends": [{"peer": 0, "region": [[1, 2], [0, 9]], "via": 0}],
 "recvs": [{"peer": 3, "region": [[2, 4], [0, 9]], "via": 2, "hops": 2}],
 "relays": [{"source": 0, "target": 2, "bytes": 36, "from": 0, "to": 2, "hops": 1}]}]})";

/*! \brief The error that the table of the ring becomes by a change. */
Caught AfterChange(const std::function<void(json*)>& change) {
  json table = json::parse(kRing);
  change(&table);
  return ErrorOf([&] { ParseTable(table.dump(), 1, 4); });
}

TEST(ExchangeTable, SaysWhatItSays) {
  const ExchangeTable table = ParseTable(kRing, 1, 4);
  ASSERT_EQ(table.exchanges.size(), 1u);
  const ExchangeSpec& spec = table.exchanges[0];
  EXPECT_EQ(spec.id, 5);
  EXPECT_EQ(spec.tensor, "t");
  EXPECT_EQ(spec.layer, "conv");
  EXPECT_EQ(spec.element_bytes, 4);
  EXPECT_EQ(ToString(*spec.in), "[[0,2),[0,9)]");
  EXPECT_EQ(ToString(*spec.Local()), "[[0,2),[0,9)]");
  ASSERT_EQ(spec.recvs.size(), 1u);
  EXPECT_EQ(spec.recvs[0].peer, 3);
  EXPECT_EQ(spec.recvs[0].via, 2);
  EXPECT_EQ(spec.recvs[0].hops, 2);
  EXPECT_EQ(ToString(spec.recvs[0].region), "[[2,4),[0,9)]");
  ASSERT_EQ(spec.relays.size(), 1u);
  EXPECT_EQ(spec.relays[0].bytes, 36);
  EXPECT_EQ(table.Neighbours(), (std::set<int>{0, 2}));
}

TEST(ExchangeTable, NamesTheMemberThatIsMissing) {
  const json whole = json::parse(kRing).at("exchanges").at(0);
  for (const auto& member : whole.items()) {
    const Caught error =
        AfterChange([&](json* table) { (*table)["exchanges"][0].erase(member.key()); });
    EXPECT_EQ(error.kind, "table");
    EXPECT_EQ(error.sentence, "bad exchange table: no member \"" + member.key() + "\"");
  }
}

TEST(ExchangeTable, NamesWhatIsWrong) {
  const std::pair<const char*, std::pair<json, const char*>> cases[] = {
      {"/exchanges/0/id", {json(-1), "integer out of range: -1"}},
      {"/exchanges/0/id", {json(2147483648), "integer out of range: 2147483648"}},
      {"/exchanges/0/id", {json(1.0), "expected an integer"}},
      {"/exchanges/0/dtype", {json("floaty"), "unknown dtype \"floaty\""}},
      {"/exchanges/0/dtype", {json("int4"), "dtype has no fixed width in bytes"}},
      {"/exchanges/0/combine", {json("mean"), "combine is copy, sum or max, not \"mean\""}},
      {"/exchanges/0/sends/0/peer", {json(1), "send names board 1 as peer"}},
      {"/exchanges/0/sends/0/via", {json(4), "a message goes by way of board 4"}},
      {"/exchanges/0/recvs/0/hops", {json(4), "a message has crossed 4 links"}},
      {"/exchanges/0/recvs/0/region/0", {json({2, 3, 4}), "an axis of a region is [start, stop]"}},
      {"/exchanges/0/recvs/0/region/0", {json({2, 2}), "recv [[2,2),[0,9)] is empty"}},
      {"/exchanges/0/recvs/0/region/0", {json({2, 3}), "nobody gives [[3,4),[0,9)] of \"out\""}},
      {"/exchanges/0/relays/0/to", {json(0), "goes back where it came from"}},
      {"/exchanges/0/relays/0/bytes", {json(4294967296), "has 4294967296 bytes"}},
  };
  for (const auto& [pointer, change] : cases) {
    const Caught error = AfterChange([&, pointer = pointer, value = change.first](json* table) {
      (*table)[json::json_pointer(pointer)] = value;
    });
    EXPECT_EQ(error.kind, "table");
    EXPECT_EQ(error.board, 1);
    EXPECT_NE(error.sentence.find(change.second), std::string::npos) << error.sentence;
    if (std::string(pointer) != "/exchanges/0/id") {
      EXPECT_EQ(error.exchange, 5);
    }
  }
}

TEST(ExchangeTable, IsThatOfOneBoard) {
  for (const auto& [rank, boards] : {std::pair(0, 4), std::pair(1, 5), std::pair(4, 4),
                                     std::pair(-1, 4), std::pair(0, 0), std::pair(1, 257)}) {
    EXPECT_EQ(ErrorOf([&, r = rank, b = boards] { ParseTable(kRing, r, b); }).kind, "table");
  }
}

TEST(ExchangeTable, ThatBreaksOffIsRefused) {
  const std::string text = kRing;
  for (size_t length = 0; length < text.size(); ++length) {
    const Caught error = ErrorOf([&] { ParseTable(text.substr(0, length), 1, 4); });
    EXPECT_EQ(error.kind, "table");
    EXPECT_NE(error.sentence.find("bad JSON at character "), std::string::npos);
  }
}

json JsonOf(const Region& region) {
  json value = json::array();
  for (const Interval& axis : region) value.push_back({axis.start, axis.stop});
  return value;
}

/*! \brief Accepted exactly when some board gives every element of "out". */
TEST(ExchangeTable, CoversTheOutput) {
  int accepted = 0;
  for (const uint64_t seed : Seeds(400)) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Region whole{{0, 3}, {0, 2}};
    const Region in = RandomInside(&random, whole);
    const Region out = RandomInside(&random, whole);
    std::set<std::vector<int64_t>> missing;
    for (const auto& point : PointsOf(out)) missing.insert(point);
    for (const auto& point : PointsOf(in)) missing.erase(point);
    json table = json::parse(kRing);
    json& exchange = table["exchanges"][0];
    exchange["in"] = JsonOf(in);
    exchange["out"] = JsonOf(out);
    exchange["sends"] = exchange["recvs"] = json::array();
    for (const int peer : {0, 2, 3}) {
      if (Between(&random, 0, 2) == 0) continue;
      const Region region = RandomInside(&random, out);
      for (const auto& point : PointsOf(region)) missing.erase(point);
      exchange["recvs"].push_back(
          {{"peer", peer}, {"region", JsonOf(region)}, {"via", 0}, {"hops", 1}});
    }
    if (missing.empty()) {
      EXPECT_EQ(ParseTable(table.dump(), 1, 4).exchanges.size(), 1u);
      ++accepted;
    } else {
      const Caught error = ErrorOf([&] { ParseTable(table.dump(), 1, 4); });
      EXPECT_NE(error.sentence.find("nobody gives"), std::string::npos) << error.sentence;
    }
  }
  EXPECT_GT(accepted, 50);
  EXPECT_LT(accepted, 350);
}

}  // namespace

}  // namespace flexpie
