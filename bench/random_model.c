/* SPDX-License-Identifier: Apache-2.0
 * random_model.c - see random_model.h. Weights are uniform with the variance 1/inputs, so that activations stay in the
 * range of a trained network and no path (denormals, saturated softmax) is faster or slower than in earnest. */
#include "random_model.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/families/open_clip.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define TOWER(width, layers, heads)                                                                                    \
    {                                                                                                                  \
        width, layers, heads, 4 * (width), NN_ACT_QUICK_GELU, 1e-5f                                                    \
    }

const model_shape model_shapes[] = {
    {"vit-b-32", {{TOWER(768, 12, 12), 224, 32}, {TOWER(512, 12, 8), 49408, 77, 49407}, 512}},
    {"vit-b-16", {{TOWER(768, 12, 12), 224, 16}, {TOWER(512, 12, 8), 49408, 77, 49407}, 512}},
    {"vit-l-14", {{TOWER(1024, 24, 16), 224, 14}, {TOWER(768, 12, 12), 49408, 77, 49407}, 768}},
    {"rn50",
     {.text = {TOWER(512, 12, 8), 49408, 77, 49407},
      .dim = 1024,
      .convolutional = true,
      .resnet = {64, {3, 4, 6, 3}, 32, 224}}},
};
const int model_shapes_count = sizeof model_shapes / sizeof model_shapes[0];

const model_shape *model_shape_named(const char *name)
{
    for (int i = 0; i < model_shapes_count; i++) {
        if (!strcmp(model_shapes[i].name, name)) return &model_shapes[i];
    }
    return NULL;
}

/* ---- the list of tensors: walked twice, for the header and for the data ---- */

typedef struct {
    json_writer *header; /* first walk */
    FILE *data;          /* second walk */
    uint64_t at;
    uint32_t random;
    bool failed;
} walk;

static uint16_t f16_of(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    const uint32_t sign = bits >> 16 & 0x8000, exponent = bits >> 23 & 0xff;
    if (exponent < 113) return (uint16_t)sign; /* too small: zero will do here */
    return (uint16_t)(sign | (exponent - 112) << 10 | (bits >> 13 & 0x3ff));
}

static float uniform(walk *w) /* -1 .. 1 */
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 17;
    w->random ^= w->random << 5;
    return (float)w->random / 2147483648.0f - 1.0f;
}

static void write_values(walk *w, size_t n, float centre, float spread)
{
    uint16_t chunk[4096];
    while (n) {
        const size_t now = n < 4096 ? n : 4096;
        for (size_t i = 0; i < now; i++) chunk[i] = f16_of(centre + spread * uniform(w));
        if (fwrite(chunk, sizeof chunk[0], now, w->data) != now) w->failed = true;
        n -= now;
    }
}

static void tensor(walk *w, const char *name, int rank, const int64_t *dim, float centre, float spread)
{
    size_t n = 1;
    for (int i = 0; i < rank; i++) n *= (size_t)dim[i];
    if (w->data) {
        write_values(w, n, centre, spread);
        return;
    }
    jw_key(w->header, name);
    jw_object(w->header);
    jw_key(w->header, "dtype");
    jw_string(w->header, "F16");
    jw_key(w->header, "shape");
    jw_array(w->header);
    for (int i = 0; i < rank; i++) jw_int(w->header, dim[i]);
    jw_array_end(w->header);
    jw_key(w->header, "data_offsets");
    jw_array(w->header);
    jw_int(w->header, (int64_t)w->at);
    w->at += 2 * n;
    jw_int(w->header, (int64_t)w->at);
    jw_array_end(w->header);
    jw_object_end(w->header);
}

static void matrix(walk *w, const char *prefix, const char *name, int64_t rows, int64_t cols)
{
    char whole[256];
    const int64_t dim[2] = {rows, cols};
    float spread = 1;
    while (spread * spread * (float)cols > 3) spread /= 2; /* variance of uniform(-s, s) is s^2/3 */
    snprintf(whole, sizeof whole, "%s%s", prefix, name);
    tensor(w, whole, 2, dim, 0, spread);
}

