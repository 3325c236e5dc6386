/* SPDX-License-Identifier: Apache-2.0
 *
 * api_classify.c - POST /v1/classify and /v1/compare: words for one picture, which is an item of the catalogue (its
 * vector is there already) or comes with the request.
 *
 * Both read their texts, compare each with the picture and weigh them as the model was trained to; classify puts labels
 * into sentences first and sorts. Threads: one request each. */
#include "base/clock.h"
#include "base/mem.h"
#include "reading.h"
#include "serve/api.h"
#include "serve/embed.h"
#include "show.h"

#include <inttypes.h>

enum { MAX_TEMPLATES = 128 };

typedef struct {
    server *server;
    input in;
    tower *tower; /* held */
    simile_read_options how;
    const char **texts, **templates; /* or labels */
    size_t n, n_templates;
    simile_readings **readings; /* each of `step` texts, the last one of what is left */
    size_t step;
    float *image;       /* [dim] */
    float *similarity;  /* [n] */
    float *confidence;  /* [n] */
    int32_t *candidate; /* [n] */
    size_t *order;      /* [n]: as they are told */
    double began;
} judging;

static void release(judging *j)
{
    for (size_t i = 0; j->readings && i * j->step < j->n; i++) simile_readings_free(j->readings[i]);
    mem_free(j->readings);
    if (j->tower) tower_release(j->tower);
    mem_free(j->texts);
    mem_free(j->templates);
    mem_free(j->image);
    mem_free(j->similarity);
    mem_free(j->confidence);
    mem_free(j->candidate);
    mem_free(j->order);
    input_close(&j->in);
}

/* ---- the picture ---- */

static int is_image(void *user, const simile_item *item)
{
    *(bool *)user = item->kind == SIMILE_KIND_IMAGE;
    return 0;
}

static simile_status take_item(judging *j, int64_t id, int32_t dim, simile_error *err)
{
    bool picture = false;
    RETURN_IF_ERROR(simile_library_find(j->server->library, id, is_image, &picture, err));
    if (!picture) return err_set(err, SIMILE_E_ARG, "item %" PRId64 " is no picture", id);
    return simile_library_get_vector(j->server->library, id, j->image, dim, err);
}

static simile_status see(judging *j, const char *base64, const char *part_name, simile_error *err)
{
    simile_image *image;
    RETURN_IF_ERROR(input_picture(&j->in, base64, part_name, &image, err));
    const simile_image *const images[] = {image};
    const simile_status status = tower_images(j->tower, images, 1, j->image, err);
    simile_image_free(image);
    return status;
}

static simile_status take_picture(judging *j, simile_error *err)
{
    const int32_t dim = simile_model_get_info(tower_model(j->tower))->dim;
    const char *base64 = NULL, *name = NULL;
    int64_t id = 0;
    RETURN_IF_ERROR(input_int(&j->in, "id", 1, INT64_MAX, &id, err));
    RETURN_IF_ERROR(input_string(&j->in, "image", LIMIT_UPLOAD_BYTES, &base64, err));
    RETURN_IF_ERROR(input_string(&j->in, "part", LIMIT_TEXT_BYTES, &name, err));
    if ((id != 0) + (base64 != NULL) + (name != NULL) != 1)
        return err_set(err, SIMILE_E_ARG, "exactly one of 'id', 'image' and 'part' is needed");
    j->image = mem_array((size_t)dim, sizeof *j->image);
    if (!j->image) return err_nomem(err);
    return id ? take_item(j, id, dim, err) : see(j, base64, name, err);
}

/* ---- judging ---- */

/* By instalments: what is read in one call keeps everybody else's texts waiting, searches and all. */
static simile_status read_texts(judging *j, simile_error *err)
{
    const size_t templates = j->n_templates ? j->n_templates : 1;
    const size_t each = templates * (j->how.candidates > 0 ? (size_t)j->how.candidates : 1);
    j->step = each < LIMIT_BATCH ? LIMIT_BATCH / each : 1;
    j->readings = mem_zero_array((j->n - 1) / j->step + 1, sizeof *j->readings);
    if (!j->readings) return err_nomem(err);
    for (size_t at = 0; at < j->n; at += j->step) {
        const size_t n = j->n - at < j->step ? j->n - at : j->step;
        RETURN_IF_ERROR(tower_read(j->tower, j->texts + at, n, &j->how, &j->readings[at / j->step], err));
    }
    return SIMILE_OK;
}

static const simile_reading *reading_of(const judging *j, size_t i)
{
    return simile_readings_at(j->readings[i / j->step], i % j->step);
}

static simile_status score(judging *j, simile_error *err)
{
    j->similarity = mem_array(j->n, sizeof *j->similarity);
    j->confidence = mem_array(j->n, sizeof *j->confidence);
    j->candidate = mem_array(j->n, sizeof *j->candidate);
    j->order = mem_array(j->n, sizeof *j->order);
    if (!j->similarity || !j->confidence || !j->candidate || !j->order) return err_nomem(err);
    RETURN_IF_ERROR(read_texts(j, err));
    for (size_t i = 0; i < j->n; i++) {
        const simile_reading *reading = reading_of(j, i);
        j->similarity[i] = simile_reading_similarity(reading, j->image, &j->candidate[i]);
        j->order[i] = i;
    }
    simile_confidence(tower_model(j->tower), j->similarity, j->n, j->confidence);
    return SIMILE_OK;
}

