/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_embed.c - `simile embed`: vectors of pictures and texts, one after the other in the order in which they came.
 *
 * Inputs come from the command line, from files or from stdin, and are encoded in batches: of texts because one matrix
 * product is cheaper than many, of pictures because their decoding is shared out on the threads. A batch ends when it
 * is full or when the kind changes, so the order of the output is the order of the input.
 *
 * As JSON, an input that cannot be read becomes a line with "error" in the place of "embedding" and the work goes on:
 * line n of the output belongs to input n, always. An .npy file has no place for such a line, so there it is the end.
 *
 * Threads: the pictures of a batch are decoded by a pool; all else happens in one thread. */
#include "app.h"
#include "base/mem.h"
#include "base/pool.h"
#include "lines.h"
#include "npy.h"
#include "progress.h"
#include "via.h"

#include <inttypes.h>
#include <unistd.h>

enum { BATCH = 32 };
enum { IMAGE, TEXT };
static const char *const kinds[] = {[IMAGE] = "image", [TEXT] = "text"};

typedef struct {
    app *a;
    /* what was asked for */
    int kind; /* of the words to come; -1: none was named yet */
    bool normalize, npy, no_orient, failed;
    const char *output;
    /* what is there */
    size_t dim;
    via how;
    pool *team;
    buf out;
    int64_t rows;
    /* the batch */
    int batch_kind;
    size_t n;
    char *inputs[BATCH];
    simile_image *images[BATCH];
    simile_error errors[BATCH];
    simile_readings *readings; /* of texts */
    float *vectors;            /* [BATCH, dim] */
    progress bar;
} embedding;

/* ---- output ---- */

static void write_json(embedding *e, const char *input, const float *vector, const simile_reading *reading,
                       const simile_error *why)
{
    json_writer w;
    jw_init(&w, &e->out);
    jw_object(&w);
    jw_key(&w, "kind"), jw_string(&w, kinds[e->batch_kind]);
    jw_key(&w, "input"), jw_string(&w, input);
    if (reading) reading_json(reading, reading->candidate, &w);
    if (vector)
        jw_key(&w, "embedding"), jw_floats(&w, vector, e->dim);
    else
        jw_key(&w, "error"), jw_string(&w, why->message);
    if (reading && reading->truncated) jw_key(&w, "truncated"), jw_bool(&w, true);
    if (vector) jw_key(&w, "model"), jw_string(&w, reading ? reading->text_model : app_model_name(e->a, false));
    jw_object_end(&w);
    buf_byte(&e->out, '\n');
}

static simile_status write_row(embedding *e, size_t i, float *vector, simile_error *err)
{
    const simile_error *why = vector ? NULL : &e->errors[i];
    if (why && e->npy) {
        if (err) *err = *why;
        return why->status;
    }
    if (why) {
        e->failed = true;
        app_fail(why);
    }
    const simile_reading *reading = e->batch_kind == TEXT ? simile_readings_at(e->readings, i) : NULL;
    if (reading) via_warn_truncated(&e->how, reading);
    if (vector && e->normalize) simile_normalize(vector, (int32_t)e->dim);
    if (e->npy)
        npy_add(&e->out, vector, e->dim);
    else
        write_json(e, e->inputs[i], vector, reading, why);
    e->rows++;
    return buf_ok(&e->out) ? SIMILE_OK : err_nomem(err);
}

/* ---- batches ---- */

static void decode(void *user, size_t i, int worker)
{
    (void)worker;
    embedding *e = user;
    const simile_image_options options = {.struct_size = sizeof options, .ignore_orientation = e->no_orient};
    simile_image_open(e->inputs[i], &options, &e->images[i], &e->errors[i]);
}

static simile_status run_images(embedding *e, simile_error *err)
{
    const simile_image *good[BATCH];
    size_t n_good = 0;
    memset(e->images, 0, sizeof e->images);
    pool_run(e->team, e->n, decode, e);
    for (size_t i = 0; i < e->n; i++)
        if (e->images[i]) good[n_good++] = e->images[i];
    simile_status status = n_good ? simile_encode_images(e->a->encoder, good, n_good, e->vectors, err) : SIMILE_OK;
    float *next = e->vectors;
    for (size_t i = 0; i < e->n; i++) {
        if (!status) status = write_row(e, i, e->images[i] ? next : NULL, err);
        if (e->images[i]) next += e->dim;
        simile_image_free(e->images[i]);
    }
    return status;
}

