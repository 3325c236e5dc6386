/* SPDX-License-Identifier: Apache-2.0
 * clip_as_service.c - clip-as-service over HTTP: POST /post, which names one of /, /encode, /encode/MODEL, /rank and
 * /rank/MODEL as its endpoint.
 *
 * What its client sends and gets: client/clip_client/client.py, server/clip_server/executors, and Jina's gateway behind
 * it (jina/serve/runtimes/gateway/http_fastapi_app.py). Documents come as "data", a list or {"docs": [...]}; each has a
 * text, or a picture as "blob" (base64) or "uri"; a text wins. They go back as they came, each with its "embedding",
 * the raw vector. A document with nothing in it goes back as it is: that is how the client measures round trips. /rank
 * gives the matches of each document their scores and sorts them.
 *
 * Keys are accepted in both of Jina's spellings, execEndpoint and exec_endpoint. Errors are told in header.status, as
 * Jina has it, along with an HTTP status that is no success; its client raises an exception for either.
 *
 * Pictures are seen as they are stored, without their EXIF orientation, as upstream sees them. Threads: any. */
#include "base/mem.h"
#include "serve/embed.h"
#include "serve/forms.h"
#include "serve/http.h"
#include "serve/names.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ENCODE = 1, RANK = 2 };

static const float logit_scale = 99.99998f; /* upstream: exp(4.60517) */

typedef struct {
    const request *q;
    const char *endpoint; /* as it was sent */
    const char *model;    /* "": the main one */
    int what;
    bool drop_content; /* of pictures */
    json_t *documents; /* of the body */
    json_t **flat;     /* each document, and behind it its matches */
    embed_input *inputs;
    float *vectors;
    size_t n, dim;
    struct timespec since;
} job;

/* ---- the envelope ---- */

/* "2024-05-17T12:00:00.123456Z" */
static void write_time(json_writer *w, const char *key, const struct timespec *t)
{
    char text[64];
    struct tm tm;
    gmtime_r(&t->tv_sec, &tm);
    const size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, sizeof text - n, ".%06ldZ", t->tv_nsec / 1000);
    jw_key(w, key);
    jw_string(w, text);
}

static void write_status(json_writer *w, const char *problem)
{
    jw_key(w, "status");
    jw_object(w);
    jw_key(w, "code"); /* SUCCESS, ERROR */
    jw_int(w, problem != NULL);
    jw_key(w, "description");
    jw_string(w, problem ? problem : "");
    jw_object_end(w);
}

static void write_header(json_writer *w, const job *j, const char *problem)
{
    char id[32];
    snprintf(id, sizeof id, "%016llx", (unsigned long long)j->q->id);
    jw_key(w, "header");
    jw_object(w);
    jw_key(w, "requestId");
    jw_string(w, id);
    write_status(w, problem);
    jw_key(w, "execEndpoint");
    jw_string(w, j->endpoint);
    jw_key(w, "targetExecutor");
    jw_string(w, "");
    jw_object_end(w);
}

/* When a route ended: a millisecond after it began at least, for the client divides by what it took. */
static struct timespec route_end(const job *j)
{
    struct timespec now, least = {.tv_sec = j->since.tv_sec, .tv_nsec = j->since.tv_nsec + 1000000};
    if (least.tv_nsec >= 1000000000) least = (struct timespec){least.tv_sec + 1, least.tv_nsec - 1000000000};
    clock_gettime(CLOCK_REALTIME, &now);
    const bool late = now.tv_sec > least.tv_sec || (now.tv_sec == least.tv_sec && now.tv_nsec > least.tv_nsec);
    return late ? now : least;
}

/* The client's profile() reads the times of two routes: the gateway's and the encoder's. */
static void write_routes(json_writer *w, const job *j, const char *problem)
{
    static const char *const names[] = {"gateway", "clip_t"};
    const struct timespec end = route_end(j);
    jw_key(w, "parameters");
    jw_object(w);
    jw_object_end(w);
    jw_key(w, "routes");
    jw_array(w);
    for (int i = 0; i < 2; i++) {
        jw_object(w);
        jw_key(w, "executor");
        jw_string(w, names[i]);
        write_time(w, "startTime", &j->since);
        write_time(w, "endTime", &end);
        write_status(w, problem);
        jw_object_end(w);
    }
    jw_array_end(w);
}

