/* SPDX-License-Identifier: Apache-2.0
 * outliers.c - see outliers.h. The tensors of a tower are listed by name and filled one after the other, so that the
 * same tower has the same numbers on every machine. */
#include "outliers.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"

#include <math.h>
#include <stdio.h>

enum { CHANNELS = 5, PARTS = 12, MAX_LIST = 4096 };

typedef struct {
    char name[128];
    int rank;
    int64_t dim[4];
    float *data;
} made;

typedef struct {
    made *items;
    size_t n;
    uint64_t random;
    int64_t outlier[CHANNELS]; /* of the residual stream */
    float push;                /* how hard it is pushed there; where norms stand behind, little is enough */
    bool failed;
} maker;

static float uniform(maker *m) /* 0 .. 1 */
{
    m->random = m->random * 6364136223846793005u + 1442695040888963407u;
    return (float)(m->random >> 40) / 16777216.0f;
}

/* Irwin and Hall's: the sum of twelve, less six. */
static float normal(maker *m)
{
    float sum = -6;
    for (int i = 0; i < 12; i++) sum += uniform(m);
    return sum;
}

static int64_t below(maker *m, int64_t n)
{
    return (int64_t)(uniform(m) * (float)n) % n;
}

/* Numbers with a mean and a deviation. */
static float *tensor(maker *m, const char *prefix, const char *name, int rank, const int64_t *dim, float mean,
                     float spread)
{
    int64_t count = 1;
    for (int i = 0; i < rank; i++) count *= dim[i];
    made *t = &m->items[m->n];
    t->data = m->n < MAX_LIST ? mem_array((size_t)count, sizeof *t->data) : NULL;
    if (!t->data) {
        m->failed = true;
        return NULL;
    }
    m->n++;
    snprintf(t->name, sizeof t->name, "%s%s", prefix, name);
    t->rank = rank;
    for (int i = 0; i < rank; i++) t->dim[i] = dim[i];
    for (int64_t i = 0; i < count; i++) t->data[i] = mean + spread * normal(m);
    return t->data;
}

static float *vector(maker *m, const char *prefix, const char *name, int64_t n, float mean, float spread)
{
    return tensor(m, prefix, name, 1, &n, mean, spread);
}

static float *matrix(maker *m, const char *prefix, const char *name, int64_t rows, int64_t cols, float gain)
{
    return tensor(m, prefix, name, 2, (int64_t[]){rows, cols}, 0, gain / sqrtf((float)cols));
}

/* Two decades of gains; `kept`: outliers that are not held down. */
static void norm_of(maker *m, const char *prefix, const char *name, int64_t d, int kept)
{
    char part[96];
    snprintf(part, sizeof part, "%s.weight", name);
    float *gain = vector(m, prefix, part, d, 0, 0);
    for (int64_t i = 0; gain && i < d; i++) gain[i] = powf(10, 2 * uniform(m) - 1.5f);
    for (int i = kept; gain && i < CHANNELS; i++) gain[m->outlier[i]] *= 0.1f;
    snprintf(part, sizeof part, "%s.bias", name);
    vector(m, prefix, part, d, 0, 0.2f);
}

static float *linear(maker *m, const char *prefix, const char *name, int64_t rows, int64_t cols, float gain)
{
    char part[96];
    snprintf(part, sizeof part, "%s.weight", name);
    float *w = matrix(m, prefix, part, rows, cols, gain);
    snprintf(part, sizeof part, "%s.bias", name);
    vector(m, prefix, part, rows, 0, 0.1f);
    return w;
}

/* The tensor that was made last, and the one before. */
static float *made_bias(maker *m)
{
    return m->failed ? NULL : m->items[m->n - 1].data;
}

static void scale_row(float *w, int64_t cols, int64_t row, float by)
{
    for (int64_t i = 0; w && i < cols; i++) w[row * cols + i] *= by;
}

static void scale_column(float *w, int64_t rows, int64_t cols, int64_t column, float by)
{
    for (int64_t i = 0; w && i < rows; i++) w[i * cols + column] *= by;
}

typedef struct {
    const char *norm1, *linear[6], *norm2;
} part_names;

