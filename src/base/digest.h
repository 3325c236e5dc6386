/* SPDX-License-Identifier: Apache-2.0
 * digest.h - SHA-256 (nettle). */
#ifndef SIMILE_BASE_DIGEST_H
#define SIMILE_BASE_DIGEST_H

#include "base/err.h"

#include <nettle/sha2.h>
#include <stdbool.h>

enum { DIGEST_SIZE = 32, DIGEST_HEX = 65 };

typedef struct sha256_ctx digest;

void digest_init(digest *d);
void digest_add(digest *d, const void *bytes, size_t len);
/* A length first, so that two parts cannot be shifted against each other. */
void digest_add_part(digest *d, const void *bytes, size_t len);
void digest_end(digest *d, uint8_t out[DIGEST_SIZE]);
void digest_hex(const uint8_t in[DIGEST_SIZE], char out[DIGEST_HEX]);
bool digest_is_hex(const char *text); /* 64 hex digits in lower case, as digest_hex writes them */

void digest_bytes(const void *bytes, size_t len, uint8_t out[DIGEST_SIZE]);

#endif