static simile_status run_texts(embedding *e, simile_error *err)
{
    const char *texts[BATCH];
    for (size_t i = 0; i < e->n; i++) texts[i] = e->inputs[i];
    simile_status status = via_read(&e->how, texts, e->n, &e->readings, err);
    for (size_t i = 0; i < e->n && !status; i++) {
        float *vector = e->vectors + i * e->dim;
        memcpy(vector, simile_readings_at(e->readings, i)->vectors, e->dim * sizeof *vector);
        status = write_row(e, i, vector, err);
    }
    simile_readings_free(e->readings);
    e->readings = NULL;
    return status;
}

static simile_status flush_batch(embedding *e, simile_error *err)
{
    if (!e->n) return SIMILE_OK;
    const simile_status status = e->batch_kind == TEXT ? run_texts(e, err) : run_images(e, err);
    for (size_t i = 0; i < e->n; i++) mem_free(e->inputs[i]);
    e->n = 0;
    if (status) return status;
    if (!e->output && !e->npy && !app_write(&e->out)) return err_set(err, SIMILE_E_IO, "cannot write the output");
    if (progress_step(&e->bar, e->rows, 0, NULL)) return err_set(err, SIMILE_E_CANCELLED, "interrupted");
    return SIMILE_OK;
}

static simile_status push(embedding *e, int kind, const char *input, simile_error *err)
{
    if (e->n == BATCH || (e->n && kind != e->batch_kind)) RETURN_IF_ERROR(flush_batch(e, err));
    e->batch_kind = kind;
    e->inputs[e->n] = mem_strdup(input);
    if (!e->inputs[e->n]) return err_nomem(err);
    e->n++;
    return SIMILE_OK;
}

static simile_status push_lines(embedding *e, int kind, const char *path, simile_error *err)
{
    lines l;
    const char *line;
    simile_status status = lines_open(&l, path, err);
    while (!status) {
        status = lines_next(&l, &line, err);
        if (status || !line) break;
        status = push(e, kind, line, err);
    }
    lines_close(&l);
    return status;
}

/* ---- the command line: a list of inputs and files in the order given ---- */

typedef struct {
    app *a;
    int kind, stdin_kind; /* -1: not named */
    struct source {
        int kind;
        bool is_file; /* a file of lines */
        const char *what;
    } * items;
    size_t count;
} sources;

static int add_source(sources *s, int kind, bool is_file, const char *what)
{
    struct source *items = mem_grow(s->items, s->count + 1, sizeof *items);
    if (!items) return app_failf("out of memory");
    s->items = items;
    items[s->count++] = (struct source){kind, is_file, what};
    return EXIT_OK;
}

static int take_image(void *to, const char *value)
{
    ((sources *)to)->kind = IMAGE;
    return add_source(to, IMAGE, false, value);
}

static int take_text(void *to, const char *value)
{
    ((sources *)to)->kind = TEXT;
    return add_source(to, TEXT, false, value);
}

static int take_images_file(void *to, const char *value)
{
    return add_source(to, IMAGE, true, value);
}

static int take_texts_file(void *to, const char *value)
{
    return add_source(to, TEXT, true, value);
}

static int take_word(void *user, const char *word)
{
    sources *s = user;
    if (s->kind >= 0) return add_source(s, s->kind, false, word);
    return app_usage(s->a, "is '%s' an --image or a --text", word);
}

static int take_stdin_kind(void *to, const char *value)
{
    sources *s = to;
    for (int kind = IMAGE; kind <= TEXT; kind++) {
        if (strcmp(value, kinds[kind]) == 0) {
            s->stdin_kind = kind;
            return EXIT_OK;
        }
    }
    return app_usage(s->a, "'%s' is no value for --stdin-kind: image or text is needed", value);
}

/* ---- the work ---- */

static simile_status prepare(embedding *e, simile_error *err)
{
    RETURN_IF_ERROR(app_encoder(e->a, err));
    e->dim = (size_t)simile_model_get_info(e->a->model)->dim;
    e->vectors = mem_array(BATCH * e->dim, sizeof(float));
    if (!e->vectors) return err_nomem(err);
    const int threads = e->a->threads ? e->a->threads : cpu_count();
    RETURN_IF_ERROR(pool_new(threads < 16 ? threads : 16, &e->team, err));
    return !e->npy || npy_begin(&e->out) ? SIMILE_OK : err_nomem(err);
}

static simile_status deliver(embedding *e, simile_error *err)
{
    if (e->npy) {
        const size_t shape[] = {(size_t)e->rows, e->dim};
        npy_end(&e->out, shape, 2);
    }
    if (e->output) return app_save(e->output, &e->out, err);
    app_write(&e->out);
    return SIMILE_OK;
}

