// SPDX-License-Identifier: Apache-2.0
/*!
 * \file board_info.cc
 * \brief What a board is, for the host's list of boards.
 *
 *  flexpie.board_info() -> JSON {"arch", "cores", "memory", "system", "commit", "runtime"}
 *
 * A stock RPC server has no function that tells any of it.
 */
#include <sched.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <tvm/runtime/c_runtime_api.h>
#include <tvm/runtime/container/map.h>
#include <tvm/runtime/container/string.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "json.h"
#include "register.h"

namespace flexpie {

namespace {

using tvm::runtime::Map;
using tvm::runtime::PackedFunc;
using tvm::runtime::Registry;
using tvm::runtime::String;

/*! \brief Cores that the server may use, which can be fewer than the board has. */
int Cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 0;
}

/*! \brief Bytes of physical memory. */
uint64_t Memory() {
  struct sysinfo info{};
  return sysinfo(&info) == 0 ? uint64_t{info.totalram} * info.mem_unit : 0;
}

/*!
 * \brief Commit that the board's own TVM runtime was built from (not the one we were compiled
 * against); a runtime knows no version number.
 */
std::string Commit() {
  const PackedFunc* ask = Registry::Get("support.GetLibInfo");
  if (ask == nullptr) return "";
  const Map<String, String> info = (*ask)();
  const auto found = info.find("GIT_COMMIT_HASH");
  return found == info.end() ? "" : std::string((*found).second);
}

/*! \brief File of the runtime; the Python package around it knows its version number. */
std::string RuntimeFile() {
  // Not by dladdr: linked on a new system, it would not load on boards with an older glibc.
  const auto address = reinterpret_cast<uintptr_t>(&TVMGetLastError);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    char* rest = nullptr;
    const uintptr_t start = std::strtoull(line.c_str(), &rest, 16);
    const uintptr_t stop = *rest == '-' ? std::strtoull(rest + 1, nullptr, 16) : 0;
    const size_t path = line.find('/');
    if (start <= address && address < stop && path != std::string::npos) return line.substr(path);
  }
  return "";
}

std::string BoardInfo() {
  utsname name{};
  uname(&name);
  return json::Text({{"arch", name.machine},
                     {"cores", Cores()},
                     {"memory", Memory()},
                     {"system", std::string(name.sysname) + " " + name.release},
                     {"commit", Commit()},
                     {"runtime", RuntimeFile()}});
}

const Registration kRegistration{Typed("flexpie.board_info", BoardInfo)};

}  // namespace

}  // namespace flexpie
