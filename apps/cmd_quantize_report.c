/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_quantize_report.c - `simile quantize-report`: what computing in bf16 and in int8 changes, on one's own pictures.
 *
 * A sample of the catalogue's pictures is decoded once and encoded in each type, batch by batch and in turns, so that
 * what else the machine does weighs on all of them alike. Texts likewise: the catalogue's, those of a file, or the
 * captions of pairs. Compared is with f32: the cosines, how many of the nearest pictures stay the same, and where pairs
 * are known, how often the right picture comes first. Nothing is written anywhere. One thread, but for the encoders. */
#include "app.h"
#include "base/clock.h"
#include "base/mem.h"
#include "lines.h"
#include "pairs.h"
#include "progress.h"
#include "term.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { TYPES = 3, BATCH = 8, MAX_SAMPLE = 100000 };
static const int32_t types[TYPES] = {SIMILE_COMPUTE_F32, SIMILE_COMPUTE_BF16, SIMILE_COMPUTE_INT8};

/* What is asked where neither the catalogue nor the user has texts. */
static const char *const usual[] = {"a dog",
                                    "two cats on a sofa",
                                    "a red car",
                                    "mountains in the snow",
                                    "a birthday",
                                    "people at a table",
                                    "a child on a swing",
                                    "the sea at night",
                                    "a plate of food",
                                    "an old house",
                                    "a train",
                                    "flowers in a garden",
                                    "a map",
                                    "a handwritten note",
                                    "a wedding",
                                    "a street in the rain"};

/* Vectors of one kind, in each type. */
typedef struct {
    size_t n;
    float *vectors[TYPES]; /* [n, dim], unit */
    double seconds[TYPES];
} side;

typedef struct {
    double mean, lowest, percentile;      /* cosine to f32; the percentile: of a hundred, one is lower */
    double same_by_text, same_by_picture; /* part of the nearest k pictures that stay; negative: nothing to compare */
    double recall;                        /* of pairs, at 1, in percent; negative: none */
    double texts_mean, texts_lowest;
} finding;

typedef struct {
    app *a;
    int32_t sample, nearest;
    const char *texts_file, *pairs_file;
    simile_model *models[TYPES];
    simile_encoder *encoders[TYPES];
    text_list paths, texts;
    pairs pairs;
    simile_match *matches; /* of pairs: caption, picture */
    side pictures, words;
    size_t unreadable;
    finding found[TYPES];
    int32_t dim;
    progress bar;
} work;

/* ---- what is compared ---- */

typedef struct {
    text_list *to;
    int32_t kind; /* SIMILE_KIND_... */
    simile_status failed;
    simile_error *err;
} gathering;

static int on_item(void *user, const simile_item *item)
{
    gathering *g = user;
    const char *text = item->kind == SIMILE_KIND_IMAGE ? item->path : item->text;
    if (item->status == SIMILE_ITEM_OK && item->kind == g->kind) g->failed = text_list_add(g->to, text, g->err);
    return g->failed != SIMILE_OK;
}

static simile_status gather(const work *w, int32_t kind, text_list *to, simile_error *err)
{
    gathering g = {to, kind, SIMILE_OK, err};
    RETURN_IF_ERROR(simile_library_each(w->a->library, on_item, &g, err));
    return g.failed;
}

/* Evenly over the list: the first of each of `keep` equal parts. */
static void thin(text_list *list, size_t keep)
{
    const size_t n = list->count;
    if (n <= keep) return;
    for (size_t i = 0; i < n; i++) {
        const size_t at = i * keep / n;
        if (i && (i - 1) * keep / n == at) {
            mem_free(list->items[i]);
        } else {
            list->items[at] = list->items[i];
        }
    }
    list->count = keep;
}

static simile_status take_pairs(work *w, simile_error *err)
{
    RETURN_IF_ERROR(pairs_read(&w->pairs, w->pairs_file, NULL, err));
    RETURN_IF_ERROR(pairs_finish(&w->pairs, err));
    w->matches = mem_array(w->pairs.n, sizeof *w->matches);
    if (!w->matches) return err_nomem(err);
    for (size_t i = 0; i < w->pairs.n; i++)
        w->matches[i] = (simile_match){(int64_t)w->pairs.items[i].caption, (int64_t)w->pairs.items[i].picture};
    for (size_t i = 0; i < w->pairs.n_pictures; i++)
        RETURN_IF_ERROR(text_list_add(&w->paths, w->pairs.pictures[i], err));
    for (size_t i = 0; i < w->pairs.n_captions; i++)
        RETURN_IF_ERROR(text_list_add(&w->texts, w->pairs.captions[i], err));
    return SIMILE_OK;
}

