/* SPDX-License-Identifier: Apache-2.0 */
/* A set-associative cache with 64-byte lines that drops the line used longest ago. No prefetcher.
 */
#ifndef FLEXPIE_COUNTING_DATA_CACHE_H_
#define FLEXPIE_COUNTING_DATA_CACHE_H_

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum { LINE_BITS = 6 };

struct data_cache {
  uint64_t set_mask;
  unsigned ways;
  uint64_t* lines; /* per set, the line used last first; a line is kept plus one */
};

/* kib is a power of two times ways. False if it is not. */
static bool data_cache_create(struct data_cache* cache, unsigned kib, unsigned ways) {
  const uint64_t sets = ways ? ((uint64_t)kib << 10) / (ways << LINE_BITS) : 0;
  if (sets == 0 || (sets & (sets - 1)) != 0) return false;
  cache->set_mask = sets - 1;
  cache->ways = ways;
  cache->lines = calloc(sets * ways, sizeof(uint64_t));
  return cache->lines != NULL;
}

/* Whether the line is there; afterwards it is. */
static inline bool data_cache_touch(struct data_cache* cache, uint64_t line) {
  uint64_t* const set = cache->lines + (line & cache->set_mask) * cache->ways;
  uint64_t moved = line + 1;
  for (unsigned way = 0; way < cache->ways; way++) {
    const uint64_t here = set[way];
    set[way] = moved;
    if (here == line + 1) return true;
    moved = here;
  }
  return false;
}

#endif  // FLEXPIE_COUNTING_DATA_CACHE_H_
