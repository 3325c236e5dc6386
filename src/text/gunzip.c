/* SPDX-License-Identifier: Apache-2.0
 * gunzip.c - see gunzip.h. zlib does the work (RFC 1951, RFC 1952); it takes its memory from mem.h as everything here
 * does. A thousand bytes can stand for a million, so the bound is on what comes out.
 *
 * Threads: none of its own. */
#include "text/gunzip.h"

#include "base/mem.h"

#include <stdint.h>
#include <zlib.h>

enum { BLOCK = 16 << 10, GZIP_ONLY = 16 + MAX_WBITS };

bool gunzip_is(const char *data, size_t len)
{
    return len >= 2 && (uint8_t)data[0] == 0x1f && (uint8_t)data[1] == 0x8b;
}

static voidpf take_memory(voidpf unused, uInt n, uInt size)
{
    return mem_array(n, size);
}

static void give_memory(voidpf unused, voidpf pointer)
{
    mem_free(pointer);
}

static simile_status corrupt(const char *path, const char *why, simile_error *err)
{
    return err_set(err, SIMILE_E_CORRUPT, "cannot read '%s': %s", path, why);
}

/* The next block of what is packed; *end: the member ends with it. */
static simile_status unpack_block(z_stream *z, const char *path, buf *out, bool *end, simile_error *err)
{
    uint8_t block[BLOCK];
    z->next_out = block;
    z->avail_out = sizeof block;
    const int result = inflate(z, Z_NO_FLUSH);
    const size_t came = sizeof block - z->avail_out;
    *end = result == Z_STREAM_END;
    if (result == Z_MEM_ERROR) return err_nomem(err);
    if (result == Z_BUF_ERROR) return corrupt(path, "the packed file is cut short", err);
    if (result != Z_OK && !*end) return corrupt(path, "the packed file is damaged", err);
    if (came > out->max - out->len)
        return err_set(err, SIMILE_E_LIMIT, "cannot read '%s': unpacked it has more than %zu MB", path, out->max >> 20);
    return buf_append(out, block, came) ? SIMILE_OK : err_nomem(err);
}

simile_status gunzip(const char *data, size_t len, const char *path, buf *out, simile_error *err)
{
    z_stream z = {.zalloc = take_memory, .zfree = give_memory};
    if (len > UINT32_MAX) return err_set(err, SIMILE_E_LIMIT, "cannot read '%s': it is too large", path);
    z.next_in = (z_const Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)len;
    if (inflateInit2(&z, GZIP_ONLY) != Z_OK) return err_nomem(err);
    simile_status status = SIMILE_OK;
    for (bool end = false; !status && !end;) status = unpack_block(&z, path, out, &end, err);
    if (!status && z.avail_in) status = corrupt(path, "something stands behind the packed file", err);
    inflateEnd(&z);
    return status;
}
