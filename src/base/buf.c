/* SPDX-License-Identifier: Apache-2.0
 * buf.c - see buf.h. */
#include "base/buf.h"

#include "base/mem.h"

#include <stdio.h>

void buf_init(buf *b, size_t max)
{
    *b = (buf){.max = max};
}

void buf_release(buf *b)
{
    mem_free(b->data);
    *b = (buf){.max = b->max};
}

void buf_clear(buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data) b->data[0] = 0;
}

static bool fail(buf *b)
{
    buf_release(b);
    b->failed = true;
    return false;
}

bool buf_reserve(buf *b, size_t extra)
{
    size_t need;
    if (b->failed) return false;
    if (!mem_add(b->len, extra, &need) || need > b->max || need == (size_t)-1) return fail(b);
    if (need + 1 <= b->capacity) return true;
    size_t capacity = b->capacity ? b->capacity : 64;
    while (capacity < need + 1) {
        if (!mem_mul(capacity, 2, &capacity)) return fail(b);
    }
    if (capacity - 1 > b->max) capacity = b->max + 1;
    char *data = mem_grow(b->data, capacity, 1);
    if (!data) return fail(b);
    b->data = data;
    b->capacity = capacity;
    return true;
}

bool buf_append(buf *b, const void *bytes, size_t len)
{
    if (!buf_reserve(b, len)) return false;
    if (len) memcpy(b->data + b->len, bytes, len);
    b->len += len;
    b->data[b->len] = 0;
    return true;
}

bool buf_text(buf *b, const char *text)
{
    return buf_append(b, text, strlen(text));
}

bool buf_byte(buf *b, char c)
{
    if (!buf_reserve(b, 1)) return false;
    b->data[b->len++] = c;
    b->data[b->len] = 0;
    return true;
}

bool buf_printf(buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    const int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    const bool ok = len >= 0 && buf_reserve(b, (size_t)len);
    if (ok) {
        vsnprintf(b->data + b->len, (size_t)len + 1, format, again);
        b->len += (size_t)len;
    }
    va_end(again);
    return ok;
}

char *buf_take(buf *b, size_t *len)
{
    if (!buf_append(b, "", 0)) return NULL;
    char *data = b->data;
    if (len) *len = b->len;
    *b = (buf){.max = b->max};
    return data;
}
