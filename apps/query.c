/* SPDX-License-Identifier: Apache-2.0
 * query.c - see query.h. */
#include "query.h"

#include "base/mem.h"
#include "show.h"
#include "term.h"

#include <inttypes.h>

enum { PICTURE_ROWS = 8 };

void query_init(query *q, app *a)
{
    *q = (query){.a = a, .options = {.struct_size = sizeof q->options}};
    via_init(&q->how, a);
}

void query_clear(query *q)
{
    for (size_t i = 0; i < q->n_terms; i++) mem_free((void *)(uintptr_t)q->terms[i].text);
    mem_free(q->terms);
    simile_readings_free(q->readings);
    q->terms = NULL;
    q->n_terms = 0;
    q->last_is_word = false;
    q->readings = NULL;
}

void query_release(query *q)
{
    query_clear(q);
    via_release(&q->how);
}

/* ---- terms ---- */

static simile_status add_term(query *q, simile_term term, const char *text, simile_error *err)
{
    simile_term *terms = mem_grow(q->terms, q->n_terms + 1, sizeof *terms);
    if (!terms) return err_nomem(err);
    q->terms = terms;
    if (text) {
        term.text = mem_strdup(text);
        if (!term.text) return err_nomem(err);
    }
    terms[q->n_terms++] = term;
    q->last_is_word = false;
    return SIMILE_OK;
}

simile_status query_text(query *q, const char *text, float weight, simile_error *err)
{
    return add_term(q, (simile_term){.kind = SIMILE_TERM_TEXT, .weight = weight}, text, err);
}

simile_status query_path(query *q, const char *path, float weight, simile_error *err)
{
    return add_term(q, (simile_term){.kind = SIMILE_TERM_PATH, .weight = weight}, path, err);
}

simile_status query_item(query *q, int64_t id, simile_error *err)
{
    return add_term(q, (simile_term){.kind = SIMILE_TERM_ITEM, .weight = 1, .id = id}, NULL, err);
}

simile_status query_word(query *q, const char *word, simile_error *err)
{
    if (!q->last_is_word) {
        RETURN_IF_ERROR(query_text(q, word, 1, err));
        q->last_is_word = true;
        return SIMILE_OK;
    }
    simile_term *last = &q->terms[q->n_terms - 1];
    char *joined = mem_printf("%s %s", last->text, word);
    if (!joined) return err_nomem(err);
    mem_free((void *)(uintptr_t)last->text);
    last->text = joined;
    return SIMILE_OK;
}

bool query_weight(query *q, float factor)
{
    if (!q->n_terms) return false;
    q->terms[q->n_terms - 1].weight *= factor;
    q->last_is_word = false;
    return true;
}

simile_status query_with_text(const query *q, const char *text, query *out, simile_error *err)
{
    *out = (query){.a = q->a, .options = q->options};
    RETURN_IF_ERROR(query_text(out, text, 1, err));
    for (size_t i = 0; i < q->n_terms; i++) RETURN_IF_ERROR(add_term(out, q->terms[i], q->terms[i].text, err));
    return SIMILE_OK;
}

/* ---- the search ---- */

static size_t texts_of(const query *q, const char **out)
{
    size_t n = 0;
    for (size_t i = 0; i < q->n_terms; i++) {
        if (q->terms[i].kind != SIMILE_TERM_TEXT) continue;
        if (out) out[n] = q->terms[i].text;
        n++;
    }
    return n;
}

/* From now on the terms that are texts stand for their readings. */
static void take_readings(query *q, const via *how)
{
    size_t n = 0;
    for (size_t i = 0; i < q->n_terms; i++) {
        if (q->terms[i].kind != SIMILE_TERM_TEXT) continue;
        q->terms[i].kind = SIMILE_TERM_READING;
        q->terms[i].reading = simile_readings_at(q->readings, n++);
        via_warn_truncated(how, q->terms[i].reading);
    }
}

/* Each gets a part of the readings of all. */
static simile_status share_readings(simile_readings *all, const via *how, query *each, size_t n, simile_error *err)
{
    size_t first = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t texts = texts_of(&each[i], NULL);
        if (!texts) continue;
        RETURN_IF_ERROR(simile_readings_slice(all, first, texts, &each[i].readings, err));
        take_readings(&each[i], how);
        first += texts;
    }
    return SIMILE_OK;
}

