/* SPDX-License-Identifier: Apache-2.0
 * embed.c - see embed.h. Threads: any; waits for the tower. */
#include "serve/embed.h"

#include "base/mem.h"
#include "serve/forms.h"

#include <string.h>
#include <strings.h>

/* Pictures wait for company until there are so many pixels of them. */
enum { ENOUGH_PIXELS = 8 * 1000 * 1000 };

simile_status catalog_tower(server *s, tower **out, simile_error *err)
{
    tower *t = towers_main(s->towers);
    *out = NULL;
    simile_status status = tower_hold(t, err);
    if (status) return status_of_model(err) == 503 ? status : (err->status = SIMILE_E_INTERNAL);
    status = simile_library_check_model(s->library, tower_model(t), err);
    if (status)
        tower_release(t);
    else
        *out = t;
    return status;
}

simile_reading vector_reading(const float *vector, int32_t dim)
{
    return (simile_reading){
        .text = "", .candidate = -1, .text_model = "", .vectors = vector, .n_vectors = 1, .dim = dim};
}

/* ---- pictures ---- */

static bool starts(const char *text, const char *with)
{
    return strncasecmp(text, with, strlen(with)) == 0;
}

/* A stranger's server may take LIMIT_REMOTE_SECONDS for each picture, and a worker waits for it: half of them at most,
 * so that the others are left for everybody else. */
static bool may_fetch(server *s)
{
    const int workers = s->options.workers > 0 ? s->options.workers : LIMIT_WORKERS;
    if (atomic_fetch_add(&s->fetching, 1) < (workers + 1) / 2) return true;
    atomic_fetch_sub(&s->fetching, 1);
    return false;
}

static simile_status fetch(server *s, const char *url, bool upright, simile_image **out, simile_error *err)
{
    const simile_fetch_options o = {.struct_size = sizeof o,
                                    .max_bytes = LIMIT_REMOTE_BYTES,
                                    .max_pixels = LIMIT_PIXELS,
                                    .seconds = LIMIT_REMOTE_SECONDS,
                                    .redirects = LIMIT_REMOTE_REDIRECTS,
                                    .ignore_orientation = !upright};
    if (!s->options.remote_images)
        return err_set(err, SIMILE_E_UNSUPPORTED,
                       "this server fetches no pictures from URLs; send the picture itself as a data: URI");
    if (!may_fetch(s)) return err_set(err, SIMILE_E_BUSY, "too many pictures are being fetched already");
    const simile_status status = picture_status(simile_image_fetch(url, &o, out, err), err);
    atomic_fetch_sub(&s->fetching, 1);
    return status;
}

static simile_status decode_base64(const embed_input *in, bool upright, simile_image **out, simile_error *err)
{
    unsigned char *bytes;
    size_t len;
    RETURN_IF_ERROR(base64_decode(in->data, in->len, &bytes, &len, err));
    const simile_status status = picture_decode(bytes, len, !upright, out, err);
    mem_free(bytes);
    return status;
}

simile_status embed_picture(server *s, const embed_input *in, bool upright, simile_image **out, simile_error *err)
{
    *out = NULL;
    if (in->kind == EMBED_BYTES) return picture_decode(in->data, in->len, !upright, out, err);
    if (in->kind == EMBED_BASE64 || starts(in->data, "data:")) return decode_base64(in, upright, out, err);
    if (starts(in->data, "http://") || starts(in->data, "https://")) return fetch(s, in->data, upright, out, err);
    return err_set(err, SIMILE_E_ARG, "a picture is a data: URI or an http or https URL");
}

/* ---- many ---- */

typedef struct {
    server *s;
    tower *t;
    const embed_input *in;
    size_t n;
    embed_options *options;
    size_t dim;
    float *out, *some; /* some: [LIMIT_BATCH, dim] */
    simile_image *images[LIMIT_BATCH];
    size_t rows[LIMIT_BATCH], waiting;
    int64_t pixels;
} work;

static void drop_images(work *w)
{
    for (size_t i = 0; i < w->waiting; i++) simile_image_free(w->images[i]);
    w->waiting = 0;
    w->pixels = 0;
}