static simile_status take_subjects(work *w, simile_error *err)
{
    if (w->pairs_file) return take_pairs(w, err);
    RETURN_IF_ERROR(app_library(w->a, LIBRARY_READ, false, err));
    RETURN_IF_ERROR(gather(w, SIMILE_KIND_IMAGE, &w->paths, err));
    if (w->texts_file)
        RETURN_IF_ERROR(text_list_read(&w->texts, w->texts_file, err));
    else
        RETURN_IF_ERROR(gather(w, SIMILE_KIND_TEXT, &w->texts, err));
    for (size_t i = 0; i < sizeof usual / sizeof *usual && !w->texts.count; i++) {
        for (size_t k = 0; k < sizeof usual / sizeof *usual; k++)
            RETURN_IF_ERROR(text_list_add(&w->texts, usual[k], err));
    }
    thin(&w->paths, (size_t)w->sample);
    thin(&w->texts, (size_t)w->sample);
    return SIMILE_OK;
}

static simile_status open_models(work *w, simile_error *err)
{
    const int32_t asked = w->a->compute;
    for (int i = 0; i < TYPES; i++) {
        w->a->compute = types[i];
        w->a->model = NULL;
        const simile_status status = app_model(w->a, err);
        w->models[i] = w->a->model;
        w->a->compute = asked;
        w->a->model = w->models[0]; /* the app closes this one */
        RETURN_IF_ERROR(status);
        const simile_encoder_options options = {.struct_size = sizeof options, .threads = w->a->threads};
        RETURN_IF_ERROR(simile_encoder_new(w->models[i], &options, &w->encoders[i], err));
    }
    w->dim = simile_model_get_info(w->models[0])->dim;
    return SIMILE_OK;
}

/* ---- encoding ---- */

static bool side_init(const work *w, side *s, size_t n)
{
    for (int i = 0; i < TYPES; i++) {
        s->vectors[i] = mem_array(n * (size_t)w->dim + 1, sizeof(float));
        if (!s->vectors[i]) return false;
    }
    return true;
}

typedef struct {
    const simile_image *const *images; /* or */
    const char *const *texts;
    size_t n;
} batch;

/* Behind what is there already, in each type; the first call is made twice, so that no packing is timed. */
static simile_status encode(work *w, side *s, const batch *b, simile_error *err)
{
    for (int i = 0; i < TYPES; i++) {
        float *out = s->vectors[i] + s->n * (size_t)w->dim;
        for (int again = s->n == 0; again >= 0; again--) {
            const double start = clock_seconds();
            if (b->images)
                RETURN_IF_ERROR(simile_encode_images(w->encoders[i], b->images, b->n, out, err));
            else
                RETURN_IF_ERROR(simile_encode_texts(w->encoders[i], b->texts, b->n, out, NULL, err));
            if (!again) s->seconds[i] += clock_seconds() - start;
        }
        for (size_t k = 0; k < b->n; k++) simile_normalize(out + k * (size_t)w->dim, w->dim);
    }
    s->n += b->n;
    return SIMILE_OK;
}

static simile_status step(work *w, size_t done, const char *subject, simile_error *err)
{
    const int64_t all = (int64_t)(w->paths.count + w->texts.count);
    if (progress_step(&w->bar, (int64_t)done, all, subject)) return err_set(err, SIMILE_E_CANCELLED, "cancelled");
    return SIMILE_OK;
}

/* A picture of the catalogue that has gone since is left out; one of pairs is needed. */
static simile_status open_batch(work *w, size_t first, simile_image **images, size_t *n, simile_error *err)
{
    *n = 0;
    for (size_t i = first; i < first + BATCH && i < w->paths.count; i++) {
        const simile_status status = simile_image_open(w->paths.items[i], NULL, &images[*n], err);
        if (status && (w->pairs_file || status == SIMILE_E_NOMEM)) return status;
        w->unreadable += status != SIMILE_OK;
        *n += status == SIMILE_OK;
    }
    return SIMILE_OK;
}

