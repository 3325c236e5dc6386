/* SPDX-License-Identifier: Apache-2.0
 * resnet.c - CLIP's ModifiedResNet: see resnet.h for the formulas.
 * Reference: openai/CLIP, clip/model.py (Bottleneck, AttentionPool2d, ModifiedResNet).
 *
 * Tensors have OpenAI's names behind "vision_model.". A batch norm is folded into the convolution before it when that
 * is packed. Activations are channels last, so that the last of them are the rows that the pool wants.
 *
 * Four buffers are passed through the network: x and y, the two ends of a block, and a and b inside it. A block whose
 * shortcut is x adds to x in place. The first layers have large activations and small weights, the last ones the
 * reverse: up to EARLY_LAYERS a few pictures are taken through at a time, so that what they leave is still in the cache
 * when it is read, and from there on the whole chunk together, so that weights are read once for all of it.
 *
 * What is rounded early passes through all that follows, and grows there: in 8-bit integers the early layers of RN50
 * with random weights cost three quarters of what is lost, for a sixth of the products. They are computed with more
 * care, and the first convolution, of three channels, in float32. */
#include "model/resnet.h"

#include "model/attention_pool.h"

#include <math.h>
#include <stdio.h>

enum { STEM = 3, EXPANSION = 4, EARLY_LAYERS = 2, EARLY_CHUNK = 1 };
/* Weights read for so many pictures at once cost little beside the products with them; larger networks, which have more
 * to do with each weight, take fewer. */
enum { MOST_CHUNK = 8, LATE_BYTES = 96 << 20 };

typedef struct {
    nn_tensor weights, gain, offset, mean, variance; /* a convolution and the batch norm behind it */
    nn_conv *conv;                                   /* both, once packed */
} layer;

typedef struct {
    layer in, middle, out, shortcut; /* 1x1, 3x3, 1x1; 1x1 where `widens` */
    bool widens;                     /* the first of its layer */
    int64_t pool;                    /* 2: halves height and width */
    int64_t side, planes;            /* height and width of x; channels inside */
} block;

typedef struct {
    tower base;
    resnet_config config;
    int64_t features, grid; /* 32 W, R / 32 */
    layer stem[STEM];
    block *blocks;
    int64_t n_blocks, n_early; /* in all; in the early layers */
    nn_tensor position_view;
    float *position; /* [N+1, 32W], once packed */
    attention_pool pool;
} resnet;

bool resnet_config_fits(const resnet_config *c)
{
    if (c->width < 2 || c->width % 2 || c->width * RESNET_REDUCTION > CONFIG_MAX_WIDTH) return false;
    for (int i = 0; i < RESNET_LAYERS; i++) {
        if (c->blocks[i] < 1 || c->blocks[i] > CONFIG_MAX_LAYERS) return false;
    }
    if (c->heads < 1 || c->width * RESNET_REDUCTION % c->heads) return false;
    if (c->image_size < RESNET_REDUCTION || c->image_size > 8192 || c->image_size % RESNET_REDUCTION) return false;
    return c->image_size / RESNET_REDUCTION * (c->image_size / RESNET_REDUCTION) < CONFIG_MAX_PLACES;
}

/* ---- loading ---- */

/* prefix: of the block or the stem; conv and bn: their names in it. size: [out, in, window]. */
static layer layer_load(loader *l, const char *prefix, const char *conv, const char *bn, const int64_t size[3])
{
    char name[128];
    layer y = {.conv = NULL};
    snprintf(name, sizeof name, "%s%s.", prefix, conv);
    y.weights = loader_get(l, name, "weight", 4, (const int64_t[]){size[0], size[1], size[2], size[2]});
    snprintf(name, sizeof name, "%s%s.", prefix, bn);
    y.gain = loader_vector(l, name, "weight", size[0]);
    y.offset = loader_vector(l, name, "bias", size[0]);
    y.mean = loader_statistic(l, name, "running_mean", size[0]);
    y.variance = loader_statistic(l, name, "running_var", size[0]);
    return y;
}