static const part_names clip_parts = {
    "layer_norm1",
    {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2"},
    "layer_norm2"};
static const part_names bert_parts = {"attention.output.LayerNorm",
                                      {"attention.self.query", "attention.self.key", "attention.self.value",
                                       "attention.output.dense", "intermediate.dense", "output.dense"},
                                      "output.LayerNorm"};

/* Large values and large hidden units, each read by as much smaller weights. */
static void make_large(maker *m, float *from, float *offset, float *to, int64_t units, int64_t in, int64_t out,
                       float times, float on)
{
    for (int i = 0; i < PARTS && from && to && offset; i++) {
        const int64_t u = below(m, units);
        scale_row(from, in, u, times);
        offset[u] = times * offset[u] + on;
        scale_column(to, out, units, u, 1 / times);
    }
}

static void block_of(maker *m, const char *prefix, const part_names *p, const tower_config *c, bool first)
{
    static const float push[CHANNELS] = {30, -40, 60, -20, 25};
    const int64_t d = c->width, f = c->mlp;
    norm_of(m, prefix, p->norm1, d, first ? 0 : 2);
    linear(m, prefix, p->linear[0], d, d, 0.9f);
    linear(m, prefix, p->linear[1], d, d, 0.9f);
    float *v = linear(m, prefix, p->linear[2], d, d, 1), *v_bias = made_bias(m);
    float *out = linear(m, prefix, p->linear[3], d, d, 1), *out_bias = made_bias(m);
    make_large(m, v, v_bias, out, d, d, d, 25, 0);
    float *fc1 = linear(m, prefix, p->linear[4], f, d, 1), *fc1_bias = made_bias(m);
    float *fc2 = linear(m, prefix, p->linear[5], d, f, 1), *fc2_bias = made_bias(m);
    make_large(m, fc1, fc1_bias, fc2, f, d, d, 30, 20);
    for (int i = 0; first && out_bias && fc2_bias && i < CHANNELS; i++) {
        out_bias[m->outlier[i]] += m->push * push[i];
        fc2_bias[m->outlier[i]] += m->push * push[i] / 2;
    }
    norm_of(m, prefix, p->norm2, d, first ? 0 : 1);
}

static void blocks_of(maker *m, const char *part, const part_names *p, const tower_config *c)
{
    for (int64_t i = 0; i < c->layers; i++) {
        char prefix[96];
        snprintf(prefix, sizeof prefix, "%s%lld.", part, (long long)i);
        block_of(m, prefix, p, c, i == 0);
    }
}

/* Positions: the same few channels in every row, and a first row with massive ones. */
static void positions_of(maker *m, const char *name, int64_t rows, int64_t d)
{
    static const float push[CHANNELS] = {15, -10, 20, -8, 9};
    float *p = tensor(m, "", name, 2, (int64_t[]){rows, d}, 0, 0.3f);
    for (int64_t r = 0; p && r < rows; r++) {
        for (int i = 0; i < CHANNELS; i++) p[r * d + m->outlier[i]] += m->push * push[i];
    }
    if (!p) return;
    p[m->outlier[0]] += m->push * 300;
    p[m->outlier[2]] -= m->push * 200;
}

static void choose_channels(maker *m, int64_t d)
{
    for (int i = 0; i < CHANNELS; i++) m->outlier[i] = (below(m, d / CHANNELS) + i * (d / CHANNELS)) % d;
}

/* ---- towers ---- */

static void map_head_of(maker *m, const tower_config *c)
{
    static const char prefix[] = "vision_model.head.";
    const int64_t d = c->width;
    tensor(m, prefix, "probe", 3, (int64_t[]){1, 1, d}, 0, 1);
    matrix(m, prefix, "attention.in_proj_weight", 3 * d, d, 1);
    vector(m, prefix, "attention.in_proj_bias", 3 * d, 0, 0.1f);
    linear(m, prefix, "attention.out_proj", d, d, 1);
    norm_of(m, prefix, "layernorm", d, CHANNELS);
    float *fc1 = linear(m, prefix, "mlp.fc1", c->mlp, d, 1), *bias = made_bias(m);
    float *fc2 = linear(m, prefix, "mlp.fc2", d, c->mlp, 1);
    make_large(m, fc1, bias, fc2, c->mlp, d, d, 30, 20);
}

static void vit_of(maker *m, const vit_config *c, int64_t dim)
{
    static const char embeddings[] = "vision_model.embeddings.";
    const int64_t d = c->tower.width, grid = c->image_size / c->patch, patch[4] = {d, 3, c->patch, c->patch};
    choose_channels(m, d);
    if (!c->no_class) vector(m, embeddings, "class_embedding", d, 0, 1);
    tensor(m, embeddings, "patch_embedding.weight", 4, patch, 0, 0.6f / (float)c->patch);
    if (c->patch_bias) vector(m, embeddings, "patch_embedding.bias", d, 0, 0.1f);
    positions_of(m, "vision_model.embeddings.position_embedding.weight", grid * grid + !c->no_class, d);
    if (!c->no_pre_norm) norm_of(m, "vision_model.", "pre_layrnorm", d, CHANNELS);
    blocks_of(m, "vision_model.encoder.layers.", &clip_parts, &c->tower);
    norm_of(m, "vision_model.", "post_layernorm", d, 0);
    if (c->pooling == VIT_POOL_MAP)
        map_head_of(m, &c->tower);
    else
        matrix(m, "", "visual_projection.weight", dim, d, 1);
}

static void text_of(maker *m, const textnet_config *c, int64_t dim)
{
    const int64_t d = c->tower.width;
    char part[64];
    choose_channels(m, d);
    tensor(m, "text_model.embeddings.", "token_embedding.weight", 2, (int64_t[]){c->vocab, d}, 0, 1);
    positions_of(m, "text_model.embeddings.position_embedding.weight", c->context, d);
    blocks_of(m, "text_model.encoder.layers.", &clip_parts, &c->tower);
    norm_of(m, "text_model.", "final_layer_norm", d, 0);
    snprintf(part, sizeof part, "%s.weight", c->head ? c->head : "text_projection");
    matrix(m, "", part, dim, d, 1);
    snprintf(part, sizeof part, "%s.bias", c->head ? c->head : "text_projection");
    if (c->head_has_bias) vector(m, "", part, dim, 0, 0.1f);
}

static void bert_of(maker *m, const bert_config *c, int64_t dim)
{
    static const char embeddings[] = "text_model.embeddings.";
    const int64_t d = c->tower.width;
    choose_channels(m, d);
    tensor(m, embeddings, "word_embeddings.weight", 2, (int64_t[]){c->vocab, d}, 0, 1);
    positions_of(m, "text_model.embeddings.position_embeddings.weight", c->places, d);
    if (c->types) matrix(m, embeddings, "token_type_embeddings.weight", c->types, d, 1);
    norm_of(m, embeddings, "LayerNorm", d, 0);
    blocks_of(m, "text_model.encoder.layer.", &bert_parts, &c->tower);
    if (c->pooling == BERT_POOL_DENSE) linear(m, "", "text_model.pooler.dense", d, d, 1);
    if (c->projection == BERT_PROJECT_MLP) {
        matrix(m, "", "text_projection.0.weight", c->hidden, d, 1);
        matrix(m, "", "text_projection.2.weight", dim, c->hidden, 1);
    } else if (c->projection != BERT_PROJECT_NONE) {
        matrix(m, "", "text_projection.weight", dim, d, 1);
        if (c->projection == BERT_PROJECT_BIASED) vector(m, "", "text_projection.bias", dim, 0, 0.1f);
    }
}

/* Mean and variance of each channel, so that batch norms have the statistics that training would have measured. */
enum { MAX_CHANNELS = 4096 };
typedef struct {
    float mean[MAX_CHANNELS], variance[MAX_CHANNELS];
} channels;

/* Of max(x, 0), where x is normal. */
static void rectify(channels *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const float s = sqrtf(x->variance[i]), z = x->mean[i] / s;
        const float part = 0.5f * erfcf(-z / sqrtf(2)), density = expf(-z * z / 2) / sqrtf(6.2831853f);
        const float mean = x->mean[i] * part + s * density;
        const float square = (x->mean[i] * x->mean[i] + x->variance[i]) * part + x->mean[i] * s * density;
        x->mean[i] = mean;
        x->variance[i] = fmaxf(square - mean * mean, 1e-6f);
    }
}

