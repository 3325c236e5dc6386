/* SPDX-License-Identifier: Apache-2.0
 * immich.c - the machine learning service of Immich, as far as it is CLIP: GET /ping and POST /predict.
 *
 * What its server sends: server/src/repositories/machine-learning.repository.ts. A form with "entries", JSON as text:
 * {"clip": {"visual" | "textual": {"modelName": "ViT-B-32__openai", "options": {...}}}}, and the part "image" or the
 * field "text". What it gets: {"clip": "[0.1,...]"}: the vector is a string, which goes into PostgreSQL as it is; for a
 * picture also its height and width. Before version 1.107 the form had modelName, modelType and options instead of
 * entries, and the answer was the vector alone. Errors have FastAPI's form. Any answer but a success makes Immich try
 * the next of its URLs, so a task that is not ours is refused with 501 before anything is computed.
 *
 * Immich sends no key. Pictures are seen as they are stored, without their EXIF orientation, as Immich sees them.
 * Threads: handlers run on any. */
#include "base/mem.h"
#include "serve/embed.h"
#include "serve/forms.h"
#include "serve/http.h"
#include "serve/names.h"

#include <stdio.h>
#include <string.h>

enum { MAX_ENTRIES = 64 * 1024, MAX_VECTOR_TEXT = 1 << 20 };

/* What is asked for. */
typedef struct {
    char visual[NAME_SIZE], textual[NAME_SIZE]; /* models; "": that task is not asked for */
    const part *image, *text;
    bool legacy;
} predict;

/* ---- reading ---- */

/* A field of the form; one that is empty counts as not sent, as FastAPI has it. */
static const part *field(const parts *form, const char *name)
{
    const part *p = parts_find(form, name);
    return p && p->len ? p : NULL;
}

static bool is(const part *p, const char *text)
{
    return p && p->len == strlen(text) && memcmp(p->data, text, p->len) == 0;
}

static bool copy_name(const char *name, size_t len, char out[NAME_SIZE])
{
    if (!len || len >= NAME_SIZE || memchr(name, 0, len)) return false;
    memcpy(out, name, len);
    out[len] = 0;
    return true;
}

static bool refuse_format(reply *r)
{
    reply_detail(r, 422, "Invalid request format.");
    return false;
}

static bool refuse_task(reply *r, const char *task)
{
    reply_detail(r, 501,
                 "there is no '%.40s' here, only 'clip': give Immich a second URL for it, or turn it off in its "
                 "settings for machine learning",
                 task);
    return false;
}

static bool read_entry(const char *type, const json_t *entry, predict *p, reply *r)
{
    const json_t *name = json_object_get(entry, "modelName");
    const bool visual = strcmp(type, "visual") == 0;
    if (!json_is_string(name) ||
        !copy_name(json_string_value(name), json_string_length(name), visual ? p->visual : p->textual))
        return refuse_format(r);
    if (visual || strcmp(type, "textual") == 0) return true;
    reply_detail(r, 501, "there is no '%.40s' of 'clip' here, only 'visual' and 'textual'", type);
    return false;
}

static bool read_tasks(json_t *root, predict *p, reply *r)
{
    const char *task, *type;
    json_t *types, *entry;
    json_object_foreach(root, task, types)
    {
        if (!json_is_object(types)) return refuse_format(r);
        if (strcmp(task, "clip") != 0) return refuse_task(r, task);
        json_object_foreach(types, type, entry) if (!read_entry(type, entry, p, r)) return false;
    }
    return true;
}

static bool read_entries(const part *entries, predict *p, reply *r)
{
    json_t *root;
    if (entries->len > MAX_ENTRIES || json_parse_object(entries->data, entries->len, "entries", &root, NULL))
        return refuse_format(r);
    const bool good = read_tasks(root, p, r);
    json_decref(root);
    return good;
}

/* {"mode": "vision"}; "text" where nothing is said. */
static bool wants_vision(const part *options)
{
    json_t *root;
    if (!options || options->len > MAX_ENTRIES ||
        json_parse_object(options->data, options->len, "options", &root, NULL))
        return false;
    const json_t *mode = json_object_get(root, "mode");
    const bool vision = json_is_string(mode) && strcmp(json_string_value(mode), "vision") == 0;
    json_decref(root);
    return vision;
}

static bool read_legacy(const parts *form, predict *p, reply *r)
{
    const part *name = field(form, "modelName"), *type = field(form, "modelType");
    char task[64];
    p->legacy = true;
    if (!is(type, "clip")) {
        snprintf(task, sizeof task, "%.*s", type ? (int)(type->len < 40 ? type->len : 40) : 0, type ? type->data : "");
        return refuse_task(r, task);
    }
    const bool vision = wants_vision(field(form, "options"));
    return copy_name(name->data, name->len, vision ? p->visual : p->textual) || refuse_format(r);
}

static bool read_form(const parts *form, predict *p, reply *r)
{
    const part *entries = field(form, "entries");
    p->image = parts_find(form, "image");
    p->text = field(form, "text");
    if (!entries && !field(form, "modelName")) {
        reply_invalid(r, "missing", "body/entries", "Field required");
        return false;
    }
    if (!(entries ? read_entries(entries, p, r) : read_legacy(form, p, r))) return false;
    if (p->image || p->text) return true;
    reply_detail(r, 400, "Either image or text must be provided");
    return false;
}