static void vector(walk *w, const char *prefix, const char *name, int64_t n, float centre)
{
    char whole[256];
    snprintf(whole, sizeof whole, "%s%s", prefix, name);
    tensor(w, whole, 1, &n, centre, 0.1f);
}

static void norm_tensors(walk *w, const char *prefix, const char *name, int64_t n)
{
    char part[96];
    snprintf(part, sizeof part, "%s.weight", name);
    vector(w, prefix, part, n, 1);
    snprintf(part, sizeof part, "%s.bias", name);
    vector(w, prefix, part, n, 0);
}

static void linear_tensors(walk *w, const char *prefix, const char *name, int64_t rows, int64_t cols)
{
    char part[96];
    snprintf(part, sizeof part, "%s.weight", name);
    matrix(w, prefix, part, rows, cols);
    snprintf(part, sizeof part, "%s.bias", name);
    vector(w, prefix, part, rows, 0);
}

static void blocks(walk *w, const char *part, const tower_config *c)
{
    static const char *const names[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                        "self_attn.out_proj"};
    for (int64_t i = 0; i < c->layers; i++) {
        char prefix[96];
        snprintf(prefix, sizeof prefix, "%s.encoder.layers.%lld.", part, (long long)i);
        norm_tensors(w, prefix, "layer_norm1", c->width);
        norm_tensors(w, prefix, "layer_norm2", c->width);
        for (int k = 0; k < 4; k++) linear_tensors(w, prefix, names[k], c->width, c->width);
        linear_tensors(w, prefix, "mlp.fc1", c->mlp, c->width);
        linear_tensors(w, prefix, "mlp.fc2", c->width, c->mlp);
    }
}

/* size: [out, in, window]; statistics that leave numbers as they are. */
static void convolution(walk *w, const char *prefix, const char *conv, const char *bn, const int64_t size[3])
{
    char name[160];
    const int64_t dim[4] = {size[0], size[1], size[2], size[2]}, inputs = size[1] * size[2] * size[2];
    float spread = 1;
    while (spread * spread * (float)inputs > 3) spread /= 2;
    snprintf(name, sizeof name, "%s%s.weight", prefix, conv);
    tensor(w, name, 4, dim, 0, spread);
    norm_tensors(w, prefix, bn, size[0]);
    snprintf(name, sizeof name, "%s.running_mean", bn);
    vector(w, prefix, name, size[0], 0);
    snprintf(name, sizeof name, "%s.running_var", bn);
    vector(w, prefix, name, size[0], 1);
}

static void resnet_tensors(walk *w, const resnet_config *c, int64_t dim)
{
    static const char *const linears[] = {"q_proj", "k_proj", "v_proj", "c_proj"};
    const int64_t grid = c->image_size / RESNET_REDUCTION, d = c->width * RESNET_REDUCTION, half = c->width / 2;
    int64_t in = c->width;
    convolution(w, "vision_model.", "conv1", "bn1", (const int64_t[]){half, 3, 3});
    convolution(w, "vision_model.", "conv2", "bn2", (const int64_t[]){half, half, 3});
    convolution(w, "vision_model.", "conv3", "bn3", (const int64_t[]){in, half, 3});
    for (int i = 0; i < RESNET_LAYERS; i++) {
        const int64_t p = c->width << i;
        for (int64_t k = 0; k < c->blocks[i]; k++, in = 4 * p) {
            char prefix[96];
            snprintf(prefix, sizeof prefix, "vision_model.layer%d.%lld.", i + 1, (long long)k);
            convolution(w, prefix, "conv1", "bn1", (const int64_t[]){p, in, 1});
            convolution(w, prefix, "conv2", "bn2", (const int64_t[]){p, p, 3});
            convolution(w, prefix, "conv3", "bn3", (const int64_t[]){4 * p, p, 1});
            if (k == 0) convolution(w, prefix, "downsample.0", "downsample.1", (const int64_t[]){4 * p, in, 1});
        }
    }
    matrix(w, "vision_model.attnpool.", "positional_embedding", grid * grid + 1, d);
    for (int i = 0; i < 4; i++) linear_tensors(w, "vision_model.attnpool.", linears[i], i == 3 ? dim : d, d);
}