static void block_load(loader *l, const char *prefix, int64_t in, block *b)
{
    const int64_t p = b->planes, out = EXPANSION * p;
    b->in = layer_load(l, prefix, "conv1", "bn1", (const int64_t[]){p, in, 1});
    b->middle = layer_load(l, prefix, "conv2", "bn2", (const int64_t[]){p, p, 3});
    b->out = layer_load(l, prefix, "conv3", "bn3", (const int64_t[]){out, p, 1});
    if (b->widens) b->shortcut = layer_load(l, prefix, "downsample.0", "downsample.1", (const int64_t[]){out, in, 1});
}

static void layers_load(loader *l, resnet *r)
{
    int64_t side = r->config.image_size / 4, channels = r->config.width;
    block *b = r->blocks;
    for (int i = 0; i < RESNET_LAYERS; i++) {
        for (int64_t k = 0; k < r->config.blocks[i]; k++, b++) {
            char prefix[64];
            snprintf(prefix, sizeof prefix, "vision_model.layer%d.%lld.", i + 1, (long long)k);
            *b = (block){.widens = k == 0, .pool = k == 0 && i > 0 ? 2 : 1, .side = side};
            b->planes = r->config.width << i;
            block_load(l, prefix, channels, b);
            side /= b->pool;
            channels = EXPANSION * b->planes;
        }
        if (i + 1 == EARLY_LAYERS) r->n_early = b - r->blocks;
    }
}

static void load(loader *l, resnet *r)
{
    static const char *const names[POOL_LINEARS] = {"q_proj", "k_proj", "v_proj", "c_proj"};
    const int64_t w = r->config.width, d = r->features;
    const int64_t stem[STEM][3] = {{w / 2, 3, 3}, {w / 2, w / 2, 3}, {w, w / 2, 3}};
    for (int i = 0; i < STEM; i++) {
        char conv[16], bn[16];
        snprintf(conv, sizeof conv, "conv%d", i + 1);
        snprintf(bn, sizeof bn, "bn%d", i + 1);
        r->stem[i] = layer_load(l, "vision_model.", conv, bn, stem[i]);
    }
    layers_load(l, r);
    r->position_view = loader_matrix(l, "vision_model.attnpool.", "positional_embedding", r->grid * r->grid + 1, d);
    for (int i = 0; i < POOL_LINEARS; i++) {
        char prefix[64];
        const int64_t rows = i == POOL_OUT ? r->base.dim : d;
        snprintf(prefix, sizeof prefix, "vision_model.attnpool.%s.", names[i]);
        r->pool.weight[i] = loader_matrix(l, prefix, "weight", rows, d);
        r->pool.bias[i] = loader_vector(l, prefix, "bias", rows);
    }
}

/* ---- packing ---- */

/* bn(conv(x)) = conv'(x) + bias: row o of the weights times scale[o] = gain / sqrt(variance + eps). */
static bool fold(const layer *y, float *scale, float *bias)
{
    const int64_t n = nn_tensor_count(&y->gain);
    bool finite = true;
    for (int64_t i = 0; i < n; i++) {
        float gain, offset, mean, variance;
        nn_tensor_to_f32(&y->gain, i, 1, &gain);
        nn_tensor_to_f32(&y->offset, i, 1, &offset);
        nn_tensor_to_f32(&y->mean, i, 1, &mean);
        nn_tensor_to_f32(&y->variance, i, 1, &variance);
        const double factor = (double)gain / sqrt((double)variance + 1e-5);
        scale[i] = (float)factor;
        bias[i] = (float)((double)offset - (double)mean * factor);
        finite &= isfinite(scale[i]) && isfinite(bias[i]);
    }
    return finite;
}

