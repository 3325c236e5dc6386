/* SPDX-License-Identifier: Apache-2.0
 * test_precision.c - towers in bfloat16 and in 8-bit integers beside themselves in float32, with activations that are
 * as uneven as those of trained networks (outliers.h says how and why), and the same vectors for every batch and every
 * number of threads.
 *
 *     test_precision --full [NAME]     prints the same at the sizes of published networks; minutes, and gigabytes of
 *                                      temporary files
 *     test_precision --write NAME FILE writes one of these towers as safetensors, for tools/rivals */
#include "outliers.h"

#include "model/model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

/* What each precision is held to; the measured values are one to two decades nearer to 1. */
static const double least_cosine[NN_PRECISIONS] = {
    [NN_COMPUTE_F32] = 1 - 1e-6, [NN_COMPUTE_BF16] = 0.9999, [NN_COMPUTE_INT8] = 0.99};

enum { INPUTS = 7 }; /* of pictures, more rows than a block takes at once in bfloat16 */

#define TOWER(w, l, h, a, e)                                                                                           \
    {                                                                                                                  \
        .width = w, .layers = l, .heads = h, .mlp = 4 * (w), .act = a, .eps = e                                        \
    }

static const outlier_tower small[] = {
    {"CLIP, Chinese-CLIP: pictures", OUTLIER_VIT, 128, .vit = {TOWER(256, 6, 4, NN_ACT_QUICK_GELU, 1e-5f), 96, 16}},
    {"SigLIP: pictures", OUTLIER_VIT, 256,
     .vit = {TOWER(256, 6, 4, NN_ACT_GELU_TANH, 1e-6f), 96, 16, 0, true, true, true, VIT_POOL_MAP}},
    {"ModifiedResNet: pictures", OUTLIER_RESNET, 128, .resnet = {32, {2, 2, 3, 2}, 16, 96}},
    {"CLIP: texts", OUTLIER_TEXT, 128, .text = {TOWER(256, 6, 4, NN_ACT_QUICK_GELU, 1e-5f), 1000, 32, 999}},
    {"SigLIP: texts", OUTLIER_TEXT, 256,
     .text = {TOWER(256, 6, 4, NN_ACT_GELU_TANH, 1e-6f), 1000, 24, 999, true, true, true, 1, NULL, true}},
    {"Chinese-CLIP: texts (BERT)", OUTLIER_BERT, 128,
     .bert = {TOWER(256, 6, 4, NN_ACT_GELU, 1e-12f), 1000, 40, 2, 0, 0, false, 32, BERT_POOL_FIRST,
              BERT_PROJECT_LINEAR}},
    {"M-CLIP: texts (XLM-R)", OUTLIER_BERT, 128,
     .bert = {TOWER(256, 6, 4, NN_ACT_GELU, 1e-5f), 1000, 40, 1, 2, 1, false, 32, BERT_POOL_MEAN, BERT_PROJECT_BIASED}},
    {"open_clip: texts (XLM-R)", OUTLIER_BERT, 128,
     .bert = {TOWER(256, 6, 4, NN_ACT_GELU, 1e-5f), 1000, 40, 1, 2, 1, true, 32, BERT_POOL_MEAN, BERT_PROJECT_MLP,
              192}},
    {"sentence-transformers: texts (DistilBERT)", OUTLIER_BERT, 256,
     .bert = {TOWER(256, 6, 4, NN_ACT_GELU, 1e-12f), 1000, 40, 0, 0, -1, false, 32, BERT_POOL_MEAN}},
};

static const outlier_tower full[] = {
    {"clip-image", OUTLIER_VIT, 512, .vit = {TOWER(768, 12, 12, NN_ACT_QUICK_GELU, 1e-5f), 224, 32}},
    {"clip-text", OUTLIER_TEXT, 512, .text = {TOWER(512, 12, 8, NN_ACT_QUICK_GELU, 1e-5f), 49408, 77, 49407}},
    {"siglip-image", OUTLIER_VIT, 768,
     .vit = {TOWER(768, 12, 12, NN_ACT_GELU_TANH, 1e-6f), 224, 16, 0, true, true, true, VIT_POOL_MAP}},
    {"siglip-text", OUTLIER_TEXT, 768,
     .text = {TOWER(768, 12, 12, NN_ACT_GELU_TANH, 1e-6f), 32000, 64, 1, true, true, true, 1, NULL, true}},
    {"rn50", OUTLIER_RESNET, 1024, .resnet = {64, {3, 4, 6, 3}, 32, 224}},
    {"chinese-text", OUTLIER_BERT, 512,
     .bert = {TOWER(768, 12, 12, NN_ACT_GELU, 1e-12f), 21128, 512, 2, 0, 0, false, 52, BERT_POOL_FIRST,
              BERT_PROJECT_LINEAR}},
    {"mclip-text", OUTLIER_BERT, 512,
     .bert = {TOWER(1024, 24, 16, NN_ACT_GELU, 1e-5f), 50000, 514, 1, 2, 1, false, 64, BERT_POOL_MEAN,
              BERT_PROJECT_BIASED}},
    {"distilbert-text", OUTLIER_BERT, 768,
     .bert = {TOWER(768, 6, 12, NN_ACT_GELU, 1e-12f), 119547, 512, 0, 0, -1, false, 64, BERT_POOL_MEAN}},
};

