/* SPDX-License-Identifier: Apache-2.0
 *
 * api_search.c - POST and GET /v1/search, /v1/items/ID/similar: a query of texts, pictures and items, made of vectors
 * here and searched by the library.
 *
 * Texts are read, and pictures seen, by the towers, together with what other requests ask of them at this moment. One
 * picture is decoded at a time: it may have a hundred million pixels. A query of items alone needs no model. One result
 * more than was asked for is searched, so that `more` can be told. Threads: one request each. */
#include "base/clock.h"
#include "base/mem.h"
#include "reading.h"
#include "serve/api.h"
#include "serve/embed.h"
#include "serve/metrics.h"

static const char *const targets[] = {"image", "text"};

typedef struct {
    const char *image, *part; /* where a picture is: base64, or a part of the form */
} source;

typedef struct {
    server *server;
    const request *request;
    input in;
    bool exclude; /* leave out what the terms themselves name */
    selection where;
    simile_query query;
    simile_read_options how;
    simile_term terms[LIMIT_TERMS];
    source sources[LIMIT_TERMS];      /* of the terms that are pictures */
    simile_reading seen[LIMIT_TERMS]; /* of those terms: their vectors and how long they are */
    size_t n_terms, n_texts, n_pictures;
    tower *tower; /* held where a term needs it */
    simile_readings *readings;
    float *vectors; /* [n_pictures, dim] */
    simile_results *results;
    double began;
} search;

static void release(search *s)
{
    simile_results_free(s->results);
    simile_readings_free(s->readings);
    if (s->tower) tower_release(s->tower);
    mem_free(s->vectors);
    selection_release(&s->where);
    input_close(&s->in);
}

/* ---- terms ---- */

static simile_status add_term(search *s, simile_term term, source from, simile_error *err)
{
    if (s->n_terms == LIMIT_TERMS) return err_set(err, SIMILE_E_LIMIT, "the query has more than %d terms", LIMIT_TERMS);
    s->n_texts += term.kind == SIMILE_TERM_TEXT;
    s->n_pictures += term.kind == SIMILE_TERM_VECTOR;
    s->sources[s->n_terms] = from;
    s->terms[s->n_terms++] = term;
    return SIMILE_OK;
}

static simile_status add_text(search *s, const char *key, float weight, simile_error *err)
{
    const char *text = NULL;
    RETURN_IF_ERROR(input_string(&s->in, key, LIMIT_TEXT_BYTES, &text, err));
    if (!text) return SIMILE_OK;
    return add_term(s, (simile_term){.kind = SIMILE_TERM_TEXT, .text = text, .weight = weight}, (source){0}, err);
}

static simile_status add_picture(search *s, const char *image, const char *part_name, float weight, simile_error *err)
{
    const part *p = part_name ? parts_find(&s->in.parts, part_name) : NULL;
    const simile_term term = {
        .kind = SIMILE_TERM_VECTOR, .text = p && p->filename ? p->filename : "picture", .weight = weight};
    return add_term(s, term, (source){image, part_name}, err);
}

/* An element of "terms". */
static simile_status read_term(search *s, const json_t *object, simile_error *err)
{
    static const char *const keys[] = {"text", "id", "image", "part", "weight", NULL};
    const input term = {.request = s->request, .json = (json_t *)(uintptr_t)object};
    const char *text = NULL, *image = NULL, *name = NULL;
    int64_t id = 0;
    float weight = 1;
    if (!json_is_object(object)) return err_set(err, SIMILE_E_ARG, "a term is no object");
    RETURN_IF_ERROR(input_check_keys(object, keys, err));
    RETURN_IF_ERROR(input_number(&term, "weight", -1000, 1000, &weight, err));
    RETURN_IF_ERROR(input_string(&term, "text", LIMIT_TEXT_BYTES, &text, err));
    RETURN_IF_ERROR(input_string(&term, "image", LIMIT_UPLOAD_BYTES, &image, err));
    RETURN_IF_ERROR(input_string(&term, "part", LIMIT_TEXT_BYTES, &name, err));
    RETURN_IF_ERROR(input_int(&term, "id", 1, INT64_MAX, &id, err));
    if ((text != NULL) + (image != NULL) + (name != NULL) + (id != 0) != 1)
        return err_set(err, SIMILE_E_ARG, "a term has exactly one of 'text', 'id', 'image' and 'part'");
    if (image || name) return add_picture(s, image, name, weight, err);
    const simile_term made = {
        .kind = text ? SIMILE_TERM_TEXT : SIMILE_TERM_ITEM, .text = text, .id = id, .weight = weight};
    return add_term(s, made, (source){0}, err);
}

