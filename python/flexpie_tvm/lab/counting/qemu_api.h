/* SPDX-License-Identifier: Apache-2.0 */
/* What the counter uses of qemu's plugin interface (version 1, of qemu 4.2 to 8.2): Debian packs
 * no header of it. Types that only qemu looks into stay incomplete. */
#ifndef FLEXPIE_COUNTING_QEMU_API_H_
#define FLEXPIE_COUNTING_QEMU_API_H_

#include <stddef.h>
#include <stdint.h>

#define QEMU_API_VERSION 1
#define EXPORTED __attribute__((visibility("default")))

struct qemu_info;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;

enum { CALLBACK_READS_NO_REGISTERS = 0 }; /* qemu_plugin_cb_flags */
enum { READS_AND_WRITES = 3 };            /* qemu_plugin_mem_rw */

typedef void block_callback(qemu_plugin_id_t, struct qemu_plugin_tb*);
typedef void execution_callback(unsigned cpu, void* data);
typedef void memory_callback(unsigned cpu, qemu_plugin_meminfo_t, uint64_t address, void* data);
typedef void exit_callback(qemu_plugin_id_t, void* data);
typedef void reset_callback(qemu_plugin_id_t);
typedef void system_call_callback(qemu_plugin_id_t, unsigned cpu, int64_t number, uint64_t,
                                  uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                                  uint64_t);

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb*);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb*);
struct qemu_plugin_insn* qemu_plugin_tb_get_insn(const struct qemu_plugin_tb*, size_t);
const void* qemu_plugin_insn_data(const struct qemu_plugin_insn*);
unsigned qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t);

void qemu_plugin_reset(qemu_plugin_id_t, reset_callback*);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, block_callback*);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb*, execution_callback*, int flags,
                                          void* data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn*, memory_callback*, int flags, int rw,
                                      void* data);
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t, system_call_callback*);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, exit_callback*, void* data);

#endif  // FLEXPIE_COUNTING_QEMU_API_H_