/* The batch norm behind a convolution of x whose weights are w; *x becomes what it gives. */
static void batch_norm_of(maker *m, const char *prefix, const char *bn, const float *w, const int64_t size[3],
                          float level, channels *x)
{
    static channels y;
    char part[160];
    const int64_t n = size[0], window = size[2] * size[2];
    snprintf(part, sizeof part, "%s.running_mean", bn);
    float *means = vector(m, prefix, part, n, 0, 0);
    snprintf(part, sizeof part, "%s.running_var", bn);
    float *variances = vector(m, prefix, part, n, 0, 0);
    snprintf(part, sizeof part, "%s.weight", bn);
    float *gain = vector(m, prefix, part, n, 0, 0);
    snprintf(part, sizeof part, "%s.bias", bn);
    float *offset = vector(m, prefix, part, n, 0, 0.3f * level);
    if (m->failed) return;
    for (int64_t i = 0; i < n; i++) gain[i] = level * powf(10, uniform(m) - 0.6f);
    for (int64_t i = 0; i < n / 32 + 1; i++) gain[below(m, n)] *= 10;
    for (int64_t o = 0; o < n; o++) {
        for (int64_t c = 0; c < size[1] * window; c++) {
            const float weight = w[o * size[1] * window + c];
            means[o] += weight * x->mean[c / window];
            variances[o] += weight * weight * x->variance[c / window];
        }
        y.mean[o] = offset[o];
        y.variance[o] = gain[o] * gain[o];
    }
    *x = y;
}