/* What of it reaches a convolution is 0 or more; sizes: of its input's channels, or NULL. */
static simile_status layer_pack(layer *y, nn_precision precision, int64_t stride, int64_t side, const float *sizes,
                                packer *how, simile_error *err)
{
    const int64_t n = y->weights.dim[0], window = y->weights.dim[2];
    float *scale = mem_array((size_t)n, sizeof *scale), *bias = mem_array((size_t)n, sizeof *bias);
    const nn_conv_spec spec = {.weights = y->weights,
                               .scale = scale,
                               .bias = bias,
                               .stride = stride,
                               .pad = window / 2,
                               .height = side,
                               .width = side,
                               .precision = precision};
    simile_status status = SIMILE_OK;
    if (!scale || !bias)
        status = err_nomem(err);
    else if (!fold(y, scale, bias))
        status = err_set(err, SIMILE_E_CORRUPT, "cannot use the image tower: a batch norm has impossible statistics");
    else
        status = packer_conv(how, &spec, sizes, &y->conv, err);
    mem_free(scale);
    mem_free(bias);
    return status;
}

static void layer_unpack(layer *y)
{
    nn_conv_free(y->conv);
    y->conv = NULL;
}

/* How large the channels behind a batch norm get: it was trained to give each the mean `offset` and the deviation
 * `gain`. On top of what `sizes` holds already, if `add`. */
static void sizes_behind(const layer *y, bool add, float *sizes)
{
    const int64_t n = y->weights.dim[0];
    for (int64_t i = 0; i < n; i++) {
        float gain, offset;
        nn_tensor_to_f32(&y->gain, i, 1, &gain);
        nn_tensor_to_f32(&y->offset, i, 1, &offset);
        const float size = fmaxf(offset + 4 * fabsf(gain), 0);
        sizes[i] = add ? sizes[i] + size : size;
    }
}

/* sizes: of the channels of x, and then of what the block makes of it; inner: scratch. */
static simile_status block_pack(block *b, nn_precision precision, float *sizes, float *inner, packer *how,
                                simile_error *err)
{
    const int64_t side = b->side / b->pool;
    RETURN_IF_ERROR(layer_pack(&b->in, precision, 1, b->side, sizes, how, err));
    sizes_behind(&b->in, false, inner);
    RETURN_IF_ERROR(layer_pack(&b->middle, precision, 1, b->side, inner, how, err));
    sizes_behind(&b->middle, false, inner);
    RETURN_IF_ERROR(layer_pack(&b->out, precision, 1, side, inner, how, err));
    if (b->widens) RETURN_IF_ERROR(layer_pack(&b->shortcut, precision, 1, side, sizes, how, err));
    if (b->widens) sizes_behind(&b->shortcut, false, sizes);
    sizes_behind(&b->out, true, sizes);
    return SIMILE_OK;
}

static simile_status resnet_pack(tower *t, packer *how, simile_error *err)
{
    resnet *r = (resnet *)t;
    const int64_t side = r->config.image_size;
    r->position = tensor_floats(&r->position_view);
    if (!r->position) return err_nomem(err);
    RETURN_IF_ERROR(layer_pack(&r->stem[0], NN_COMPUTE_F32, 2, side, NULL, how, err));
    for (int i = 1; i < STEM; i++) RETURN_IF_ERROR(layer_pack(&r->stem[i], how->careful, 1, side / 2, NULL, how, err));
    float *sizes = mem_array((size_t)(2 * r->features), sizeof *sizes); /* no channels are more */
    if (!sizes) return err_nomem(err);
    sizes_behind(&r->stem[STEM - 1], false, sizes);
    simile_status status = SIMILE_OK;
    for (int64_t i = 0; i < r->n_blocks && !status; i++)
        status = block_pack(&r->blocks[i], i < r->n_early ? how->careful : how->precision, sizes, sizes + r->features,
                            how, err);
    if (!status) status = attention_pool_pack(&r->pool, how->precision, sizes, how, err);
    mem_free(sizes);
    return status;
}

