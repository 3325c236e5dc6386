/* SPDX-License-Identifier: Apache-2.0
 * gguf.c - GGUF files: clip.cpp's networks.
 *
 *     "GGUF"  u32 version (2, 3)  u64 tensors  u64 pairs
 *     pairs    key, u32 type, value                        a string is u64 length and bytes
 *     tensors  name, u32 rank, u64 sizes[rank], u32 type, u64 offset     the size that runs fastest comes first
 *     padding up to a multiple of "general.alignment" (32), then the tensors' bytes; offsets count from there
 *
 * Refused: other versions and big-endian files, a key or a name twice, types without a place here, sizes that overflow
 * or do not divide into blocks, offsets that are not aligned, tensors that overlap or lie beyond the end. Reference:
 * ggml-org/ggml, docs/gguf.md and src/gguf.cpp; the keys: monatis/clip.cpp, models/convert_hf_to_gguf.py.
 *
 * The bytes are hostile. Memory: one table entry for each tensor, 16 bytes for each pair, and for each token. */
#include "base/mem.h"
#include "model/weights.h"

#include <stdio.h>

enum { MAX_PAIRS = 65536, MAX_NAME = 64, MAX_RANK = 4, MAX_ALIGNMENT = 1 << 20 };

typedef struct {
    const uint8_t *data;
    size_t len, at;
    const char *subject;
    simile_error *err;
    gguf_facts *facts;
    uint64_t alignment;
} reader;

typedef struct {
    const char *text;
    uint64_t len;
} string;

static simile_status corrupt(const reader *r, const char *why)
{
    return err_set(r->err, SIMILE_E_CORRUPT, "cannot read '%s': %s", r->subject, why);
}

static simile_status take(reader *r, uint64_t n, const uint8_t **out)
{
    if (n > r->len - r->at) return corrupt(r, "the file is cut short");
    *out = r->data + r->at;
    r->at += (size_t)n;
    return SIMILE_OK;
}

static simile_status take_number(reader *r, int bytes, uint64_t *out)
{
    const uint8_t *at = NULL;
    RETURN_IF_ERROR(take(r, (uint64_t)bytes, &at));
    *out = 0;
    for (int i = 0; i < bytes; i++) *out |= (uint64_t)at[i] << (8 * i);
    return SIMILE_OK;
}

static simile_status take_string(reader *r, string *out)
{
    const uint8_t *text = NULL;
    RETURN_IF_ERROR(take_number(r, 8, &out->len));
    RETURN_IF_ERROR(take(r, out->len, &text));
    out->text = (const char *)text;
    return SIMILE_OK;
}

static bool same(const string *a, const char *b)
{
    return a->len == strlen(b) && !memcmp(a->text, b, a->len);
}

/* ---- values ---- */

