// SPDX-License-Identifier: Apache-2.0
/*!
 * \file between_layers.cc
 * \brief Leaves the caches as a layer of a running model finds them, for who times it alone.
 *
 *  flexpie.between_layers(roles) -> name of a packed function, for f_preproc of time_evaluator
 *
 * roles has a letter per tensor of the kernel to be timed:
 *  w  weights: were used one inference ago, so they are flushed to memory
 *  r  is read: was written by the layer before, so it is near, except for its start if it is large
 *  -  is written: memory that layers before have used, left as it is
 * Before what is read is touched, as much other memory is written as layers in between do.
 */
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include "error.h"
#include "register.h"
#include "tensor_check.h"

namespace flexpie {

namespace {

using tvm::runtime::TVMArgs;
using tvm::runtime::TVMRetValue;

/*!
 * \brief Bytes that are written in between: half of a second-level cache of 1 MiB. Of 0, 1/2, 1
 * and 2 MiB, 1/2 and 1 came closest to the kernels inside of five running models.
 */
constexpr size_t kOthers = 512 << 10;

/*! \brief Bytes of a cache's line, of x86-64 and of 64-bit ARM cores. */
constexpr size_t kLine = 64;

void FlushLine(const char* line) {
#if defined(__x86_64__)
  _mm_clflush(line);
#elif defined(__aarch64__)
  asm volatile("dc civac, %0" : : "r"(line) : "memory");
#else
#error "no way to flush a line of the cache is known here"
#endif
}

void Flush(const iovec& memory) {
  const auto data = static_cast<const char*>(memory.iov_base);
  for (size_t at = 0; at < memory.iov_len; at += kLine) FlushLine(data + at);
  if (memory.iov_len > 0) FlushLine(data + memory.iov_len - 1);
  __sync_synchronize();
}

void Read(const iovec& memory) {
  const auto data = static_cast<const volatile char*>(memory.iov_base);
  for (size_t at = 0; at < memory.iov_len; at += kLine) static_cast<void>(data[at]);
}

void Write(std::vector<char>* others) {
  volatile char* data = others->data();
  for (size_t at = 0; at < others->size(); at += kLine) data[at] = data[at] + 1;
}

void Prepare(const std::string& roles, std::vector<char>* others, const TVMArgs& args) {
  if (static_cast<size_t>(args.size()) != roles.size()) {
    Throw(ErrorKind::kTable, {},
          "flexpie.between_layers was told of " + std::to_string(roles.size()) +
              " tensors, the kernel has " + std::to_string(args.size()));
  }
  const auto each = [&](char role, void (*act)(const iovec&)) {
    for (int k = 0; k < args.size(); ++k) {
      if (roles[k] == role) act(MemoryOf(*args[k].operator DLTensor*()));
    }
  };
  each('w', Flush);
  Write(others);
  each('r', Read);
}

/*! \brief Registers a function for such a kernel, unless there is one. */
std::string BetweenLayers(const std::string& roles) {
  // One for all kernels: the caches shall find other memory, it need not be different each time.
  static const auto others = std::make_shared<std::vector<char>>(kOthers);
  const std::string name = "flexpie.between_layers." + roles;
  Registration{Packed(name, [roles, others = others](TVMArgs args, TVMRetValue*) {
    Prepare(roles, others.get(), args);
  })};
  return name;
}

const Registration kRegistration{Typed("flexpie.between_layers", BetweenLayers)};

}  // namespace

}  // namespace flexpie
