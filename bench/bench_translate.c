/* SPDX-License-Identifier: Apache-2.0
 * bench_translate.c - a translator of opus-mt-zh-en's shape with random weights: a sentence of 12 tokens, five beams,
 * to answers of 13 tokens, beside the time that the product library alone would need for the same products, in one run.
 *
 *     bench_translate [DIR] [--threads N] [--runs 7] [--beams 5] [--longest 14] [--json] [--paced]
 *
 * DIR: a checkpoint in Marian's layout instead (no tokenizer is read). Rounds alternate: translation, bound,
 * translation, ...; the median of the pairwise ratios is quoted. At so few rows a product takes as long as its weights
 * take to arrive from memory, and these are more than any cache holds: "weights" is how fast they came.
 * The bound is of the encoder, of the first step with its one beam, and of the steps behind it, each of which is
 * counted as long as the one that was measured.
 * --paced translates once for each line of standard input and prints wall and processor seconds and the
 * tokens of the best answer, for programs that alternate it with something else (tools/rivals/translate.py). */
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/beam.h"
#include "products_bound.h"
#include "random_model.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { MAX_RUNS = 101, TOKENS = 12 };

typedef struct {
    const char *directory;
    int threads, runs, beams, longest; /* threads 0: 1 and 2 */
    bool json, paced;
} options;

typedef struct {
    weights *files;
    param_list params;
    marian *m;
    marian_config config;
} network;

static void fail(const simile_error *err)
{
    fprintf(stderr, "bench_translate: %s\n", err->message);
    exit(1);
}

/* ---- the network ---- */

static void read_config(const char *directory, marian_config *out)
{
    simile_error err;
    json_t *root;
    char *path = path_join(directory, "config.json");
    if (!path || json_read_object(path, 1 << 20, &root, &err) ||
        marian_config_read((json_from){root, path}, NULL, out, &err))
        fail(&err);
    json_decref(root);
    mem_free(path);
}

static void open_network(const char *directory, network *n)
{
    simile_error err = {0};
    *n = (network){0};
    read_config(directory, &n->config);
    if (weights_open(directory, &n->files, &err)) fail(&err);
    loader l = {.files = n->files, .list = &n->params, .err = &err};
    packer how = {.precision = NN_COMPUTE_F32};
    if (marian_new(&l, &n->config, &n->m) || marian_pack(n->m, &how, &err)) fail(&err);
    packer_close(&how);
}

static void open_random(network *n)
{
    const tower_config side = {.width = 512, .layers = 6, .heads = 8, .mlp = 2048, .act = NN_ACT_SWISH};
    const marian_config shape = {.encoder = side,
                                 .decoder = side,
                                 .vocab = 65001,
                                 .places = 512,
                                 .pad = 65000,
                                 .scale_embedding = true,
                                 .beams = 6,
                                 .longest = 512};
    const char *tmp = getenv("TMPDIR");
    char *folder = mem_printf("%s/simile-bench-XXXXXX", tmp ? tmp : "/tmp");
    simile_error err = {.message = "cannot make a temporary folder"};
    if (!folder || !mkdtemp(folder)) fail(&err);
    const simile_status status = random_translator_write(&shape, folder, &err);
    if (!status) open_network(folder, n);
    random_model_remove(folder); /* the mapping keeps the weights */
    if (status) fail(&err);
    mem_free(folder);
}

static void close_network(network *n)
{
    marian_free(n->m);
    param_list_release(&n->params);
    weights_close(n->files);
}

/* ---- one translation ---- */

/* Returns the seconds that it took. answers: for beam_answers_release(). */
static double translate(const network *n, nn_context *ctx, const options *o, beam_answers *answers)
{
    static const int32_t starts[] = {0, TOKENS};
    int32_t ids[TOKENS] = {5, 9, 14, 20, 31, 44, 50, 61, 70, 77, 82, n->config.eos};
    const beam_options search = {.beams = o->beams, .longest = o->longest};
    simile_error err;
    marian_run *run;
    const double start = bench_now();
    if (marian_run_new(n->m, ctx, ids, starts, 1, &run, &err)) fail(&err);
    if (beam_search(run, ctx, &n->config, 1, &search, answers, &err)) fail(&err);
    marian_run_free(run);
    return bench_now() - start;
}

