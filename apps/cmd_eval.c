/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_eval.c - `simile eval`: how well a model finds the pictures of captions and the captions of pictures.
 *
 * Every file of pairs is a run with a gallery of its own: its captions are searched for in its pictures, and the other
 * way round. What several runs share is encoded once. Ranks are those of simile_evaluate(): ties count against. Recall
 * at k is the share of queries whose rank is at most k; the median rank of an even number of queries is the mean of the
 * two in the middle.
 *
 * Captions are read as `simile search` reads texts: any language, any way, several vectors where candidates of a
 * translation count each for itself.
 *
 * Threads: the pictures of a batch are decoded by a pool; all else happens in one thread. */
#include "app.h"
#include "base/mem.h"
#include "base/pool.h"
#include "pairs.h"
#include "progress.h"
#include "term.h"
#include "via.h"

#include <inttypes.h>
#include <stdlib.h>

enum { BATCH = 32, MAX_CUTOFFS = 8, IMAGE_TO_TEXT = 1, DIRECTIONS = 2, WAYS = 3 };
static const char *const direction_keys[DIRECTIONS] = {"text_to_image", "image_to_text"};
static const char *const way_keys[WAYS] = {"direct", "translate", "multilingual"};

typedef struct {
    double recall[MAX_CUTOFFS], median;
} score;

typedef struct {
    size_t images, texts, truncated;
    size_t ways[WAYS]; /* texts that were read so */
    score scores[DIRECTIONS];
} result;

/* How a caption was read. */
typedef struct {
    bool truncated;
    int8_t way; /* index of way_keys */
} reading_note;

typedef struct {
    app *a;
    via how;
    const char *baseline, *pictures;
    int32_t cutoffs[MAX_CUTOFFS];
    size_t n_cutoffs;
    words files;
    pairs data;
    size_t dim, baseline_row;
    pool *team;
    float *images, *texts; /* [n_pictures, dim], [starts[n_captions], dim] */
    int64_t *starts;       /* [n_captions + 1]: the first vector of each caption */
    reading_note *notes;   /* [n_captions] */
    result *results;       /* [n_runs] */
    progress bar;
    /* the batch of pictures */
    size_t first;
    simile_image *decoded[BATCH];
    simile_error errors[BATCH];
} evaluation;

/* ---- encoding ---- */

static simile_status step(evaluation *e, size_t done, size_t total, simile_error *err)
{
    if (progress_step(&e->bar, (int64_t)done, (int64_t)total, NULL))
        return err_set(err, SIMILE_E_CANCELLED, "interrupted");
    return SIMILE_OK;
}

static simile_status keep_reading(evaluation *e, size_t caption, const simile_reading *r, simile_error *err)
{
    const size_t begin = (size_t)e->starts[caption], row = e->dim * sizeof *e->texts;
    size_t bytes;
    float *texts = mem_mul(begin + r->n_vectors, row, &bytes) ? mem_grow(e->texts, begin + r->n_vectors, row) : NULL;
    if (!texts) return err_nomem(err);
    e->texts = texts;
    memcpy(texts + begin * e->dim, r->vectors, r->n_vectors * row);
    e->starts[caption + 1] = e->starts[caption] + (int64_t)r->n_vectors;
    e->notes[caption] = (reading_note){.truncated = r->truncated != 0, .way = (int8_t)(r->via - SIMILE_VIA_DIRECT)};
    return SIMILE_OK;
}

static simile_status encode_captions(evaluation *e, size_t first, size_t n, simile_error *err)
{
    simile_readings *readings;
    simile_status status = via_read(&e->how, e->data.captions + first, n, &readings, err);
    for (size_t i = 0; i < n && !status; i++) status = keep_reading(e, first + i, simile_readings_at(readings, i), err);
    simile_readings_free(readings);
    return status;
}

