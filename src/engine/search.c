/* SPDX-License-Identifier: Apache-2.0
 * search.c - simile_search and simile_search_many: terms to one query vector, filters to a bitmap, an exact scan, hits
 * with their paths.
 *
 *     query = unit(sum over terms of weight x unit(vector of the term))
 *
 * Everything is read in one read transaction (snapshot.c), so that an answer is of one moment even while a writer is
 * at work, and the filters are applied before the best k are chosen: k results come back as long as k items pass.
 *
 * A reading with several vectors (candidates of a translation) makes several queries; an item's score is the best it
 * has in one of them. The best k by that score are among the best k of each query, so those are merged.
 *
 * Several queries with one target are a round: of one moment, their texts encoded in one call, their vectors scanned
 * for at once (index/batch.h), equal filters made into one bitmap. One query alone is a round of its own.
 *
 * Threads: any number of searches at once. One of them gets the library's pool of threads, the others scan alone: with
 * several searches at work the processors are busy anyway. */
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/internal.h"

#include <math.h>

struct simile_results {
    simile_hit *hits;
    size_t n;
    buf strings;         /* the paths and texts of the hits */
    int32_t *candidates; /* [n]: by which vector of the reading that has several each was found, or NULL */
    int32_t candidate;   /* where no reading has several: that of the first that was translated, or -1 */
};

enum { MAX_TERMS = 10000, DEFAULT_LIMIT = 10 };

/* A search in progress. The first four belong to its round. */
typedef struct {
    simile_library *library;
    simile_encoder *encoder;
    catalog *reader;
    snapshot *set;
    simile_query query;
    char *folder;  /* of the query, or NULL */
    size_t number; /* among others, from 1; 0: it is the only one */
    int32_t dim;
    bool idle;                  /* there is nothing to find */
    const float *encoded;       /* of the next term that is a text, or NULL: not encoded yet */
    double *sum;                /* [dim] */
    float *vector;              /* [dim], of the term at hand */
    float *made;                /* [variants, dim]: the vectors of the query, one unless `several` */
    double weights;             /* the sum of those of the terms, without signs */
    const simile_term *several; /* the reading with several vectors, or NULL; it is not in sum */
    int64_t *named;             /* ids that terms name */
    size_t n_named;             /* at most n_terms */
    uint64_t *selected;         /* bitmap over the rows of set: those that pass the filter, or NULL */
    bool borrowed;              /* it is that of a search before */
    uint64_t *allow;            /* the same without those that are excluded, or NULL: as selected */
    scan_hit *hits;             /* [n_hits]; before that, of each variant */
    int32_t *found;             /* [n_hits]: by which vector of `several`, or NULL */
    size_t n_hits;
} search;

/* ---- terms ---- */

static simile_status need_encoder(const search *s, simile_error *err)
{
    if (!s->encoder) return err_set(err, SIMILE_E_ARG, "a term of the query needs an encoder");
    RETURN_IF_ERROR(check_model(s->reader, s->encoder->model, err));
    if (encoder_dim(s->encoder) == s->dim) return SIMILE_OK;
    return err_set(err, SIMILE_E_VERSION, "the vectors of the catalogue have %d numbers, those of the encoder %d",
                   s->dim, encoder_dim(s->encoder));
}

static simile_status encode_picture(search *s, const simile_image *picture, simile_error *err)
{
    RETURN_IF_ERROR(need_encoder(s, err));
    return simile_encode_images(s->encoder, &picture, 1, s->vector, err);
}

static simile_status encode_file(search *s, const char *path, simile_error *err)
{
    simile_image *picture;
    RETURN_IF_ERROR(need_encoder(s, err));
    RETURN_IF_ERROR(simile_image_open(path, NULL, &picture, err));
    const simile_status status = encode_picture(s, picture, err);
    simile_image_free(picture);
    return status;
}

/* A text that is an item itself is named by the query. */
static simile_status name_text(search *s, const char *text, simile_error *err)
{
    catalog_item item;
    bool found;
    if (s->query.target != SIMILE_KIND_TEXT) return SIMILE_OK;
    RETURN_IF_ERROR(catalog_find_text(s->reader, text, &item, &found, err));
    if (found) s->named[s->n_named++] = item.id;
    return SIMILE_OK;
}