enum { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64, TYPES };
static const uint8_t type_size[TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

typedef struct {
    uint64_t type, item_type, n; /* n: of an array */
    uint64_t number;             /* the bytes of one that has a size */
    string text;
    const uint8_t *items; /* of an array */
} value;

static simile_status take_array(reader *r, value *v)
{
    RETURN_IF_ERROR(take_number(r, 4, &v->item_type));
    RETURN_IF_ERROR(take_number(r, 8, &v->n));
    if (v->item_type >= TYPES || v->item_type == ARRAY) return corrupt(r, "an array of an unknown type");
    v->items = r->data + r->at;
    if (v->item_type == STRING) {
        for (uint64_t i = 0; i < v->n; i++) RETURN_IF_ERROR(take_string(r, &v->text));
        return SIMILE_OK;
    }
    if (v->n > r->len) return corrupt(r, "an array is larger than the file");
    return take(r, v->n * type_size[v->item_type], &v->items);
}

static simile_status take_value(reader *r, value *v)
{
    *v = (value){0};
    RETURN_IF_ERROR(take_number(r, 4, &v->type));
    if (v->type >= TYPES) return corrupt(r, "a value of an unknown type");
    if (v->type == STRING) return take_string(r, &v->text);
    if (v->type == ARRAY) return take_array(r, v);
    return take_number(r, type_size[v->type], &v->number);
}

static double as_double(const value *v)
{
    double number;
    float single;
    const uint32_t bits = (uint32_t)v->number;
    if (v->type == F64) {
        memcpy(&number, &v->number, sizeof number);
        return number;
    }
    memcpy(&single, &bits, sizeof single);
    return v->type == F32 ? (double)single : 0;
}

/* ---- keys ---- */

typedef enum { FLAG, NUMBER, REAL, THREE, STRINGS } key_kind;

static const struct {
    const char *name;
    key_kind kind;
    size_t offset; /* in gguf_facts */
} keys[] = {
    {"clip.has_text_encoder", FLAG, offsetof(gguf_facts, text)},
    {"clip.has_vision_encoder", FLAG, offsetof(gguf_facts, vision)},
    {"clip.has_llava_projector", FLAG, offsetof(gguf_facts, projector)},
    {"clip.use_gelu", FLAG, offsetof(gguf_facts, gelu)},
    {"clip.vision.image_size", NUMBER, offsetof(gguf_facts, image_size)},
    {"clip.vision.patch_size", NUMBER, offsetof(gguf_facts, patch)},
    {"clip.text.context_length", NUMBER, offsetof(gguf_facts, context)},
    {"clip.vision.embedding_length", NUMBER, offsetof(gguf_facts, tower[0].width)},
    {"clip.vision.feed_forward_length", NUMBER, offsetof(gguf_facts, tower[0].mlp)},
    {"clip.vision.projection_dim", NUMBER, offsetof(gguf_facts, tower[0].dim)},
    {"clip.vision.attention.head_count", NUMBER, offsetof(gguf_facts, tower[0].heads)},
    {"clip.vision.block_count", NUMBER, offsetof(gguf_facts, tower[0].layers)},
    {"clip.vision.attention.layer_norm_epsilon", REAL, offsetof(gguf_facts, tower[0].eps)},
    {"clip.text.embedding_length", NUMBER, offsetof(gguf_facts, tower[1].width)},
    {"clip.text.feed_forward_length", NUMBER, offsetof(gguf_facts, tower[1].mlp)},
    {"clip.text.projection_dim", NUMBER, offsetof(gguf_facts, tower[1].dim)},
    {"clip.text.attention.head_count", NUMBER, offsetof(gguf_facts, tower[1].heads)},
    {"clip.text.block_count", NUMBER, offsetof(gguf_facts, tower[1].layers)},
    {"clip.text.attention.layer_norm_epsilon", REAL, offsetof(gguf_facts, tower[1].eps)},
    {"clip.vision.image_mean", THREE, offsetof(gguf_facts, mean)},
    {"clip.vision.image_std", THREE, offsetof(gguf_facts, std)},
    {"tokenizer.ggml.tokens", STRINGS, offsetof(gguf_facts, tokens)},
};

static bool is_whole(uint64_t type)
{
    return type <= I32 || type == U64 || type == I64;
}

static simile_status bad_value(const reader *r, const char *name)
{
    return err_set(r->err, SIMILE_E_FORMAT, "cannot read '%s': its '%s' is not what it should be", r->subject, name);
}

static simile_status keep_value(const reader *r, size_t row, const value *v)
{
    void *at = (uint8_t *)r->facts + keys[row].offset;
    switch (keys[row].kind) {
    case FLAG:
        if (v->type != BOOL || v->number > 1) return bad_value(r, keys[row].name);
        *(bool *)at = v->number;
        return SIMILE_OK;
    case NUMBER: /* no number of a network is near 2^31, whatever its type */
        if (!is_whole(v->type) || v->number > INT32_MAX) return bad_value(r, keys[row].name);
        *(int64_t *)at = (int64_t)v->number;
        return SIMILE_OK;
    case REAL:
        if (v->type != F32 && v->type != F64) return bad_value(r, keys[row].name);
        *(double *)at = as_double(v);
        return SIMILE_OK;
    case STRINGS:
        if (v->type != ARRAY || v->item_type != STRING) return bad_value(r, keys[row].name);
        *(gguf_strings *)at = (gguf_strings){v->items, v->n};
        return SIMILE_OK;
    default:
        if (v->type != ARRAY || v->item_type != F32 || v->n != 3) return bad_value(r, keys[row].name);
        memcpy(at, v->items, 3 * sizeof(float));
        *(at == r->facts->mean ? &r->facts->has_mean : &r->facts->has_std) = true;
        return SIMILE_OK;
    }
}

static simile_status keep_pair(reader *r, const string *key, const value *v)
{
    if (same(key, "general.architecture")) {
        r->facts->clip = v->type == STRING && same(&v->text, "clip");
    } else if (same(key, "clip.projector_type")) {
        r->facts->projector = true;
    } else if (same(key, "general.alignment")) {
        const uint64_t a = v->number;
        if (v->type != U32 || a == 0 || a > MAX_ALIGNMENT || (a & (a - 1))) return bad_value(r, "general.alignment");
        r->alignment = a;
    }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (same(key, keys[i].name)) return keep_value(r, i, v);
    }
    return SIMILE_OK;
}

