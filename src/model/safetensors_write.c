/* SPDX-License-Identifier: Apache-2.0
 * safetensors_write.c - safetensors from the parameters of a network; safetensors.c says how such a file looks.
 *
 * Order: that in which the network asks for its tensors, tower by tower, so that one tower's lie together and a search
 * by text never touches the other's pages. The data begins at a multiple of 64 bytes, and so does every tensor whose
 * size and those before it are multiples of 64: all others (a logit_scale) come behind them, the finer the later.
 * Nothing but the parameters and the digest of the source goes in, so that the same model gives the same bytes.
 *
 * Narrower types are for matrices and what is larger. Vectors (biases, norms, statistics of batch norms) and numbers
 * alone stay float32: they are a thousandth of a network, and each stands for a whole row or channel. Where matrices
 * become 8-bit integers (quantised.c), tables of embeddings are halved and all that is small stays float32. */
#include "model/convert.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/quantised.h"

#include <stdio.h>

enum { ALIGN = 64, MAX_HEADER = 100000000, CHUNK = 1 << 16 };

/* ---- the plan ---- */

/* What is not the large part of a model stays exact where most becomes integers. */
enum { LARGE = 1 << 20 };

static nn_dtype beside_integers(const nn_tensor *t)
{
    if (t->rank < 2 || nn_tensor_count(t) < LARGE) return NN_F32;
    return t->dtype == NN_F16 ? NN_F16 : NN_BF16;
}

static nn_dtype dtype_for(const param *p, const quantised *q, int32_t wanted)
{
    const nn_tensor *t = &p->tensor;
    const bool small = t->rank < 2 || nn_tensor_count(t) == 1;
    static const nn_dtype dtypes[] = {
        [SIMILE_DTYPE_F32] = NN_F32, [SIMILE_DTYPE_F16] = NN_F16, [SIMILE_DTYPE_BF16] = NN_BF16};
    if (wanted == SIMILE_DTYPE_STORED) return nn_dtype_block(t->dtype) > 1 ? NN_F32 : t->dtype;
    if (wanted == SIMILE_DTYPE_INT8) {
        if (t->dtype == NN_I8 || (q && q->scale && q->possible)) return NN_I8;
        return beside_integers(t);
    }
    return small && t->dtype != dtypes[wanted] ? NN_F32 : dtypes[wanted];
}

static int by_name(const void *a, const void *b)
{
    const written_tensor *x = a, *y = b;
    const int order = strcmp(x->param->name, y->param->name);
    if (!order && x->part != y->part) return x->part < y->part ? -1 : 1;
    return order ? order : (x->place > y->place) - (x->place < y->place);
}

/* The largest power of two, up to ALIGN, that divides the size. */
static uint64_t grain(const written_tensor *t)
{
    const uint64_t bit = t->bytes & -t->bytes;
    return bit && bit < ALIGN ? bit : ALIGN;
}