static bool __attribute__((format(printf, 4, 5))) refuse(const job *j, reply *r, int status, const char *format, ...)
{
    char text[512];
    json_writer w;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    reply_again(r, status);
    reply_json(r, &w);
    jw_object(&w);
    write_header(&w, j, text);
    write_routes(&w, j, text);
    jw_key(&w, "data");
    jw_null(&w);
    jw_object_end(&w);
    return false;
}

/* ---- reading ---- */

static const char *text_of(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return json_is_string(v) && json_string_length(v) ? json_string_value(v) : NULL;
}

static embed_input input_of(const json_t *document)
{
    static const struct {
        const char *key;
        int kind;
    } ways[] = {{"text", EMBED_TEXT}, {"blob", EMBED_BASE64}, {"uri", EMBED_URI}};
    for (size_t i = 0; i < 3; i++) {
        const char *text = text_of(document, ways[i].key);
        if (text) return (embed_input){.kind = ways[i].kind, .data = text, .len = strlen(text)};
    }
    return (embed_input){.kind = EMBED_NONE, .data = ""};
}

static bool is_name(const char *text, const char *name)
{
    const size_t n = strlen(name);
    return strncmp(text, name, n) == 0 && (!text[n] || text[n] == '/');
}

/* "/encode/MODEL" */
static bool read_endpoint(const json_t *body, job *j, reply *r)
{
    const char *sent = text_of(body, "execEndpoint");
    if (!sent) sent = text_of(body, "exec_endpoint");
    j->endpoint = sent ? sent : "/";
    const char *word = j->endpoint + (*j->endpoint == '/');
    j->what = is_name(word, "rank") ? RANK : !*word || is_name(word, "encode") ? ENCODE : 0;
    if (!j->what) return refuse(j, r, 501, "the endpoint '%.100s' is none of /, /encode and /rank", j->endpoint);
    const char *slash = strchr(word, '/');
    const char *named = text_of(json_object_get(body, "parameters"), "model_name");
    j->model = slash && slash[1] ? slash + 1 : named ? named : "";
    return true;
}

static bool read_parameters(const json_t *body, job *j, reply *r)
{
    const json_t *parameters = json_object_get(body, "parameters");
    const char *paths = text_of(parameters, "access_paths");
    j->drop_content = json_is_true(json_object_get(parameters, "drop_image_content"));
    return !paths || strcmp(paths, "@r") == 0 ||
           refuse(j, r, 501, "documents are embedded at '@r' alone, not at '%.100s'", paths);
}

/* Documents and matches, counted. */
static bool count(job *j, size_t *n, reply *r)
{
    size_t i;
    json_t *d;
    json_array_foreach(j->documents, i, d)
    {
        const json_t *matches = json_object_get(d, "matches");
        if (!json_is_object(d) || (matches && !json_is_null(matches) && !json_is_array(matches))) {
            char where[64];
            snprintf(where, sizeof where, "body/data/%zu", i);
            reply_invalid(r, "dict_type", where, "value is not a valid document");
            return false;
        }
        *n += 1 + (j->what == RANK ? json_array_size(matches) : 0);
    }
    return *n <= LIMIT_TEXTS || refuse(j, r, 413, "more than %d documents in one request", LIMIT_TEXTS);
}

static bool add(job *j, json_t *document, reply *r)
{
    if (!json_is_object(document)) {
        reply_invalid(r, "dict_type", "body/data", "value is not a valid document");
        return false;
    }
    j->flat[j->n] = document;
    j->inputs[j->n] = input_of(document);
    if (j->inputs[j->n++].kind == EMBED_NONE && json_is_array(json_object_get(document, "tensor")))
        return refuse(j, r, 501, "a document with a tensor alone is not understood: send its blob");
    return true;
}

static bool flatten(job *j, reply *r)
{
    size_t n = 0, i, m;
    json_t *d, *match;
    if (!count(j, &n, r)) return false;
    j->flat = mem_array(n, sizeof *j->flat);
    j->inputs = mem_array(n, sizeof *j->inputs);
    if (!j->flat || !j->inputs) return refuse(j, r, 503, "out of memory");
    json_array_foreach(j->documents, i, d)
    {
        if (!add(j, d, r)) return false;
        if (j->what != RANK) continue;
        json_array_foreach(json_object_get(d, "matches"), m, match) if (!add(j, match, r)) return false;
    }
    return true;
}

