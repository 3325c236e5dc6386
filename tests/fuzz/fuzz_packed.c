/* SPDX-License-Identifier: Apache-2.0
 * fuzz_packed.c - any bytes as a file of packed weights: refused, or every block lies within it. Digests would keep all
 * but whole files away from the table, so the bytes are tried as they are, and again with right ones. */
#include "base/mem.h"
#include "model/packed.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { HEAD = 160, MOST = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend(uint8_t *bytes, size_t len)
{
    uint32_t n;
    const uint64_t length = len;
    if (len < HEAD + DIGEST_SIZE) return;
    memcpy(&n, bytes + 36, sizeof n);
    memcpy(bytes + 16, &length, sizeof length);
    if (n > (len - HEAD - DIGEST_SIZE) / 16) return;
    const size_t end = HEAD + n * 16, begin = (end + DIGEST_SIZE + 4095) / 4096 * 4096;
    if (begin <= len) digest_bytes(bytes + begin, len - begin, bytes + 48);
    digest_bytes(bytes, end, bytes + end);
}

static void try(const char *path, const uint8_t *bytes, size_t len)
{
    packed_key key = {.tower = "text", .packing = 7};
    packed *p;
    simile_error err;
    memset(key.model, 'a', DIGEST_HEX - 1);
    const simile_status status = packed_check(bytes, len, &key, "fuzz", &err);
    const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes, len) != (ssize_t)len) abort();
    close(fd);
    if (packed_open(path, &key, &p, &err)) return;
    if (status) abort();
    volatile uint8_t sink = 0;
    for (size_t i = 0; i < packed_count(p); i++) {
        size_t block;
        const uint8_t *at = packed_block(p, i, &block);
        if (block) sink = (uint8_t)(sink + at[0] + at[block - 1]);
    }
    packed_close(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    if (size > MOST) return 0;
    snprintf(path, sizeof path, "%s/simile-fuzz-packed-%ld", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm",
             (long)getpid());
    uint8_t *copy = mem_aligned(size + 1);
    if (!copy) abort();
    memcpy(copy, data, size);
    try(path, copy, size);
    mend(copy, size);
    try(path, copy, size);
    mem_free(copy);
    unlink(path);
    return 0;
}