static simile_status encode_pictures(work *w, simile_error *err)
{
    if (!simile_model_get_info(w->models[0])->image_size) return SIMILE_OK;
    if (!side_init(w, &w->pictures, w->paths.count)) return err_nomem(err);
    for (size_t at = 0; at < w->paths.count; at += BATCH) {
        simile_image *images[BATCH] = {NULL};
        size_t n;
        RETURN_IF_ERROR(step(w, at, w->paths.items[at], err));
        simile_status status = open_batch(w, at, images, &n, err);
        const batch b = {.images = (const simile_image *const *)images, .n = n};
        if (!status && n) status = encode(w, &w->pictures, &b, err);
        for (size_t i = 0; i < n; i++) simile_image_free(images[i]);
        RETURN_IF_ERROR(status);
    }
    return SIMILE_OK;
}

static simile_status encode_texts(work *w, simile_error *err)
{
    if (!simile_model_get_info(w->models[0])->context) return SIMILE_OK;
    if (!side_init(w, &w->words, w->texts.count)) return err_nomem(err);
    for (size_t at = 0; at < w->texts.count; at += BATCH) {
        const size_t left = w->texts.count - at;
        const batch b = {.texts = (const char *const *)w->texts.items + at, .n = left < BATCH ? left : BATCH};
        RETURN_IF_ERROR(step(w, w->paths.count + at, w->texts.items[at], err));
        RETURN_IF_ERROR(encode(w, &w->words, &b, err));
    }
    return SIMILE_OK;
}

/* ---- comparing ---- */

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static simile_status cosines(const work *w, const side *s, int type, double *mean, double *lowest, double *percentile,
                             simile_error *err)
{
    *mean = *lowest = *percentile = -1;
    if (!s->n) return SIMILE_OK;
    double *all = mem_array(s->n, sizeof *all), sum = 0;
    if (!all) return err_nomem(err);
    for (size_t i = 0; i < s->n; i++) {
        const size_t at = i * (size_t)w->dim;
        all[i] = (double)simile_similarity(s->vectors[0] + at, s->vectors[type] + at, w->dim) / 100;
        sum += all[i];
    }
    qsort(all, s->n, sizeof *all, by_value);
    *mean = sum / (double)s->n;
    *lowest = all[0];
    *percentile = all[s->n / 100];
    mem_free(all);
    return SIMILE_OK;
}

/* The k pictures that are nearest to a vector, in falling order; `except`: one that does not count. */
static size_t nearest(const work *w, int type, const float *vector, size_t except, size_t k, size_t *ids, float *scores)
{
    size_t n = 0;
    for (size_t i = 0; i < w->pictures.n; i++) {
        if (i == except) continue;
        const float *row = w->pictures.vectors[type] + i * (size_t)w->dim;
        const float score = simile_similarity(vector, row, w->dim);
        if (n == k && !(score > scores[k - 1])) continue;
        size_t at = n < k ? n++ : k - 1;
        for (; at > 0 && scores[at - 1] < score; at--) scores[at] = scores[at - 1], ids[at] = ids[at - 1];
        scores[at] = score;
        ids[at] = i;
    }
    return n;
}

/* How many of the nearest pictures stay the same, from all vectors of one side; negative: there are none. */
static double same(const work *w, const side *from, int type, size_t k, size_t *ids, float *scores)
{
    const bool among = from == &w->pictures;
    size_t kept = 0, all = 0;
    for (size_t i = 0; i < from->n && w->pictures.n > 1; i++) {
        const size_t at = i * (size_t)w->dim, except = among ? i : SIZE_MAX;
        const size_t a = nearest(w, 0, from->vectors[0] + at, except, k, ids, scores);
        const size_t b = nearest(w, type, from->vectors[type] + at, except, k, ids + k, scores);
        for (size_t x = 0; x < a; x++) {
            for (size_t y = 0; y < b; y++) kept += ids[x] == ids[k + y];
        }
        all += a;
    }
    return all ? (double)kept / (double)all : -1;
}

static simile_status recall(const work *w, int type, double *out, simile_error *err)
{
    *out = -1;
    if (!w->matches || !w->words.n || !w->pictures.n) return SIMILE_OK;
    const simile_evaluation e = {.struct_size = sizeof e,
                                 .queries = w->words.vectors[type],
                                 .candidates = w->pictures.vectors[type],
                                 .n_queries = w->words.n,
                                 .n_candidates = w->pictures.n,
                                 .matches = w->matches,
                                 .n_matches = w->pairs.n,
                                 .dim = w->dim,
                                 .threads = w->a->threads};
    int64_t *ranks = mem_array(w->words.n, sizeof *ranks);
    if (!ranks) return err_nomem(err);
    const simile_status status = simile_evaluate(&e, ranks, err);
    size_t first = 0;
    for (size_t i = 0; i < w->words.n && !status; i++) first += ranks[i] == 1;
    mem_free(ranks);
    *out = 100 * (double)first / (double)w->words.n;
    return status;
}