static simile_status read_texts(via *how, query *each, size_t n, simile_error *err)
{
    size_t total = 0, at = 0;
    for (size_t i = 0; i < n; i++) total += texts_of(&each[i], NULL);
    if (!total) return SIMILE_OK;
    const char **texts = mem_array(total, sizeof *texts);
    simile_readings *all = NULL;
    if (!texts) return err_nomem(err);
    for (size_t i = 0; i < n; i++) at += texts_of(&each[i], texts + at);
    simile_status status = via_read(how, texts, total, &all, err);
    if (!status) status = share_readings(all, how, each, n, err);
    simile_readings_free(all);
    mem_free(texts);
    return status;
}

static simile_status open_for(app *a, const query *each, size_t n, simile_error *err)
{
    bool encodes = false;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < each[i].n_terms; k++) encodes |= each[i].terms[k].kind != SIMILE_TERM_ITEM;
    RETURN_IF_ERROR(app_library(a, LIBRARY_READ, encodes, err));
    return encodes ? app_encoder(a, err) : SIMILE_OK;
}

simile_status query_run_each(query *q, query *each, size_t n, simile_results **out, simile_error *err)
{
    for (size_t i = 0; i < n; i++) out[i] = NULL;
    RETURN_IF_ERROR(open_for(q->a, each, n, err));
    RETURN_IF_ERROR(read_texts(&q->how, each, n, err));
    const simile_query **queries = mem_array(n, sizeof *queries);
    if (!queries) return err_nomem(err);
    for (size_t i = 0; i < n; i++) {
        each[i].options.terms = each[i].terms;
        each[i].options.n_terms = each[i].n_terms;
        queries[i] = &each[i].options;
    }
    const simile_status status = simile_search_many(q->a->library, q->a->encoder, queries, n, out, err);
    mem_free(queries);
    return status;
}

simile_status query_run(query *q, simile_results **out, simile_error *err)
{
    return query_run_each(q, q, 1, out, err);
}

/* ---- printing ---- */

void query_describe(const query *q, buf *out)
{
    terms_describe(q->terms, q->n_terms, out);
}

static void query_string(const query *q, json_writer *w)
{
    buf text;
    buf_init(&text, OUTPUT_MAX);
    query_describe(q, &text);
    jw_string(w, text.data ? text.data : "");
    buf_release(&text);
}

void query_print_json(const query *q, const simile_results *results, buf *out)
{
    json_writer w;
    const size_t n = simile_results_count(results);
    jw_init(&w, out);
    jw_object(&w);
    jw_key(&w, "query"), query_string(q, &w);
    app_models_json(q->a, &w);
    readings_json(q->readings, &w);
    jw_key(&w, "count"), jw_int(&w, (int64_t)n);
    jw_key(&w, "results"), jw_array(&w);
    for (size_t i = 0; i < n; i++) {
        const simile_hit *hit = simile_results_at(results, i);
        jw_object(&w);
        jw_key(&w, "rank"), jw_int(&w, (int64_t)i + 1 + q->options.offset);
        jw_key(&w, "id"), jw_int(&w, hit->id);
        jw_key(&w, hit->path ? "path" : "text"), jw_string(&w, hit->path ? hit->path : hit->text);
        jw_key(&w, "similarity"), jw_float(&w, hit->similarity);
        const int32_t candidate = simile_results_candidate(results, i);
        if (candidate >= 0) jw_key(&w, "candidate"), jw_int(&w, candidate);
        jw_object_end(&w);
    }
    jw_array_end(&w);
    jw_object_end(&w);
    buf_byte(out, '\n');
}

void query_print(const query *q, const simile_results *results, bool pictures, buf *out)
{
    const size_t n = simile_results_count(results);
    bool several = false;
    for (size_t i = 0; i < simile_readings_count(q->readings); i++) {
        const simile_reading *r = simile_readings_at(q->readings, i);
        several |= r->n_vectors > 1;
        via_print(r, out);
    }
    if (!n) buf_text(out, "nothing found\n");
    for (size_t i = 0; i < n; i++) {
        const simile_hit *hit = simile_results_at(results, i);
        char percent[16];
        snprintf(percent, sizeof percent, "%6.2f%%", (double)hit->similarity);
        buf_printf(out, "%3zu  ", i + 1 + (size_t)q->options.offset);
        term_colour(out, COLOUR_GREEN, percent);
        buf_text(out, "  ");
        term_text(out, hit->path ? hit->path : hit->text);
        if (several) buf_printf(out, "  (candidate %" PRId32 ")", simile_results_candidate(results, i) + 1);
        buf_byte(out, '\n');
        if (pictures && hit->path) term_picture(out, hit->path, PICTURE_ROWS);
    }
}
