/* SPDX-License-Identifier: Apache-2.0
 * clip_retrieval.c - the back end of clip-retrieval over our catalogue: /indices-list, /knn-service, /metadata.
 *
 * What its ClipClient and its page send and get: clip_retrieval/clip_client.py, clip_back.py. Bodies are JSON whatever
 * their Content-Type. There is one index, "simile"; an item's id is the catalogue's; its metadata are image_path, or
 * caption for a text, and "image", a small picture as base64 (WebP, where upstream sends the whole picture as JPEG:
 * programs and browsers tell one from the other by its bytes). Of the results only the first num_images have metadata.
 *
 * "deduplicate" does what upstream does: results whose vectors have a cosine of 0.94 or more, directly or through
 * others, are one, and the best of them stays. There are no models of safety, violence and aesthetics here: those
 * fields are accepted and, as upstream without such models, do nothing. Pictures of a query are set upright, as those
 * in the catalogue were. Errors: {"message": "..."}, as flask-restful has it. Threads: any. */
#include "base/clock.h"
#include "base/mem.h"
#include "serve/embed.h"
#include "serve/forms.h"
#include "serve/http.h"
#include "serve/metrics.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char index_name[] = "simile";
static const float alike = 0.94f;

enum { SEARCH_BY_NOTHING, SEARCH_BY_TEXT, SEARCH_BY_PICTURE, SEARCH_BY_VECTOR };

typedef struct {
    int by;
    embed_input input;     /* text or picture */
    const json_t *numbers; /* of a vector */
    bool texts;            /* what is looked for */
    bool deduplicate, multilingual;
    int64_t images, ids; /* results with metadata; results altogether */
} knn;

static void __attribute__((format(printf, 3, 4))) refuse(reply *r, int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    reply_saying(r, status, "message", format, args);
    va_end(args);
}

static void refuse_error(reply *r, int status, const simile_error *err)
{
    refuse(r, status, "%s", err->message);
}

/* ---- reading ---- */

static const json_t *field(const json_t *body, const char *key)
{
    const json_t *v = json_object_get(body, key);
    return json_is_null(v) ? NULL : v;
}

static const char *text_of(const json_t *body, const char *key)
{
    const json_t *v = field(body, key);
    return json_is_string(v) && json_string_length(v) ? json_string_value(v) : NULL;
}

static bool read_query(const json_t *body, knn *k, reply *r)
{
    static const struct {
        const char *key;
        int by, kind;
    } ways[] = {{"text", SEARCH_BY_TEXT, EMBED_TEXT},
                {"image", SEARCH_BY_PICTURE, EMBED_BASE64},
                {"image_url", SEARCH_BY_PICTURE, EMBED_URI}};
    for (size_t i = 0; i < 3 && !k->by; i++) {
        const char *text = text_of(body, ways[i].key);
        if (!text) continue;
        k->by = ways[i].by;
        k->input = (embed_input){.kind = ways[i].kind, .data = text, .len = strlen(text)};
    }
    k->numbers = field(body, "embedding_input");
    if (!k->by && json_is_array(k->numbers)) k->by = SEARCH_BY_VECTOR;
    if (k->by) return true;
    refuse(r, 400, "one of 'text', 'image', 'image_url' and 'embedding_input' is needed");
    return false;
}

static bool read_index(const json_t *body, reply *r)
{
    const json_t *name = field(body, "indice_name");
    if (!name || (json_is_string(name) && strcmp(json_string_value(name), index_name) == 0)) return true;
    refuse(r, 404, "there is no such index: the only one here is '%s'", index_name);
    return false;
}

/* 0 to max; larger numbers are cut down to it: clip-retrieval's page asks for 3000 ids. */
static bool read_count(const json_t *body, const char *key, int64_t *out, reply *r)
{
    const json_t *v = field(body, key);
    if (!v) return true;
    if (!json_is_integer(v) || json_integer_value(v) < 0) {
        refuse(r, 400, "'%s' is no whole number", key);
        return false;
    }
    *out = json_integer_value(v) < LIMIT_RESULTS ? json_integer_value(v) : LIMIT_RESULTS;
    return true;
}

