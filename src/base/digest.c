/* SPDX-License-Identifier: Apache-2.0
 * digest.c - see digest.h. */
#include "base/digest.h"

#include <string.h>

void digest_init(digest *d)
{
    sha256_init(d);
}

void digest_add(digest *d, const void *bytes, size_t len)
{
    sha256_update(d, len, bytes);
}

void digest_add_part(digest *d, const void *bytes, size_t len)
{
    uint8_t length[8];
    for (int i = 0; i < 8; i++) length[i] = (uint8_t)((uint64_t)len >> (8 * i));
    sha256_update(d, sizeof length, length);
    sha256_update(d, len, bytes);
}

void digest_end(digest *d, uint8_t out[DIGEST_SIZE])
{
    sha256_digest(d, DIGEST_SIZE, out);
}

void digest_hex(const uint8_t in[DIGEST_SIZE], char out[DIGEST_HEX])
{
    static const char hex[] = "0123456789abcdef";
    for (int i = 0; i < DIGEST_SIZE; i++) {
        out[2 * i] = hex[in[i] >> 4];
        out[2 * i + 1] = hex[in[i] & 15];
    }
    out[2 * DIGEST_SIZE] = 0;
}

bool digest_is_hex(const char *text)
{
    return strlen(text) == DIGEST_HEX - 1 && strspn(text, "0123456789abcdef") == DIGEST_HEX - 1;
}

void digest_bytes(const void *bytes, size_t len, uint8_t out[DIGEST_SIZE])
{
    digest d;
    digest_init(&d);
    digest_add(&d, bytes, len);
    digest_end(&d, out);
}
