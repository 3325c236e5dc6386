/* SPDX-License-Identifier: Apache-2.0
 * reading.h - texts that were read, and queries made of them, as people and programs are told of them: the same words
 * and keys whether it is the command that answers or the server. */
#ifndef SIMILE_APPS_READING_H
#define SIMILE_APPS_READING_H

#include "base/json.h"
#include "simile.h"

enum { READING_CHOICES = 4 };
extern const char *const reading_ways[READING_CHOICES];    /* by SIMILE_VIA_...: "auto", "direct", ... */
extern const char *const reading_fusions[READING_CHOICES]; /* by SIMILE_FUSE_... */

/* Keys that belong into an object about the text; none for a text that was read directly. candidate: as of
 * simile_reading_similarity. */
void reading_json(const simile_reading *reading, int32_t candidate, json_writer *w);
/* The key "texts" with an array of those that were not read directly, or not to their end; nothing where there is
 * none. */
void readings_json(const simile_readings *readings, json_writer *w);

/* A query as a person would write it: "a dog + 0.5 x beach.jpg - people + #17". The text of a term that is no item is
 * what people call it. */
void terms_describe(const simile_term *terms, size_t n, buf *out);

#endif
