/* SPDX-License-Identifier: Apache-2.0
 * mem.c - see mem.h. Besides fault injection these are thin wrappers; alignment comes from posix_memalign, so that
 * free() takes everything. */
#define SIMILE_MEM_IMPLEMENTATION
#include "base/mem.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>

static atomic_long fault_countdown;
static atomic_bool fault_sticky, fault_hit;

void mem_fault_after(long n, bool sticky)
{
    atomic_store(&fault_sticky, sticky);
    atomic_store(&fault_hit, false);
    atomic_store(&fault_countdown, n);
}

bool mem_fault_hit(void)
{
    return atomic_load(&fault_hit);
}

bool mem_fault_now(void)
{
    long left = atomic_load_explicit(&fault_countdown, memory_order_relaxed);
    if (left == 0) return false;
    left = atomic_fetch_sub(&fault_countdown, 1);
    if (left > 1) return false;
    const bool sticky = atomic_load(&fault_sticky), refuse = left == 1 || sticky;
    atomic_store(&fault_countdown, sticky ? -1 : 0); /* below zero: every later one too; zero: off */
    if (refuse) atomic_store(&fault_hit, true);
    return refuse;
}

void *mem_alloc(size_t size)
{
    return mem_fault_now() ? NULL : malloc(size ? size : 1);
}

void *mem_zero(size_t size)
{
    return mem_fault_now() ? NULL : calloc(1, size ? size : 1);
}

void *mem_array(size_t n, size_t size)
{
    size_t total;
    return mem_mul(n, size, &total) ? mem_alloc(total) : NULL;
}

void *mem_zero_array(size_t n, size_t size)
{
    size_t total;
    return mem_mul(n, size, &total) ? mem_zero(total) : NULL;
}

void *mem_grow(void *old, size_t n, size_t size)
{
    size_t total;
    if (!mem_mul(n, size, &total) || mem_fault_now()) return NULL;
    return realloc(old, total ? total : 1);
}

/* Large blocks lie in large pages where the system has such: a product reads through all weights of a network, and 4
 * KiB of them at a time are more pages than a processor remembers. Only whole ones are asked for, so that no memory is
 * touched that would not have been. */
void *mem_aligned(size_t size)
{
    enum { LARGE_PAGE = 2 << 20 };
    const bool large = size >= 2 * (size_t)LARGE_PAGE;
    void *p = NULL;
    if (mem_fault_now() || posix_memalign(&p, large ? LARGE_PAGE : 64, size ? size : 64)) return NULL;
#ifdef MADV_HUGEPAGE
    if (large) (void)madvise(p, size / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE); /* advice, which may be refused */
#endif
    return p;
}

char *mem_strndup(const char *text, size_t len)
{
    char *copy = len == SIZE_MAX ? NULL : mem_alloc(len + 1);
    if (!copy) return NULL;
    memcpy(copy, text, len);
    copy[len] = 0;
    return copy;
}

char *mem_strdup(const char *text)
{
    return mem_strndup(text, strlen(text));
}

char *mem_printf(const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    const int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = len < 0 ? NULL : mem_alloc((size_t)len + 1);
    if (text) vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text;
}

void mem_free(void *pointer)
{
    free(pointer);
}

bool arena_init(arena *a, size_t size)
{
    a->base = mem_aligned(size);
    a->size = a->base ? size : 0;
    a->used = 0;
    return a->base != NULL;
}

void *arena_take(arena *a, size_t size)
{
    size_t rounded;
    if (!mem_add(size, 63, &rounded)) return NULL;
    rounded &= ~(size_t)63;
    if (rounded > a->size - a->used) return NULL;
    void *p = a->base + a->used;
    a->used += rounded;
    return p;
}

void arena_release(arena *a)
{
    mem_free(a->base);
    *a = (arena){0};
}
