/* SPDX-License-Identifier: Apache-2.0
 * query.h - a search put together from the words of a command line, run, and printed: what `search` and `demo` share.
 */
#ifndef SIMILE_APPS_QUERY_H
#define SIMILE_APPS_QUERY_H

#include "app.h"
#include "via.h"

typedef struct {
    app *a;
    simile_term *terms; /* their texts are owned by the query */
    size_t n_terms;
    bool last_is_word; /* a word that follows continues the last term's text */
    simile_query options;
    via how;
    simile_readings *readings; /* of the terms that are texts, in their order */
} query;

void query_init(query *q, app *a);
void query_clear(query *q); /* forgets the terms; options and what was opened stay */
void query_release(query *q);

/* weight: 1, or -1 for what is to be avoided */
simile_status query_text(query *q, const char *text, float weight, simile_error *err);
simile_status query_path(query *q, const char *path, float weight, simile_error *err);
simile_status query_item(query *q, int64_t id, simile_error *err);
/* A word without an option: starts a text, or continues the one that the word before it started. */
simile_status query_word(query *q, const char *word, simile_error *err);
bool query_weight(query *q, float factor); /* of the term before; false: there is none */

/* Opens what the terms need. */
simile_status query_run(query *q, simile_results **out, simile_error *err);

/* A text, and the terms of q behind it. To be forgotten by query_clear, on failure too. */
simile_status query_with_text(const query *q, const char *text, query *out, simile_error *err);
/* Many at once, made of q. Their texts are read together; opens what they need. All of them fail, or none. */
simile_status query_run_each(query *q, query *each, size_t n, simile_results **out, simile_error *err);

void query_print_json(const query *q, const simile_results *results, buf *out);
void query_describe(const query *q, buf *out); /* as a person would write it */
void query_print(const query *q, const simile_results *results, bool pictures, buf *out);

#endif
