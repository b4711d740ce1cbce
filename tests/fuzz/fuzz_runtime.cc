// SPDX-License-Identifier: Apache-2.0
/*!
 * \file fuzz_runtime.cc
 * \brief Damaged hellos, messages, exchange tables and JSON, in a process without sockets.
 *
 *     fuzz_runtime INPUTS [SEED]
 *
 * Inputs are valid ones with bytes changed, put in, taken out, doubled or cut off, seeded. What
 * must hold, under AddressSanitizer and UBSan: nothing but the runtime's own errors; a damaged
 * hello differs; an exchange that returns has the right answer; a table that is accepted can be
 * run.
 */
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "crc32c.h"
#include "exchange.h"
#include "exchange_table.h"
#include "json.h"
#include "transport.h"
#include "wire.h"

namespace flexpie {

namespace {

using Bytes = std::string;
using Random = std::mt19937_64;

size_t Below(Random* random, size_t end) { return end == 0 ? 0 : (*random)() % end; }

/*! \brief Parts of tables and JSON that a change of single bytes would hardly make. */
const std::vector<std::string> kWords = {"-1",
                                         "0",
                                         "255",
                                         "2147483648",
                                         "9223372036854775807",
                                         "1e308",
                                         "-9223372036854775808",
                                         "null",
                                         "[[0,1]]",
                                         "[]",
                                         "{}",
                                         "\"\\ud800\"",
                                         "\"sum\"",
                                         "\"max\"",
                                         "\"float64\"",
                                         "[[",
                                         "]]",
                                         ":",
                                         ","};

Bytes Mutate(Bytes data, Random* random) {
  const size_t changes = 1 + Below(random, 4);
  for (size_t i = 0; i < changes; ++i) {
    const size_t at = Below(random, data.size() + 1);
    const size_t some = std::min(data.size() - at, Below(random, 16));
    switch (Below(random, 6)) {
      case 0:
        if (at < data.size()) data[at] ^= static_cast<char>(1 << Below(random, 8));
        break;
      case 1:
        if (at < data.size()) data[at] = static_cast<char>((*random)());
        break;
      case 2:
        data.erase(at, some);
        break;
      case 3:
        data.insert(at, Bytes(data, at, some));
        break;
      case 4:
        data.replace(at, some, kWords[Below(random, kWords.size())]);
        break;
      default:
        if (Below(random, 8) == 0) data.resize(at);
    }
  }
  return data;
}

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "fuzz_runtime: %s\n", what);
  std::abort();
}

/*! \brief Peers that say what they are given and then hang up; takes and gives odd amounts. */
class Script : public Transport {
 public:
  Script(std::map<int, Bytes> says, Random* random) : says_(std::move(says)), random_(random) {}

  IoResult TrySend(int, const iovec* parts, int count) override {
    size_t bytes = 0;
    for (int i = 0; i < count; ++i) bytes += Touch(parts[i]);
    return {IoResult::Status::kMoved, 1 + Below(random_, bytes), 0};
  }

  IoResult TryRecv(int peer, const iovec* parts, int count) override {
    const Bytes& all = says_[peer];
    size_t& at = read_[peer];
    if (at == all.size()) return {IoResult::Status::kClosed, 0, 0};
    size_t left = 1 + Below(random_, all.size() - at);
    size_t moved = 0;
    for (int i = 0; i < count && left > 0; ++i) {
      const size_t bytes = std::min(left, parts[i].iov_len);
      std::memcpy(parts[i].iov_base, all.data() + at, bytes);
      at += bytes, left -= bytes, moved += bytes;
    }
    return {IoResult::Status::kMoved, moved, 0};
  }

  void Wait(const std::vector<Interest>&, int64_t) override {}
  void Shutdown() override {}

 private:
  /*! \brief Reads what would be sent, so that a sanitizer sees where it is. */
  static size_t Touch(const iovec& part) {
    Crc32c(0, part.iov_base, part.iov_len);
    return part.iov_len;
  }

  std::map<int, Bytes> says_;
  std::map<int, size_t> read_;
  Random* random_;
};

const char kTwoBoards[] = R"({"rank": 0, "boards": 2, "exchanges": [
{"id": 0, "name": "a", "layer": "conv", "dtype": "float32", "combine": "copy",
 "in": [[0, 3], [0, 8]], "out": [[0, 4], [0, 8]],
 "sends": [{"peer": 1, "region": [[2, 3], [0, 8]], "via": 1}],
 "recvs": [{"peer": 1, "region": [[3, 4], [0, 8]], "via": 1, "hops": 1}], "relays": []},
{"id": 1, "name": "b", "layer": "sum", "dtype": "float32", "combine": "sum",
 "in": [[0, 4], [0, 5]], "out": [[0, 4], [0, 5]],
 "sends": [{"peer": 1, "region": [[1, 3], [0, 5]], "via": 1}],
 "recvs": [{"peer": 1, "region": [[0, 4], [0, 5]], "via": 1, "hops": 1}], "relays": []}]})";
const char kRing[] = R"({"rank": 1, "boards": 4, "exchanges": [
{"id": 0, "name": "t", "layer": "l", "dtype": "float32", "combine": "copy", "in": null,
 "out": [[0, 3], [0, 9]], "sends": [],
 "recvs": [{"peer": 3, "region": [[2, 3], [0, 9]], "via": 0, "hops": 2},
           {"peer": 2, "region": [[1, 2], [0, 9]], "via": 2, "hops": 1},
           {"peer": 0, "region": [[0, 1], [0, 9]], "via": 0, "hops": 1}],
 "relays": [{"source": 0, "target": 2, "bytes": 36, "from": 0, "to": 2, "hops": 1}]}]})";

