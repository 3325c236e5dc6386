/* SPDX-License-Identifier: Apache-2.0
 *
 * npy.c - see npy.h.
 *
 *     0   93 'N' 'U' 'M' 'P' 'Y'  01 00     magic and version 1.0
 *     8   76 00                             length of what follows: 118, so that the data begin at 128
 *     10  {'descr': '<f4', 'fortran_order': False, 'shape': (3, 224, 224), }  blanks  LF
 *     128 the numbers, little-endian, the last axis fastest
 *
 * The description is numpy's own (numpy.lib.format): a Python dictionary, padded to a multiple of 64. */
#include "npy.h"

#include "base/mem.h"

#include <stdio.h>

bool npy_begin(buf *out)
{
    char header[NPY_HEADER];
    memset(header, ' ', sizeof header);
    return buf_append(out, header, sizeof header);
}

static void swap_bytes(char *data, size_t n)
{
    for (size_t i = 0; i < n; i++, data += 4) {
        uint32_t x;
        memcpy(&x, data, 4);
        x = __builtin_bswap32(x);
        memcpy(data, &x, 4);
    }
}

bool npy_add(buf *out, const float *values, size_t n)
{
    if (!buf_append(out, values, n * sizeof *values)) return false;
    if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__) swap_bytes(out->data + out->len - n * 4, n);
    return true;
}

void npy_end(buf *out, const size_t *shape, int n_axes)
{
    if (!buf_ok(out)) return;
    char text[NPY_HEADER];
    int len = snprintf(text, sizeof text, "{'descr': '<f4', 'fortran_order': False, 'shape': (");
    for (int i = 0; i < n_axes; i++)
        len += snprintf(text + len, sizeof text - (size_t)len, i ? ", %zu" : "%zu", shape[i]);
    len += snprintf(text + len, sizeof text - (size_t)len, "), }");
    const unsigned char magic[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, NPY_HEADER - 10, 0};
    memcpy(out->data, magic, sizeof magic);
    memcpy(out->data + sizeof magic, text, (size_t)len);
    out->data[NPY_HEADER - 1] = '\n';
}