static void resnet_unpack(tower *t)
{
    resnet *r = (resnet *)t;
    for (int i = 0; i < STEM; i++) layer_unpack(&r->stem[i]);
    for (int64_t i = 0; r->blocks && i < r->n_blocks; i++) {
        layer_unpack(&r->blocks[i].in);
        layer_unpack(&r->blocks[i].middle);
        layer_unpack(&r->blocks[i].out);
        layer_unpack(&r->blocks[i].shortcut);
    }
    attention_pool_unpack(&r->pool);
    mem_free(r->position);
    r->position = NULL;
}

static void resnet_free(tower *t)
{
    resnet *r = (resnet *)t;
    resnet_unpack(t);
    mem_free(r->blocks);
    mem_free(r);
}

/* ---- running ---- */

/* What passes through the network: n pictures in x, and room for any block in the others. */
typedef struct {
    const resnet *r;
    nn_context *ctx;
    int64_t n, channels; /* of x */
    float *x, *y, *a, *b;
} pass;

/* Numbers that x and y, and a and b, must hold for one picture from block `first` to before block `end`. */
typedef struct {
    int64_t outer, inner;
} room;

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static room room_for(const resnet *r, int64_t first, int64_t end)
{
    const int64_t half = r->config.image_size / 2, w = r->config.width;
    room need = {0, 0};
    if (first == 0) need = (room){half * half * w, most(half * half * (w / 2), 4 * half * half * 3)};
    for (int64_t i = first; i < end; i++) {
        const block *b = &r->blocks[i];
        const int64_t in = b->widens ? (i ? 2 : 1) * b->planes : EXPANSION * b->planes, side = b->side / b->pool;
        need.outer = most(need.outer, most(b->side * b->side * in, side * side * EXPANSION * b->planes));
        need.inner = most(need.inner, b->side * b->side * b->planes);
    }
    return need;
}

static bool pass_place(pass *p, arena *memory, const room *need)
{
    const size_t outer = (size_t)(p->n * need->outer) * sizeof(float);
    const size_t inner = (size_t)(p->n * need->inner) * sizeof(float);
    p->x = arena_take(memory, outer);
    p->y = arena_take(memory, outer);
    p->a = arena_take(memory, inner);
    p->b = arena_take(memory, inner);
    return p->x && p->y && p->a && p->b;
}

static size_t room_bytes(const room *need, int64_t n)
{
    return (size_t)(n * 2 * (need->outer + need->inner)) * sizeof(float) + 4 * 64;
}

static void swap(float **a, float **b)
{
    float *c = *a;
    *a = *b;
    *b = c;
}

static simile_status apply(const pass *p, const layer *y, int64_t side, const float *from, float *to, bool relu,
                           bool add, simile_error *err)
{
    const nn_pictures size = {p->n, side, side};
    return nn_conv_run(p->ctx, y->conv, &size, from, to, relu ? NN_ACT_RELU : NN_ACT_NONE, add, err);
}

static void halve(const pass *p, int64_t side, int64_t channels, const float *from, float *to)
{
    nn_avg_pool(p->ctx, &(nn_pictures){p->n, side, side}, channels, 2, from, to);
}

typedef struct {
    int64_t side;
    const float *planes; /* [n, 3, R, R] */
    float *pixels;       /* [n, R, R, 3] */
} interleaving;

/* nn_parallel_fn: one row of one picture. */
static void interleave(void *user, int64_t item)
{
    const interleaving *j = user;
    const int64_t r = j->side, picture = item / r, row = item % r;
    const float *from = j->planes + (picture * 3 * r + row) * r;
    float *to = j->pixels + item * r * 3;
    for (int64_t c = 0; c < 3; c++)
        for (int64_t i = 0; i < r; i++) to[3 * i + c] = from[c * r * r + i];
}