static simile_status encode_texts(evaluation *e, simile_error *err)
{
    const size_t total = e->data.n_captions;
    simile_status status = SIMILE_OK;
    progress_begin(&e->bar, "captions", e->a->quiet);
    for (size_t at = 0; at < total && !status; at += BATCH) {
        const size_t n = total - at < BATCH ? total - at : BATCH;
        status = encode_captions(e, at, n, err);
        if (!status) status = step(e, at + n, total, err);
    }
    progress_end(&e->bar);
    return status;
}

static void decode(void *user, size_t i, int worker)
{
    (void)worker;
    evaluation *e = user;
    simile_image_open(e->data.pictures[e->first + i], NULL, &e->decoded[i], &e->errors[i]);
}

/* A picture that cannot be read ends the evaluation: numbers without it would be those of another set. */
static simile_status encode_batch(evaluation *e, size_t n, simile_error *err)
{
    const simile_image *images[BATCH];
    simile_status status = SIMILE_OK;
    memset(e->decoded, 0, sizeof e->decoded);
    pool_run(e->team, n, decode, e);
    for (size_t i = 0; i < n && !status; i++) {
        images[i] = e->decoded[i];
        if (images[i]) continue;
        const pair *at = pairs_of_picture(&e->data, e->first + i);
        status = e->errors[i].status;
        if (err) *err = e->errors[i];
        err_prefix(err, status, "line %" PRId64 " of '%s'", at->line, e->data.runs[at->run].path);
    }
    if (!status) status = simile_encode_images(e->a->encoder, images, n, e->images + e->first * e->dim, err);
    for (size_t i = 0; i < n; i++) simile_image_free(e->decoded[i]);
    return status;
}

static simile_status encode_images(evaluation *e, simile_error *err)
{
    const size_t total = e->data.n_pictures;
    simile_status status = SIMILE_OK;
    progress_begin(&e->bar, "pictures", e->a->quiet);
    for (e->first = 0; e->first < total && !status; e->first += BATCH) {
        const size_t n = total - e->first < BATCH ? total - e->first : BATCH;
        status = encode_batch(e, n, err);
        if (!status) status = step(e, e->first + n, total, err);
    }
    progress_end(&e->bar);
    return status;
}

/* ---- one run ---- */

/* The vectors of the entries that a run uses, and where each of them went. */
typedef struct {
    int64_t *row;   /* of an entry; -1: not in this run */
    float *vectors; /* [starts[n], dim] */
    int64_t *starts;
    size_t n;
} subset;

static void subset_release(subset *s)
{
    mem_free(s->row);
    mem_free(s->vectors);
    mem_free(s->starts);
}

static simile_status subset_new(subset *s, size_t entries, size_t at_most, size_t vectors, size_t dim,
                                simile_error *err)
{
    size_t numbers;
    s->row = mem_array(entries, sizeof *s->row);
    s->vectors = mem_mul(vectors, dim, &numbers) ? mem_array(numbers, sizeof *s->vectors) : NULL;
    s->starts = mem_array(at_most + 1, sizeof *s->starts);
    if (!s->row || !s->vectors || !s->starts) return err_nomem(err);
    for (size_t i = 0; i < entries; i++) s->row[i] = -1;
    s->starts[0] = 0;
    return SIMILE_OK;
}

/* vectors: the entry's, n of them. */
static int64_t subset_take(subset *s, size_t entry, const float *vectors, size_t n, size_t dim)
{
    if (s->row[entry] < 0) {
        memcpy(s->vectors + (size_t)s->starts[s->n] * dim, vectors, n * dim * sizeof *vectors);
        s->starts[s->n + 1] = s->starts[s->n] + (int64_t)n;
        s->row[entry] = (int64_t)s->n++;
    }
    return s->row[entry];
}

/* The row of a pair's caption in its run, and what is to be counted about it. */
static int64_t take_caption(const evaluation *e, subset *texts, size_t caption, result *out)
{
    const int64_t begin = e->starts[caption];
    if (texts->row[caption] < 0) {
        out->truncated += e->notes[caption].truncated;
        out->ways[e->notes[caption].way]++;
    }
    return subset_take(texts, caption, e->texts + (size_t)begin * e->dim, (size_t)(e->starts[caption + 1] - begin),
                       e->dim);
}