static simile_status compare(work *w, simile_error *err)
{
    const size_t k = (size_t)w->nearest;
    size_t *ids = mem_array(2 * k, sizeof *ids);
    float *scores = mem_array(k, sizeof *scores);
    simile_status status = ids && scores ? SIMILE_OK : err_nomem(err);
    for (int i = 0; i < TYPES && !status; i++) {
        finding *f = &w->found[i];
        double unused;
        status = cosines(w, &w->pictures, i, &f->mean, &f->lowest, &f->percentile, err);
        if (!status) status = cosines(w, &w->words, i, &f->texts_mean, &f->texts_lowest, &unused, err);
        if (!status) status = recall(w, i, &f->recall, err);
        if (status) break;
        f->same_by_text = same(w, &w->words, i, k, ids, scores);
        f->same_by_picture = same(w, &w->pictures, i, k, ids, scores);
    }
    mem_free(ids);
    mem_free(scores);
    return status;
}

/* ---- telling ---- */

static double rate(const side *s, int type)
{
    return s->seconds[type] > 0 ? (double)s->n / s->seconds[type] : -1;
}

/* null where there is nothing to say. */
static void number(json_writer *j, const char *key, double value)
{
    jw_key(j, key);
    if (value < 0)
        jw_null(j);
    else
        jw_float(j, (float)value);
}

static void print_json(const work *w, buf *out)
{
    json_writer j;
    jw_init(&j, out);
    jw_object(&j);
    app_models_json(w->a, &j);
    jw_key(&j, "pictures"), jw_int(&j, (int64_t)w->pictures.n);
    jw_key(&j, "unreadable"), jw_int(&j, (int64_t)w->unreadable);
    jw_key(&j, "texts"), jw_int(&j, (int64_t)w->words.n);
    jw_key(&j, "nearest"), jw_int(&j, w->nearest);
    jw_key(&j, "types"), jw_array(&j);
    for (int i = 0; i < TYPES; i++) {
        const finding *f = &w->found[i];
        jw_object(&j);
        jw_key(&j, "dtype"), jw_string(&j, simile_compute_name(types[i]));
        jw_key(&j, "native"), jw_bool(&j, simile_model_get_info(w->models[i])->compute_native);
        number(&j, "picture_cosine_mean", f->mean), number(&j, "picture_cosine_p01", f->percentile);
        number(&j, "picture_cosine_lowest", f->lowest);
        number(&j, "text_cosine_mean", f->texts_mean), number(&j, "text_cosine_lowest", f->texts_lowest);
        number(&j, "same_nearest_by_text", f->same_by_text);
        number(&j, "same_nearest_by_picture", f->same_by_picture);
        number(&j, "recall_at_1", f->recall);
        number(&j, "pictures_per_second", rate(&w->pictures, i)), number(&j, "texts_per_second", rate(&w->words, i));
        jw_key(&j, "bytes"), jw_int(&j, simile_model_packed_bytes(w->models[i]));
        jw_object_end(&j);
    }
    jw_array_end(&j);
    jw_object_end(&j);
    buf_byte(out, '\n');
}

static void row(buf *out, const char *what, const double values[TYPES], const char *format)
{
    if (values[0] < 0) return;
    buf_printf(out, "%-34s", what);
    for (int i = 0; i < TYPES; i++) {
        char text[32];
        snprintf(text, sizeof text, format, values[i]);
        buf_printf(out, "%12s", text);
    }
    buf_byte(out, '\n');
}