static bool read_documents(json_t *body, job *j, reply *r)
{
    j->documents = json_object_get(body, "data");
    if (json_is_object(j->documents)) j->documents = json_object_get(j->documents, "docs");
    if (json_is_array(j->documents)) return flatten(j, r);
    reply_invalid(r, "missing", "body/data", "field required");
    return false;
}

/* ---- documents that go back ----
 * They are dumped as they are; what is added, vectors above all, is written behind their other keys. */

static int append(const char *bytes, size_t n, void *user)
{
    return buf_append(user, bytes, n) ? 0 : -1;
}

/* The document without its last brace. */
static bool write_open(buf *out, const json_t *document)
{
    const size_t start = out->len;
    if (json_dump_callback(document, append, out, JSON_COMPACT) || !buf_ok(out)) return false;
    out->len--;
    return out->len == start + 1 || buf_byte(out, ',');
}

static void tidy(const job *j, json_t *document, size_t i)
{
    json_object_del(document, "embedding");
    if (!text_of(document, "id")) {
        char id[48];
        snprintf(id, sizeof id, "%016llx%016zx", (unsigned long long)j->q->id, i);
        json_object_set_new(document, "id", json_string(id));
    }
    if (j->inputs[i].kind == EMBED_TEXT) json_object_set_new(document, "mime_type", json_string("text"));
    if (!j->drop_content || j->inputs[i].kind <= EMBED_TEXT) return;
    json_object_del(document, "blob");
    json_object_del(document, "tensor");
}

static bool write_vector(buf *out, const job *j, size_t i)
{
    json_writer w;
    jw_init(&w, out);
    buf_text(out, "\"embedding\":");
    if (j->inputs[i].kind == EMBED_NONE)
        jw_null(&w);
    else
        jw_floats(&w, j->vectors + i * j->dim, j->dim);
    return buf_ok(out);
}

/* ---- ranking ---- */

typedef struct {
    size_t at; /* in the flat list */
    float cosine, share;
} rank;