static simile_status flush(work *w, simile_error *err)
{
    if (!w->waiting) return SIMILE_OK;
    const simile_status status = tower_images(w->t, (const simile_image *const *)w->images, w->waiting, w->some, err);
    for (size_t i = 0; i < w->waiting && !status; i++)
        memcpy(w->out + w->rows[i] * w->dim, w->some + i * w->dim, w->dim * sizeof(float));
    drop_images(w);
    return status;
}

static simile_status take_picture(work *w, size_t i, simile_error *err)
{
    w->options->theirs = true;
    RETURN_IF_ERROR(embed_picture(w->s, &w->in[i], w->options->upright, &w->images[w->waiting], err));
    w->options->theirs = false;
    const simile_image_info *info = simile_image_get_info(w->images[w->waiting]);
    w->rows[w->waiting++] = i;
    w->pixels += (int64_t)info->width * info->height;
    return w->waiting == LIMIT_BATCH || w->pixels >= ENOUGH_PIXELS ? flush(w, err) : SIMILE_OK;
}

static simile_status take_pictures(work *w, simile_error *err)
{
    simile_status status = SIMILE_OK;
    for (size_t i = 0; i < w->n && !status; i++) {
        w->options->at = i;
        if (w->in[i].kind > EMBED_TEXT) status = take_picture(w, i, err);
    }
    if (!status) status = flush(w, err);
    drop_images(w);
    return status;
}

static simile_status check_text(const embed_input *in, simile_error *err)
{
    return in->len <= LIMIT_TEXT_BYTES
               ? SIMILE_OK
               : err_set(err, SIMILE_E_LIMIT, "a text has more than %d bytes", LIMIT_TEXT_BYTES);
}

static simile_status check_count(const work *w, simile_error *err)
{
    size_t pictures = 0;
    for (size_t i = 0; i < w->n; i++) pictures += w->in[i].kind > EMBED_TEXT;
    if (pictures <= LIMIT_PICTURES) return SIMILE_OK;
    w->options->theirs = true;
    w->options->at = w->n - 1;
    return err_set(err, SIMILE_E_LIMIT, "more than %d pictures in one request", LIMIT_PICTURES);
}

/* The texts of the inputs, and where their vectors belong. */
static simile_status collect_texts(work *w, const char **texts, size_t *rows, size_t *n, simile_error *err)
{
    *n = 0;
    w->options->theirs = true;
    for (size_t i = 0; i < w->n; i++) {
        if (w->in[i].kind != EMBED_TEXT) continue;
        w->options->at = i;
        RETURN_IF_ERROR(check_text(&w->in[i], err));
        texts[*n] = w->in[i].data;
        rows[(*n)++] = i;
    }
    w->options->theirs = false;
    return SIMILE_OK;
}

static simile_status take_texts(work *w, simile_error *err)
{
    size_t n = 0;
    const char **texts = mem_array(w->n, sizeof *texts);
    size_t *rows = mem_array(w->n, sizeof *rows);
    float *vectors = NULL;
    simile_status status = texts && rows ? collect_texts(w, texts, rows, &n, err) : err_nomem(err);
    if (!status && n) {
        vectors = mem_array(n * w->dim, sizeof *vectors);
        status = vectors ? tower_texts(w->t, texts, n, vectors, NULL, err) : err_nomem(err);
    }
    for (size_t i = 0; i < n && !status; i++)
        memcpy(w->out + rows[i] * w->dim, vectors + i * w->dim, w->dim * sizeof(float));
    mem_free(texts);
    mem_free(rows);
    mem_free(vectors);
    return status;
}

simile_status embed_all(server *s, tower *t, const embed_input *in, size_t n, embed_options *options, float *out,
                        simile_error *err)
{
    const int32_t dim = simile_model_get_info(tower_model(t))->dim;
    work w = {.s = s, .t = t, .in = in, .n = n, .options = options, .dim = (size_t)dim, .out = out};
    options->theirs = false;
    options->at = 0;
    RETURN_IF_ERROR(check_count(&w, err));
    w.some = mem_array(LIMIT_BATCH * w.dim, sizeof *w.some);
    simile_status status = w.some ? take_texts(&w, err) : err_nomem(err);
    if (!status) status = take_pictures(&w, err);
    mem_free(w.some);
    for (size_t i = 0; i < n && !status && options->unit; i++)
        if (in[i].kind != EMBED_NONE) simile_normalize(out + i * w.dim, dim);
    return status;
}
