/* SPDX-License-Identifier: Apache-2.0
 * cpu.h - what the processor has, where the compiler has no word to ask for it. On x86 that is
 * __builtin_cpu_supports(); on arm64 the kernel says it in the auxiliary vector. Threads: pure. */
#ifndef SIMILE_BASE_CPU_H
#define SIMILE_BASE_CPU_H

#include <stdbool.h>

#ifdef __aarch64__
#include <sys/auxv.h>

/* sdot and udot: optional from ARMv8.2 on. NEON itself is part of every arm64. */
static inline bool cpu_has_dotprod(void)
{
    return getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
}
#endif

#endif