/* How many vectors the captions of a run have, a caption that comes twice counted twice. */
static size_t run_vectors(const evaluation *e, const pair_run *run)
{
    int64_t n = 0;
    for (size_t i = 0; i < run->n; i++) {
        const size_t caption = e->data.items[run->first + i].caption;
        n += e->starts[caption + 1] - e->starts[caption];
    }
    return (size_t)n;
}

static int by_number(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static score score_of(const evaluation *e, int64_t *ranks, size_t n)
{
    score s = {0};
    qsort(ranks, n, sizeof *ranks, by_number);
    s.median = 0.5 * (double)(ranks[(n - 1) / 2] + ranks[n / 2]);
    for (size_t c = 0; c < e->n_cutoffs; c++) {
        size_t hits = 0;
        while (hits < n && ranks[hits] <= e->cutoffs[c]) hits++;
        s.recall[c] = (double)hits / (double)n;
    }
    return s;
}

/* matches: of texts to images; turned round in place for the other direction. */
static simile_status score_both(evaluation *e, const subset *texts, const subset *images, simile_match *matches,
                                size_t n_matches, result *out, simile_error *err)
{
    int64_t *ranks = mem_array(texts->n > images->n ? texts->n : images->n, sizeof *ranks);
    simile_status status = ranks ? SIMILE_OK : err_nomem(err);
    for (int d = 0; d < DIRECTIONS && !status; d++) {
        const subset *from = d == IMAGE_TO_TEXT ? images : texts, *to = d == IMAGE_TO_TEXT ? texts : images;
        const simile_evaluation what = {.struct_size = sizeof what,
                                        .queries = from->vectors,
                                        .candidates = to->vectors,
                                        .n_queries = from->n,
                                        .n_candidates = to->n,
                                        .matches = matches,
                                        .n_matches = n_matches,
                                        .dim = (int32_t)e->dim,
                                        .threads = e->a->threads,
                                        .progress = progress_step,
                                        .user = &e->bar,
                                        .query_starts = from->starts,
                                        .candidate_starts = to->starts};
        status = simile_evaluate(&what, ranks, err);
        if (!status) out->scores[d] = score_of(e, ranks, from->n);
        for (size_t i = 0; i < n_matches; i++)
            matches[i] = (simile_match){.query = matches[i].candidate, .candidate = matches[i].query};
    }
    mem_free(ranks);
    return status;
}

static simile_status run_one(evaluation *e, size_t r, simile_error *err)
{
    const pair_run *run = &e->data.runs[r];
    const pair *items = e->data.items + run->first;
    subset images = {0}, texts = {0};
    result *out = &e->results[r];
    simile_match *matches = mem_array(run->n, sizeof *matches);
    simile_status status = matches ? SIMILE_OK : err_nomem(err);
    if (!status) status = subset_new(&images, e->data.n_pictures, run->n, run->n, e->dim, err);
    if (!status) status = subset_new(&texts, e->data.n_captions, run->n, run_vectors(e, run), e->dim, err);
    if (!status) {
        for (size_t i = 0; i < run->n; i++)
            matches[i] = (simile_match){
                .query = take_caption(e, &texts, items[i].caption, out),
                .candidate = subset_take(&images, items[i].picture, e->images + items[i].picture * e->dim, 1, e->dim)};
        out->images = images.n, out->texts = texts.n;
        status = score_both(e, &texts, &images, matches, run->n, out, err);
    }
    mem_free(matches);
    subset_release(&images);
    subset_release(&texts);
    return status;
}

/* ---- what is shown ---- */

/* The cutoff by which runs are compared: 5 where it is among them, else the last. */
static size_t compared_at(const evaluation *e)
{
    for (size_t c = 0; c < e->n_cutoffs; c++)
        if (e->cutoffs[c] == 5) return c;
    return e->n_cutoffs - 1;
}

static double compared(const evaluation *e, size_t r)
{
    return e->results[r].scores[0].recall[compared_at(e)];
}

/* The first of those with the least recall, text to image. */
static size_t worst_row(const evaluation *e)
{
    size_t worst = 0;
    for (size_t r = 1; r < e->data.n_runs; r++)
        if (compared(e, r) < compared(e, worst)) worst = r;
    return worst;
}

static void print_heading(const evaluation *e, int width, buf *out)
{
    const int block = (int)e->n_cutoffs * 8 + 8;
    char title[32];
    buf_printf(out, "%*s  %-*s  %s\n", width + 9, "", block, "  text to image", "  image to text");
    buf_printf(out, "%-*s %8s", width, "", "pairs");
    for (int d = 0; d < DIRECTIONS; d++) {
        buf_text(out, "  ");
        for (size_t c = 0; c < e->n_cutoffs; c++) {
            snprintf(title, sizeof title, "R@%" PRId32, e->cutoffs[c]);
            buf_printf(out, "%8s", title);
        }
        buf_printf(out, "%8s", "median");
    }
    buf_byte(out, '\n');
}

static void print_row(const evaluation *e, size_t r, int width, buf *out)
{
    const pair_run *run = &e->data.runs[r];
    term_text(out, run->name);
    buf_printf(out, "%*s %8zu", width - (int)strlen(run->name), "", run->n);
    for (int d = 0; d < DIRECTIONS; d++) {
        const score *s = &e->results[r].scores[d];
        buf_text(out, "  ");
        for (size_t c = 0; c < e->n_cutoffs; c++) buf_printf(out, "%7.1f%%", 100 * s->recall[c]);
        buf_printf(out, "%8.*f", s->median == (double)(int64_t)s->median ? 0 : 1, s->median);
    }
    buf_byte(out, '\n');
}

static void print_table(const evaluation *e, buf *out)
{
    int width = 4;
    size_t truncated = 0, ways[WAYS] = {0};
    for (size_t r = 0; r < e->data.n_runs; r++) {
        const int len = (int)strlen(e->data.runs[r].name);
        if (len > width) width = len;
        truncated += e->results[r].truncated;
        for (int i = 0; i < WAYS; i++) ways[i] += e->results[r].ways[i];
    }
    print_heading(e, width, out);
    for (size_t r = 0; r < e->data.n_runs; r++) print_row(e, r, width, out);
    if (ways[1]) buf_printf(out, "%zu captions were translated\n", ways[1]);
    if (ways[2]) buf_printf(out, "%zu captions were read by a text tower for many languages\n", ways[2]);
    if (truncated) buf_printf(out, "%zu captions are longer than the model reads\n", truncated);
    if (e->data.n_runs < 2) return;
    const size_t worst = worst_row(e);
    const double base = compared(e, e->baseline_row);
    buf_text(out, "worst: ");
    term_text(out, e->data.runs[worst].name);
    buf_printf(out, ", text to image R@%" PRId32 " %.1f%%", e->cutoffs[compared_at(e)], 100 * compared(e, worst));
    if (base > 0) {
        buf_printf(out, ", %.3f of ", compared(e, worst) / base);
        term_text(out, e->data.runs[e->baseline_row].name);
    }
    buf_byte(out, '\n');
}

static void score_json(const evaluation *e, const score *s, json_writer *w)
{
    jw_object(w);
    jw_key(w, "recall"), jw_array(w);
    for (size_t c = 0; c < e->n_cutoffs; c++) jw_double(w, s->recall[c]);
    jw_array_end(w);
    jw_key(w, "median_rank"), jw_double(w, s->median);
    jw_object_end(w);
}

static void run_json(const evaluation *e, size_t r, json_writer *w)
{
    const pair_run *run = &e->data.runs[r];
    const result *what = &e->results[r];
    jw_object(w);
    jw_key(w, "name"), jw_string(w, run->name);
    jw_key(w, "file"), jw_string(w, run->path);
    jw_key(w, "pairs"), jw_int(w, (int64_t)run->n);
    jw_key(w, "images"), jw_int(w, (int64_t)what->images);
    jw_key(w, "texts"), jw_int(w, (int64_t)what->texts);
    jw_key(w, "truncated"), jw_int(w, (int64_t)what->truncated);
    jw_key(w, "via"), jw_object(w);
    for (int i = 0; i < WAYS; i++) jw_key(w, way_keys[i]), jw_int(w, (int64_t)what->ways[i]);
    jw_object_end(w);
    for (int d = 0; d < DIRECTIONS; d++) jw_key(w, direction_keys[d]), score_json(e, &what->scores[d], w);
    jw_object_end(w);
}

static void print_json(const evaluation *e, buf *out)
{
    json_writer w;
    const size_t worst = worst_row(e);
    const double base = compared(e, e->baseline_row);
    jw_init(&w, out);
    jw_object(&w);
    app_models_json(e->a, &w);
    jw_key(&w, "k"), jw_array(&w);
    for (size_t c = 0; c < e->n_cutoffs; c++) jw_int(&w, e->cutoffs[c]);
    jw_array_end(&w);
    jw_key(&w, "runs"), jw_array(&w);
    for (size_t r = 0; r < e->data.n_runs; r++) run_json(e, r, &w);
    jw_array_end(&w);
    jw_key(&w, "worst"), jw_object(&w);
    jw_key(&w, "name"), jw_string(&w, e->data.runs[worst].name);
    jw_key(&w, "k"), jw_int(&w, e->cutoffs[compared_at(e)]);
    jw_key(&w, "recall"), jw_double(&w, compared(e, worst));
    jw_key(&w, "baseline"), jw_string(&w, e->data.runs[e->baseline_row].name);
    jw_key(&w, "ratio");
    if (base > 0)
        jw_double(&w, compared(e, worst) / base);
    else
        jw_null(&w);
    jw_object_end(&w);
    jw_object_end(&w);
    buf_byte(out, '\n');
}

/* ---- the work ---- */

static simile_status find_baseline(evaluation *e, simile_error *err)
{
    if (!e->baseline) return SIMILE_OK;
    for (size_t r = 0; r < e->data.n_runs; r++) {
        if (strcmp(e->data.runs[r].name, e->baseline) != 0) continue;
        e->baseline_row = r;
        return SIMILE_OK;
    }
    return err_set(err, SIMILE_E_NOT_FOUND, "no run is named '%s', which --baseline wants", e->baseline);
}

static float *rows(size_t n, size_t dim)
{
    size_t numbers;
    return mem_mul(n, dim, &numbers) ? mem_array(numbers, sizeof(float)) : NULL;
}

static simile_status prepare(evaluation *e, simile_error *err)
{
    for (size_t i = 0; i < e->files.count; i++)
        RETURN_IF_ERROR(pairs_read(&e->data, e->files.items[i], e->pictures, err));
    RETURN_IF_ERROR(pairs_finish(&e->data, err));
    RETURN_IF_ERROR(find_baseline(e, err));
    RETURN_IF_ERROR(app_encoder(e->a, err));
    e->dim = (size_t)simile_model_get_info(e->a->model)->dim;
    e->images = rows(e->data.n_pictures, e->dim);
    e->starts = mem_zero_array(e->data.n_captions + 1, sizeof *e->starts);
    e->notes = mem_zero_array(e->data.n_captions, sizeof *e->notes);
    e->results = mem_zero_array(e->data.n_runs, sizeof *e->results);
    if (!e->images || !e->starts || !e->notes || !e->results) return err_nomem(err);
    const int threads = e->a->threads ? e->a->threads : cpu_count();
    return pool_new(threads < 16 ? threads : 16, &e->team, err);
}

static simile_status evaluate(evaluation *e, simile_error *err)
{
    interrupt_catch();
    RETURN_IF_ERROR(prepare(e, err));
    RETURN_IF_ERROR(encode_texts(e, err));
    RETURN_IF_ERROR(encode_images(e, err));
    simile_status status = SIMILE_OK;
    progress_begin(&e->bar, "queries", e->a->quiet);
    for (size_t r = 0; r < e->data.n_runs && !status; r++) status = run_one(e, r, err);
    progress_end(&e->bar);
    return status;
}

static int run_eval(evaluation *e)
{
    simile_error err;
    buf out;
    buf_init(&out, OUTPUT_MAX);
    const simile_status status = evaluate(e, &err);
    if (!status && e->a->json)
        print_json(e, &out);
    else if (!status)
        print_table(e, &out);
    if (!status) app_write(&out);
    buf_release(&out);
    pairs_release(&e->data);
    mem_free(e->images);
    mem_free(e->texts);
    mem_free(e->starts);
    mem_free(e->notes);
    mem_free(e->results);
    pool_free(e->team);
    return status ? app_fail(&err) : EXIT_OK;
}

/* "1,5,10": rising numbers from 1. */
static int take_cutoffs(void *to, const char *value)
{
    evaluation *e = to;
    e->n_cutoffs = 0;
    for (const char *at = value;; at++) {
        char *end;
        const long k = *at >= '0' && *at <= '9' ? strtol(at, &end, 10) : 0;
        const bool rises = e->n_cutoffs == 0 || k > e->cutoffs[e->n_cutoffs - 1];
        if (k < 1 || k > 1000000 || !rises || e->n_cutoffs == MAX_CUTOFFS || (*end && *end != ','))
            return app_usage(e->a, "'%s' is no value for -k: up to %d rising numbers are needed, such as 1,5,10", value,
                             MAX_CUTOFFS);
        e->cutoffs[e->n_cutoffs++] = (int32_t)k;
        if (!*end) return EXIT_OK;
        at = end;
    }
}

static int run(app *a, int argc, char **argv)
{
    evaluation e = {.a = a, .cutoffs = {1, 5, 10}, .n_cutoffs = 3};
    words rest = {0};
    via_init(&e.how, a);
    const option options[] = {
        {'p', "pairs", "FILE",
         "lines of picture, tab, caption; or a folder of such .tsv files; may be given many times", OPTION_WORDS,
         &e.files},
        {0, "pictures", "DIR", "where the pictures are (default: the folder of the file that names them)",
         OPTION_STRING, &e.pictures},
        {'k', "cutoffs", "LIST", "of recall (default 1,5,10)", OPTION_CALL, &e, .call = take_cutoffs},
        {0, "baseline", "NAME", "the run with which the worst is compared (default: the first)", OPTION_STRING,
         &e.baseline},
        VIA_OPTIONS(&e.how, 'n'),
        IMAGE_SIZE_OPTION(a),
        {0},
    };
    int status;
    if (!options_parse(a, options, argc, argv, &rest))
        status = a->status;
    else if (rest.count)
        status = app_usage(a, "'eval' takes no words: say --pairs FILE");
    else if (!e.files.count)
        status = app_usage(a, "nothing to evaluate: say --pairs FILE");
    else
        status = run_eval(&e);
    via_release(&e.how);
    words_release(&rest);
    words_release(&e.files);
    return status;
}

const command command_eval = {
    "eval", "--pairs FILE...", "how well captions find their pictures",
    "Each line of FILE is a picture, a tab and a caption. Captions are searched for in the pictures of the same file,\n"
    "and the other way round; any right answer counts, and ties count against. Printed are recall and the median "
    "rank.\n"
    "With several files there is a row for each, and the worst one is named.\n\n"
    "  simile eval --pairs captions.tsv\n"
    "  simile eval --pairs languages/ --pictures photos --text-model simile-languages --baseline en\n"
    "  simile eval --pairs zh-cn.tsv --via translate --fuse weighted\n",
    run};
