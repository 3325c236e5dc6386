/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_json_body.c - bodies that should be a JSON object: what is accepted is nested no deeper than declared. */
#include "serve/http.h"

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Calls itself as deep as the value is: that is what is checked. */
static void check(const json_t *value, int depth)
{
    const char *key;
    json_t *one;
    size_t i;
    if (!json_is_object(value) && !json_is_array(value)) return;
    if (depth > LIMIT_JSON_DEPTH) abort();
    if (json_is_object(value)) {
        void *at = json_object_iter((json_t *)(uintptr_t)value);
        for (; at; at = json_object_iter_next((json_t *)(uintptr_t)value, at)) {
            key = json_object_iter_key(at);
            one = json_object_iter_value(at);
            if (!key) abort();
            check(one, depth + 1);
        }
        return;
    }
    json_array_foreach(value, i, one) check(one, depth + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *root;
    if (json_body((const char *)data, size, &root, NULL)) return 0;
    check(root, 1);
    json_decref(root);
    return 0;
}