static simile_status fetch_reading(search *s, const simile_reading *reading, simile_error *err)
{
    if (s->encoder) RETURN_IF_ERROR(need_encoder(s, err));
    if (reading->dim != s->dim)
        return err_set(err, SIMILE_E_VERSION, "the vectors of the catalogue have %d numbers, those of a reading %d",
                       s->dim, reading->dim);
    memcpy(s->vector, reading->vectors, (size_t)s->dim * sizeof *s->vector);
    return name_text(s, reading->text, err);
}

static simile_status encode_text(search *s, const char *text, simile_error *err)
{
    if (s->encoded) {
        memcpy(s->vector, s->encoded, (size_t)s->dim * sizeof *s->vector);
        s->encoded += s->dim;
    } else {
        RETURN_IF_ERROR(need_encoder(s, err));
        RETURN_IF_ERROR(simile_encode_texts(s->encoder, &text, 1, s->vector, NULL, err));
    }
    return name_text(s, text, err);
}

static simile_status fetch_item(search *s, int64_t id, simile_error *err)
{
    s->named[s->n_named++] = id;
    return catalog_get_vector(s->reader, id, s->vector, s->dim, err);
}

/* A file that is as it was when it was indexed, or that is gone since, need not be decoded. */
static bool is_current(const catalog_item *item, const char *path)
{
    file_facts facts;
    const simile_status status = file_stat(path, &facts, NULL);
    if (status) return status == SIMILE_E_NOT_FOUND;
    return facts.size == item->size && facts.mtime_ns == item->mtime_ns;
}

static simile_status fetch_path(search *s, const char *path, simile_error *err)
{
    catalog_item item;
    bool found = false;
    char *absolute = path_absolute(path);
    if (!absolute) return err_nomem(err);
    simile_status status = catalog_find_path(s->reader, absolute, &item, &found, err);
    const bool current = !status && found && item.status == SIMILE_ITEM_OK && is_current(&item, absolute);
    mem_free(absolute);
    if (status) return status;
    if (current) return fetch_item(s, item.id, err);
    if (found) s->named[s->n_named++] = item.id;
    return encode_file(s, path, err);
}

static simile_status fetch_term(search *s, const simile_term *term, simile_error *err)
{
    switch (term->kind) {
    case SIMILE_TERM_TEXT: return encode_text(s, term->text, err);
    case SIMILE_TERM_PATH: return fetch_path(s, term->text, err);
    case SIMILE_TERM_IMAGE: return encode_picture(s, term->image, err);
    case SIMILE_TERM_ITEM: return fetch_item(s, term->id, err);
    case SIMILE_TERM_READING: return fetch_reading(s, term->reading, err);
    default: memcpy(s->vector, term->vector, (size_t)s->dim * sizeof *s->vector); return SIMILE_OK;
    }
}

static simile_status unit_or_error(search *s, size_t at, simile_error *err)
{
    if (make_unit(s->vector, s->dim)) return SIMILE_OK;
    return err_set(err, SIMILE_E_ARG, "the vector of term %zu is zero or not finite", at + 1);
}

static simile_status add_term(search *s, size_t at, simile_error *err)
{
    const simile_term *term = &s->query.terms[at];
    RETURN_IF_ERROR(fetch_term(s, term, err));
    s->weights += fabs((double)term->weight);
    if (term->kind == SIMILE_TERM_READING && term->reading->n_vectors > 1) {
        if (s->several) return err_set(err, SIMILE_E_ARG, "two terms of the query have several vectors");
        s->several = term;
        return SIMILE_OK;
    }
    RETURN_IF_ERROR(unit_or_error(s, at, err));
    for (int32_t i = 0; i < s->dim; i++) s->sum[i] += (double)term->weight * (double)s->vector[i];
    return SIMILE_OK;
}

/* Rounding leaves something of terms that cancel out; what is this much smaller than their weights has no direction. */
static const double least_length = 1e-6;

