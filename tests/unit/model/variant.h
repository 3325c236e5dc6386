/* SPDX-License-Identifier: Apache-2.0
 * variant.h - folders like a fixture, but for a file or two. */
#ifndef SIMILE_TESTS_VARIANT_H
#define SIMILE_TESTS_VARIANT_H

#include "check_model.h"

typedef struct {
    char folder[40];  /* links to the fixture's files */
    const char *file; /* the one that is not taken from there */
    size_t from_len;
} variant;

/* text: the file's new content, NULL: it is left out. */
void variant_new(variant *v, const char *name, const char *file, const char *text);
void variant_put(const variant *v, const char *file, const char *text); /* one more, or in the place of one */
void variant_link(const variant *v, const char *file, const char *target);
void variant_remove(const variant *v);

/* Opening the fixture `name` with this file in it has to fail so, in a sentence with this part. */
void check_refused(const char *name, const char *file, const char *text, simile_status wanted, const char *part);
/* A model converted to safetensors has to be the same; `file` of the result has to be there. */
void check_converted(const char *directory, const char *file);
/* The same identity, the same facts, the same vectors to the last bit. */
void check_same(const model *a, const model *b);

#endif
