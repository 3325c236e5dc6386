/* SPDX-License-Identifier: Apache-2.0
 * trie.h - strings by their bytes: which of them begin a text. */
#ifndef SIMILE_TEXT_TRIE_H
#define SIMILE_TEXT_TRIE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct trie trie;

trie *trie_new(void); /* NULL: out of memory */
void trie_free(trie *t);

/* The bytes are borrowed until trie_finish(); empty strings are ignored, of equal ones the first counts. */
simile_status trie_put(trie *t, const char *bytes, size_t len, int32_t id, simile_error *err);
simile_status trie_finish(trie *t, const char *subject, simile_error *err);

/* A walk begins at node 0 and takes one byte at a time; false: no string goes on like this. */
bool trie_step(const trie *t, uint32_t *node, char byte);
int32_t trie_id(const trie *t, uint32_t node); /* of the string that ends here; -1: none does */
/* The longest string that begins the text; its bytes in *taken. -1: none. */
int32_t trie_longest(const trie *t, const char *text, size_t len, size_t *taken);

#endif
