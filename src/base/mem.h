/* SPDX-License-Identifier: Apache-2.0
 * mem.h - all of simile's own allocations.
 *
 * Sizes that come from a file or a caller go through mem_mul()/mem_array(), which cannot overflow. Every function
 * returns NULL when memory is short and sets nothing else: the caller says err_nomem(). raw malloc and friends are
 * poisoned for files that include this one, so that the fault-injection tests reach each allocation. */
#ifndef SIMILE_BASE_MEM_H
#define SIMILE_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *mem_alloc(size_t size);                     /* size 0 gives a pointer that can be freed */
void *mem_zero(size_t size);                      /* zeroed */
void *mem_array(size_t n, size_t size);           /* n x size, checked, not zeroed */
void *mem_zero_array(size_t n, size_t size);      /* n x size, checked, zeroed */
void *mem_grow(void *old, size_t n, size_t size); /* realloc to n x size, checked; old survives a failure */
void *mem_aligned(size_t size);                   /* at a multiple of 64; freed with mem_free */
char *mem_strdup(const char *text);
char *mem_strndup(const char *text, size_t len);
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void mem_free(void *pointer);

#define mem_new(type) ((type *)mem_zero(sizeof(type)))

/* *out = a x b; false on overflow. */
static inline bool mem_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool mem_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

/* For the fault-injection tests: the n-th allocation from now fails, and all after it when `sticky`; n = 0 switches it
 * off. mem_fault_hit() says whether one was refused since. Not part of the library's interface. */
void mem_fault_after(long n, bool sticky);
bool mem_fault_hit(void);
/* The hook itself, for allocators of other libraries (SQLite, jansson) that a test routes through it. */
bool mem_fault_now(void);

/* A bump allocator over one block whose size is known beforehand: the working memory of an encoder. */
typedef struct {
    uint8_t *base;
    size_t size, used;
} arena;
bool arena_init(arena *a, size_t size);  /* false: out of memory */
void *arena_take(arena *a, size_t size); /* 64-byte aligned; NULL when the block is used up */
static inline size_t arena_mark(const arena *a)
{
    return a->used;
}
static inline void arena_reset(arena *a, size_t mark)
{
    a->used = mark;
}
void arena_release(arena *a);

#ifndef SIMILE_MEM_IMPLEMENTATION
#pragma GCC poison malloc calloc realloc strdup strndup
#endif

#endif
