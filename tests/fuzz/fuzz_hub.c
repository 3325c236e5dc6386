/* SPDX-License-Identifier: Apache-2.0
 * fuzz_hub.c - any bytes as what a hub sends: response headers, the list of a repository, the commit of a revision.
 * What is chosen from a list must be safe to create. */
#include "base/mem.h"
#include "hub/http.h"
#include "hub/listing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void headers(const char *text, size_t size)
{
    http_head head;
    http_head_init(&head);
    while (size) {
        const char *end = memchr(text, '\n', size);
        const size_t n = end ? (size_t)(end - text) + 1 : size;
        http_head_line(&head, text, n);
        text += n;
        size -= n;
    }
    if (head.content_length < -1 || head.range_first < -1 || head.range_total < -1) __builtin_trap();
    if (strlen(head.etag) >= HTTP_ETAG || strchr(head.etag, '\n') || strchr(head.location, '\r')) __builtin_trap();
}

static void list(const char *text, size_t size)
{
    hub_files all = {0}, chosen = {0};
    simile_error err;
    char commit[HUB_OID];
    if (!hub_revision_parse(text, size, "fuzz", commit, &err) && !hub_is_hex(commit, 40)) __builtin_trap();
    if (!hub_tree_parse(text, size, "fuzz", &all, &err)) {
        hub_choose(&all, NULL, "fuzz", &chosen, &err);
        for (size_t i = 0; i < chosen.n; i++) {
            const hub_file *f = &chosen.items[i];
            if (!hub_path_is_safe(f->path) || strstr(f->path, "..") == f->path || *f->path == '/') __builtin_trap();
            if (f->size < 0 || f->size > HUB_MAX_FILE_SIZE) __builtin_trap();
        }
    }
    hub_files_release(&all);
    hub_files_release(&chosen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    headers((const char *)data, size);
    list((const char *)data, size);
    return 0;
}
