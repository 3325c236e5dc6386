/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_query_string.c - query strings, and base64 in the same bytes. Keys and values have to be UTF-8 without control
 * characters; what base64 gives has to come back as the same bytes. */
#include "serve/http.h"
#include "serve/query_string.h"

#include "base/mem.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text)
{
    if (!utf8_valid(text, strlen(text))) abort();
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 && !strchr("\t\r\n", *text)) abort();
    }
}

static void query(const char *text)
{
    query_string q;
    if (!query_string_read(text, &q, NULL)) {
        for (size_t i = 0; i < q.count; i++) {
            check_text(q.keys[i]);
            check_text(q.values[i]);
            if (!query_string_find(&q, q.keys[i])) abort();
        }
    }
    query_string_release(&q);
}

static void base64(const char *text, size_t len)
{
    unsigned char *bytes, *again;
    size_t n, n_again;
    buf back;
    if (base64_decode(text, len, &bytes, &n, NULL)) return;
    buf_init(&back, 2 * len + 16);
    if (!base64_append(&back, bytes, n)) abort();
    if (base64_decode(back.len ? back.data : "", back.len, &again, &n_again, NULL)) abort();
    if (n != n_again || memcmp(bytes, again, n) != 0) abort();
    mem_free(bytes);
    mem_free(again);
    buf_release(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_strndup((const char *)data, size);
    if (!text) return 0;
    query(text);
    base64((const char *)data, size);
    mem_free(text);
    return 0;
}