static size_t variants_of(const search *s)
{
    return s->several ? s->several->reading->n_vectors : 1;
}

/* The query, with vector number `row` of the term that has several. */
static simile_status make_query(search *s, size_t row, simile_error *err)
{
    double square = 0;
    const double weight = s->several ? (double)s->several->weight : 0;
    if (s->several) {
        const float *from = s->several->reading->vectors + row * (size_t)s->dim;
        memcpy(s->vector, from, (size_t)s->dim * sizeof *s->vector);
        RETURN_IF_ERROR(unit_or_error(s, (size_t)(s->several - s->query.terms), err));
    }
    for (int32_t i = 0; i < s->dim; i++) {
        const double x = s->sum[i] + (s->several ? weight * (double)s->vector[i] : 0);
        square += x * x;
    }
    const double length = sqrt(square);
    if (!(length > least_length * s->weights))
        return err_set(err, SIMILE_E_ARG, "the terms of the query cancel each other out");
    float *made = s->made + row * (size_t)s->dim;
    for (int32_t i = 0; i < s->dim; i++)
        made[i] = (float)((s->sum[i] + (s->several ? weight * (double)s->vector[i] : 0)) / length);
    return SIMILE_OK;
}

static simile_status make_queries(search *s, simile_error *err)
{
    s->made = mem_array(variants_of(s), (size_t)s->dim * sizeof *s->made);
    if (!s->made) return err_nomem(err);
    for (size_t row = 0; row < variants_of(s); row++) RETURN_IF_ERROR(make_query(s, row, err));
    return SIMILE_OK;
}

/* ---- filters ---- */

static bool is_filtered(const simile_query *q)
{
    return q->folder || q->glob || q->has_after || q->has_before;
}