/* The same; *said: tokens of the best answer, the end token too. */
static double translate_only(const network *n, nn_context *ctx, const options *o, int *said)
{
    beam_answers answers;
    const double seconds = translate(n, ctx, o, &answers);
    *said = answers.n ? (int)answers.items[0].n + 1 : 0;
    beam_answers_release(&answers);
    return seconds;
}

/* ---- what its products would take alone ---- */

typedef struct {
    products_bound *encoder, *first, *step;
} bounds;

/* Products of one decoder step, the one of all logits at the end. */
static int64_t step_products(const marian_config *c, int64_t rows, bound_product *out)
{
    const int64_t d = c->decoder.width, f = c->decoder.mlp;
    const bound_product layer[] = {{rows, 3 * d, d}, {rows, d, d}, {rows, d, d},
                                   {rows, d, d},     {rows, f, d}, {rows, d, f}};
    enum { A_LAYER = sizeof layer / sizeof *layer };
    for (int64_t i = 0; i < c->decoder.layers; i++) memcpy(out + i * A_LAYER, layer, sizeof layer);
    out[c->decoder.layers * A_LAYER] = (bound_product){rows, c->vocab, d};
    return c->decoder.layers * A_LAYER + 1;
}

/* Those of the encoder, and the keys and values that each layer of the decoder makes of its states. */
static int64_t encoder_products(const marian_config *c, bound_product *out)
{
    const int64_t d = c->encoder.width, f = c->encoder.mlp;
    const bound_product layer[] = {{TOKENS, 3 * d, d}, {TOKENS, d, d}, {TOKENS, f, d}, {TOKENS, d, f}};
    enum { A_LAYER = sizeof layer / sizeof *layer };
    int64_t n = A_LAYER * c->encoder.layers;
    for (int64_t i = 0; i < c->encoder.layers; i++) memcpy(out + i * A_LAYER, layer, sizeof layer);
    for (int64_t i = 0; i < c->decoder.layers; i++) out[n++] = (bound_product){TOKENS, 2 * d, d};
    return n;
}

static double numbers_of(const bound_product *list, int64_t n)
{
    double numbers = 0;
    for (int64_t i = 0; i < n; i++) numbers += (double)list[i].n * (double)list[i].k;
    return numbers;
}

/* Returns the bytes of weights that a translation of `steps` steps reads. */
static double bounds_new(const marian_config *c, const options *o, int threads, int steps, bounds *out)
{
    simile_error err;
    bound_product *list = mem_array((size_t)(6 * (c->encoder.layers + c->decoder.layers) + 1), sizeof *list);
    if (!list) exit(1);
    int64_t n = encoder_products(c, list);
    double numbers = numbers_of(list, n);
    if (products_bound_of(list, n, threads, &out->encoder, &err)) fail(&err);
    n = step_products(c, 1, list);
    numbers += steps * numbers_of(list, n);
    if (products_bound_of(list, n, threads, &out->first, &err)) fail(&err);
    n = step_products(c, o->beams, list);
    if (products_bound_of(list, n, threads, &out->step, &err)) fail(&err);
    mem_free(list);
    return numbers * sizeof(float);
}

static double bounds_run(const bounds *b, int steps)
{
    double encoder, first, step;
    simile_error err;
    if (products_bound_run(b->encoder, &encoder, &err) || products_bound_run(b->first, &first, &err) ||
        products_bound_run(b->step, &step, &err))
        fail(&err);
    return encoder + first + (steps - 1) * step;
}

static void bounds_free(const bounds *b)
{
    products_bound_free(b->encoder);
    products_bound_free(b->first);
    products_bound_free(b->step);
}

/* ---- rows ---- */

typedef struct {
    double seconds, bound, share, bytes;
    int said, steps;
} row;

static row measure(const network *n, const options *o, int threads)
{
    double whole[MAX_RUNS], bound[MAX_RUNS], ratio[MAX_RUNS];
    nn_context *ctx;
    simile_error err;
    row out = {0};
    bounds b;
    if (nn_context_new(threads, &ctx, &err)) fail(&err);
    translate_only(n, ctx, o, &out.said);
    out.steps = out.said;
    if (out.steps < 1) out.steps = 1;
    out.bytes = bounds_new(&n->config, o, threads, out.steps, &b);
    for (int r = -1; r < o->runs; r++) { /* one round to warm up */
        const int k = r < 0 ? 0 : r;
        whole[k] = translate_only(n, ctx, o, &out.said);
        bound[k] = bounds_run(&b, out.steps);
        ratio[k] = bound[k] / whole[k];
    }
    out.share = bench_median(ratio, o->runs);
    out.seconds = bench_median(whole, o->runs);
    out.bound = bench_median(bound, o->runs);
    bounds_free(&b);
    nn_context_free(ctx);
    return out;
}

