/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin of qemu-user: how often a guest executes which instructions, and which of them miss
 * simulated data caches, while the guest has counting switched on.
 *
 * A guest switches with a system call that no kernel has, in this order: syscall(0x464c58, 2)
 * readies the counter (until then the guest runs at full speed), (.., 1) is on, (.., 0) is off.
 * What was counted is written when the guest ends:
 *
 *   others <instructions of other threads while counting was on>
 *   <address> <executions> <l1 misses> <l2 misses> <instruction word>...     per block
 *
 * with addresses and words in hexadecimal. A block is what qemu translates in one piece; two blocks
 * can overlap. Only the thread that switched counting on is counted.
 *
 * Arguments: out=FILE, and to simulate caches l1=KIB:WAYS and l2=KIB:WAYS. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "data_cache.h"
#include "qemu_api.h"

enum { SWITCH = 0x464c58, OFF = 0, ON = 1, READY = 2, BUCKETS = 1 << 16 };

struct block {
  struct block* next;
  uint64_t address, executions, l1_misses, l2_misses;
  size_t size;
  uint32_t words[];
};

EXPORTED int qemu_plugin_version = QEMU_API_VERSION;

static struct block* blocks[BUCKETS];
static struct data_cache l1, l2;
static bool caches, ready, counting;
static unsigned counted_thread; /* qemu-user has a CPU per thread */
static uint64_t others;
static uint64_t last_line; /* touched before: it is in L1, and the one used last */
static const char* file;

static void touch(struct block* block, uint64_t line) {
  if (line == last_line) return;
  last_line = line;
  if (data_cache_touch(&l1, line)) return;
  block->l1_misses++;
  block->l2_misses += !data_cache_touch(&l2, line);
}

static void on_block(unsigned thread, void* data) {
  if (!counting) return;
  struct block* const block = data;
  if (thread == counted_thread) {
    block->executions++;
  } else {
    __atomic_add_fetch(&others, block->size, __ATOMIC_RELAXED);
  }
}

static void on_memory(unsigned thread, qemu_plugin_meminfo_t info, uint64_t address, void* data) {
  if (!counting || thread != counted_thread) return;
  const uint64_t last = address + (1u << qemu_plugin_mem_size_shift(info)) - 1;
  touch(data, address >> LINE_BITS);
  if (last >> LINE_BITS != address >> LINE_BITS) touch(data, last >> LINE_BITS);
}

/* The block with this address and content; code can be translated again, or be replaced. */
static struct block* block_of(const struct qemu_plugin_tb* translated) {
  const uint64_t address = qemu_plugin_tb_vaddr(translated);
  const size_t size = qemu_plugin_tb_n_insns(translated);
  struct block** const bucket = &blocks[(address >> 2) % BUCKETS];
  struct block* const fresh = calloc(1, sizeof *fresh + size * sizeof(uint32_t));
  if (fresh == NULL) abort();
  for (size_t k = 0; k < size; k++) {
    const void* word = qemu_plugin_insn_data(qemu_plugin_tb_get_insn(translated, k));
    memcpy(&fresh->words[k], word, sizeof(uint32_t));
  }
  for (struct block* known = *bucket; known != NULL; known = known->next) {
    if (known->address == address && known->size == size &&
        memcmp(known->words, fresh->words, size * sizeof(uint32_t)) == 0) {
      free(fresh);
      return known;
    }
  }
  fresh->address = address;
  fresh->size = size;
  fresh->next = *bucket;
  return *bucket = fresh;
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb* translated) {
  (void)id;
  struct block* const block = block_of(translated);
  qemu_plugin_register_vcpu_tb_exec_cb(translated, on_block, CALLBACK_READS_NO_REGISTERS, block);
  if (!caches) return;
  for (size_t k = 0; k < block->size; k++) {
    qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(translated, k), on_memory,
                                     CALLBACK_READS_NO_REGISTERS, READS_AND_WRITES, block);
  }
}

static void register_callbacks(qemu_plugin_id_t id);

static void on_system_call(qemu_plugin_id_t id, unsigned thread, int64_t number, uint64_t state,
                           uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g,
                           uint64_t h) {
  (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
  if (number != SWITCH) return;
  if (state == READY && !ready) {
    ready = true;
    qemu_plugin_reset(id, register_callbacks); /* everything is translated again */
  }
  counted_thread = thread;
  counting = state == ON;
}

static void on_exit_of_guest(qemu_plugin_id_t id, void* data) {
  (void)id, (void)data;
  FILE* const out = fopen(file, "w");
  if (out == NULL) return; /* the host sees that there is no file */
  fprintf(out, "others %" PRIu64 "\n", others);
  for (size_t bucket = 0; bucket < BUCKETS; bucket++) {
    for (const struct block* block = blocks[bucket]; block != NULL; block = block->next) {
      if (block->executions == 0) continue;
      fprintf(out, "%" PRIx64 " %" PRIu64 " %" PRIu64 " %" PRIu64, block->address,
              block->executions, block->l1_misses, block->l2_misses);
      for (size_t k = 0; k < block->size; k++) fprintf(out, " %08" PRIx32, block->words[k]);
      fputc('\n', out);
    }
  }
  fclose(out);
}

static void register_callbacks(qemu_plugin_id_t id) {
  if (ready) qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
  qemu_plugin_register_vcpu_syscall_cb(id, on_system_call);
  qemu_plugin_register_atexit_cb(id, on_exit_of_guest, NULL);
}

static bool create_cache(struct data_cache* cache, const char* text) {
  unsigned kib, ways;
  return sscanf(text, "%u:%u", &kib, &ways) == 2 && data_cache_create(cache, kib, ways);
}

EXPORTED int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info* info, int count,
                                 char** arguments) {
  (void)info;
  bool with_l1 = false, with_l2 = false;
  for (int k = 0; k < count; k++) {
    if (strncmp(arguments[k], "out=", 4) == 0) {
      file = strdup(arguments[k] + 4);
    } else if (strncmp(arguments[k], "l1=", 3) == 0) {
      with_l1 = create_cache(&l1, arguments[k] + 3);
    } else if (strncmp(arguments[k], "l2=", 3) == 0) {
      with_l2 = create_cache(&l2, arguments[k] + 3);
    }
  }
  if (file == NULL || with_l1 != with_l2) {
    fputs("the counter takes out=FILE and both or none of l1=KIB:WAYS, l2=KIB:WAYS\n", stderr);
    return -1;
  }
  caches = with_l1;
  register_callbacks(id);
  return 0;
}