/* A form without a query: its parts are pictures, each a term. */
static simile_status add_parts(search *s, simile_error *err)
{
    if (parts_find(&s->in.parts, "query")) return SIMILE_OK;
    for (size_t i = 0; i < s->in.parts.count; i++)
        RETURN_IF_ERROR(add_picture(s, NULL, s->in.parts.items[i].name, 1, err));
    return SIMILE_OK;
}

static simile_status read_terms(search *s, simile_error *err)
{
    const json_t *terms = json_object_get(s->in.json, "terms");
    if (terms && !json_is_array(terms)) return err_set(err, SIMILE_E_ARG, "'terms' is no array");
    for (size_t i = 0; i < json_array_size(terms); i++) RETURN_IF_ERROR(read_term(s, json_array_get(terms, i), err));
    RETURN_IF_ERROR(add_parts(s, err));
    RETURN_IF_ERROR(add_text(s, "text", 1, err));
    RETURN_IF_ERROR(add_text(s, "not", -1, err));
    return SIMILE_OK;
}

/* ---- what else the request says ---- */

static simile_status read_options(search *s, simile_error *err)
{
    simile_query *q = &s->query;
    int64_t limit = 40, offset = 0;
    *q = (simile_query){.struct_size = sizeof *q};
    RETURN_IF_ERROR(input_int(&s->in, "limit", 1, LIMIT_RESULTS, &limit, err));
    RETURN_IF_ERROR(input_int(&s->in, "offset", 0, LIMIT_OFFSET, &offset, err));
    RETURN_IF_ERROR(input_choice(&s->in, "target", targets, 2, &q->target, err));
    RETURN_IF_ERROR(input_number(&s->in, "min_similarity", -100, 100, &q->min_similarity, err));
    RETURN_IF_ERROR(input_bool(&s->in, "exclude_terms", &s->exclude, err));
    RETURN_IF_ERROR(input_reading(&s->in, &s->how, err));
    RETURN_IF_ERROR(selection_read(&s->in, s->server, &s->where, err));
    q->limit = (int32_t)limit + 1;
    q->offset = (int32_t)offset;
    q->exclude_terms = s->exclude;
    q->glob = s->where.filter.glob;
    q->folder = s->where.folder;
    q->has_after = s->where.filter.has_after;
    q->has_before = s->where.filter.has_before;
    q->after = s->where.filter.after;
    q->before = s->where.filter.before;
    return SIMILE_OK;
}

/* ---- vectors ---- */

/* From now on the terms that are texts stand for their readings. */
static simile_status read_texts(search *s, simile_error *err)
{
    const char *texts[LIMIT_TERMS];
    size_t n = 0;
    for (size_t i = 0; i < s->n_terms; i++)
        if (s->terms[i].kind == SIMILE_TERM_TEXT) texts[n++] = s->terms[i].text;
    if (!n) return SIMILE_OK;
    RETURN_IF_ERROR(tower_read(s->tower, texts, n, &s->how, &s->readings, err));
    n = 0;
    for (size_t i = 0; i < s->n_terms; i++) {
        if (s->terms[i].kind != SIMILE_TERM_TEXT) continue;
        s->terms[i].kind = SIMILE_TERM_READING;
        s->terms[i].reading = simile_readings_at(s->readings, n++);
    }
    return SIMILE_OK;
}

static simile_status see(search *s, size_t at, float *out, simile_error *err)
{
    simile_image *image;
    RETURN_IF_ERROR(input_picture(&s->in, s->sources[at].image, s->sources[at].part, &image, err));
    const simile_image *const images[] = {image};
    const simile_status status = tower_images(s->tower, images, 1, out, err);
    simile_image_free(image);
    s->seen[at] = vector_reading(out, simile_model_get_info(tower_model(s->tower))->dim);
    s->terms[at].kind = SIMILE_TERM_READING;
    s->terms[at].reading = &s->seen[at];
    return status;
}

static simile_status see_pictures(search *s, simile_error *err)
{
    if (!s->n_pictures) return SIMILE_OK;
    const size_t dim = (size_t)simile_model_get_info(tower_model(s->tower))->dim;
    s->vectors = mem_array(s->n_pictures * dim, sizeof *s->vectors);
    if (!s->vectors) return err_nomem(err);
    float *next = s->vectors;
    for (size_t i = 0; i < s->n_terms; i++) {
        if (s->terms[i].kind != SIMILE_TERM_VECTOR) continue;
        RETURN_IF_ERROR(see(s, i, next, err));
        next += dim;
    }
    return SIMILE_OK;
}