static void report(const network *n, const options *o, int threads, json_writer *w)
{
    const row r = measure(n, o, threads);
    if (!o->json)
        printf("translate  %d tokens, %d beams, threads %d  %8.2f ms a sentence  %6.1f tokens/s  bound %8.2f ms  "
               "share %5.1f %%  weights %5.1f GB/s\n",
               TOKENS, o->beams, threads, 1e3 * r.seconds, r.said / r.seconds, 1e3 * r.bound, 100 * r.share,
               r.bytes / r.seconds * 1e-9);
    jw_object(w);
    jw_key(w, "tokens");
    jw_int(w, TOKENS);
    jw_key(w, "said");
    jw_int(w, r.said);
    jw_key(w, "beams");
    jw_int(w, o->beams);
    jw_key(w, "threads");
    jw_int(w, threads);
    jw_key(w, "seconds");
    jw_double(w, r.seconds);
    jw_key(w, "bound_seconds");
    jw_double(w, r.bound);
    jw_key(w, "share_of_bound");
    jw_double(w, r.share);
    jw_key(w, "weight_bytes");
    jw_double(w, r.bytes);
    jw_object_end(w);
}

static double processor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void pace(const network *n, const options *o)
{
    char line[64];
    nn_context *ctx;
    simile_error err;
    beam_answers answers;
    if (nn_context_new(o->threads ? o->threads : 1, &ctx, &err)) fail(&err);
    while (fgets(line, sizeof line, stdin)) {
        const double before = processor_seconds(), seconds = translate(n, ctx, o, &answers);
        printf("%.6f %.6f", seconds, processor_seconds() - before);
        for (size_t i = 0; answers.n && i < answers.items[0].n; i++) printf(" %d", answers.items[0].ids[i]);
        printf("\n");
        fflush(stdout);
        beam_answers_release(&answers);
    }
    nn_context_free(ctx);
}

/* ---- the command ---- */

static void usage(void)
{
    fprintf(stderr, "usage: bench_translate [DIR] [--threads N] [--runs N] [--beams N] [--longest N] [--json] "
                    "[--paced]\n");
    exit(2);
}

static void parse(int argc, char **argv, options *o)
{
    const struct {
        const char *name;
        int *value, most;
    } numbers[] = {{"--threads", &o->threads, 256},
                   {"--runs", &o->runs, MAX_RUNS},
                   {"--beams", &o->beams, 64},
                   {"--longest", &o->longest, 512}};
    enum { NUMBERS = sizeof numbers / sizeof *numbers };
    for (int i = 1; i < argc; i++) {
        int k = 0;
        while (k < NUMBERS && strcmp(argv[i], numbers[k].name)) k++;
        if (k < NUMBERS && i + 1 < argc) {
            *numbers[k].value = (int)strtol(argv[++i], NULL, 10);
            if (*numbers[k].value < 1 || *numbers[k].value > numbers[k].most) usage();
        } else if (!strcmp(argv[i], "--json")) {
            o->json = true;
        } else if (!strcmp(argv[i], "--paced")) {
            o->paced = true;
        } else if (argv[i][0] != '-' && !o->directory) {
            o->directory = argv[i];
        } else {
            usage();
        }
    }
}

int main(int argc, char **argv)
{
    options o = {.runs = 7, .beams = 5, .longest = 14};
    network n;
    buf b;
    json_writer w;
    parse(argc, argv, &o);
    if (o.directory)
        open_network(o.directory, &n);
    else
        open_random(&n);
    buf_init(&b, 1 << 20);
    jw_init(&w, &b);
    jw_array(&w);
    if (o.paced) {
        pace(&n, &o);
    } else {
        for (int threads = o.threads ? o.threads : 1; threads <= (o.threads ? o.threads : 2); threads++)
            report(&n, &o, threads, &w);
    }
    jw_array_end(&w);
    if (o.json && !o.paced) printf("%s\n", b.data);
    buf_release(&b);
    close_network(&n);
    return 0;
}
