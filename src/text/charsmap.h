/* SPDX-License-Identifier: Apache-2.0
 * charsmap.h - SentencePiece's precompiled map from strings of characters to their normalized form. */
#ifndef SIMILE_TEXT_CHARSMAP_H
#define SIMILE_TEXT_CHARSMAP_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t *units; /* NULL: an empty map */
    size_t n_units;
    char *texts; /* each with a NUL */
    size_t texts_len;
} charsmap;

/* Copies the map; a length of 0 gives an empty one. */
simile_status charsmap_init(charsmap *map, const void *bytes, size_t len, const char *subject, simile_error *err);
/* The same from base64 text. */
simile_status charsmap_init_base64(charsmap *map, const char *text, const char *subject, simile_error *err);
void charsmap_release(charsmap *map);

/* The replacement for the longest (or the shortest) key that begins the text, NULL when there is none. */
const char *charsmap_find(const charsmap *map, const char *text, size_t len, bool longest, size_t *taken);

/* Appends the text as "Precompiled" of the tokenizers library maps it: grapheme by grapheme. */
void charsmap_run(const charsmap *map, const char *text, size_t len, buf *out);

#endif