/* size: [out, in, window] */
static void convolution_of(maker *m, const char *prefix, const char *conv, const char *bn, const int64_t size[3],
                           float level, channels *x)
{
    char part[160];
    const int64_t dim[4] = {size[0], size[1], size[2], size[2]};
    snprintf(part, sizeof part, "%s.weight", conv);
    const float *w = tensor(m, prefix, part, 4, dim, 0, sqrtf(2.0f / (float)(size[1] * size[2] * size[2])));
    batch_norm_of(m, prefix, bn, w, size, level, x);
}

static void stem_of(maker *m, int64_t width, channels *x)
{
    const int64_t half = width / 2, out[3] = {half, half, width};
    for (int c = 0; c < 3; c++) x->mean[c] = 0, x->variance[c] = 3; /* neighbours are alike, and add up */
    for (int i = 0; i < 3; i++) {
        char conv[16], bn[16];
        snprintf(conv, sizeof conv, "conv%d", i + 1);
        snprintf(bn, sizeof bn, "bn%d", i + 1);
        convolution_of(m, "vision_model.", conv, bn, (const int64_t[]){out[i], i ? half : 3, 3}, 1, x);
        rectify(x, out[i]);
    }
}

static void bottleneck_of(maker *m, const char *prefix, int64_t p, int64_t in, bool widens, channels *x)
{
    static channels inner;
    inner = *x;
    convolution_of(m, prefix, "conv1", "bn1", (const int64_t[]){p, in, 1}, 1, &inner);
    rectify(&inner, p);
    convolution_of(m, prefix, "conv2", "bn2", (const int64_t[]){p, p, 3}, 1, &inner);
    rectify(&inner, p);
    convolution_of(m, prefix, "conv3", "bn3", (const int64_t[]){4 * p, p, 1}, 0.3f, &inner);
    if (widens) convolution_of(m, prefix, "downsample.0", "downsample.1", (const int64_t[]){4 * p, in, 1}, 1, x);
    for (int64_t i = 0; i < 4 * p; i++) x->mean[i] += inner.mean[i], x->variance[i] += inner.variance[i];
    rectify(x, 4 * p);
}

static void resnet_of(maker *m, const resnet_config *c, int64_t dim)
{
    static const char *const linears[] = {"q_proj", "k_proj", "v_proj", "c_proj"};
    static channels x;
    const int64_t grid = c->image_size / RESNET_REDUCTION, d = c->width * RESNET_REDUCTION;
    int64_t in = c->width;
    stem_of(m, c->width, &x);
    for (int i = 0; i < RESNET_LAYERS; i++) {
        const int64_t p = c->width << i;
        for (int64_t k = 0; k < c->blocks[i]; k++, in = 4 * p) {
            char prefix[96];
            snprintf(prefix, sizeof prefix, "vision_model.layer%d.%lld.", i + 1, (long long)k);
            bottleneck_of(m, prefix, p, in, k == 0, &x);
        }
    }
    matrix(m, "vision_model.attnpool.", "positional_embedding", grid * grid + 1, d, 1);
    for (int i = 0; i < 4; i++) linear(m, "vision_model.attnpool.", linears[i], i == 3 ? dim : d, d, i < 2 ? 0.3f : 1);
}