static int by_text(const void *a, const void *b)
{
    const string *x = a, *y = b;
    const int order = memcmp(x->text, y->text, x->len < y->len ? x->len : y->len);
    return order ? order : x->len < y->len ? -1 : x->len > y->len;
}

static simile_status read_pairs(reader *r, uint64_t n)
{
    if (n > MAX_PAIRS || n > r->len / 13)
        return err_set(r->err, SIMILE_E_LIMIT, "cannot read '%s': more than %d keys", r->subject, MAX_PAIRS);
    string *seen = mem_zero_array((size_t)n + 1, sizeof *seen);
    if (!seen) return err_nomem(r->err);
    simile_status status = SIMILE_OK;
    for (uint64_t i = 0; !status && i < n; i++) {
        value v;
        status = take_string(r, &seen[i]);
        if (!status && !seen[i].len) status = corrupt(r, "an empty key");
        if (!status) status = take_value(r, &v);
        if (!status) status = keep_pair(r, &seen[i], &v);
    }
    if (!status) qsort(seen, (size_t)n, sizeof *seen, by_text);
    for (uint64_t i = 1; !status && i < n; i++) {
        if (by_text(&seen[i - 1], &seen[i]) == 0) status = corrupt(r, "a key stands twice");
    }
    mem_free(seen);
    return status;
}

/* ---- tensors ---- */

static const struct {
    uint32_t type;
    nn_dtype dtype;
} tensor_types[] = {{0, NN_F32},  {1, NN_F16},  {2, NN_Q4_0}, {3, NN_Q4_1},
                    {6, NN_Q5_0}, {7, NN_Q5_1}, {8, NN_Q8_0}, {30, NN_BF16}};

static bool find_type(uint64_t type, nn_dtype *out)
{
    for (size_t i = 0; i < sizeof tensor_types / sizeof *tensor_types; i++) {
        if (tensor_types[i].type != type) continue;
        *out = tensor_types[i].dtype;
        return true;
    }
    return false;
}

static simile_status bad_tensor(const reader *r, const weight_entry *e, const char *why)
{
    return err_set(r->err, SIMILE_E_CORRUPT, "cannot read '%s': tensor '%s' %s", r->subject, e->name, why);
}

/* Sizes are written fastest first, and kept slowest first. Beside a size of 0 the others must still have a product, in
 * whichever order somebody multiplies them. */
static simile_status take_sizes(reader *r, weight_entry *e, uint64_t *count)
{
    int64_t product = 1;
    uint64_t rank = 0;
    RETURN_IF_ERROR(take_number(r, 4, &rank));
    if (rank > MAX_RANK) return bad_tensor(r, e, "has more than four dimensions");
    e->tensor.rank = (int)rank;
    *count = 1;
    for (int i = (int)rank - 1; i >= 0; i--) {
        uint64_t size = 0;
        RETURN_IF_ERROR(take_number(r, 8, &size));
        if (size > INT64_MAX || __builtin_mul_overflow(product, size ? (int64_t)size : 1, &product))
            return bad_tensor(r, e, "is too large");
        e->tensor.dim[i] = (int64_t)size;
        if (size == 0) *count = 0;
    }
    *count *= (uint64_t)product;
    return SIMILE_OK;
}