static void vit_tensors(walk *w, const clip_config *c)
{
    const int64_t d = c->vision.tower.width, p = c->vision.patch, patch[4] = {d, 3, p, p};
    const int64_t grid = c->vision.image_size / p;
    tensor(w, "vision_model.embeddings.patch_embedding.weight", 4, patch, 0, 0.03f);
    vector(w, "vision_model.embeddings.", "class_embedding", d, 0);
    matrix(w, "vision_model.embeddings.", "position_embedding.weight", grid * grid + 1, d);
    norm_tensors(w, "vision_model.", "pre_layrnorm", d);
    blocks(w, "vision_model", &c->vision.tower);
    norm_tensors(w, "vision_model.", "post_layernorm", d);
    matrix(w, "", "visual_projection.weight", c->dim, d);
}

static void clip_tensors(walk *w, const void *config)
{
    const clip_config *c = config;
    if (c->convolutional)
        resnet_tensors(w, &c->resnet, c->dim);
    else
        vit_tensors(w, c);
    matrix(w, "text_model.embeddings.", "token_embedding.weight", c->text.vocab, c->text.tower.width);
    matrix(w, "text_model.embeddings.", "position_embedding.weight", c->text.context, c->text.tower.width);
    blocks(w, "text_model", &c->text.tower);
    norm_tensors(w, "text_model.", "final_layer_norm", c->text.tower.width);
    matrix(w, "", "text_projection.weight", c->dim, c->text.tower.width);
    tensor(w, "logit_scale", 0, NULL, 4.6f, 0);
}

/* One side of a translator; parts of a layer: attention to itself, and in the decoder to the source. */
static void marian_blocks(walk *w, const char *side, const tower_config *c, const char *const *parts, int n_parts)
{
    static const char *const names[] = {"q_proj", "k_proj", "v_proj", "out_proj"};
    for (int64_t i = 0; i < c->layers; i++) {
        char prefix[48], name[40];
        snprintf(prefix, sizeof prefix, "model.%s.layers.%lld.", side, (long long)i);
        for (int p = 0; p < n_parts; p++) {
            for (int k = 0; k < 4; k++) {
                snprintf(name, sizeof name, "%s.%s", parts[p], names[k]);
                linear_tensors(w, prefix, name, c->width, c->width);
            }
            snprintf(name, sizeof name, "%s_layer_norm", parts[p]);
            norm_tensors(w, prefix, name, c->width);
        }
        linear_tensors(w, prefix, "fc1", c->mlp, c->width);
        linear_tensors(w, prefix, "fc2", c->width, c->mlp);
        norm_tensors(w, prefix, "final_layer_norm", c->width);
    }
}

static void marian_tensors(walk *w, const void *config)
{
    static const char *const parts[] = {"self_attn", "encoder_attn"};
    const marian_config *c = config;
    const int64_t bias[2] = {1, c->vocab};
    matrix(w, "model.", "shared.weight", c->vocab, c->encoder.width);
    marian_blocks(w, "encoder", &c->encoder, parts, 1);
    marian_blocks(w, "decoder", &c->decoder, parts, 2);
    tensor(w, "final_logits_bias", 2, bias, 0, 0.1f);
}

typedef void (*tensors_fn)(walk *w, const void *config);

static simile_status write_weights(tensors_fn tensors, const void *config, const char *path, simile_error *err)
{
    buf header;
    json_writer writer;
    buf_init(&header, 1 << 20);
    jw_init(&writer, &header);
    walk w = {.header = &writer, .random = 2463534242u};
    jw_object(&writer);
    tensors(&w, config);
    jw_object_end(&writer);
    while (header.len % 8) buf_byte(&header, ' ');
    simile_status status = SIMILE_OK;
    w.data = buf_ok(&header) ? fopen(path, "wb") : NULL;
    if (!w.data) {
        status = err_errno(err, "cannot write '%s'", path);
    } else {
        const uint64_t n = header.len; /* little-endian machines only, like the product */
        w.failed = fwrite(&n, sizeof n, 1, w.data) != 1 || fwrite(header.data, 1, header.len, w.data) != header.len;
        tensors(&w, config);
        if (fclose(w.data) || w.failed) status = err_errno(err, "cannot write '%s'", path);
    }
    buf_release(&header);
    return status;
}