static void print_text(const work *w, buf *out)
{
    double v[12][TYPES];
    char title[64];
    for (int i = 0; i < TYPES; i++) {
        const finding *f = &w->found[i];
        const double all[] = {f->mean,
                              f->percentile,
                              f->lowest,
                              f->texts_mean,
                              f->texts_lowest,
                              100 * f->same_by_text,
                              100 * f->same_by_picture,
                              f->recall,
                              rate(&w->pictures, i),
                              rate(&w->words, i),
                              (double)simile_model_packed_bytes(w->models[i]) / 1e6};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++) v[k][i] = all[k];
    }
    buf_printf(out, "%s: %zu pictures and %zu texts\n\n%-34s", simile_model_get_info(w->a->model)->name, w->pictures.n,
               w->words.n, "");
    for (int i = 0; i < TYPES; i++) buf_printf(out, "%12s", simile_compute_name(types[i]));
    buf_byte(out, '\n');
    row(out, "pictures: cosine to f32, mean", v[0], "%.6f");
    row(out, "  one in a hundred is below", v[1], "%.6f");
    row(out, "  lowest", v[2], "%.6f");
    row(out, "texts: cosine to f32, mean", v[3], "%.6f");
    row(out, "  lowest", v[4], "%.6f");
    snprintf(title, sizeof title, "the same nearest %d, by text", w->nearest);
    row(out, title, v[5], "%.2f%%");
    row(out, "  by picture", v[6], "%.2f%%");
    row(out, "the right picture is the first", v[7], "%.2f%%");
    row(out, "pictures a second", v[8], "%.1f");
    row(out, "texts a second", v[9], "%.1f");
    row(out, "packed weights, MB", v[10], "%.1f");
    for (int i = 0; i < TYPES; i++) {
        if (!simile_model_get_info(w->models[i])->compute_native)
            buf_printf(out, "This processor has no instructions for %s, and is slow at it.\n",
                       simile_compute_name(types[i]));
    }
    if (w->unreadable) buf_printf(out, "%zu pictures could not be read, and were left out.\n", w->unreadable);
}

/* ---- the command ---- */

static simile_status report(work *w, simile_error *err)
{
    RETURN_IF_ERROR(take_subjects(w, err));
    RETURN_IF_ERROR(open_models(w, err));
    interrupt_catch();
    progress_begin(&w->bar, "items", w->a->quiet);
    simile_status status = encode_pictures(w, err);
    if (!status) status = encode_texts(w, err);
    if (!status) status = step(w, w->paths.count + w->texts.count, "", err);
    progress_end(&w->bar);
    if (status) return status;
    if (!w->pictures.n && !w->words.n)
        return err_set(err, SIMILE_E_NOT_FOUND, "there is no picture that could be read, and no text");
    return compare(w, err);
}

static void release(work *w)
{
    for (int i = 0; i < TYPES; i++) {
        simile_encoder_free(w->encoders[i]);
        if (i) simile_model_close(w->models[i]);
        mem_free(w->pictures.vectors[i]);
        mem_free(w->words.vectors[i]);
    }
    text_list_release(&w->paths);
    text_list_release(&w->texts);
    pairs_release(&w->pairs);
    mem_free(w->matches);
}

static int run(app *a, int argc, char **argv)
{
    work w = {.a = a, .sample = 200, .nearest = 10};
    simile_error err;
    const option options[] = {
        {'n', "sample", "N", "so many pictures and texts of the catalogue (default 200)", OPTION_INT, &w.sample,
         .min = 1, .max = MAX_SAMPLE},
        {0, "texts", "FILE", "texts to ask with, one a line (default: those in the catalogue)", OPTION_STRING,
         &w.texts_file},
        {'p', "pairs", "FILE", "instead of the catalogue, lines of picture, tab, caption, as 'simile eval' reads them",
         OPTION_STRING, &w.pairs_file},
        {'k', "nearest", "N", "how many of the nearest pictures are compared (default 10)", OPTION_INT, &w.nearest,
         .min = 1, .max = 1000},
        IMAGE_SIZE_OPTION(a),
        {0},
    };
    words rest;
    if (!options_parse(a, options, argc, argv, &rest)) return a->status;
    const size_t extra = rest.count;
    words_release(&rest);
    if (extra) return app_usage(a, "'quantize-report' takes no words");
    const simile_status status = report(&w, &err);
    buf out;
    buf_init(&out, OUTPUT_MAX);
    if (!status && a->json) print_json(&w, &out);
    if (!status && !a->json) print_text(&w, &out);
    app_write(&out);
    buf_release(&out);
    const int code = status ? app_fail(&err) : EXIT_OK;
    release(&w);
    return code;
}

const command command_quantize_report = {
    "quantize-report", "", "what bf16 and int8 change for your own pictures",
    "A sample of the catalogue's pictures and texts is encoded in f32, bf16 and int8, and compared: how near the "
    "vectors\n"
    "are, how many of the nearest pictures stay the same, how fast each is and how much memory its weights take.\n"
    "With --pairs it also tells how often the right picture comes first. Nothing is written to the catalogue.\n\n"
    "  simile quantize-report\n"
    "  simile quantize-report --sample 1000 --texts queries.txt\n"
    "  simile quantize-report --pairs captions.tsv --json\n",
    run};
