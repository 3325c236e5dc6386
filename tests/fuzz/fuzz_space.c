/* SPDX-License-Identifier: Apache-2.0
 * fuzz_space.c - any bytes as simile.json. What is accepted keeps the rules that its callers rely on. */
#include "base/digest.h"
#include "base/space.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    space_claims claims;
    simile_error err;
    if (space_parse((const char *)data, size, "fuzz", &claims, &err)) return 0;
    if (*claims.name && !space_is_name(claims.name)) __builtin_trap();
    if (claims.n > SPACE_MAX_CLAIMS) __builtin_trap();
    for (size_t i = 0; i < claims.n; i++) {
        const char *word = claims.beside[i];
        if (!space_is_name(word) && !digest_is_hex(word)) __builtin_trap();
        if (!space_belongs(&claims, digest_is_hex(word) ? word : "", word)) __builtin_trap();
        for (size_t k = 0; k < i; k++)
            if (strcmp(word, claims.beside[k]) == 0) __builtin_trap();
    }
    return 0;
}