static int by_cosine(const void *a, const void *b)
{
    const rank *x = a, *y = b;
    if (x->cosine != y->cosine) return x->cosine < y->cosine ? 1 : -1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Softmax of logit_scale x cosine over the matches of one document. */
static void score(const job *j, size_t query, rank *ranks, size_t n)
{
    double sum = 0;
    float best = -1;
    for (size_t i = 0; i < n; i++) {
        rank *one = &ranks[i];
        one->at = query + 1 + i;
        one->cosine =
            simile_similarity(j->vectors + query * j->dim, j->vectors + one->at * j->dim, (int32_t)j->dim) / 100;
        if (one->cosine > best) best = one->cosine;
    }
    for (size_t i = 0; i < n; i++) sum += exp((double)(logit_scale * (ranks[i].cosine - best)));
    for (size_t i = 0; i < n; i++)
        ranks[i].share = (float)(exp((double)(logit_scale * (ranks[i].cosine - best))) / sum);
    qsort(ranks, n, sizeof *ranks, by_cosine);
}

static void write_score(json_writer *w, const char *name, float value, const char *how)
{
    jw_key(w, name);
    jw_object(w);
    jw_key(w, "value");
    jw_float(w, value);
    jw_key(w, "op_name");
    jw_string(w, how);
    jw_object_end(w);
}

static bool write_match(buf *out, const job *j, const rank *one)
{
    json_writer w;
    json_t *match = j->flat[one->at];
    tidy(j, match, one->at);
    json_object_del(match, "scores");
    if (!write_open(out, match)) return false;
    buf_text(out, "\"scores\":");
    jw_init(&w, out);
    jw_object(&w);
    write_score(&w, "clip_score", one->share, "softmax");
    write_score(&w, "clip_score_cosine", one->cosine, "cosine");
    jw_object_end(&w);
    return buf_byte(out, '}');
}

static bool write_matches(buf *out, const job *j, size_t query, size_t n)
{
    rank *ranks = mem_array(n, sizeof *ranks);
    bool good = ranks && buf_text(out, "\"matches\":[");
    if (good) score(j, query, ranks, n);
    for (size_t i = 0; i < n && good; i++) good = (!i || buf_byte(out, ',')) && write_match(out, j, &ranks[i]);
    mem_free(ranks);
    return good && buf_text(out, "],");
}

/* ---- answering ---- */

static bool write_document(buf *out, const job *j, size_t i, size_t matches)
{
    json_t *document = j->flat[i], *kept = NULL;
    tidy(j, document, i);
    if (j->what == RANK) {
        kept = json_incref(json_object_get(document, "matches")); /* in the flat list, too */
        json_object_del(document, "matches");
    }
    bool good = write_open(out, document);
    if (j->what == RANK) good = good && write_matches(out, j, i, matches);
    json_decref(kept);
    return good && write_vector(out, j, i) && buf_byte(out, '}');
}

static bool write_documents(buf *out, const job *j)
{
    size_t i = 0;
    bool good = buf_byte(out, '[');
    while (i < j->n && good) {
        const size_t matches = j->what == RANK ? json_array_size(json_object_get(j->flat[i], "matches")) : 0;
        good = (!i || buf_byte(out, ',')) && write_document(out, j, i, matches);
        i += 1 + matches;
    }
    return good && buf_byte(out, ']');
}

static void write_answer(const job *j, reply *r)
{
    json_writer w;
    reply_json(r, &w);
    jw_object(&w);
    write_header(&w, j, NULL);
    write_routes(&w, j, NULL);
    jw_key(&w, "data");
    if (!write_documents(&r->body, j))
        refuse(j, r, 503, "out of memory");
    else
        jw_object_end(&w);
}

/* Every document of a ranking has something to compare. */
static bool check(const job *j, const simile_model_info *info, reply *r)
{
    for (size_t i = 0; i < j->n; i++) {
        const int kind = j->inputs[i].kind;
        if (kind == EMBED_NONE && j->what == RANK)
            return refuse(j, r, 400, "document %zu has neither a text nor a picture", i);
        if (kind != EMBED_NONE && (kind == EMBED_TEXT ? info->context : info->image_size) <= 0)
            return refuse(j, r, 400, "the model '%.100s' does not embed %s", info->name,
                          kind == EMBED_TEXT ? "texts" : "pictures");
    }
    return true;
}

static void encode(server *s, tower *t, job *j, reply *r)
{
    simile_error err;
    embed_options o = {0};
    const simile_model_info *info = simile_model_get_info(tower_model(t));
    if (!check(j, info, r)) return;
    j->dim = (size_t)info->dim;
    j->vectors = mem_array(j->n * j->dim, sizeof *j->vectors);
    const simile_status status = j->vectors ? embed_all(s, t, j->inputs, j->n, &o, j->vectors, &err) : err_nomem(&err);
    if (!status)
        write_answer(j, r);
    else if (o.theirs)
        refuse(j, r, status_of(&err), "document %zu: %s", o.at, err.message);
    else
        refuse(j, r, status_of_model(&err), "%s", err.message);
    mem_free(j->vectors);
}

/* Jina's client takes 404 for an endpoint that is not there: a model that is not is 400. */
static void answer(server *s, job *j, reply *r)
{
    simile_error err;
    tower *t = *j->model ? name_find(s->towers, j->model) : towers_main(s->towers);
    if (!t) {
        refuse(j, r, 400, "there is no model '%.100s' here", j->model);
    } else if (tower_hold(t, &err)) {
        refuse(j, r, status_of_model(&err), "%s", err.message);
    } else {
        encode(s, t, j, r);
        tower_release(t);
    }
}

static void post(server *s, const request *q, reply *r)
{
    json_t *body;
    simile_error err;
    job j = {.q = q};
    if (request_json(q, &body, &err)) {
        reply_invalid_json(r, &err);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &j.since);
    if (read_endpoint(body, &j, r) && read_parameters(body, &j, r) && read_documents(body, &j, r)) answer(s, &j, r);
    mem_free(j.flat);
    mem_free(j.inputs);
    json_decref(body);
}

const route routes_clip_as_service[] = {
    {"POST", "/post", post, 0},
    {0},
};
