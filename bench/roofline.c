/* SPDX-License-Identifier: Apache-2.0
 * roofline.c - see roofline.h.
 *
 * Arithmetic: independent chains of fused multiply-adds (vfmadd, vdpbf16ps, vpdpbusd) that never leave the registers,
 * enough of them to hide their latency; written out, because a compiler that puts them in another order runs out of
 * registers and measures memory. Memory: eight independent sums over a block far larger than the caches, each
 * thread its own part.
 *
 * Threads: one call at a time; the work runs on the pool's threads. */
#if defined(__x86_64__)
#include <immintrin.h> /* before mem.h: it mentions malloc */
#endif

#include "roofline.h"

#include "base/mem.h"
#include "measure.h"

/* A try takes milliseconds: a thread that sleeps has to wake up before another has taken its part. */
enum { CHAINS = 24, STEPS = 1200000, TRIES = 5, MOST_THREADS = 256, BLOCK = 96 << 20 };

typedef struct {
    double work; /* of one item */
    uint64_t *block;
    uint64_t sink[MOST_THREADS * 8];
} job;

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static uint64_t f32_512(void)
{
    __m512 a[CHAINS];
    const __m512 x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(0.001f);
#pragma GCC unroll 24
    for (int i = 0; i < CHAINS; i++) a[i] = _mm512_set1_ps((float)i);
    for (int s = 0; s < STEPS; s++)
#pragma GCC unroll 24
        for (int i = 0; i < CHAINS; i++) __asm__ volatile("vfmadd213ps %2, %1, %0" : "+v"(a[i]) : "v"(x), "v"(y));
    float sum = 0;
#pragma GCC unroll 24
    for (int i = 0; i < CHAINS; i++) sum += _mm512_reduce_add_ps(a[i]);
    return (uint64_t)sum;
}

__attribute__((target("avx2,fma"))) static uint64_t f32_256(void)
{
    __m256 a[CHAINS / 2];
    const __m256 x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(0.001f);
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS / 2; i++) a[i] = _mm256_set1_ps((float)i);
    for (int s = 0; s < STEPS; s++)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS / 2; i++) a[i] = _mm256_fmadd_ps(a[i], x, y);
    float sum = 0;
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS / 2; i++) sum += _mm256_cvtss_f32(a[i]);
    return (uint64_t)sum;
}

__attribute__((target("avx512f,avx512bw,avx512bf16"))) static uint64_t bf16_512(void)
{
    __m512 a[CHAINS];
    const __m512bh x = (__m512bh)_mm512_set1_epi32(0x3f803f80);
#pragma GCC unroll 24
    for (int i = 0; i < CHAINS; i++) a[i] = _mm512_set1_ps((float)i);
    for (int s = 0; s < STEPS; s++)
#pragma GCC unroll 24
        for (int i = 0; i < CHAINS; i++) __asm__ volatile("vdpbf16ps %1, %1, %0" : "+v"(a[i]) : "v"(x));
    float sum = 0;
#pragma GCC unroll 24
    for (int i = 0; i < CHAINS; i++) sum += _mm512_reduce_add_ps(a[i]);
    return (uint64_t)sum;
}

__attribute__((target("avx512f,avx512bw,avx512vnni"))) static uint64_t int8_512(void)
{
    __m512i a[CHAINS];
    const __m512i x = _mm512_set1_epi8(1);
#pragma GCC unroll 24
    for (int i = 0; i < CHAINS; i++) a[i] = _mm512_set1_epi32(i);
    for (int s = 0; s < STEPS; s++)
#pragma GCC unroll 24
        for (int i = 0; i < CHAINS; i++) __asm__ volatile("vpdpbusd %1, %1, %0" : "+v"(a[i]) : "v"(x));
    int sum = 0;
#pragma GCC unroll 24
    for (int i = 0; i < CHAINS; i++) sum += _mm512_reduce_add_epi32(a[i]);
    return (uint64_t)sum;
}

static void f32_item(void *user, size_t item, int worker)
{
    job *j = user;
    const bool wide = __builtin_cpu_supports("avx512f");
    j->sink[item * 8] += wide ? f32_512() : f32_256();
    if (item == 0) j->work = 2.0 * STEPS * (wide ? CHAINS * 16 : CHAINS / 2 * 8);
}

static void bf16_item(void *user, size_t item, int worker)
{
    job *j = user;
    j->sink[item * 8] += bf16_512();
    if (item == 0) j->work = 2.0 * STEPS * CHAINS * 32;
}

static void int8_item(void *user, size_t item, int worker)
{
    job *j = user;
    j->sink[item * 8] += int8_512();
    if (item == 0) j->work = 2.0 * STEPS * CHAINS * 64;
}
#endif

static void memory_item(void *user, size_t item, int worker)
{
    job *j = user;
    const uint64_t *words = j->block + item * (BLOCK / 8);
    uint64_t sum[8] = {0};
    for (size_t i = 0; i < BLOCK / 8; i += 8)
        for (size_t k = 0; k < 8; k++) sum[k] += words[i + k];
    for (size_t k = 0; k < 8; k++) j->sink[item * 8] += sum[k];
    if (item == 0) j->work = BLOCK;
}

static pool_fn item_of(roof kind)
{
    if (kind == ROOF_MEMORY) return memory_item;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
    if (kind == ROOF_F32 && (wide || (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))))
        return f32_item;
    if (kind == ROOF_BF16 && wide && __builtin_cpu_supports("avx512bf16")) return bf16_item;
    if (kind == ROOF_INT8 && wide && __builtin_cpu_supports("avx512vnni")) return int8_item;
#endif
    return NULL;
}

double roofline(roof kind, pool *threads)
{
    const pool_fn item = item_of(kind);
    const size_t n = (size_t)pool_threads(threads);
    double best = 0;
    job *j = mem_new(job);
    if (j && kind == ROOF_MEMORY) {
        j->block = mem_aligned(n * BLOCK);
        for (size_t i = 0; j->block && i < n * (BLOCK / 8); i++) j->block[i] = i;
    }
    for (int i = 0; j && item && n <= MOST_THREADS && i < TRIES && (kind != ROOF_MEMORY || j->block); i++) {
        const double start = bench_now();
        pool_run(threads, n, item, j);
        const double rate = j->work * (double)n / (bench_now() - start);
        if (rate > best) best = rate;
    }
    if (j) mem_free(j->block);
    mem_free(j);
    return best;
}