/* ---- what goes in ---- */

typedef struct {
    float *pixels; /* of an image tower: [INPUTS, 3, R, R] */
    token_list texts[INPUTS];
    int32_t *ids;
} inputs;

static double noise(uint64_t *random) /* -1 .. 1 */
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (double)(*random >> 40) / 8388608 - 1;
}

/* Waves of a few lengths and directions, and some noise: with a spread of about 1, as normalised pictures have. */
static void draw(float *pixels, int64_t size, uint64_t seed)
{
    for (int c = 0; c < 3; c++) {
        const double fx = 6 * noise(&seed), fy = 6 * noise(&seed), gx = 30 * noise(&seed), phase = 3 * noise(&seed);
        const double level = noise(&seed);
        for (int64_t i = 0; i < size * size; i++) {
            const double x = (double)(i % size) / (double)size, y = (double)(i / size) / (double)size;
            pixels[c * size * size + i] =
                (float)(level + sin(fx * x + fy * y + phase) + 0.5 * sin(gx * x) + 0.3 * noise(&seed));
        }
    }
}

static inputs inputs_for(const tower *t)
{
    inputs in = {0};
    uint64_t random = 7;
    const size_t size = (size_t)t->image_size, each = 3 * size * size;
    if (size) {
        in.pixels = mem_array(INPUTS * each, sizeof *in.pixels);
        for (size_t i = 0; i < INPUTS; i++) draw(in.pixels + i * each, t->image_size, i + 1);
        return in;
    }
    in.ids = mem_array((size_t)(INPUTS * t->context), sizeof *in.ids);
    for (int i = 0; i < INPUTS; i++) {
        int32_t *ids = in.ids + i * t->context;
        const int64_t n = i == 0 ? t->context : 4 + 3 * i;
        for (int64_t k = 0; k + 1 < n; k++) ids[k] = 3 + (int32_t)((noise(&random) + 1) / 2 * (double)(t->vocab - 5));
        ids[n - 1] = (int32_t)t->vocab - 1;
        in.texts[i] = (token_list){.ids = ids, .n = (size_t)n};
    }
    return in;
}

static void inputs_release(inputs *in)
{
    mem_free(in->pixels);
    mem_free(in->ids);
}

/* ---- what comes out ---- */

/* Inputs first .. first + n - 1, packed already. */
static void encode(const tower *t, nn_context *ctx, arena *memory, const inputs *in, int first, int n, float *out)
{
    simile_error err;
    const size_t each = 3 * (size_t)t->image_size * (size_t)t->image_size;
    for (int i = 0; i < n && in->pixels;) {
        const int64_t now = n - i < t->chunk ? n - i : t->chunk;
        if (t->ops->see(t, ctx, memory, in->pixels + (size_t)(first + i) * each, now, out + i * t->dim, &err))
            fail_msg("%s", err.message);
        i += (int)now;
    }
    if (!in->pixels && t->ops->read(t, ctx, memory, in->texts + first, (size_t)n, out, &err))
        fail_msg("%s", err.message);
}

typedef struct {
    float *together;   /* [INPUTS, E], all at once on one thread */
    double one_by_one; /* the largest difference of unit vectors from that, one input at a time on three threads */
    size_t bytes;
} encoded;

static void make_unit(float *v, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)v[i] * (double)v[i];
    for (int64_t i = 0; i < n; i++) v[i] = (float)((double)v[i] / sqrt(sum));
}

static encoded run(tower *t, const inputs *in, packer *how)
{
    simile_error err;
    encoded e = {.together = mem_array((size_t)(INPUTS * t->dim), sizeof *e.together)};
    float *one = mem_array((size_t)t->dim, sizeof *one);
    nn_context *alone, *three;
    arena memory;
    assert_true(e.together && one && arena_init(&memory, t->ops->memory(t)));
    if (t->ops->pack(t, how, &err)) fail_msg("%s", err.message);
    assert_int_equal(nn_context_new(1, &alone, &err), 0);
    assert_int_equal(nn_context_new(3, &three, &err), 0);
    encode(t, alone, &memory, in, 0, INPUTS, e.together);
    for (int i = 0; i < INPUTS; i++) {
        float *of = e.together + i * t->dim;
        encode(t, three, &memory, in, i, 1, one);
        make_unit(one, t->dim), make_unit(of, t->dim);
        for (int64_t k = 0; k < t->dim; k++) e.one_by_one = fmax(e.one_by_one, fabs((double)one[k] - (double)of[k]));
    }
    e.bytes = how->bytes;
    t->ops->unpack(t);
    nn_context_free(alone);
    nn_context_free(three);
    arena_release(&memory);
    mem_free(one);
    return e;
}