static simile_status take_tensor(reader *r, weight_table *out)
{
    string name = {0};
    uint64_t count = 0, type = 0, bytes = 0;
    RETURN_IF_ERROR(take_string(r, &name));
    if (name.len == 0 || name.len >= MAX_NAME || memchr(name.text, 0, name.len))
        return corrupt(r, "a tensor has a name that is empty or too long");
    weight_entry *e = weight_table_add(out, name.text, name.len);
    if (!e) return err_nomem(r->err);
    RETURN_IF_ERROR(take_sizes(r, e, &count));
    RETURN_IF_ERROR(take_number(r, 4, &type));
    RETURN_IF_ERROR(take_number(r, 8, &e->begin));
    if (!find_type(type, &e->tensor.dtype))
        return err_set(r->err, SIMILE_E_UNSUPPORTED,
                       "cannot read '%s': tensor '%s' is of the unknown type %llu; F32, F16, BF16, Q4_0, Q4_1, Q5_0, "
                       "Q5_1 and Q8_0 are known",
                       r->subject, e->name, (unsigned long long)type);
    const uint64_t block = (uint64_t)nn_dtype_block(e->tensor.dtype), size = nn_dtype_size(e->tensor.dtype);
    const int64_t fastest = e->tensor.rank ? e->tensor.dim[e->tensor.rank - 1] : 1;
    if ((uint64_t)fastest % block) return bad_tensor(r, e, "has rows that do not divide into blocks");
    if (__builtin_mul_overflow(count / block, size, &bytes) || __builtin_add_overflow(e->begin, bytes, &e->end))
        return bad_tensor(r, e, "is too large");
    snprintf(e->dtype, sizeof e->dtype, "%s", nn_dtype_name(e->tensor.dtype));
    e->usable = true;
    return SIMILE_OK;
}

static int by_begin(const void *a, const void *b)
{
    const weight_entry *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static simile_status place_tensors(reader *r, weight_table *out)
{
    const uint64_t start = (r->at + r->alignment - 1) / r->alignment * r->alignment;
    uint64_t last = 0;
    if (out->n == 0) return corrupt(r, "it holds no tensors");
    if (start > r->len) return corrupt(r, "the file is cut short");
    qsort(out->entries, out->n, sizeof *out->entries, by_begin);
    for (size_t i = 0; i < out->n; i++) {
        weight_entry *e = &out->entries[i];
        if (e->begin % r->alignment) return bad_tensor(r, e, "begins where it may not");
        if (e->begin < last) return bad_tensor(r, e, "overlaps another");
        if (e->end > r->len - start) return bad_tensor(r, e, "lies beyond the end of the file");
        e->tensor.data = r->data + start + e->begin;
        last = e->end;
    }
    return weight_table_sort(out, r->subject, r->err);
}

static simile_status read_head(reader *r, uint64_t *tensors, uint64_t *pairs)
{
    uint64_t version = 0;
    const uint8_t *magic = NULL;
    RETURN_IF_ERROR(take(r, 4, &magic));
    if (memcmp(magic, "GGUF", 4) != 0) return corrupt(r, "not a GGUF file");
    RETURN_IF_ERROR(take_number(r, 4, &version));
    if (version != 2 && version != 3)
        return err_set(r->err, SIMILE_E_UNSUPPORTED, "cannot read '%s': %s", r->subject,
                       version & 0xffff ? "a version of GGUF other than 2 and 3" : "a big-endian GGUF file");
    RETURN_IF_ERROR(take_number(r, 8, tensors));
    RETURN_IF_ERROR(take_number(r, 8, pairs));
    if (*tensors > MAX_TENSORS)
        return err_set(r->err, SIMILE_E_LIMIT, "cannot read '%s': more than %d tensors", r->subject, MAX_TENSORS);
    return SIMILE_OK;
}

simile_status gguf_read(const uint8_t *data, size_t len, const char *subject, weight_table *out, gguf_facts *facts,
                        simile_error *err)
{
    reader r = {data, len, 0, subject, err, facts, 32};
    uint64_t tensors = 0, pairs = 0;
    *out = (weight_table){.copy_max = len + COPY_ROOM};
    *facts = (gguf_facts){0};
    simile_status status = read_head(&r, &tensors, &pairs);
    if (!status) status = read_pairs(&r, pairs);
    for (uint64_t i = 0; !status && i < tensors; i++) status = take_tensor(&r, out);
    if (!status) status = place_tensors(&r, out);
    if (status) weight_table_release(out);
    return status;
}

simile_status gguf_tokenizer(const gguf_facts *facts, const char *subject, tokenizer **out, simile_error *err)
{
    const uint8_t *at = facts->tokens.first;
    const uint64_t n = facts->tokens.n;
    *out = NULL;
    if (n == 0) return SIMILE_OK;
    token_text *tokens = n < SIZE_MAX ? mem_array((size_t)n, sizeof *tokens) : NULL;
    if (!tokens) return err_nomem(err);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t len = 0;
        for (int k = 0; k < 8; k++) len |= (uint64_t)at[k] << (8 * k);
        tokens[i] = (token_text){(const char *)at + 8, (size_t)len};
        at += 8 + len;
    }
    const simile_status status = tokenizer_from_tokens(tokens, (size_t)n, subject, out, err);
    mem_free(tokens);
    return status;
}