static int by_grain(const void *a, const void *b)
{
    const written_tensor *x = a, *y = b;
    const uint64_t of_x = grain(x), of_y = grain(y);
    if (of_x != of_y) return of_x > of_y ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

/* A network may ask for a tensor twice. */
static void drop_doubles(tensor_plan *p)
{
    size_t kept = 0;
    qsort(p->items, p->n, sizeof *p->items, by_name);
    for (size_t i = 0; i < p->n; i++) {
        const written_tensor *last = kept ? &p->items[kept - 1] : NULL, *now = &p->items[i];
        if (!last || last->part != now->part || strcmp(last->param->name, now->param->name) != 0)
            p->items[kept++] = *now;
    }
    p->n = kept;
}

static const float *factors_of(const written_tensor *t, written_part part)
{
    const nn_tensor *stored = &t->param->tensor;
    if (part == PART_SCALE) return t->quantised ? t->quantised->scale : stored->scale;
    return t->quantised ? t->quantised->columns : stored->columns;
}

static int64_t factor_count(const written_tensor *t, written_part part)
{
    const nn_tensor *stored = &t->param->tensor;
    return part == PART_SCALE ? stored->dim[0] : nn_tensor_count(stored) / stored->dim[0];
}

/* One tensor, and the factors of integers. */
static void plan_tensor(tensor_plan *out, const param *p, const quantised *q, nn_dtype dtype, size_t place)
{
    const bool integers = dtype == NN_I8, made = integers && p->tensor.dtype != NN_I8;
    const written_tensor t = {.param = p,
                              .quantised = made ? q : NULL,
                              .dtype = dtype,
                              .bytes = (uint64_t)nn_tensor_count(&p->tensor) * nn_dtype_size(dtype),
                              .place = place};
    out->items[out->n++] = t;
    for (written_part part = PART_SCALE; integers && part <= PART_COLUMNS; part++) {
        if (!factors_of(&t, part)) continue;
        out->items[out->n] = t;
        out->items[out->n].part = part;
        out->items[out->n].dtype = NN_F32;
        out->items[out->n++].bytes = (uint64_t)factor_count(&t, part) * sizeof(float);
    }
}

simile_status tensor_plan_make(const param_list *params, const quantised_list *integers, const weights *from,
                               const weights *also, int32_t wanted, tensor_plan *out, simile_error *err)
{
    *out = (tensor_plan){.items = mem_array(3 * params->n + 1, sizeof *out->items)};
    if (!out->items) return err_nomem(err);
    for (size_t i = 0; i < params->n; i++) {
        const param *p = &params->items[i];
        const quantised *q = integers->items ? &integers->items[i] : NULL;
        if (p->from == from || p->from == also) plan_tensor(out, p, q, dtype_for(p, q, wanted), i);
    }
    drop_doubles(out);
    qsort(out->items, out->n, sizeof *out->items, by_grain);
    for (size_t i = 0; i < out->n; i++) out->bytes += out->items[i].bytes; /* each lies in memory already */
    return SIMILE_OK;
}

void tensor_plan_release(tensor_plan *p)
{
    mem_free(p->items);
    *p = (tensor_plan){0};
}

/* ---- the header ---- */

static void put_entry(json_writer *w, const written_tensor *t, uint64_t begin)
{
    static const char *const suffix[] = {[PART_VALUES] = "", QUANTISED_SCALE, QUANTISED_COLUMNS};
    const nn_tensor *tensor = &t->param->tensor;
    char name[MAX_TENSOR_NAME + 16];
    snprintf(name, sizeof name, "%s%s", t->param->name, suffix[t->part]);
    jw_key(w, name), jw_object(w);
    jw_key(w, "dtype"), jw_string(w, nn_dtype_name(t->dtype));
    jw_key(w, "shape"), jw_array(w);
    for (int i = 0; i < tensor->rank && t->part == PART_VALUES; i++) jw_int(w, tensor->dim[i]);
    if (t->part != PART_VALUES) jw_int(w, factor_count(t, t->part));
    jw_array_end(w);
    jw_key(w, "data_offsets"), jw_array(w);
    jw_int(w, (int64_t)begin), jw_int(w, (int64_t)(begin + t->bytes));
    jw_array_end(w);
    jw_object_end(w);
}

/* The eight bytes of its length, the JSON, and blanks up to the alignment. */
static void put_header(const tensor_plan *p, const char *digest_text, buf *out)
{
    json_writer w;
    uint64_t begin = 0;
    buf_append(out, "\0\0\0\0\0\0\0", 8);
    jw_init(&w, out);
    jw_object(&w);
    jw_key(&w, "__metadata__"), jw_object(&w);
    jw_key(&w, "format"), jw_string(&w, "pt");
    jw_key(&w, "simile.digest"), jw_string(&w, digest_text);
    jw_object_end(&w);
    for (size_t i = 0; i < p->n; i++) {
        put_entry(&w, &p->items[i], begin);
        begin += p->items[i].bytes;
    }
    jw_object_end(&w);
    while (out->len % ALIGN && buf_ok(out)) buf_byte(out, ' ');
    for (size_t i = 0; i < 8 && buf_ok(out); i++) out->data[i] = (char)((uint64_t)(out->len - 8) >> (8 * i));
}

/* ---- the data ---- */

typedef struct {
    staged_file *out;
    const model_watch *watch;
    const char *model_name;
    float *wide;  /* [CHUNK] */
    void *narrow; /* [CHUNK] */
    nn_narrowing worst;
    simile_error *err;
} writer;

static simile_status too_large(const writer *w, const written_tensor *t)
{
    return err_set(
        w->err, SIMILE_E_LIMIT,
        "cannot convert the model '%s' to %s: tensor '%s' has numbers that are too large for it; %s holds them",
        w->model_name, t->dtype == NN_F16 ? "f16" : "bf16", t->param->name, t->dtype == NN_F16 ? "bf16" : "f32");
}

/* Row by row, as integers that come into being. */
static simile_status write_integers(writer *w, const written_tensor *t)
{
    const nn_tensor *tensor = &t->param->tensor;
    const int64_t n = tensor->dim[0], k = nn_tensor_count(tensor) / n;
    float *scratch = mem_array((size_t)k, sizeof *scratch);
    int8_t *row = mem_array((size_t)k, sizeof *row);
    simile_status status = scratch && row ? SIMILE_OK : err_nomem(w->err);
    for (int64_t i = 0; i < n && !status; i++) {
        if (!quantise_row(tensor, t->quantised, i, scratch, row) && w->worst < NN_ROUNDED) w->worst = NN_ROUNDED;
        status = staged_write(w->out, row, (size_t)k, w->err);
        if (!status && !w->watch->go_on(w->watch->user, k)) status = err_set(w->err, SIMILE_E_CANCELLED, "cancelled");
    }
    mem_free(scratch);
    mem_free(row);
    return status;
}

static simile_status write_tensor(writer *w, const written_tensor *t)
{
    if (t->part != PART_VALUES) return staged_write(w->out, factors_of(t, t->part), (size_t)t->bytes, w->err);
    if (t->quantised) return write_integers(w, t);
    const nn_tensor *tensor = &t->param->tensor;
    const int64_t count = nn_tensor_count(tensor);
    const size_t size = nn_dtype_size(t->dtype);
    for (int64_t at = 0; at < count; at += CHUNK) {
        const int64_t len = count - at < CHUNK ? count - at : CHUNK;
        const void *bytes = w->narrow;
        if (tensor->dtype == t->dtype) {
            bytes = (const uint8_t *)tensor->data + (size_t)at * size;
        } else {
            nn_tensor_to_f32(tensor, at, len, w->wide);
            const nn_narrowing what = nn_tensor_from_f32(t->dtype, w->wide, len, w->narrow);
            if (what == NN_OVERFLOWED) return too_large(w, t);
            if (what > w->worst) w->worst = what;
        }
        RETURN_IF_ERROR(staged_write(w->out, bytes, (size_t)len * size, w->err));
        if (!w->watch->go_on(w->watch->user, len)) return err_set(w->err, SIMILE_E_CANCELLED, "cancelled");
    }
    return SIMILE_OK;
}

simile_status safetensors_write(const tensor_plan *p, const char *digest_text, const char *model_name, staged_file *out,
                                const model_watch *watch, nn_narrowing *worst, simile_error *err)
{
    writer w = {.out = out, .watch = watch, .model_name = model_name, .worst = *worst, .err = err};
    buf header;
    buf_init(&header, MAX_HEADER);
    put_header(p, digest_text, &header);
    w.wide = mem_array(CHUNK, sizeof *w.wide);
    w.narrow = mem_array(CHUNK, sizeof *w.wide);
    simile_status status = buf_ok(&header) && w.wide && w.narrow ? SIMILE_OK : err_nomem(err);
    if (!status) status = staged_write(out, header.data, header.len, err);
    for (size_t i = 0; i < p->n && !status; i++) status = write_tensor(&w, &p->items[i]);
    *worst = w.worst;
    buf_release(&header);
    mem_free(w.wide);
    mem_free(w.narrow);
    return status;
}