static bool same_string(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

static bool same_filter(const search *a, const search *b)
{
    const simile_query *p = &a->query, *q = &b->query;
    return same_string(a->folder, b->folder) && same_string(p->glob, q->glob) && !p->has_after == !q->has_after &&
           !p->has_before == !q->has_before && (!p->has_after || p->after == q->after) &&
           (!p->has_before || p->before == q->before);
}

/* before: a search of the same round, or NULL. */
static simile_status select_rows(search *s, const search *before, simile_error *err)
{
    const simile_query *q = &s->query;
    const catalog_filter filter = {.kind = q->target,
                                   .folder = s->folder,
                                   .glob = q->glob,
                                   .has_after = q->has_after != 0,
                                   .after = q->after,
                                   .has_before = q->has_before != 0,
                                   .before = q->before};
    if (!is_filtered(q)) return SIMILE_OK;
    s->borrowed = before && before->selected && same_filter(s, before);
    if (!s->borrowed) return snapshot_select(s->set, s->reader, &filter, &s->selected, err);
    s->selected = before->selected;
    return SIMILE_OK;
}

static simile_status make_bitmap(search *s, const search *before, simile_error *err)
{
    const size_t words = s->set->n / 64 + 1;
    RETURN_IF_ERROR(select_rows(s, before, err));
    if (!s->query.exclude_terms || !s->n_named) return SIMILE_OK;
    s->allow = mem_array(words, sizeof *s->allow);
    if (!s->allow) return err_nomem(err);
    if (s->selected)
        memcpy(s->allow, s->selected, words * sizeof *s->allow);
    else
        memset(s->allow, 0xff, words * sizeof *s->allow);
    for (size_t i = 0; i < s->n_named; i++) {
        const ptrdiff_t row = snapshot_find(s->set, s->named[i]);
        if (row >= 0) s->allow[row / 64] &= ~(UINT64_C(1) << row % 64);
    }
    return SIMILE_OK;
}

/* ---- scanning ---- */

static size_t wanted(const search *s)
{
    const size_t k = (size_t)s->query.offset + (size_t)s->query.limit;
    return k < s->set->n ? k : s->set->n;
}

/* A request for each variant of a query. */
static simile_status make_requests(search *s, batch_request *out, simile_error *err)
{
    const float least = s->query.min_similarity;
    size_t room;
    s->hits = mem_mul(wanted(s), variants_of(s), &room) ? mem_array(room, sizeof *s->hits) : NULL;
    if (!s->hits) return err_nomem(err);
    for (size_t row = 0; row < variants_of(s); row++)
        out[row] = (batch_request){.query = s->made + row * (size_t)s->dim,
                                   .allow = s->allow ? s->allow : s->selected,
                                   .min_score = least == 0 ? -INFINITY : least / 100,
                                   .k = wanted(s),
                                   .hits = s->hits + row * wanted(s)};
    return SIMILE_OK;
}

/* A hit of one of several queries. */
typedef struct {
    scan_hit hit;
    int32_t row;
} variant_hit;

static int by_id(const void *x, const void *y)
{
    const variant_hit *a = x, *b = y;
    if (a->hit.id != b->hit.id) return a->hit.id < b->hit.id ? -1 : 1;
    if (a->hit.score != b->hit.score) return a->hit.score > b->hit.score ? -1 : 1;
    return (a->row > b->row) - (a->row < b->row);
}

static int by_score(const void *x, const void *y)
{
    const variant_hit *a = x, *b = y;
    if (a->hit.score != b->hit.score) return a->hit.score > b->hit.score ? -1 : 1;
    return (a->hit.id > b->hit.id) - (a->hit.id < b->hit.id);
}

/* Keeps of each item the best hit, and the best of those. */
static void merge(search *s, variant_hit *all, size_t n)
{
    size_t kept = 0;
    qsort(all, n, sizeof *all, by_id);
    for (size_t i = 0; i < n; i++)
        if (!i || all[i].hit.id != all[i - 1].hit.id) all[kept++] = all[i];
    qsort(all, kept, sizeof *all, by_score);
    s->n_hits = kept < wanted(s) ? kept : wanted(s);
    for (size_t i = 0; i < s->n_hits; i++) {
        s->hits[i] = all[i].hit;
        s->found[i] = all[i].row;
    }
}

/* What was found for the requests of a search. */
static simile_status take_hits(search *s, const batch_request *requests, simile_error *err)
{
    size_t n = 0, rows = variants_of(s);
    if (!s->several) {
        s->n_hits = requests[0].found;
        return SIMILE_OK;
    }
    for (size_t row = 0; row < rows; row++) n += requests[row].found;
    s->found = mem_array(wanted(s), sizeof *s->found);
    variant_hit *all = mem_array(n, sizeof *all);
    const bool ready = s->found && all;
    n = 0;
    for (size_t row = 0; row < rows && ready; row++)
        for (size_t i = 0; i < requests[row].found; i++) all[n++] = (variant_hit){requests[row].hits[i], (int32_t)row};
    if (ready) merge(s, all, n);
    mem_free(all);
    return ready ? SIMILE_OK : err_nomem(err);
}

/* ---- results ---- */

/* Fills in a hit. Its string is an offset until all are in place, as their memory may move. */
static simile_status describe_hit(search *s, simile_results *results, size_t *offset, const scan_hit *from,
                                  simile_hit *to, simile_error *err)
{
    catalog_item item;
    bool found;
    RETURN_IF_ERROR(catalog_find_id(s->reader, from->id, &item, &found, err));
    if (!found) return err_set(err, SIMILE_E_CORRUPT, "item %lld has a vector but no facts", (long long)from->id);
    *to = (simile_hit){.id = from->id,
                       .similarity = 100 * from->score,
                       .width = item.width,
                       .height = item.height,
                       .date = item.date,
                       .path = item.path,
                       .text = item.text};
    const char *string = item.path ? item.path : item.text;
    *offset = results->strings.len;
    return buf_append(&results->strings, string, strlen(string) + 1) ? SIMILE_OK : err_nomem(err);
}

static simile_status make_results(search *s, simile_results *results, simile_error *err)
{
    const size_t skip = (size_t)s->query.offset;
    const size_t n = s->n_hits > skip ? s->n_hits - skip : 0;
    size_t *offsets = mem_array(n, sizeof *offsets);
    results->hits = mem_zero_array(n, sizeof *results->hits);
    simile_status status = offsets && results->hits ? SIMILE_OK : err_nomem(err);
    for (size_t i = 0; i < n && !status; i++)
        status = describe_hit(s, results, &offsets[i], &s->hits[skip + i], &results->hits[i], err);
    for (size_t i = 0; i < n && !status; i++) {
        simile_hit *hit = &results->hits[i];
        const char *string = results->strings.data + offsets[i];
        if (hit->path)
            hit->path = string;
        else
            hit->text = string;
    }
    if (!status) results->n = n;
    mem_free(offsets);
    if (!status && s->found) {
        results->candidates = mem_array(n, sizeof *results->candidates);
        if (!results->candidates) return err_nomem(err);
        memcpy(results->candidates, s->found + (s->n_hits - n), n * sizeof *s->found);
    }
    return status;
}

/* ---- what is asked ---- */

static simile_status check_term(const simile_term *term, size_t at, simile_error *err)
{
    const bool text = term->kind == SIMILE_TERM_TEXT || term->kind == SIMILE_TERM_PATH;
    if (term->kind < SIMILE_TERM_TEXT || term->kind > SIMILE_TERM_READING)
        return err_set(err, SIMILE_E_ARG, "term %zu is of an unknown kind", at + 1);
    if ((text && !term->text) || (term->kind == SIMILE_TERM_IMAGE && !term->image) ||
        (term->kind == SIMILE_TERM_VECTOR && !term->vector) ||
        (term->kind == SIMILE_TERM_READING && (!term->reading || !term->reading->n_vectors)))
        return err_set(err, SIMILE_E_ARG, "term %zu is empty", at + 1);
    if (!isfinite(term->weight)) return err_set(err, SIMILE_E_ARG, "the weight of term %zu is not finite", at + 1);
    return SIMILE_OK;
}

static simile_status check_query(simile_query *q, const simile_query *given, simile_error *err)
{
    RETURN_IF_ERROR(options_copy(q, sizeof *q, given, err));
    if (!q->limit) q->limit = DEFAULT_LIMIT;
    if (!q->n_terms || !q->terms) return err_set(err, SIMILE_E_ARG, "the query is empty");
    if (q->n_terms > MAX_TERMS) return err_set(err, SIMILE_E_LIMIT, "the query has more than %d terms", MAX_TERMS);
    if (q->limit < 0 || q->offset < 0) return err_set(err, SIMILE_E_ARG, "limit and offset cannot be negative");
    if (q->target != SIMILE_KIND_IMAGE && q->target != SIMILE_KIND_TEXT)
        return err_set(err, SIMILE_E_ARG, "the target of the query is neither pictures nor texts");
    if (isnan(q->min_similarity)) return err_set(err, SIMILE_E_ARG, "the least similarity is not a number");
    for (size_t i = 0; i < q->n_terms; i++) RETURN_IF_ERROR(check_term(&q->terms[i], i, err));
    return SIMILE_OK;
}

/* The candidate of the first term that was translated. */
static int32_t first_candidate(const simile_query *q)
{
    for (size_t i = 0; i < q->n_terms; i++)
        if (q->terms[i].kind == SIMILE_TERM_READING && q->terms[i].reading->translation)
            return q->terms[i].reading->candidate;
    return -1;
}

/* Nothing is left of another model's vectors: then those of the query may be of another length. */
static bool is_emptied(const search *s)
{
    if (s->set->n) return false;
    bool other = s->encoder && s->dim != encoder_dim(s->encoder);
    for (size_t i = 0; i < s->query.n_terms && !other; i++) {
        const simile_term *term = &s->query.terms[i];
        other = term->kind == SIMILE_TERM_READING && term->reading->dim != s->dim;
    }
    return other;
}

/* ---- a round ---- */

/* Which query it was, where there are several. */
static simile_status name_query(const search *s, simile_status status, simile_error *err)
{
    if (!status || !err || !s->number) return status;
    const simile_error was = *err;
    err_set(err, status, "query %zu: %s", s->number, was.message);
    err->sys_errno = was.sys_errno;
    return status;
}

/* The searches with one target. */
typedef struct {
    search **each;
    simile_results **results;
    size_t n;
    float *texts;            /* the vectors of the terms that are texts, of all searches */
    batch_request *requests; /* of all variants */
} round_of;

static simile_status prepare(round_of *r, simile_error *err)
{
    search *first = r->each[0];
    RETURN_IF_ERROR(reader_take(first->library, &first->reader, err));
    RETURN_IF_ERROR(snapshot_take(first->library, first->query.target, first->reader, &first->set, err));
    const size_t dim = (size_t)first->set->dim;
    for (size_t i = 0; i < r->n; i++) {
        search *s = r->each[i];
        s->reader = first->reader;
        s->set = first->set;
        s->dim = first->set->dim;
        s->idle = !dim || is_emptied(s);
        s->sum = mem_zero_array(dim, sizeof *s->sum);
        s->vector = mem_zero_array(dim, sizeof *s->vector);
        s->named = mem_array(s->query.n_terms, sizeof *s->named);
        if (!s->sum || !s->vector || !s->named) return err_nomem(err);
    }
    return SIMILE_OK;
}

static size_t texts_of(const search *s, const char **out)
{
    size_t n = 0;
    for (size_t i = 0; i < s->query.n_terms && !s->idle; i++) {
        if (s->query.terms[i].kind != SIMILE_TERM_TEXT) continue;
        if (out) out[n] = s->query.terms[i].text;
        n++;
    }
    return n;
}

/* All texts in one call. Where there is only one, its term is as good a place. */
static simile_status encode_together(round_of *r, simile_error *err)
{
    const search *first = r->each[0];
    const size_t dim = (size_t)first->dim;
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) n += texts_of(r->each[i], NULL);
    if (n < 2) return SIMILE_OK;
    RETURN_IF_ERROR(need_encoder(first, err));
    const char **texts = mem_array(n, sizeof *texts);
    r->texts = mem_array(n, dim * sizeof *r->texts);
    simile_status status = texts && r->texts ? SIMILE_OK : err_nomem(err);
    n = 0;
    for (size_t i = 0; i < r->n && !status; i++) {
        r->each[i]->encoded = r->texts + n * dim;
        n += texts_of(r->each[i], texts + n);
    }
    if (!status) status = simile_encode_texts(first->encoder, texts, n, r->texts, NULL, err);
    mem_free(texts);
    return status;
}

