/* SPDX-License-Identifier: Apache-2.0
 * openai.c - embeddings as OpenAI's clients ask for them, with infinity's pictures: /v1/embeddings, the older
 * /v1/embeddings_image, /v1/models, /v1/models/NAME, and /health. The same without "/v1", as infinity has it by
 * default.
 *
 * The forms are those of infinity (libs/infinity_emb/infinity_emb/fastapi_schemas, infinity_server.py): "modality" says
 * what the inputs are, "dimensions" cuts vectors off without making them unit again, validation fails as in FastAPI,
 * all else as {"error": {...}}. A client of OpenAI alone cannot say "modality"; where nobody does, an input that begins
 * with "data:image/" is a picture. "prompt_tokens" counts the tokens of texts as the model sees them; pictures have
 * none.
 *
 * Pictures are seen as they are stored, without their EXIF orientation, as infinity sees them. Threads: any. */
#include "base/mem.h"
#include "serve/embed.h"
#include "serve/forms.h"
#include "serve/http.h"
#include "serve/names.h"

#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { MAX_PICTURES = 32, MODALITY_NONE = 0, MODALITY_TEXT = 1, MODALITY_IMAGE = 2, MODALITY_AUDIO = 3 };

static const char no_model[] = "default/not-specified"; /* what infinity's clients send when none was named */

typedef struct {
    const char *model;
    int modality;
    bool base64;
    int64_t dimensions; /* 0: all */
    embed_input *inputs;
    size_t n;
} embeddings;

/* {"error": {"message", "type": null, "param": null, "code": 400}} */
static void __attribute__((format(printf, 3, 4))) refuse(reply *r, int status, const char *format, ...)
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
    jw_key(&w, "error");
    jw_object(&w);
    jw_key(&w, "message");
    jw_string(&w, text);
    jw_key(&w, "type");
    jw_null(&w);
    jw_key(&w, "param");
    jw_null(&w);
    jw_key(&w, "code");
    jw_int(&w, status);
    jw_object_end(&w);
    jw_object_end(&w);
}

/* ---- reading ---- */

static bool invalid(reply *r, const char *type, const char *where, const char *message)
{
    reply_invalid(r, type, where, message);
    return false;
}

/* An absent key, and null, leave *out as it is. */
static bool read_word(const json_t *body, const char *key, const char **out, reply *r)
{
    char where[64];
    const json_t *v = json_object_get(body, key);
    if (!v || json_is_null(v)) return true;
    snprintf(where, sizeof where, "body/%s", key);
    if (!json_is_string(v)) return invalid(r, "string_type", where, "Input should be a valid string");
    *out = json_string_value(v);
    return true;
}

static bool read_format(const json_t *body, embeddings *e, reply *r)
{
    const char *word = "float";
    if (!read_word(body, "encoding_format", &word, r)) return false;
    e->base64 = strcmp(word, "base64") == 0;
    return e->base64 || strcmp(word, "float") == 0 ||
           invalid(r, "enum", "body/encoding_format", "Input should be 'float' or 'base64'");
}

static bool read_modality(const json_t *body, embeddings *e, reply *r)
{
    static const char *const words[] = {"text", "image", "audio"};
    const char *word = NULL;
    if (!read_word(body, "modality", &word, r)) return false;
    for (int i = 0; i < 3 && word; i++)
        if (strcmp(word, words[i]) == 0) e->modality = i + 1;
    return !word || e->modality ||
           invalid(r, "union_tag_invalid", "body",
                   "Input tag found using get_modality() does not match any of the expected tags: 'text', 'audio', "
                   "'image'");
}

static bool read_dimensions(const json_t *body, embeddings *e, reply *r)
{
    const json_t *v = json_object_get(body, "dimensions");
    if (!v || json_is_null(v)) return true;
    if (!json_is_integer(v)) return invalid(r, "int_type", "body/dimensions", "Input should be a valid integer");
    e->dimensions = json_integer_value(v);
    return true;
}

/* The string without the white space around it, as infinity takes a text. False: no memory. */
static bool trim(json_t *v)
{
    static const char blanks[] = " \t\r\n\f\v";
    const char *text = json_string_value(v);
    const size_t skip = strspn(text, blanks), whole = json_string_length(v);
    size_t end = whole;
    while (end > skip && strchr(blanks, text[end - 1])) end--;
    return end - skip == whole || !json_string_setn(v, text + skip, end - skip);
}