static void tower_json(json_writer *w, const char *key, const tower_config *c)
{
    jw_key(w, key);
    jw_object(w);
    jw_key(w, "hidden_size");
    jw_int(w, c->width);
    jw_key(w, "num_hidden_layers");
    jw_int(w, c->layers);
    jw_key(w, "num_attention_heads");
    jw_int(w, c->heads);
    jw_key(w, "intermediate_size");
    jw_int(w, c->mlp);
}

static void config_json(json_writer *w, const clip_config *c)
{
    jw_object(w);
    jw_key(w, "model_type");
    jw_string(w, "clip");
    jw_key(w, "projection_dim");
    jw_int(w, c->dim);
    tower_json(w, "vision_config", &c->vision.tower);
    jw_key(w, "image_size");
    jw_int(w, c->vision.image_size);
    jw_key(w, "patch_size");
    jw_int(w, c->vision.patch);
    jw_object_end(w);
    tower_json(w, "text_config", &c->text.tower);
    jw_key(w, "vocab_size");
    jw_int(w, c->text.vocab);
    jw_key(w, "max_position_embeddings");
    jw_int(w, c->text.context);
    jw_key(w, "eos_token_id");
    jw_int(w, c->text.eos);
    jw_object_end(w);
    jw_object_end(w);
}

/* ---- a vocabulary as large as CLIP's ----
 * 256 characters for bytes, the same at the end of a word, 676 merges of two letters and as many at the end of a word,
 * 47,542 merges of two such pairs, every second one at the end of a word, and the two special tokens: 49,408. */
enum { BYTES = 256, LETTERS = 26, PAIRS = LETTERS * LETTERS, MERGES = 49408 - 2 - 2 * BYTES };

typedef struct {
    char left[8], right[16];
} merge;

static void byte_piece(int byte, bool ends, char out[16])
{
    int spare = 256;
    for (int b = 0; b < byte; b++) spare += !((b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b != 0xad));
    const bool plain = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
    const int c = plain ? byte : spare;
    const int n = c < 0x80 ? snprintf(out, 16, "%c", c) : snprintf(out, 16, "%c%c", 0xc0 | c >> 6, 0x80 | (c & 0x3f));
    snprintf(out + n, 16 - (size_t)n, "%s", ends ? "</w>" : "");
}

static merge merge_number(int i)
{
    merge m;
    const char *ending = "";
    if (i < 2 * PAIRS) {
        if (i >= PAIRS) ending = "</w>";
        snprintf(m.left, sizeof m.left, "%c", 'a' + i % PAIRS / LETTERS);
        snprintf(m.right, sizeof m.right, "%c%s", 'a' + i % LETTERS, ending);
        return m;
    }
    const int k = (i - 2 * PAIRS) / 2, left = k % PAIRS, right = (k / PAIRS + 7 * left) % PAIRS;
    if (i % 2) ending = "</w>";
    snprintf(m.left, sizeof m.left, "%c%c", 'a' + left / LETTERS, 'a' + left % LETTERS);
    snprintf(m.right, sizeof m.right, "%c%c%s", 'a' + right / LETTERS, 'a' + right % LETTERS, ending);
    return m;
}

static void vocab_json(json_writer *w)
{
    int id = 0;
    char piece[32];
    jw_object(w);
    for (int ends = 0; ends < 2; ends++) {
        for (int b = 0; b < BYTES; b++) {
            byte_piece(b, ends, piece);
            jw_key(w, piece);
            jw_int(w, id++);
        }
    }
    for (int i = 0; i < MERGES; i++) {
        const merge m = merge_number(i);
        snprintf(piece, sizeof piece, "%s%s", m.left, m.right);
        jw_key(w, piece);
        jw_int(w, id++);
    }
    jw_key(w, "<|startoftext|>");
    jw_int(w, id++);
    jw_key(w, "<|endoftext|>");
    jw_int(w, id++);
    jw_object_end(w);
}

