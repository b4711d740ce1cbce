// SPDX-License-Identifier: Apache-2.0
#include "stats.h"

#include <nlohmann/json.hpp>

namespace flexpie {

void ExchangeStats::Add(const ExchangeStats& one) {
  count += one.count;
  bytes_sent += one.bytes_sent;
  bytes_received += one.bytes_received;
  bytes_forwarded += one.bytes_forwarded;
  local_bytes += one.local_bytes;
  pack_ns += one.pack_ns;
  wait_ns += one.wait_ns;
  total_ns += one.total_ns;
  last_start_ns = one.last_start_ns;
  last_end_ns = one.last_end_ns;
  last_pack_ns = one.pack_ns;
  last_wait_ns = one.wait_ns;
}

nlohmann::json ExchangeStats::Json() const {
  return {{"count", count},
          {"bytes_sent", bytes_sent},
          {"bytes_received", bytes_received},
          {"bytes_forwarded", bytes_forwarded},
          {"local_bytes", local_bytes},
          {"pack_ns", pack_ns},
          {"wait_ns", wait_ns},
          {"total_ns", total_ns},
          {"wire_ns", total_ns - pack_ns - wait_ns},
          {"last_start_ns", last_start_ns},
          {"last_end_ns", last_end_ns},
          {"last_pack_ns", last_pack_ns},
          {"last_wait_ns", last_wait_ns}};
}

}  // namespace flexpie