static int better_first(const void *x, const void *y, void *user)
{
    const float *similarity = user;
    const size_t a = *(const size_t *)x, b = *(const size_t *)y;
    if (similarity[a] != similarity[b]) return similarity[a] > similarity[b] ? -1 : 1;
    return a < b ? -1 : 1;
}

/* texts: "labels" or "texts", the key for all of them; text: for one. */
static void write_answer(const judging *j, const char *texts, const char *text, size_t shown, reply *r)
{
    json_writer w;
    reply_json(r, &w);
    jw_object(&w);
    jw_key(&w, "score"), jw_string(&w, show_score(simile_model_get_info(tower_model(j->tower))->score));
    jw_key(&w, texts), jw_array(&w);
    for (size_t k = 0; k < shown; k++) {
        const size_t i = j->order[k];
        const simile_reading *reading = reading_of(j, i);
        jw_object(&w);
        jw_key(&w, text), jw_string(&w, j->texts[i]);
        reading_json(reading, j->candidate[i], &w);
        if (reading->truncated) jw_key(&w, "truncated"), jw_bool(&w, true);
        jw_key(&w, "similarity"), jw_float(&w, j->similarity[i]);
        jw_key(&w, "confidence"), jw_float(&w, j->confidence[i]);
        jw_object_end(&w);
    }
    jw_array_end(&w);
    jw_key(&w, "seconds"), jw_double(&w, clock_seconds() - j->began);
    jw_object_end(&w);
}

/* Each text may be translated into so many, and each of those is put into every template. */
static simile_status check_work(const judging *j, simile_error *err)
{
    const size_t each = (j->how.candidates > 1 ? (size_t)j->how.candidates : 1) * (j->n_templates ? j->n_templates : 1);
    if (j->n * each <= LIMIT_TEXTS) return SIMILE_OK;
    return err_set(err, SIMILE_E_LIMIT, "texts x candidates x templates are more than %d", LIMIT_TEXTS);
}

static simile_status judge(judging *j, simile_error *err)
{
    RETURN_IF_ERROR(check_work(j, err));
    RETURN_IF_ERROR(catalog_tower(j->server, &j->tower, err));
    RETURN_IF_ERROR(take_picture(j, err));
    return score(j, err);
}

/* ---- the two requests ---- */

static simile_status read_templates(judging *j, simile_error *err)
{
    RETURN_IF_ERROR(input_strings(&j->in, "templates", 0, MAX_TEMPLATES, &j->templates, &j->n_templates, err));
    for (size_t i = 0; i < j->n_templates; i++)
        if (!strstr(j->templates[i], "{}"))
            return err_set(err, SIMILE_E_ARG, "the template '%.80s' has no {} for the label", j->templates[i]);
    j->how.labels = 1;
    j->how.templates = j->templates;
    j->how.n_templates = j->n_templates;
    return SIMILE_OK;
}

static simile_status answer_classify(judging *j, const request *q, reply *r, simile_error *err)
{
    static const char *const keys[] = {"id", "image", "part", "labels", "templates", "top", INPUT_READING_KEYS, NULL};
    int64_t top = 0;
    RETURN_IF_ERROR(input_open(q, INPUT_JSON_OR_PARTS, keys, r, &j->in, err));
    RETURN_IF_ERROR(input_reading(&j->in, &j->how, err));
    RETURN_IF_ERROR(input_int(&j->in, "top", 0, LIMIT_TEXTS, &top, err));
    RETURN_IF_ERROR(input_strings(&j->in, "labels", 1, LIMIT_TEXTS, &j->texts, &j->n, err));
    RETURN_IF_ERROR(read_templates(j, err));
    RETURN_IF_ERROR(judge(j, err));
    qsort_r(j->order, j->n, sizeof *j->order, better_first, j->similarity);
    write_answer(j, "labels", "label", top && (size_t)top < j->n ? (size_t)top : j->n, r);
    return SIMILE_OK;
}

static simile_status answer_compare(judging *j, const request *q, reply *r, simile_error *err)
{
    static const char *const keys[] = {"id", "image", "part", "texts", INPUT_READING_KEYS, NULL};
    RETURN_IF_ERROR(input_open(q, INPUT_JSON_OR_PARTS, keys, r, &j->in, err));
    RETURN_IF_ERROR(input_reading(&j->in, &j->how, err));
    RETURN_IF_ERROR(input_strings(&j->in, "texts", 1, LIMIT_TEXTS, &j->texts, &j->n, err));
    RETURN_IF_ERROR(judge(j, err));
    write_answer(j, "texts", "text", j->n, r);
    return SIMILE_OK;
}

void api_classify(server *s, const request *q, reply *r)
{
    judging j = {.server = s, .began = clock_seconds()};
    simile_error err;
    api_end(r, answer_classify(&j, q, r, &err), &err);
    release(&j);
}

void api_compare(server *s, const request *q, reply *r)
{
    judging j = {.server = s, .began = clock_seconds()};
    simile_error err;
    api_end(r, answer_compare(&j, q, r, &err), &err);
    release(&j);
}