Bytes MessageOf(int source, int target, int exchange, const Bytes& payload) {
  const HeaderBytes header = Encode(Header{source, target, static_cast<uint32_t>(exchange), 7,
                                           static_cast<uint32_t>(payload.size())});
  const TrailerBytes trailer = EncodeTrailer(Crc32c(0, payload.data(), payload.size()));
  return Bytes(header.begin(), header.end()) + payload + Bytes(trailer.begin(), trailer.end());
}

/*! \brief What one exchange of a table makes of all that its peers say. */
Bytes RunExchange(const ExchangeSpec& spec, int rank, std::map<int, Bytes> says, Random* random) {
  const Exchange exchange(spec, rank);
  const auto bytes_of = [&](const std::optional<Region>& box) {
    return box ? static_cast<size_t>(Volume(*box) * spec.element_bytes) : 0;
  };
  std::vector<char> x(bytes_of(spec.in), 1), y(bytes_of(spec.out), 0);
  std::vector<char> staging(static_cast<size_t>(exchange.staging_bytes()));
  Script script(std::move(says), random);
  exchange.Run({&script, staging.data(), 7, 1000000000}, spec.in ? x.data() : nullptr,
               spec.out ? y.data() : nullptr);
  return Bytes(y.begin(), y.end());
}

/*! \brief The ring's board 1: of what 0 says, one message is its own and one is passed on. */
void FuzzFrames(Random* random) {
  static const ExchangeTable table = ParseTable(kRing, 1, 4);
  const auto row = [](char value) { return Bytes(36, value); };
  const std::map<int, Bytes> right = {
      {0, MessageOf(0, 1, 0, row(1)) + MessageOf(0, 2, 0, row(9)) + MessageOf(3, 1, 0, row(3))},
      {2, MessageOf(2, 1, 0, row(2))}};
  const Bytes answer = row(1) + row(2) + row(3);
  if (RunExchange(table.exchanges[0], 1, right, random) != answer)
    Fail("a right exchange is wrong");
  std::map<int, Bytes> says = right;
  Bytes& one = says[Below(random, 2) ? 0 : 2];
  one = Mutate(one, random);
  if (RunExchange(table.exchanges[0], 1, says, random) != answer)
    Fail("a wrong answer is accepted");
}

void FuzzTable(Random* random) {
  const bool ring = Below(random, 2);
  const int rank = ring ? 1 : 0;
  const ExchangeTable table =
      ParseTable(Mutate(ring ? kRing : kTwoBoards, random), rank, ring ? 4 : 2);
  for (const ExchangeSpec& spec : table.exchanges) {
    int64_t bytes = 0;
    for (const auto& box : {spec.in, spec.out}) {
      if (box) bytes += Volume(*box) * spec.element_bytes;
    }
    for (const Relay& relay : spec.relays) bytes += relay.bytes;
    if (bytes > 1 << 20) continue;
    std::map<int, Bytes> says;
    for (const Message& message : spec.recvs) {
      const auto size = static_cast<size_t>(Volume(message.region) * spec.element_bytes);
      says[message.via] += MessageOf(message.peer, rank, spec.id, Bytes(size, 5));
    }
    RunExchange(spec, rank, says, random);
  }
}

void FuzzHello(Random* random) {
  Hello expected;
  expected.from = 1;
  ParseToken("00112233445566778899aabbccddeeff", &expected.token);
  const HelloBytes right = Encode(expected);
  Bytes said = Mutate(Bytes(right.begin(), right.end()), random);
  said.resize(kHelloBytes);
  HelloBytes bytes;
  std::copy(said.begin(), said.end(), bytes.begin());
  ClaimedRank(bytes);
  if (Differs(bytes, expected).empty() != (bytes == right)) Fail("a wrong hello is accepted");
  Token token;
  ParseToken(said, &token);
}

void FuzzJson(Random* random) {
  json::Text(Mutate(kTwoBoards, random));
  Bytes text = Mutate(kTwoBoards, random);
  if (Below(random, 100) == 0) text = Bytes(1 + Below(random, 100000), "[{\""[Below(random, 3)]);
  const json::Value value = json::Parse(text);
  if (json::Parse(json::Text(value)) != value) Fail("a value is written as another one");
}

int Main(int64_t inputs, uint64_t seed) {
  void (*const kinds[])(Random*) = {FuzzHello, FuzzFrames, FuzzTable, FuzzJson};
  const char* const names[] = {"hellos", "messages", "tables", "JSON texts"};
  for (int kind = 0; kind < 4; ++kind) {
    int64_t refused = 0;
    for (int64_t i = kind; i < inputs; i += 4) {
      Random random(seed * 1000003 + static_cast<uint64_t>(i));
      try {
        kinds[kind](&random);
      } catch (const json::Error&) {
        ++refused;
      } catch (const std::exception& error) {
        if (!std::strstr(error.what(), "FLEXPIE_ERROR {")) Fail(error.what());
        ++refused;
      }
    }
    std::printf("%s: %lld errors\n", names[kind], static_cast<long long>(refused));
  }
  std::printf("%lld inputs, 0 crashes\n", static_cast<long long>(inputs));
  return 0;
}

}  // namespace

}  // namespace flexpie

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: fuzz_runtime INPUTS [SEED]\n");
    return 2;
  }
  return flexpie::Main(std::strtoll(argv[1], nullptr, 10),
                       argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1);
}