static simile_status make_ready(search *s, const search *before, simile_error *err)
{
    for (size_t i = 0; i < s->query.n_terms; i++) RETURN_IF_ERROR(add_term(s, i, err));
    RETURN_IF_ERROR(make_queries(s, err));
    return make_bitmap(s, before, err);
}

static simile_status scan_round(round_of *r, simile_error *err)
{
    const search *first = r->each[0];
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) n += r->each[i]->idle ? 0 : variants_of(r->each[i]);
    r->requests = mem_array(n, sizeof *r->requests);
    if (!r->requests) return err_nomem(err);
    n = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (r->each[i]->idle) continue;
        RETURN_IF_ERROR(make_requests(r->each[i], r->requests + n, err));
        n += variants_of(r->each[i]);
    }
    if (n) RETURN_IF_ERROR(snapshot_scan(first->library, first->query.target, first->set, r->requests, n, err));
    n = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (r->each[i]->idle) continue;
        RETURN_IF_ERROR(take_hits(r->each[i], r->requests + n, err));
        RETURN_IF_ERROR(make_results(r->each[i], r->results[i], err));
        n += variants_of(r->each[i]);
    }
    return SIMILE_OK;
}

static simile_status run_round(round_of *r, simile_error *err)
{
    const search *before = NULL;
    RETURN_IF_ERROR(prepare(r, err));
    RETURN_IF_ERROR(encode_together(r, err));
    for (size_t i = 0; i < r->n; i++) {
        if (r->each[i]->idle) continue;
        RETURN_IF_ERROR(name_query(r->each[i], make_ready(r->each[i], before, err), err));
        before = r->each[i];
    }
    return scan_round(r, err);
}