static bool read_knn(const json_t *body, knn *k, reply *r)
{
    const char *modality = text_of(body, "modality");
    k->images = -1;
    if (!read_index(body, r) || !read_count(body, "num_images", &k->images, r)) return false;
    k->ids = k->images;
    if (!read_count(body, "num_result_ids", &k->ids, r)) return false;
    k->texts = modality && strcmp(modality, "text") == 0;
    if (k->images < 0 || !modality || (!k->texts && strcmp(modality, "image") != 0)) {
        refuse(r, 400, "%s", k->images < 0 ? "'num_images' is missing" : "'modality' is 'image' or 'text'");
        return false;
    }
    k->deduplicate = json_is_true(field(body, "deduplicate"));
    k->multilingual = json_is_true(field(body, "use_mclip"));
    return read_query(body, k, r);
}

/* ---- the query's vector ---- */

static bool take_numbers(const json_t *numbers, float *out, size_t dim)
{
    if (json_array_size(numbers) != dim) return false;
    for (size_t i = 0; i < dim; i++) {
        const json_t *v = json_array_get(numbers, i);
        const double x = json_number_value(v);
        if (!json_is_number(v) || !(x > -1e30 && x < 1e30)) return false;
        out[i] = (float)x;
    }
    return true;
}

/* The multilingual text tower instead of the model's own. */
static simile_status read_multilingual(tower *t, const knn *k, float *out, size_t dim, simile_error *err)
{
    simile_readings *readings;
    const simile_read_options how = {.struct_size = sizeof how, .via = SIMILE_VIA_MULTILINGUAL};
    const char *text = k->input.data;
    if (k->input.len > LIMIT_TEXT_BYTES) return err_set(err, SIMILE_E_LIMIT, "the text is too long");
    RETURN_IF_ERROR(tower_read(t, &text, 1, &how, &readings, err));
    memcpy(out, simile_readings_at(readings, 0)->vectors, dim * sizeof *out);
    simile_readings_free(readings);
    return SIMILE_OK;
}

static bool find_vector(server *s, tower *t, const knn *k, float *out, size_t dim, reply *r)
{
    simile_error err;
    embed_options o = {.upright = true, .unit = true};
    simile_status status;
    if (k->by == SEARCH_BY_VECTOR) {
        if (take_numbers(k->numbers, out, dim)) return true;
        refuse(r, 400, "'embedding_input' has to be a list of %zu numbers", dim);
        return false;
    }
    if (k->by == SEARCH_BY_TEXT && k->multilingual) {
        status = read_multilingual(t, k, out, dim, &err);
        o.theirs = true; /* there may be no such tower: then it must not be asked for */
    } else {
        status = embed_all(s, t, &k->input, 1, &o, out, &err);
    }
    if (status) refuse_error(r, o.theirs ? status_of(&err) : status_of_model(&err), &err);
    return !status;
}

/* ---- duplicates ---- */

typedef struct {
    simile_library *library;
    const simile_hit **hits; /* [n] */
    size_t n, dim;
    float *vectors; /* [n, dim] */
    size_t *group;  /* [n]: the first hit of those that are one with it */
} likes;

static simile_status load_vectors(likes *l, simile_error *err)
{
    for (size_t i = 0; i < l->n; i++) {
        float *v = l->vectors + i * l->dim;
        const simile_status status = simile_library_get_vector(l->library, l->hits[i]->id, v, (int32_t)l->dim, err);
        /* It was forgotten a moment ago: then it is like nothing. */
        if (status == SIMILE_E_NOT_FOUND)
            memset(v, 0, l->dim * sizeof *v);
        else if (status)
            return status;
    }
    return SIMILE_OK;
}

