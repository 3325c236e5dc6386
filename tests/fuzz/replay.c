/* SPDX-License-Identifier: Apache-2.0
 *
 * replay.c - runs a fuzz target without a fuzzing engine: over every file of its corpus, and over spoilt copies of
 * each. usage: fuzz_NAME FOLDER_OR_FILE...
 *
 * A spoilt copy is the file cut short, or with one byte changed, at places spread evenly over it, so that the run is
 * the same every time. The input lies in a block of exactly its size: the address sanitizer sees a read behind the end.
 */
#include "base/file.h"
#include "base/mem.h"

#include <stdio.h>

enum { CUTS = 24, FLIPS = 64, INPUT_MAX = 16 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static bool try_copy(const char *data, size_t len, size_t flip_at, uint8_t flip)
{
    uint8_t *copy = mem_alloc(len);
    if (!copy) return false;
    memcpy(copy, data, len);
    if (flip) copy[flip_at] ^= flip;
    LLVMFuzzerTestOneInput(copy, len);
    mem_free(copy);
    return true;
}

static bool try_spoilt(const char *data, size_t len)
{
    static const uint8_t flips[] = {0x01, 0x80, 0xff, 0x20};
    const size_t cuts = len < CUTS ? len : CUTS, n = len < FLIPS ? len : FLIPS;
    for (size_t i = 0; i < cuts; i++)
        if (!try_copy(data, len * i / cuts, 0, 0)) return false;
    for (size_t i = 0; i < n; i++)
        if (!try_copy(data, len, len * i / n, flips[i % sizeof flips])) return false;
    return true;
}

static int n_files;

static int try_file(void *user, const char *path, const file_facts *facts)
{
    char *data;
    size_t len;
    simile_error err;
    (void)user;
    (void)facts;
    if (file_read(path, INPUT_MAX, &data, &len, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    const bool good = try_copy(data, len, 0, 0) && try_spoilt(data, len);
    mem_free(data);
    n_files++;
    return !good;
}

int main(int argc, char **argv)
{
    simile_error err;
    if (LLVMFuzzerInitialize) LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++) {
        if (file_walk(argv[i], try_file, NULL, NULL, &err)) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
    }
    printf("%d files, each with %d spoilt copies at most\n", n_files, CUTS + FLIPS);
    return n_files ? 0 : 1;
}