static simile_status embed(embedding *e, const sources *s, simile_error *err)
{
    RETURN_IF_ERROR(prepare(e, err));
    interrupt_catch();
    progress_begin(&e->bar, "inputs", e->a->quiet || !e->output);
    for (size_t i = 0; i < s->count; i++) {
        const struct source *item = &s->items[i];
        if (item->is_file)
            RETURN_IF_ERROR(push_lines(e, item->kind, item->what, err));
        else
            RETURN_IF_ERROR(push(e, item->kind, item->what, err));
    }
    if (!s->count) RETURN_IF_ERROR(push_lines(e, s->stdin_kind < 0 ? TEXT : s->stdin_kind, "-", err));
    RETURN_IF_ERROR(flush_batch(e, err));
    return deliver(e, err);
}

static int run_embed(embedding *e, const sources *s)
{
    simile_error err;
    buf_init(&e->out, (size_t)1 << 36);
    const simile_status status = embed(e, s, &err);
    progress_end(&e->bar);
    for (size_t i = 0; i < e->n; i++) mem_free(e->inputs[i]);
    buf_release(&e->out);
    mem_free(e->vectors);
    pool_free(e->team);
    via_release(&e->how);
    if (status && !app_output_ok()) return EXIT_FAILED; /* app_finish says why */
    if (status) return app_fail(&err);
    return e->failed ? EXIT_FAILED : EXIT_OK;
}

static int check(app *a, const sources *s, const char *format, embedding *e)
{
    if (strcmp(format, "npy") == 0)
        e->npy = true;
    else if (strcmp(format, "json") != 0)
        return app_usage(a, "'%s' is no value for --format: json or npy is needed", format);
    if (e->how.options.fuse == SIMILE_FUSE_MAX)
        return app_usage(a, "--fuse max has no vector: it takes the best candidate for each picture");
    if (e->npy && a->json) return app_usage(a, "--json and --format npy exclude each other");
    if (e->npy && !e->output && isatty(STDOUT_FILENO))
        return app_usage(a, "an .npy file is not for a terminal: say -o FILE");
    if (!s->count && s->stdin_kind < 0 && isatty(STDIN_FILENO)) return app_usage(a, "nothing to embed");
    return EXIT_OK;
}

static int run(app *a, int argc, char **argv)
{
    sources s = {.a = a, .kind = -1, .stdin_kind = -1};
    embedding e = {.a = a};
    via_init(&e.how, a);
    const char *format = "json";
    const option options[] = {
        {'i', "image", "FILE...", "pictures; the words that follow are pictures too", OPTION_CALL, &s,
         .call = take_image},
        {'t', "text", "STRING...", "texts; the words that follow are texts too", OPTION_CALL, &s, .call = take_text},
        {0, "images-from", "FILE", "paths of pictures, one a line ('-': stdin)", OPTION_CALL, &s,
         .call = take_images_file},
        {0, "texts-from", "FILE", "texts, one a line ('-': stdin)", OPTION_CALL, &s, .call = take_texts_file},
        {0, "stdin-kind", "KIND", "without any of these, a line of stdin is a text (default) or an image", OPTION_CALL,
         &s, .call = take_stdin_kind},
        {'n', "normalize", NULL, "vectors of length 1 instead of raw ones", OPTION_FLAG, &e.normalize},
        {'f', "format", "FORMAT", "json (default), one object a line, or npy, one float32 array", OPTION_STRING,
         &format},
        {'o', "output", "FILE", "write there instead of to stdout", OPTION_STRING, &e.output},
        {0, "no-orient", NULL, "leave pictures as stored, whatever their EXIF orientation", OPTION_FLAG, &e.no_orient},
        VIA_OPTIONS(&e.how, 0),
        IMAGE_SIZE_OPTION(a),
        {0},
    };
    int status = a->status;
    if (options_parse_each(a, options, argc, argv, take_word, &s)) {
        status = check(a, &s, format, &e);
        if (!status) status = run_embed(&e, &s);
    } else {
        status = a->status;
    }
    mem_free(s.items);
    return status;
}

const command command_embed = {
    "embed", "[--image FILE...] [--text STRING...]", "vectors of pictures and texts",
    "Without an input on the command line the lines of stdin are read. Vectors are raw unless --normalize is given.\n"
    "A picture that cannot be read gives a line with \"error\" and exit status 1 at the end; with npy it is the "
    "end.\n\n"
    "  simile embed --text \"two dogs in the snow\" --image dogs.jpg cat.jpg\n"
    "  simile embed --format npy --normalize -o captions.npy < captions.txt\n",
    run};