static double dot(const float *a, const float *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

typedef struct {
    double lowest[NN_PRECISIONS], one_by_one[NN_PRECISIONS];
    double alike; /* mean cosine of different inputs, in float32 */
    double naive; /* the lowest with 8-bit integers whose columns are left as they are */
    size_t bytes[NN_PRECISIONS];
} report;

static double lowest_cosine(const float *a, const float *b, int64_t dim)
{
    double least = 1;
    for (int i = 0; i < INPUTS; i++) least = fmin(least, dot(a + i * dim, b + i * dim, dim));
    return least;
}

static report measure(const outlier_tower *t)
{
    report r = {0};
    outlier_loaded o;
    simile_error err;
    char path[] = "/tmp/simile-precision-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    if (outliers_write(t, path, &err) || outliers_load(t, path, &o, &err)) fail_msg("%s: %s", t->name, err.message);
    inputs in = inputs_for(o.tower);
    float *reference = NULL;
    for (int p = NN_COMPUTE_F32; p < NN_PRECISIONS; p++) {
        packer how = packer_for((nn_precision)p);
        const encoded e = run(o.tower, &in, &how);
        packer_close(&how);
        if (p == NN_COMPUTE_F32) reference = e.together;
        r.lowest[p] = lowest_cosine(reference, e.together, t->dim);
        r.one_by_one[p] = e.one_by_one;
        r.bytes[p] = e.bytes;
        if (p != NN_COMPUTE_F32) mem_free(e.together);
    }
    packer how = packer_for(NN_COMPUTE_INT8);
    how.unbalanced = true;
    const encoded naive = run(o.tower, &in, &how);
    packer_close(&how);
    r.naive = lowest_cosine(reference, naive.together, t->dim);
    for (int i = 1; i < INPUTS; i++) r.alike += dot(reference, reference + i * t->dim, t->dim) / (INPUTS - 1);
    mem_free(naive.together);
    mem_free(reference);
    inputs_release(&in);
    outliers_unload(&o);
    unlink(path);
    return r;
}

static void print(const outlier_tower *t, const report *r)
{
    print_message("%-42s bf16 %.6f  int8 %.5f  (columns left alone %.5f)  inputs alike %.2f\n", t->name,
                  r->lowest[NN_COMPUTE_BF16], r->lowest[NN_COMPUTE_INT8], r->naive, r->alike);
}

static void test_cosines(void **state)
{
    double naive = 1, balanced = 1;
    for (size_t i = 0; i < sizeof small / sizeof *small; i++) {
        const report r = measure(&small[i]);
        print(&small[i], &r);
        assert_true(r.alike < 0.99); /* or every answer would be the same, and near to every other */
        for (int p = 0; p < NN_PRECISIONS; p++) {
            if (!(r.lowest[p] >= least_cosine[p]))
                fail_msg("%s in %s: a cosine of %.6f", small[i].name, nn_precision_name((nn_precision)p), r.lowest[p]);
            if (!(r.one_by_one[p] <= 1e-6))
                fail_msg("%s in %s: %g apart by itself", small[i].name, nn_precision_name((nn_precision)p),
                         r.one_by_one[p]);
        }
        naive = fmin(naive, r.naive);
        balanced = fmin(balanced, r.lowest[NN_COMPUTE_INT8]);
    }
    assert_true(naive < 0.99); /* the outliers are there: without their columns' factors, 8 bits do not do */
}

static int run_full(const char *only)
{
    for (size_t i = 0; i < sizeof full / sizeof *full; i++) {
        if (only && strcmp(full[i].name, only) != 0) continue;
        const report r = measure(&full[i]);
        print(&full[i], &r);
        printf("    packed: f32 %zu MB, bf16 %zu MB, int8 %zu MB; by itself on three threads within %.1g, %.1g, %.1g\n",
               r.bytes[0] >> 20, r.bytes[1] >> 20, r.bytes[2] >> 20, r.one_by_one[0], r.one_by_one[1], r.one_by_one[2]);
    }
    return 0;
}

static int write_full(const char *name, const char *path)
{
    simile_error err;
    for (size_t i = 0; i < sizeof full / sizeof *full; i++) {
        if (strcmp(full[i].name, name) != 0) continue;
        if (!outliers_write(&full[i], path, &err)) return 0;
        fprintf(stderr, "test_precision: %s\n", err.message);
        return 1;
    }
    fprintf(stderr, "test_precision: there is no tower '%s'\n", name);
    return 2;
}

int main(int argc, char **argv)
{
    if (argc == 4 && !strcmp(argv[1], "--write")) return write_full(argv[2], argv[3]);
    if (argc > 1 && !strcmp(argv[1], "--full")) return run_full(argc > 2 ? argv[2] : NULL);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cosines)};
    return cmocka_run_group_tests_name("precision", tests, NULL, NULL);
}