/* ---- answering ---- */

/* The model of a name, held; NULL: the reply says why. */
static tower *hold(server *s, const char *name, bool sees, reply *r)
{
    simile_error err;
    tower *t = name_find(s->towers, name);
    for (int tries = 0; t && tries < 2; tries++) {
        if (tower_hold(t, &err)) {
            reply_detail(r, status_of_model(&err), "%s", err.message);
            return NULL;
        }
        const simile_model_info *info = simile_model_get_info(tower_model(t));
        if (sees ? info->image_size > 0 : info->context > 0) return t;
        tower_release(t);
        t = sees && !tries ? name_find_seeing(s->towers, name) : NULL;
    }
    reply_detail(r, 404, "no model here answers %s '%.100s': install one, or name one with --alias",
                 sees ? "with pictures to" : "to", name);
    return NULL;
}

static simile_status write_vector(json_writer *w, const predict *p, const float *vector, int32_t dim, simile_error *err)
{
    buf text;
    json_writer inner;
    if (p->legacy) {
        jw_floats(w, vector, (size_t)dim);
        return SIMILE_OK;
    }
    buf_init(&text, MAX_VECTOR_TEXT);
    jw_init(&inner, &text);
    jw_floats(&inner, vector, (size_t)dim);
    jw_key(w, "clip");
    const bool whole = buf_ok(&text) && text.data;
    if (whole) jw_string_n(w, text.data, text.len);
    buf_release(&text);
    return whole ? SIMILE_OK : err_nomem(err);
}

/* image or text. */
static bool run(tower *t, const simile_image *image, const char *text, const predict *p, json_writer *w, reply *r)
{
    simile_error err;
    const int32_t dim = simile_model_get_info(tower_model(t))->dim;
    float *vector = mem_array((size_t)dim, sizeof *vector);
    simile_status status = vector ? SIMILE_OK : err_nomem(&err);
    if (!status && image) status = tower_images(t, &image, 1, vector, &err);
    if (!status && !image) status = tower_texts(t, &text, 1, vector, NULL, &err);
    if (!status) {
        simile_normalize(vector, dim);
        status = write_vector(w, p, vector, dim, &err);
    }
    if (status) reply_detail(r, status_of_model(&err), "%s", err.message);
    mem_free(vector);
    return !status;
}

static bool answer_text(server *s, const predict *p, json_writer *w, reply *r)
{
    if (!p->text || p->text->len > LIMIT_TEXT_BYTES) {
        reply_detail(r, p->text ? 413 : 400, p->text ? "the text is too long" : "the task 'textual' needs a text");
        return false;
    }
    tower *t = hold(s, p->textual, false, r);
    if (!t) return false;
    char *text = mem_strndup(p->text->data, p->text->len);
    const bool good = text && run(t, NULL, text, p, w, r);
    if (!text) reply_detail(r, 503, "out of memory");
    mem_free(text);
    tower_release(t);
    return good;
}

static bool answer_image(server *s, const predict *p, json_writer *w, reply *r)
{
    simile_error err;
    simile_image *image;
    if (!p->image) {
        reply_detail(r, 400, "the task 'visual' needs an image");
        return false;
    }
    if (picture_decode(p->image->data, p->image->len, true, &image, &err)) {
        reply_detail(r, status_of(&err), "%s", err.message);
        return false;
    }
    tower *t = hold(s, p->visual, true, r);
    const bool good = t && run(t, image, NULL, p, w, r);
    if (t) tower_release(t);
    if (good && !p->legacy) {
        jw_key(w, "imageHeight");
        jw_int(w, simile_image_get_info(image)->height);
        jw_key(w, "imageWidth");
        jw_int(w, simile_image_get_info(image)->width);
    }
    simile_image_free(image);
    return good;
}

/* Of 'visual' and 'textual' in one request the first is done: both would answer under the same key. */
static void answer(server *s, const predict *p, reply *r)
{
    json_writer w;
    reply_json(r, &w);
    if (!p->legacy) jw_object(&w);
    bool good = true;
    if (p->visual[0])
        good = answer_image(s, p, &w, r);
    else if (p->textual[0])
        good = answer_text(s, p, &w, r);
    if (good && !p->legacy) jw_object_end(&w);
}

static void post_predict(server *s, const request *q, reply *r)
{
    parts form;
    simile_error err;
    predict p = {0};
    const simile_status status = parts_read(q->content_type, q->body, q->body_len, &form, &err);
    if (status == SIMILE_E_ARG)
        reply_invalid(r, "missing", "body/entries", "Field required");
    else if (status)
        reply_detail(r, status_of(&err), "%s", err.message);
    else if (read_form(&form, &p, r))
        answer(s, &p, r);
    parts_release(&form);
}

static void get_ping(server *s, const request *q, reply *r)
{
    r->type = "text/plain; charset=utf-8";
    buf_text(&r->body, "pong");
}

const route routes_immich[] = {
    {"GET", "/ping", get_ping, ROUTE_PUBLIC},
    {"POST", "/predict", post_predict, ROUTE_UPLOAD},
    {0},
};