/* What pydantic would say of an input. */
static bool check_input(const embed_input *in, const char *where, reply *r)
{
    if (in->kind == EMBED_TEXT)
        return in->len <= LIMIT_TEXT_BYTES || invalid(r, "string_too_long", where, "The text is too long");
    return strncasecmp(in->data, "data:", 5) == 0 || strncasecmp(in->data, "http://", 7) == 0 ||
           strncasecmp(in->data, "https://", 8) == 0 ||
           invalid(r, "url_parsing", where, "Input should be a data URI or a URL of http or https");
}

static bool read_input(json_t *v, size_t i, embeddings *e, reply *r)
{
    char where[64];
    snprintf(where, sizeof where, "body/input/%zu", i);
    if (!json_is_string(v)) return invalid(r, "string_type", where, "Input should be a valid string");
    if (!trim(v)) {
        refuse(r, 503, "out of memory");
        return false;
    }
    embed_input *in = &e->inputs[i];
    *in = (embed_input){.kind = EMBED_TEXT, .data = json_string_value(v), .len = json_string_length(v)};
    if (e->modality == MODALITY_IMAGE || (!e->modality && strncasecmp(in->data, "data:image/", 11) == 0))
        in->kind = EMBED_URI;
    return check_input(in, where, r);
}

static bool check_count(const embeddings *e, reply *r)
{
    size_t pictures = 0;
    for (size_t i = 0; i < e->n; i++) pictures += e->inputs[i].kind == EMBED_URI;
    return pictures <= MAX_PICTURES ||
           invalid(r, "too_long", "body/input", "List should have at most 32 items after validation");
}

static bool read_inputs(json_t *body, embeddings *e, reply *r)
{
    json_t *v = json_object_get(body, "input");
    const bool list = json_is_array(v);
    if (!v) return invalid(r, "missing", "body/input", "Field required");
    if (!list && !json_is_string(v))
        return invalid(r, "string_type", "body/input", "Input should be a valid string or a list of them");
    const size_t n = list ? json_array_size(v) : 1;
    if (!n) return invalid(r, "too_short", "body/input", "List should have at least 1 item after validation, not 0");
    if (n > LIMIT_TEXTS)
        return invalid(r, "too_long", "body/input", "List should have at most 2048 items after validation");
    e->inputs = mem_zero_array(n, sizeof *e->inputs);
    if (!e->inputs) {
        refuse(r, 503, "out of memory");
        return false;
    }
    for (e->n = 0; e->n < n; e->n++)
        if (!read_input(list ? json_array_get(v, e->n) : v, e->n, e, r)) return false;
    return check_count(e, r);
}

static bool read_embeddings(json_t *body, bool pictures, embeddings *e, reply *r)
{
    e->model = no_model;
    if (!read_word(body, "model", &e->model, r) || !read_format(body, e, r)) return false;
    if (pictures)
        e->modality = MODALITY_IMAGE;
    else if (!read_modality(body, e, r) || !read_dimensions(body, e, r))
        return false;
    return e->modality == MODALITY_AUDIO || read_inputs(body, e, r);
}

/* ---- answering ---- */

/* -1: out of memory. */
static int64_t count_tokens(tower *t, const embeddings *e)
{
    const simile_model *m = tower_model(t);
    const int32_t context = simile_model_get_info(m)->context;
    int32_t *ids = mem_array((size_t)(context > 0 ? context : 1), sizeof *ids);
    int64_t total = ids ? 0 : -1;
    for (size_t i = 0; i < e->n && ids; i++) {
        size_t n = 0;
        if (e->inputs[i].kind != EMBED_TEXT) continue;
        if (!simile_tokenize(m, e->inputs[i].data, e->inputs[i].len, ids, (size_t)context, &n, NULL, NULL))
            total += (int64_t)n;
    }
    mem_free(ids);
    return total;
}

/* float32, little endian, as base64 */
static bool write_base64(json_writer *w, const float *vector, size_t n)
{
    buf text;
    uint32_t *words = mem_array(n, sizeof *words);
    buf_init(&text, n * 8 + 16);
    for (size_t i = 0; i < n && words; i++) {
        memcpy(&words[i], &vector[i], sizeof *words);
        words[i] = htole32(words[i]);
    }
    const bool good = words && base64_append(&text, words, n * sizeof *words);
    if (good) jw_string_n(w, text.data, text.len);
    buf_release(&text);
    mem_free(words);
    return good;
}