/* pixels: [n, 3, R, R]; x: [n, R/4, R/4, W]. */
static simile_status run_stem(pass *p, const float *pixels, simile_error *err)
{
    const layer *stem = p->r->stem;
    const int64_t side = p->r->config.image_size;
    interleaving j = {side, pixels, p->b};
    nn_parallel(p->ctx, p->n * side, interleave, &j);
    RETURN_IF_ERROR(apply(p, &stem[0], side, p->b, p->a, true, false, err));
    RETURN_IF_ERROR(apply(p, &stem[1], side / 2, p->a, p->b, true, false, err));
    RETURN_IF_ERROR(apply(p, &stem[2], side / 2, p->b, p->y, true, false, err));
    halve(p, side / 2, p->r->config.width, p->y, p->x);
    p->channels = p->r->config.width;
    return SIMILE_OK;
}

/* x: [n, side, side, in], afterwards [n, side / pool, side / pool, 4 planes]. */
static simile_status run_block(pass *p, const block *b, simile_error *err)
{
    const int64_t side = b->side / b->pool;
    const float *inside = p->b, *whole = p->x;
    RETURN_IF_ERROR(apply(p, &b->in, b->side, p->x, p->a, true, false, err));
    RETURN_IF_ERROR(apply(p, &b->middle, b->side, p->a, p->b, true, false, err));
    if (b->pool > 1) {
        halve(p, b->side, b->planes, p->b, p->a);
        halve(p, b->side, p->channels, p->x, p->b); /* x has twice the channels: half of b is enough */
        inside = p->a;
        whole = p->b;
    }
    if (b->widens) {
        RETURN_IF_ERROR(apply(p, &b->shortcut, side, whole, p->y, false, false, err));
        swap(&p->x, &p->y);
    }
    p->channels = EXPANSION * b->planes;
    return apply(p, &b->out, side, inside, p->x, true, true, err);
}

/* Stem and early layers of n pictures. The last time that x changes its place it moves to `out`, where it stays. */
static simile_status run_early(const resnet *r, nn_context *ctx, arena *memory, int64_t n, const float *pixels,
                               float *out, simile_error *err)
{
    const room need = room_for(r, 0, r->n_early);
    pass p = {.r = r, .ctx = ctx, .n = n};
    if (!pass_place(&p, memory, &need)) return err_set(err, SIMILE_E_INTERNAL, "the encoder's memory is too small");
    RETURN_IF_ERROR(run_stem(&p, pixels, err));
    for (int64_t i = 0; i < r->n_early; i++) {
        if (i == r->n_early - r->config.blocks[EARLY_LAYERS - 1]) p.y = out;
        RETURN_IF_ERROR(run_block(&p, &r->blocks[i], err));
    }
    return SIMILE_OK;
}

typedef struct {
    int64_t pixels, width;
    const float *x, *position; /* [n, N, D], [N+1, D] */
    float *rows, *queries;     /* [n, N+1, D], [n, D] */
} placing;

/* nn_parallel_fn: one picture's rows, the mean of them first, each plus its position. */
static void place_rows(void *user, int64_t item)
{
    const placing *j = user;
    const int64_t d = j->width;
    const float *x = j->x + item * j->pixels * d;
    float *rows = j->rows + item * (j->pixels + 1) * d, *mean = rows;
    for (int64_t i = 0; i < d; i++) mean[i] = 0;
    for (int64_t k = 0; k < j->pixels; k++)
        for (int64_t i = 0; i < d; i++) mean[i] += x[k * d + i];
    for (int64_t i = 0; i < d; i++) mean[i] = mean[i] / (float)j->pixels + j->position[i];
    for (int64_t i = 0; i < j->pixels * d; i++) rows[d + i] = x[i] + j->position[d + i];
    memcpy(j->queries + item * d, mean, (size_t)d * sizeof *mean);
}

