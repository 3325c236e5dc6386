/* SPDX-License-Identifier: Apache-2.0
 * buf.h - a growing byte buffer with a declared maximum.
 *
 * Reaching the maximum or running out of memory frees the buffer and marks it failed; later appends do nothing, so a
 * caller may append many times and ask buf_ok() once. The bytes are always followed by a NUL. */
#ifndef SIMILE_BASE_BUF_H
#define SIMILE_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct {
    char *data; /* NULL while nothing was appended */
    size_t len, capacity, max;
    bool failed;
} buf;

void buf_init(buf *b, size_t max);
void buf_release(buf *b);
void buf_clear(buf *b); /* forgets the bytes, keeps the memory */
bool buf_reserve(buf *b, size_t extra);
bool buf_append(buf *b, const void *bytes, size_t len);
bool buf_text(buf *b, const char *text);
bool buf_byte(buf *b, char c);
bool buf_printf(buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *buf_take(buf *b, size_t *len); /* hands the bytes over (free with mem_free); NULL if failed or out of memory */
static inline bool buf_ok(const buf *b)
{
    return !b->failed;
}

#endif