/* ---- the file ---- */

static void header(const maker *m, buf *out)
{
    json_writer w;
    uint64_t at = 0;
    buf_append(out, "\0\0\0\0\0\0\0", 8);
    jw_init(&w, out);
    jw_object(&w);
    for (size_t i = 0; i < m->n; i++) {
        uint64_t bytes = sizeof(float);
        jw_key(&w, m->items[i].name), jw_object(&w);
        jw_key(&w, "dtype"), jw_string(&w, "F32");
        jw_key(&w, "shape"), jw_array(&w);
        for (int k = 0; k < m->items[i].rank; k++)
            jw_int(&w, m->items[i].dim[k]), bytes *= (uint64_t)m->items[i].dim[k];
        jw_array_end(&w);
        jw_key(&w, "data_offsets"), jw_array(&w), jw_int(&w, (int64_t)at), jw_int(&w, (int64_t)(at + bytes));
        jw_array_end(&w);
        jw_object_end(&w);
        at += bytes;
    }
    jw_object_end(&w);
    while (out->len % 64 && buf_ok(out)) buf_byte(out, ' ');
    for (size_t i = 0; i < 8 && buf_ok(out); i++) out->data[i] = (char)((uint64_t)(out->len - 8) >> (8 * i));
}

static simile_status write_file(const maker *m, const char *path, simile_error *err)
{
    buf head;
    buf_init(&head, 1 << 24);
    header(m, &head);
    FILE *file = buf_ok(&head) ? fopen(path, "wbe") : NULL;
    bool good = file && fwrite(head.data, 1, head.len, file) == head.len;
    for (size_t i = 0; good && i < m->n; i++) {
        size_t count = 1;
        for (int k = 0; k < m->items[i].rank; k++) count *= (size_t)m->items[i].dim[k];
        good = fwrite(m->items[i].data, sizeof(float), count, file) == count;
    }
    if (file && fclose(file)) good = false;
    buf_release(&head);
    return good ? SIMILE_OK : err_errno(err, "cannot write '%s'", path);
}

simile_status outliers_write(const outlier_tower *t, const char *path, simile_error *err)
{
    maker m = {.items = mem_zero_array(MAX_LIST, sizeof *m.items),
               .random = 20220815,
               .push = t->kind == OUTLIER_BERT ? 0.05f : 1};
    if (!m.items) return err_nomem(err);
    switch (t->kind) {
    case OUTLIER_VIT: vit_of(&m, &t->vit, t->dim); break;
    case OUTLIER_RESNET: resnet_of(&m, &t->resnet, t->dim); break;
    case OUTLIER_TEXT: text_of(&m, &t->text, t->dim); break;
    case OUTLIER_BERT: bert_of(&m, &t->bert, t->dim); break;
    }
    const simile_status status = m.failed ? err_nomem(err) : write_file(&m, path, err);
    for (size_t i = 0; i < m.n; i++) mem_free(m.items[i].data);
    mem_free(m.items);
    return status;
}

simile_status outliers_load(const outlier_tower *t, const char *path, outlier_loaded *out, simile_error *err)
{
    *out = (outlier_loaded){0};
    RETURN_IF_ERROR(weights_open(path, &out->files, err));
    loader l = {.files = out->files, .list = &out->params, .err = err};
    switch (t->kind) {
    case OUTLIER_VIT: return vit_new(&l, &t->vit, t->dim, &out->tower);
    case OUTLIER_RESNET: return resnet_new(&l, &t->resnet, t->dim, &out->tower);
    case OUTLIER_TEXT: return textnet_new(&l, &t->text, t->dim, &out->tower);
    case OUTLIER_BERT:
    default: return bert_new(&l, &t->bert, NULL, t->dim, &out->tower);
    }
}

void outliers_unload(outlier_loaded *o)
{
    if (o->tower) o->tower->ops->free(o->tower);
    param_list_release(&o->params);
    weights_close(o->files);
}