static float cosine(const float *a, const float *b, size_t n)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* Two groups become one, that of the better hit. */
static void join(likes *l, size_t a, size_t b)
{
    const size_t from = l->group[a] > l->group[b] ? l->group[a] : l->group[b];
    const size_t to = l->group[a] > l->group[b] ? l->group[b] : l->group[a];
    for (size_t i = 0; i < l->n && from != to; i++)
        if (l->group[i] == from) l->group[i] = to;
}

/* Hits are best first, so the first of a group is the one that stays. */
static void drop_likes(likes *l)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->n; i++) l->group[i] = i;
    for (size_t i = 0; i < l->n; i++)
        for (size_t j = 0; j < i; j++)
            if (l->group[i] != l->group[j] && cosine(l->vectors + i * l->dim, l->vectors + j * l->dim, l->dim) >= alike)
                join(l, i, j);
    for (size_t i = 0; i < l->n; i++)
        if (l->group[i] == i) l->hits[kept++] = l->hits[i];
    l->n = kept;
}

static simile_status deduplicate(likes *l, simile_error *err)
{
    l->vectors = mem_array(l->n * l->dim, sizeof *l->vectors);
    l->group = mem_array(l->n, sizeof *l->group);
    simile_status status = l->vectors && l->group ? load_vectors(l, err) : err_nomem(err);
    if (!status) drop_likes(l);
    mem_free(l->vectors);
    mem_free(l->group);
    return status;
}

/* ---- answering ---- */

static void write_picture(json_writer *w, simile_library *library, int64_t id)
{
    void *bytes;
    size_t len;
    buf text;
    if (simile_library_thumbnail(library, id, &bytes, &len, NULL)) return; /* its file is gone, say */
    buf_init(&text, 2 * len + 16);
    if (base64_append(&text, bytes, len) && text.data) {
        jw_key(w, "image");
        jw_string_n(w, text.data, text.len);
    }
    buf_release(&text);
    simile_free(bytes);
}

static void write_metadata(json_writer *w, simile_library *library, int64_t id, const char *path, const char *text)
{
    if (path) {
        jw_key(w, "image_path");
        jw_string(w, path);
        write_picture(w, library, id);
    } else {
        jw_key(w, "caption");
        jw_string(w, text);
    }
}

static void write_hits(server *s, const likes *l, const knn *k, reply *r)
{
    json_writer w;
    reply_json(r, &w);
    jw_array(&w);
    for (size_t i = 0; i < l->n; i++) {
        const simile_hit *h = l->hits[i];
        jw_object(&w);
        if ((int64_t)i < k->images) write_metadata(&w, s->library, h->id, h->path, h->text);
        jw_key(&w, "id");
        jw_int(&w, h->id);
        jw_key(&w, "similarity");
        jw_float(&w, h->similarity / 100);
        jw_object_end(&w);
    }
    jw_array_end(&w);
}

static void write_results(server *s, const simile_results *results, const knn *k, size_t dim, reply *r)
{
    simile_error err;
    likes l = {.library = s->library, .n = simile_results_count(results), .dim = dim};
    l.hits = mem_array(l.n, sizeof *l.hits);
    simile_status status = l.hits ? SIMILE_OK : err_nomem(&err);
    for (size_t i = 0; i < l.n && !status; i++) l.hits[i] = simile_results_at(results, i);
    if (!status && k->deduplicate) status = deduplicate(&l, &err);
    if (status)
        refuse_error(r, status_of(&err), &err);
    else
        write_hits(s, &l, k, r);
    mem_free(l.hits);
}

