/* SPDX-License-Identifier: Apache-2.0
 * space.h - what a model says of the space of its vectors: the file simile.json in its folder.
 *
 *     {"embedding_space": {"name": "openai/clip-vit-base-patch32",
 *                          "compatible_with": ["<64 hex digits>", "owner/another"]}}
 *
 * Every model has a space of its own, which its digest names. It may give that space a name, which others may share:
 * the same weights in another precision, say. And it may claim that its vectors belong beside those of other spaces,
 * named by digest or by name: a text tower that learned to imitate another one's, a conversion that loses digits. A
 * claim is the word of whoever wrote the file; nothing here can tell whether it is true.
 *
 * The file is foreign: at most SPACE_MAX_FILE bytes, and within "embedding_space" nothing but these two keys. What else
 * stands in it is left alone. */
#ifndef SIMILE_BASE_SPACE_H
#define SIMILE_BASE_SPACE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define SPACE_FILE "simile.json"

enum {
    SPACE_WORD = 129, /* a name or a digest, with its NUL */
    SPACE_MAX_CLAIMS = 64,
    SPACE_MAX_FILE = 64 << 10
};

typedef struct {
    char name[SPACE_WORD]; /* "": none */
    size_t n;
    char beside[SPACE_MAX_CLAIMS][SPACE_WORD]; /* digests and names, each once */
} space_claims;

/* 1 to 128 letters, digits and "._/+@-" that are no digest. */
bool space_is_name(const char *text);

/* Do vectors with these claims belong to the space of this digest and this name? Either may be "", for unknown. */
bool space_belongs(const space_claims *claims, const char *digest, const char *name);
bool space_holds(const space_claims *claims, const char *word); /* among `beside` */
/* One that is there already stays; SIMILE_E_LIMIT when there are too many, SIMILE_E_ARG for what is no word. */
simile_status space_add(space_claims *claims, const char *word, const char *subject, simile_error *err);
bool space_remove(space_claims *claims, const char *word); /* false: it was not there */

simile_status space_parse(const char *json, size_t len, const char *subject, space_claims *out, simile_error *err);
/* That of a folder; *out is empty where there is none. */
simile_status space_read(const char *folder, space_claims *out, simile_error *err);
/* The folder's file with these claims in place of its own, for mem_free; NULL when nothing is left to say. Without a
 * folder: a file that says nothing else. */
simile_status space_text(const char *folder, const space_claims *claims, char **out, size_t *len, simile_error *err);
/* Into the folder's file, which goes when nothing is left to say in it. */
simile_status space_write(const char *folder, const space_claims *claims, simile_error *err);

#endif