static simile_status run(search *s, simile_error *err)
{
    if (!s->n_terms) return err_set(err, SIMILE_E_ARG, "there is nothing to search for: no term, no 'text', no 'not'");
    if (s->n_texts || s->n_pictures) RETURN_IF_ERROR(catalog_tower(s->server, &s->tower, err));
    RETURN_IF_ERROR(read_texts(s, err));
    RETURN_IF_ERROR(see_pictures(s, err));
    s->query.terms = s->terms;
    s->query.n_terms = s->n_terms;
    const double began = clock_seconds();
    const simile_status status = simile_search(s->server->library, NULL, &s->query, &s->results, err);
    metrics_count(s->server->metrics, COUNT_SEARCHES, 1);
    metrics_observe(s->server->metrics, HISTOGRAM_SEARCH_SECONDS, clock_seconds() - began);
    return status;
}

/* ---- the answer ---- */

static void query_json(const search *s, json_writer *w)
{
    buf text;
    buf_init(&text, 2 * LIMIT_TERMS * LIMIT_TEXT_BYTES);
    terms_describe(s->terms, s->n_terms, &text);
    jw_key(w, "query"), jw_string(w, text.data ? text.data : "");
    buf_release(&text);
}

static void write_answer(const search *s, reply *r)
{
    json_writer w;
    const size_t found = simile_results_count(s->results), asked = (size_t)s->query.limit - 1;
    const size_t n = found < asked ? found : asked;
    reply_json(r, &w);
    jw_object(&w);
    query_json(s, &w);
    readings_json(s->readings, &w);
    jw_key(&w, "count"), jw_int(&w, (int64_t)n);
    jw_key(&w, "more"), jw_bool(&w, found > asked);
    jw_key(&w, "results"), jw_array(&w);
    for (size_t i = 0; i < n; i++) {
        const simile_hit *hit = simile_results_at(s->results, i);
        const int32_t candidate = simile_results_candidate(s->results, i);
        jw_object(&w);
        hit_json(s->server, hit, &w);
        jw_key(&w, "rank"), jw_int(&w, (int64_t)i + 1 + s->query.offset);
        jw_key(&w, "similarity"), jw_float(&w, hit->similarity);
        if (candidate >= 0) jw_key(&w, "candidate"), jw_int(&w, candidate);
        jw_object_end(&w);
    }
    jw_array_end(&w);
    jw_key(&w, "seconds"), jw_double(&w, clock_seconds() - s->began);
    jw_object_end(&w);
}

/* ---- the three ways to ask ---- */

#define SEARCH_KEYS "target", "limit", "offset", "min_similarity", INPUT_SELECTION_KEYS

static simile_status search_all(search *s, reply *r, simile_error *err)
{
    RETURN_IF_ERROR(read_options(s, err));
    RETURN_IF_ERROR(run(s, err));
    write_answer(s, r);
    return SIMILE_OK;
}

static simile_status answer_body(search *s, reply *r, simile_error *err)
{
    static const char *const keys[] = {"text", "not", "terms", "exclude_terms", SEARCH_KEYS, INPUT_READING_KEYS, NULL};
    RETURN_IF_ERROR(input_open(s->request, INPUT_JSON_OR_PARTS, keys, r, &s->in, err));
    RETURN_IF_ERROR(read_terms(s, err));
    return search_all(s, r, err);
}

static simile_status answer_words(search *s, reply *r, simile_error *err)
{
    static const char *const keys[] = {"text", "not", SEARCH_KEYS, INPUT_READING_KEYS, NULL};
    RETURN_IF_ERROR(input_open(s->request, INPUT_QUERY, keys, r, &s->in, err));
    RETURN_IF_ERROR(read_terms(s, err));
    return search_all(s, r, err);
}

static simile_status answer_similar(search *s, reply *r, simile_error *err)
{
    static const char *const keys[] = {SEARCH_KEYS, NULL};
    simile_term term = {.kind = SIMILE_TERM_ITEM, .weight = 1};
    RETURN_IF_ERROR(input_open(s->request, INPUT_QUERY, keys, r, &s->in, err));
    RETURN_IF_ERROR(api_id(s->request, "item", &term.id, err));
    RETURN_IF_ERROR(add_term(s, term, (source){0}, err));
    s->exclude = true;
    return search_all(s, r, err);
}

typedef simile_status (*answer_fn)(search *s, reply *r, simile_error *err);

static void search_with(server *s, const request *q, reply *r, answer_fn answer)
{
    simile_error err;
    search *one = mem_new(search);
    if (!one) {
        api_end(r, err_nomem(&err), &err);
        return;
    }
    one->server = s;
    one->request = q;
    one->began = clock_seconds();
    api_end(r, answer(one, r, &err), &err);
    release(one);
    mem_free(one);
}

void api_search(server *s, const request *q, reply *r)
{
    search_with(s, q, r, answer_body);
}

void api_search_words(server *s, const request *q, reply *r)
{
    search_with(s, q, r, answer_words);
}

void api_similar(server *s, const request *q, reply *r)
{
    search_with(s, q, r, answer_similar);
}
