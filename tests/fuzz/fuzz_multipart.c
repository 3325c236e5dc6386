/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_multipart.c - multipart/form-data. The first line is the Content-Type, the rest is the body. Every part has to
 * lie in the body, in order, and its names in memory that can be read to their end. */
#include "serve/http.h"

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t length(const char *text)
{
    return text ? strlen(text) : 0;
}

static void check(const parts *p, const char *body, size_t len)
{
    const char *from = body;
    size_t names = 0;
    for (size_t i = 0; i < p->count; i++) {
        const part *one = &p->items[i];
        if (one->data < from || one->len > (size_t)(body + len - one->data)) abort();
        from = one->data + one->len;
        names += length(one->name) + length(one->filename) + length(one->type);
        const part *found = parts_find(p, one->name);
        if (!found || found > one) abort();
    }
    if (names > len) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *end = size ? memchr(text, '\n', size) : NULL;
    if (!end) return 0;
    char *type = mem_strndup(text, (size_t)(end - text));
    const size_t len = size - (size_t)(end + 1 - text);
    char *body = mem_alloc(len); /* of its own, so that one byte too many is seen */
    if (!type || !body) return 0;
    if (len) memcpy(body, end + 1, len);
    parts p;
    if (!parts_read(type, body, len, &p, NULL)) check(&p, body, len);
    parts_release(&p);
    mem_free(body);
    mem_free(type);
    return 0;
}