static bool write_data(json_writer *w, const embeddings *e, const float *vectors, size_t dim)
{
    const size_t n = e->dimensions ? (size_t)e->dimensions : dim;
    bool good = true;
    jw_key(w, "data");
    jw_array(w);
    for (size_t i = 0; i < e->n && good; i++) {
        jw_object(w);
        jw_key(w, "object");
        jw_string(w, "embedding");
        jw_key(w, "embedding");
        if (e->base64)
            good = write_base64(w, vectors + i * dim, n);
        else
            jw_floats(w, vectors + i * dim, n);
        jw_key(w, "index");
        jw_int(w, (int64_t)i);
        jw_object_end(w);
    }
    jw_array_end(w);
    return good;
}

static void write_answer(const request *q, const embeddings *e, tower *t, const float *vectors, reply *r)
{
    char id[48];
    json_writer w;
    const simile_model_info *info = simile_model_get_info(tower_model(t));
    const int64_t tokens = count_tokens(t, e);
    reply_json(r, &w);
    jw_object(&w);
    jw_key(&w, "object");
    jw_string(&w, "list");
    const bool good = write_data(&w, e, vectors, (size_t)info->dim);
    jw_key(&w, "model");
    jw_string(&w, strcmp(e->model, no_model) == 0 ? info->name : e->model);
    jw_key(&w, "usage");
    jw_object(&w);
    jw_key(&w, "prompt_tokens");
    jw_int(&w, tokens);
    jw_key(&w, "total_tokens");
    jw_int(&w, tokens);
    jw_object_end(&w);
    jw_key(&w, "id");
    snprintf(id, sizeof id, "simile-%016llx", (unsigned long long)q->id);
    jw_string(&w, id);
    jw_key(&w, "created");
    jw_int(&w, (int64_t)time(NULL));
    jw_object_end(&w);
    if (!good || tokens < 0) refuse(r, 503, "out of memory");
}

static void refuse_failure(reply *r, const embed_options *o, const simile_error *err)
{
    if (err->status == SIMILE_E_BUSY)
        refuse(r, 429, "%s", err->message);
    else if (o->theirs && err->status != SIMILE_E_NOMEM)
        refuse(r, 400, "input %zu: %s", o->at, err->message);
    else
        refuse(r, status_of_model(err), "%s", err->message);
}

/* Can the model do what is asked of it? */
static bool check_model(const embeddings *e, const simile_model_info *info, reply *r)
{
    for (size_t i = 0; i < e->n; i++) {
        const bool text = e->inputs[i].kind == EMBED_TEXT;
        if (text ? info->context > 0 : info->image_size > 0) continue;
        refuse(r, 400, "the model '%.100s' does not embed %s", e->model, text ? "texts" : "pictures");
        return false;
    }
    if (e->dimensions >= 0 && e->dimensions <= info->dim) return true;
    refuse(r, 400, "'dimensions' is %lld, and the vectors of this model have %d numbers", (long long)e->dimensions,
           (int)info->dim);
    return false;
}

static void embed(server *s, const request *q, tower *t, const embeddings *e, reply *r)
{
    simile_error err;
    const simile_model_info *info = simile_model_get_info(tower_model(t));
    embed_options o = {.unit = true};
    if (!check_model(e, info, r)) return;
    float *vectors = mem_array(e->n * (size_t)info->dim, sizeof *vectors);
    simile_status status = vectors ? SIMILE_OK : err_nomem(&err);
    if (!status) status = embed_all(s, t, e->inputs, e->n, &o, vectors, &err);
    if (status)
        refuse_failure(r, &o, &err);
    else
        write_answer(q, e, t, vectors, r);
    mem_free(vectors);
}

static void answer(server *s, const request *q, const embeddings *e, reply *r)
{
    simile_error err;
    if (e->modality == MODALITY_AUDIO) {
        refuse(r, 400, "the model '%.100s' does not embed audio", e->model);
        return;
    }
    tower *t = strcmp(e->model, no_model) == 0 ? towers_main(s->towers) : name_find(s->towers, e->model);
    if (!t) {
        refuse(r, 400, "there is no model '%.100s' here: GET /v1/models lists those that are", e->model);
    } else if (tower_hold(t, &err)) {
        refuse(r, err.status == SIMILE_E_BUSY ? 429 : status_of_model(&err), "%s", err.message);
    } else {
        embed(s, q, t, e, r);
        tower_release(t);
    }
}