static void search(server *s, const knn *k, const float *vector, size_t dim, reply *r)
{
    simile_error err;
    simile_results *results;
    const simile_reading reading = vector_reading(vector, (int32_t)dim);
    const simile_term term = {.kind = SIMILE_TERM_READING, .weight = 1, .reading = &reading};
    const simile_query query = {.struct_size = sizeof query,
                                .terms = &term,
                                .n_terms = 1,
                                .target = k->texts ? SIMILE_KIND_TEXT : SIMILE_KIND_IMAGE,
                                .limit = (int32_t)k->ids};
    const double since = clock_seconds();
    if (!k->ids) { /* 0 would be the library's default */
        buf_text(&r->body, "[]");
        return;
    }
    if (simile_search(s->library, NULL, &query, &results, &err)) {
        refuse_error(r, status_of(&err), &err);
        return;
    }
    metrics_count(s->metrics, COUNT_SEARCHES, 1);
    metrics_observe(s->metrics, HISTOGRAM_SEARCH_SECONDS, clock_seconds() - since);
    write_results(s, results, k, dim, r);
    simile_results_free(results);
}

static void answer(server *s, const knn *k, reply *r)
{
    simile_error err;
    tower *t;
    if (catalog_tower(s, &t, &err)) {
        refuse_error(r, status_of(&err), &err);
        return;
    }
    const size_t dim = (size_t)simile_model_get_info(tower_model(t))->dim;
    float *vector = mem_array(dim, sizeof *vector);
    if (!vector)
        refuse(r, 503, "out of memory");
    else if (find_vector(s, t, k, vector, dim, r))
        search(s, k, vector, dim, r);
    mem_free(vector);
    tower_release(t);
}

static bool read_body(const request *q, json_t **body, reply *r)
{
    simile_error err;
    if (!request_json(q, body, &err)) return true;
    refuse_error(r, status_of(&err), &err);
    return false;
}

static void post_knn(server *s, const request *q, reply *r)
{
    json_t *body;
    knn k = {0};
    if (!read_body(q, &body, r)) return;
    if (read_knn(body, &k, r)) answer(s, &k, r);
    json_decref(body);
}

static void get_indices(server *s, const request *q, reply *r)
{
    json_writer w;
    reply_json(r, &w);
    jw_array(&w);
    jw_string(&w, index_name);
    jw_array_end(&w);
}

/* ---- metadata ---- */

typedef struct {
    server *s;
    json_writer *w;
} describing;

static int describe(void *user, const simile_item *item)
{
    describing *d = user;
    jw_object(d->w);
    jw_key(d->w, "id");
    jw_int(d->w, item->id);
    jw_key(d->w, "metadata");
    jw_object(d->w);
    write_metadata(d->w, d->s->library, item->id, item->path, item->text);
    jw_object_end(d->w);
    jw_object_end(d->w);
    return 0;
}

static bool describe_id(server *s, const json_t *id, json_writer *w, reply *r)
{
    simile_error err;
    describing d = {s, w};
    if (!json_is_integer(id)) {
        refuse(r, 400, "'ids' is no list of whole numbers");
        return false;
    }
    const simile_status status = simile_library_find(s->library, json_integer_value(id), describe, &d, &err);
    if (status) refuse_error(r, status_of(&err), &err);
    return !status;
}

static void describe_all(server *s, const json_t *ids, reply *r)
{
    json_writer w;
    reply_json(r, &w);
    jw_array(&w);
    for (size_t i = 0; i < json_array_size(ids); i++)
        if (!describe_id(s, json_array_get(ids, i), &w, r)) return;
    jw_array_end(&w);
}

static void post_metadata(server *s, const request *q, reply *r)
{
    json_t *body;
    if (!read_body(q, &body, r)) return;
    const json_t *ids = field(body, "ids");
    if (!json_is_array(ids) || json_array_size(ids) > LIMIT_RESULTS)
        refuse(r, 400, "'ids' has to be a list of at most %d", LIMIT_RESULTS);
    else if (read_index(body, r))
        describe_all(s, ids, r);
    json_decref(body);
}

const route routes_clip_retrieval[] = {
    {"GET", "/indices-list", get_indices, 0},
    {"POST", "/knn-service", post_knn, 0},
    {"POST", "/metadata", post_metadata, 0},
    {0},
};