static void merges_txt(buf *out)
{
    buf_text(out, "#version: 0.2\n");
    for (int i = 0; i < MERGES; i++) {
        const merge m = merge_number(i);
        buf_printf(out, "%s %s\n", m.left, m.right);
    }
}

static simile_status write_text(const char *directory, const char *name, const char *text, size_t len,
                                simile_error *err)
{
    char *path = path_join(directory, name);
    const simile_status status = path ? file_replace(path, text, len, err) : err_nomem(err);
    mem_free(path);
    return status;
}

static simile_status write_file(const char *directory, tensors_fn tensors, const void *config, simile_error *err)
{
    char *path = path_join(directory, "model.safetensors");
    const simile_status status = path ? write_weights(tensors, config, path, err) : err_nomem(err);
    mem_free(path);
    return status;
}

simile_status random_model_write(const model_shape *shape, const char *directory, simile_error *err)
{
    buf b;
    json_writer w;
    buf_init(&b, 4 << 20);
    jw_init(&w, &b);
    const bool convolutional = shape->config.convolutional;
    if (convolutional)
        open_clip_write_resnet(&shape->config, &b);
    else
        config_json(&w, &shape->config);
    const char *name = convolutional ? "open_clip_config.json" : "config.json";
    simile_status status = write_text(directory, name, b.data, b.len, err);
    buf_clear(&b);
    jw_init(&w, &b);
    vocab_json(&w);
    if (!status) status = write_text(directory, "vocab.json", b.data, b.len, err);
    buf_clear(&b);
    merges_txt(&b);
    if (!status) status = write_text(directory, "merges.txt", b.data, b.len, err);
    buf_release(&b);
    return status ? status : write_file(directory, clip_tensors, &shape->config, err);
}

static void number(json_writer *w, const char *key, int64_t value)
{
    jw_key(w, key);
    jw_int(w, value);
}

static void marian_side_json(json_writer *w, const char *side, const tower_config *c)
{
    char key[64];
    snprintf(key, sizeof key, "%s_layers", side);
    number(w, key, c->layers);
    snprintf(key, sizeof key, "%s_attention_heads", side);
    number(w, key, c->heads);
    snprintf(key, sizeof key, "%s_ffn_dim", side);
    number(w, key, c->mlp);
}

simile_status random_translator_write(const marian_config *c, const char *directory, simile_error *err)
{
    buf b;
    json_writer w;
    buf_init(&b, 1 << 20);
    jw_init(&w, &b);
    jw_object(&w);
    jw_key(&w, "model_type");
    jw_string(&w, "marian");
    jw_key(&w, "activation_function");
    jw_string(&w, "swish");
    jw_key(&w, "scale_embedding");
    jw_bool(&w, c->scale_embedding);
    number(&w, "vocab_size", c->vocab);
    number(&w, "d_model", c->encoder.width);
    number(&w, "max_position_embeddings", c->places);
    marian_side_json(&w, "encoder", &c->encoder);
    marian_side_json(&w, "decoder", &c->decoder);
    number(&w, "pad_token_id", c->pad);
    number(&w, "eos_token_id", c->eos);
    number(&w, "num_beams", c->beams);
    number(&w, "max_length", c->longest);
    jw_object_end(&w);
    const simile_status status = write_text(directory, "config.json", b.data, b.len, err);
    buf_release(&b);
    return status ? status : write_file(directory, marian_tensors, c, err);
}

void random_model_remove(const char *directory)
{
    static const char *const names[] = {"config.json", "open_clip_config.json", "vocab.json", "merges.txt",
                                        "model.safetensors"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = path_join(directory, names[i]);
        if (path) unlink(path);
        mem_free(path);
    }
    rmdir(directory);
}