static void post(server *s, const request *q, reply *r, bool pictures)
{
    json_t *body;
    simile_error err;
    embeddings e = {0};
    if (request_json(q, &body, &err)) {
        reply_invalid_json(r, &err);
        return;
    }
    if (read_embeddings(body, pictures, &e, r)) answer(s, q, &e, r);
    mem_free(e.inputs);
    json_decref(body);
}

static void post_embeddings(server *s, const request *q, reply *r)
{
    post(s, q, r, false);
}

static void post_embeddings_image(server *s, const request *q, reply *r)
{
    post(s, q, r, true);
}

/* ---- models ---- */

typedef struct {
    server *s;
    const char *only; /* NULL: all */
    json_writer w;
    bool found;
} listing;

static void write_stats(json_writer *w)
{
    jw_key(w, "stats");
    jw_object(w);
    jw_key(w, "batch_size");
    jw_int(w, LIMIT_BATCH);
    jw_object_end(w);
}

/* What is known of a model only while it is loaded. */
static void write_facts(json_writer *w, const simile_model_info *info)
{
    jw_key(w, "capabilities");
    jw_array(w);
    if (info->context) jw_string(w, "embed");
    if (info->image_size) jw_string(w, "image_embed");
    jw_array_end(w);
    jw_key(w, "dim");
    jw_int(w, info->dim);
    jw_key(w, "image_size");
    jw_int(w, info->image_size);
    jw_key(w, "context");
    jw_int(w, info->context);
    jw_key(w, "family");
    jw_string(w, info->family);
    jw_key(w, "parameters");
    jw_int(w, info->parameters);
    jw_key(w, "dtype");
    jw_string(w, info->weights_dtype);
    jw_key(w, "text_model");
    if (info->text_name)
        jw_string(w, info->text_name);
    else
        jw_null(w);
}

/* owned_by: infinity's own client accepts no other word. */
static int list_one(void *user, const char *name, tower *t, bool loaded)
{
    listing *l = user;
    json_writer *w = &l->w;
    if (l->only && strcmp(l->only, name) != 0) return 0;
    l->found = true;
    jw_object(w);
    jw_key(w, "id");
    jw_string(w, name);
    jw_key(w, "object");
    jw_string(w, "model");
    jw_key(w, "owned_by");
    jw_string(w, "infinity");
    jw_key(w, "created");
    jw_int(w, l->s->started);
    jw_key(w, "backend");
    jw_string(w, "simile");
    write_stats(w);
    jw_key(w, "main");
    jw_bool(w, t == towers_main(l->s->towers));
    jw_key(w, "loaded");
    jw_bool(w, loaded);
    if (loaded && !tower_hold(t, NULL)) {
        write_facts(w, simile_model_get_info(tower_model(t)));
        tower_release_unused(t);
    }
    jw_object_end(w);
    return l->only != NULL;
}

static void get_models(server *s, const request *q, reply *r)
{
    listing l = {.s = s};
    reply_json(r, &l.w);
    jw_object(&l.w);
    jw_key(&l.w, "object");
    jw_string(&l.w, "list");
    jw_key(&l.w, "data");
    jw_array(&l.w);
    towers_each(s->towers, list_one, &l);
    jw_array_end(&l.w);
    jw_object_end(&l.w);
}

static void get_model(server *s, const request *q, reply *r)
{
    listing l = {.s = s, .only = q->stars[0]};
    reply_json(r, &l.w);
    towers_each(s->towers, list_one, &l);
    if (!l.found) refuse(r, 404, "there is no model '%.100s' here", l.only);
}

static void get_health(server *s, const request *q, reply *r)
{
    struct timespec now;
    json_writer w;
    clock_gettime(CLOCK_REALTIME, &now);
    reply_json(r, &w);
    jw_object(&w);
    jw_key(&w, "unix");
    jw_double(&w, (double)now.tv_sec + (double)(now.tv_nsec / 1000000) / 1000);
    jw_object_end(&w);
}

const route routes_openai[] = {
    {"POST", "/v1/embeddings", post_embeddings, 0},
    {"POST", "/embeddings", post_embeddings, 0},
    {"POST", "/v1/embeddings_image", post_embeddings_image, 0},
    {"POST", "/embeddings_image", post_embeddings_image, 0},
    {"GET", "/v1/models", get_models, 0},
    {"GET", "/models", get_models, 0},
    {"GET", "/v1/models/*", get_model, 0},
    {"GET", "/models/*", get_model, 0},
    {"GET", "/health", get_health, ROUTE_PUBLIC},
    {0},
};