static void round_end(round_of *r, simile_status status)
{
    const search *first = r->each[0];
    if (first->reader) catalog_read_end(first->reader);
    reader_give(first->library, first->reader,
                status != SIMILE_E_BUSY && status != SIMILE_E_IO && status != SIMILE_E_CORRUPT);
    snapshot_give(first->library, first->set);
    mem_free(r->texts);
    mem_free(r->requests);
}

/* ---- the public calls ---- */

static void search_release(search *s)
{
    mem_free(s->folder);
    mem_free(s->sum);
    mem_free(s->vector);
    mem_free(s->made);
    mem_free(s->named);
    if (!s->borrowed) mem_free(s->selected);
    mem_free(s->allow);
    mem_free(s->hits);
    mem_free(s->found);
}

static simile_status search_init(search *s, const simile_query *query, simile_results **out, simile_error *err)
{
    if (!query) return err_set(err, SIMILE_E_ARG, "no query was given");
    RETURN_IF_ERROR(check_query(&s->query, query, err));
    RETURN_IF_ERROR(folder_absolute(s->query.folder, &s->folder, err));
    simile_results *results = mem_new(simile_results);
    if (!results) return err_nomem(err);
    buf_init(&results->strings, SIZE_MAX / 4);
    results->candidate = first_candidate(&s->query);
    *out = results;
    return SIMILE_OK;
}