static simile_status forward(const resnet *r, nn_context *ctx, arena *memory, const float *pixels, int64_t n,
                             float *out, simile_error *err)
{
    const room need = room_for(r, r->n_early, r->n_blocks);
    const block *late = &r->blocks[r->n_early];
    const size_t each = (size_t)(3 * r->config.image_size * r->config.image_size);
    pass p = {.r = r, .ctx = ctx, .n = n, .channels = late->planes * 2};
    if (!pass_place(&p, memory, &need)) return err_set(err, SIMILE_E_INTERNAL, "the encoder's memory is too small");
    const size_t mark = arena_mark(memory);
    for (int64_t i = 0; i < n; i += EARLY_CHUNK) {
        const int64_t now = n - i < EARLY_CHUNK ? n - i : EARLY_CHUNK;
        float *to = p.x + i * late->side * late->side * p.channels;
        RETURN_IF_ERROR(run_early(r, ctx, memory, now, pixels + (size_t)i * each, to, err));
        arena_reset(memory, mark);
    }
    for (int64_t i = r->n_early; i < r->n_blocks; i++) RETURN_IF_ERROR(run_block(&p, &r->blocks[i], err));
    placing j = {r->grid * r->grid, r->features, p.x, r->position, p.y, p.a}; /* smaller than before the last layer */
    nn_parallel(ctx, n, place_rows, &j);
    return attention_pool_run(&r->pool, ctx, memory, n, j.pixels + 1, j.queries, j.rows, out, err);
}

static simile_status resnet_see(const tower *t, nn_context *ctx, arena *memory, const float *pixels, int64_t n,
                                float *out, simile_error *err)
{
    const size_t mark = arena_mark(memory);
    const simile_status status = forward((const resnet *)t, ctx, memory, pixels, n, out, err);
    arena_reset(memory, mark);
    return status;
}

static int64_t chunk_of(const resnet *r)
{
    const room late = room_for(r, r->n_early, r->n_blocks);
    const int64_t chunk = LATE_BYTES / (int64_t)room_bytes(&late, 1);
    return chunk < 1 ? 1 : chunk > MOST_CHUNK ? MOST_CHUNK : chunk;
}

static size_t resnet_memory(const tower *t)
{
    const resnet *r = (const resnet *)t;
    const room early = room_for(r, 0, r->n_early), late = room_for(r, r->n_early, r->n_blocks);
    const size_t for_early = room_bytes(&early, EARLY_CHUNK);
    const size_t for_pool = attention_pool_memory(&r->pool, r->base.chunk, r->grid * r->grid + 1);
    return room_bytes(&late, r->base.chunk) + (for_early > for_pool ? for_early : for_pool);
}

static void resnet_identify(const tower *t, const tokenizer *words, digest *d)
{
    char text[64];
    (void)words;
    const int n = snprintf(text, sizeof text, "resnet heads %lld", (long long)((const resnet *)t)->config.heads);
    digest_add_part(d, text, (size_t)n);
}

static const tower_ops resnet_ops = {.pack = resnet_pack,
                                     .unpack = resnet_unpack,
                                     .free = resnet_free,
                                     .memory = resnet_memory,
                                     .identify = resnet_identify,
                                     .see = resnet_see};

simile_status resnet_new(loader *l, const resnet_config *c, int64_t dim, tower **out)
{
    resnet *r = mem_new(resnet);
    *out = r ? &r->base : NULL;
    if (!r) return l->status = err_nomem(l->err);
    r->base = (tower){.ops = &resnet_ops, .dim = dim, .image_size = c->image_size, .chunk = 1};
    r->config = *c;
    r->features = c->width * RESNET_REDUCTION;
    r->grid = c->image_size / RESNET_REDUCTION;
    r->pool.heads = c->heads;
    for (int i = 0; i < RESNET_LAYERS; i++) r->n_blocks += c->blocks[i];
    r->blocks = mem_zero_array((size_t)r->n_blocks, sizeof *r->blocks);
    if (!r->blocks) return l->status = err_nomem(l->err);
    load(l, r);
    r->base.chunk = chunk_of(r);
    return l->status;
}