/* Those of the searches that have this target. each and results: room for all of them. */
static simile_status run_target(search *all, size_t n, int32_t target, search **each, simile_results **results,
                                simile_results **out, simile_error *err)
{
    round_of r = {.each = each, .results = results};
    for (size_t i = 0; i < n; i++) {
        if (all[i].query.target != target) continue;
        each[r.n] = &all[i];
        results[r.n++] = out[i];
    }
    if (!r.n) return SIMILE_OK;
    const simile_status status = run_round(&r, err);
    round_end(&r, status);
    return status;
}

simile_status simile_search_many(simile_library *library, simile_encoder *encoder, const simile_query *const *queries,
                                 size_t n, simile_results **out, simile_error *err)
{
    if (n && !out) return err_set(err, SIMILE_E_ARG, "no place for the results was given");
    for (size_t i = 0; i < n; i++) out[i] = NULL;
    if (!library || (n && !queries) || (n == 1 && !queries[0]))
        return err_set(err, SIMILE_E_ARG, "no catalogue or no query was given");
    search *all = mem_zero_array(n, sizeof *all), **each = mem_array(n, sizeof *each);
    simile_results **results = mem_array(n, sizeof *results);
    simile_status status = all && each && results ? SIMILE_OK : err_nomem(err);
    for (size_t i = 0; i < n && !status; i++) {
        all[i].library = library;
        all[i].encoder = encoder;
        all[i].number = n > 1 ? i + 1 : 0;
        status = name_query(&all[i], search_init(&all[i], queries[i], &out[i], err), err);
    }
    if (!status) status = run_target(all, n, SIMILE_KIND_IMAGE, each, results, out, err);
    if (!status) status = run_target(all, n, SIMILE_KIND_TEXT, each, results, out, err);
    for (size_t i = 0; all && i < n; i++) search_release(&all[i]);
    mem_free(all);
    mem_free(each);
    mem_free(results);
    for (size_t i = 0; i < n && status; i++) {
        simile_results_free(out[i]);
        out[i] = NULL;
    }
    return status;
}

simile_status simile_search(simile_library *library, simile_encoder *encoder, const simile_query *query,
                            simile_results **out, simile_error *err)
{
    if (!out) return err_set(err, SIMILE_E_ARG, "no place for the results was given");
    return simile_search_many(library, encoder, &query, 1, out, err);
}

size_t simile_results_count(const simile_results *results)
{
    return results ? results->n : 0;
}

const simile_hit *simile_results_at(const simile_results *results, size_t i)
{
    return results && i < results->n ? &results->hits[i] : NULL;
}

int32_t simile_results_candidate(const simile_results *results, size_t i)
{
    if (!results || i >= results->n) return -1;
    return results->candidates ? results->candidates[i] : results->candidate;
}

void simile_results_free(simile_results *results)
{
    if (!results) return;
    mem_free(results->hits);
    buf_release(&results->strings);
    mem_free(results->candidates);
    mem_free(results);
}
