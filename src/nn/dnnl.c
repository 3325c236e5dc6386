/* SPDX-License-Identifier: Apache-2.0
 * dnnl.c - dnnl.h over oneDNN, for both of its C interfaces (dnnl_shim.h holds what differs).
 *
 * Products are oneDNN's inner product: y [rows, n] = x [rows, k] x W [n, k] transposed. The weights are packed once,
 * in the layout that the library itself asks for at a typical size; every plan is then made with that layout, whatever
 * its number of rows. Bias, activation and accumulation are part of the product, so that y is written once.
 *
 * Convolutions are oneDNN's direct ones, with x and y channels last (nhwc) and packed weights: the code that it picks
 * for AVX-512, AVX2 and SSE4.1 then has the same speed as with layouts of its own, and nothing is reordered between
 * products. (With x in planes, nchw, three channels fall to its reference code.)
 *
 * Packing reads float32 rows through a callback, a few megabytes at a time, and reorders them into the matching box of
 * the packed memory. The box starts at a multiple of PIECE_UNIT rows because a box must begin on a block of the layout
 * (blocks of 16 to 64 are in use); where the library refuses even so, the whole matrix is one piece.
 *
 * Weights own their engine and memory objects, which executions on other threads only read; an engine of the CPU has
 * no state. Scratch memory of the primitives is one block of the context's: executions of a context never overlap. */
#include "nn/dnnl.h"

#include "base/mem.h"
#include "nn/dnnl_shim.h"

#include <stdio.h>

enum { PIECE_UNIT = 384, PIECE_BYTES = 4 << 20 };

struct products {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    void *scratch; /* grows to the largest that a plan asked for */
    size_t scratch_size;
};

struct product_weights {
    dnnl_engine_t engine;
    shim_md *layout;
    size_t bytes;
    void *data;
    float *bias;
    dnnl_memory_t memory, bias_memory; /* over data and bias */
};

struct product_plan {
    dnnl_primitive_t primitive;
    dnnl_memory_t x, y, scratch; /* their pointers are set anew by each run */
    char name[64];
};

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)
const char *products_name(void)
{
    return "oneDNN " TEXT(DNNL_VERSION_MAJOR) "." TEXT(DNNL_VERSION_MINOR) "." TEXT(DNNL_VERSION_PATCH);
}

static simile_status failure(dnnl_status_t status, const char *what, simile_error *err)
{
    if (status == dnnl_success) return SIMILE_OK;
    if (status == dnnl_out_of_memory) return err_nomem(err);
    return err_set(err, SIMILE_E_INTERNAL, "cannot %s: oneDNN reports error %d", what, (int)status);
}

/* ---- engine, stream and scratch memory of a context ---- */

simile_status products_new(products **out, simile_error *err)
{
    *out = NULL;
    products *p = mem_new(products);
    if (!p) return err_nomem(err);
    dnnl_status_t status = dnnl_engine_create(&p->engine, dnnl_cpu, 0);
    if (status == dnnl_success) status = dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags);
    if (status != dnnl_success) {
        products_free(p);
        return failure(status, "start the product library", err);
    }
    *out = p;
    return SIMILE_OK;
}

void products_free(products *p)
{
    if (!p) return;
    if (p->stream) dnnl_stream_destroy(p->stream);
    if (p->engine) dnnl_engine_destroy(p->engine);
    mem_free(p->scratch);
    mem_free(p);
}

static bool grow_scratch(products *p, size_t size)
{
    if (size <= p->scratch_size) return true;
    void *larger = mem_aligned(size);
    if (!larger) return false;
    mem_free(p->scratch);
    p->scratch = larger;
    p->scratch_size = size;
    return true;
}

/* ---- descriptors ---- */

/* The four operands of one product. weights: the layout, or NULL for the library's choice. */
typedef struct {
    shim_md *x, *weights, *bias, *y;
} operands;

static void operands_free(operands *o)
{
    shim_md_free(o->x);
    shim_md_free(o->weights);
    shim_md_free(o->bias);
    shim_md_free(o->y);
}

static dnnl_status_t plain_md(shim_md **out, int64_t rows, int64_t cols)
{
    return shim_md_new(out, 2, (const int64_t[]){rows, cols}, (const int64_t[]){cols, 1});
}

/* Pictures, channels last. */
static dnnl_status_t pictures_md(shim_md **out, int64_t n, int64_t channels, int64_t height, int64_t width)
{
    return shim_md_new(out, 4, (const int64_t[]){n, channels, height, width},
                       (const int64_t[]){height * width * channels, 1, width * channels, channels});
}

/* `count` rows of weights as they lie in a file, or (any) as the library likes them. */
static dnnl_status_t weights_md(shim_md **out, const product_shape *shape, int64_t count, bool any)
{
    const int64_t k = shape->k, w = shape->window;
    if (!w) return shim_md_new(out, 2, (const int64_t[]){count, k}, any ? NULL : (const int64_t[]){k, 1});
    return shim_md_new(out, 4, (const int64_t[]){count, k, w, w},
                       any ? NULL : (const int64_t[]){k * w * w, w * w, w, 1});
}

static dnnl_status_t operands_new(operands *o, const product_key *key, const shim_md *layout)
{
    *o = (operands){0};
    const product_shape *s = &key->weights;
    dnnl_status_t status =
        s->window ? pictures_md(&o->x, key->rows, s->k, key->height, key->width) : plain_md(&o->x, key->rows, s->k);
    if (status == dnnl_success)
        status = s->window
                     ? pictures_md(&o->y, key->rows, s->n, product_steps(s, key->height), product_steps(s, key->width))
                     : plain_md(&o->y, key->rows, s->n);
    if (status == dnnl_success && s->bias)
        status = shim_md_new(&o->bias, 1, (const int64_t[]){s->n}, (const int64_t[]){1});
    if (status == dnnl_success)
        status = layout ? shim_md_copy(&o->weights, shim_md_ref(layout)) : weights_md(&o->weights, s, s->n, true);
    if (status != dnnl_success) {
        operands_free(o);
        *o = (operands){0};
    }
    return status;
}

static dnnl_status_t describe(dnnl_primitive_desc_t *out, dnnl_engine_t engine, const product_shape *s,
                              const operands *o, const_dnnl_primitive_attr_t attr)
{
    const md_ref x = shim_md_ref(o->x), w = shim_md_ref(o->weights), b = shim_md_ref(o->bias), y = shim_md_ref(o->y);
    const shim_window window = {s->stride, s->pad};
    return s->window ? shim_convolution(out, engine, &window, x, w, b, y, attr)
                     : shim_inner_product(out, engine, x, w, b, y, attr);
}

static const char *name_of(const_dnnl_primitive_desc_t desc)
{
    const char *name = NULL;
    dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, &name);
    return name ? name : "";
}

static bool is_reference(const_dnnl_primitive_desc_t desc)
{
    return strstr(name_of(desc), "ref") != NULL;
}

/* ---- weights ---- */

/* What the library likes best; row-major when it would otherwise fall back to its reference code. */
static dnnl_status_t choose_layout(product_weights *w, const product_key *typical)
{
    const product_shape *shape = &typical->weights;
    shim_md *plain = NULL;
    dnnl_status_t status = weights_md(&plain, shape, shape->n, false);
    for (int attempt = 0; attempt < 2 && status == dnnl_success && !w->layout; attempt++) {
        operands o;
        dnnl_primitive_desc_t desc = NULL;
        status = operands_new(&o, typical, attempt == 0 ? NULL : plain);
        if (status != dnnl_success) break;
        status = describe(&desc, w->engine, shape, &o, NULL);
        if (status == dnnl_success && (attempt == 1 || !is_reference(desc)))
            status = shim_md_copy(&w->layout, dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0));
        if (desc) dnnl_primitive_desc_destroy(desc);
        operands_free(&o);
    }
    shim_md_free(plain);
    return status;
}

static dnnl_status_t reorder_once(dnnl_engine_t engine, shim_md *from, shim_md *to, void *source, void *target)
{
    dnnl_primitive_desc_t desc = NULL;
    dnnl_primitive_t primitive = NULL;
    dnnl_memory_t in = NULL, out = NULL;
    dnnl_stream_t stream = NULL;
    dnnl_status_t status = shim_reorder(&desc, engine, shim_md_ref(from), shim_md_ref(to));
    if (status == dnnl_success) status = dnnl_primitive_create(&primitive, desc);
    if (status == dnnl_success) status = dnnl_memory_create(&in, shim_md_ref(from), engine, source);
    if (status == dnnl_success) status = dnnl_memory_create(&out, shim_md_ref(to), engine, target);
    if (status == dnnl_success) status = dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
    if (status == dnnl_success) {
        const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, in}, {DNNL_ARG_TO, out}};
        status = dnnl_primitive_execute(primitive, stream, 2, args);
        if (status == dnnl_success) status = dnnl_stream_wait(stream);
    }
    if (stream) dnnl_stream_destroy(stream);
    if (out) dnnl_memory_destroy(out);
    if (in) dnnl_memory_destroy(in);
    if (primitive) dnnl_primitive_destroy(primitive);
    if (desc) dnnl_primitive_desc_destroy(desc);
    return status;
}

/* The rows first .. first+count-1, already float32 in `rows`, into their place. */
static dnnl_status_t pack_rows(product_weights *w, const product_shape *shape, int64_t first, int64_t count,
                               float *rows)
{
    const int64_t size[4] = {count, shape->k, shape->window, shape->window}, begin[4] = {first};
    shim_md *from = NULL, *to = NULL;
    dnnl_status_t status = weights_md(&from, shape, count, false);
    if (status == dnnl_success) status = shim_md_box(&to, w->layout, size, begin);
    if (status == dnnl_success) status = reorder_once(w->engine, from, to, rows, w->data);
    shim_md_free(from);
    shim_md_free(to);
    return status;
}

static dnnl_status_t pack_in_pieces(product_weights *w, const product_shape *shape, int64_t piece, product_fill_fn fill,
                                    void *user)
{
    size_t count;
    float *rows = mem_mul((size_t)piece, (size_t)product_row(shape), &count) && mem_mul(count, sizeof *rows, &count)
                      ? mem_aligned(count)
                      : NULL;
    if (!rows) return dnnl_out_of_memory;
    dnnl_status_t status = dnnl_success;
    for (int64_t first = 0; first < shape->n && status == dnnl_success; first += piece) {
        const int64_t n = shape->n - first < piece ? shape->n - first : piece;
        fill(user, first, n, rows);
        status = pack_rows(w, shape, first, n, rows);
    }
    mem_free(rows);
    return status;
}

static dnnl_status_t pack(product_weights *w, const product_shape *shape, product_fill_fn fill, void *user)
{
    int64_t piece = PIECE_BYTES / (int64_t)sizeof(float) / product_row(shape) / PIECE_UNIT * PIECE_UNIT;
    if (piece < PIECE_UNIT) piece = PIECE_UNIT;
    if (piece > shape->n) piece = shape->n;
    const dnnl_status_t status = pack_in_pieces(w, shape, piece, fill, user);
    const bool refused = status == dnnl_unimplemented || status == dnnl_invalid_arguments;
    return refused && piece < shape->n ? pack_in_pieces(w, shape, shape->n, fill, user) : status;
}

static dnnl_status_t weights_init(product_weights *w, const product_key *typical, product_fill_fn fill, void *user,
                                  const float *bias)
{
    const product_shape *shape = &typical->weights;
    dnnl_status_t status = dnnl_engine_create(&w->engine, dnnl_cpu, 0);
    if (status == dnnl_success) status = choose_layout(w, typical);
    if (status != dnnl_success) return status;
    w->bytes = dnnl_memory_desc_get_size(shim_md_ref(w->layout));
    w->data = mem_aligned(w->bytes);
    if (!w->data) return dnnl_out_of_memory;
    /* The library clears the padding of a layout when the memory object is made: before packing, not after. */
    status = dnnl_memory_create(&w->memory, shim_md_ref(w->layout), w->engine, w->data);
    if (status == dnnl_success) status = pack(w, shape, fill, user);
    if (status != dnnl_success || !shape->bias) return status;

    const size_t size = (size_t)shape->n * sizeof *bias;
    w->bias = mem_aligned(size);
    if (!w->bias) return dnnl_out_of_memory;
    memcpy(w->bias, bias, size);
    shim_md *md = NULL;
    status = shim_md_new(&md, 1, (const int64_t[]){shape->n}, (const int64_t[]){1});
    if (status == dnnl_success) status = dnnl_memory_create(&w->bias_memory, shim_md_ref(md), w->engine, w->bias);
    shim_md_free(md);
    return status;
}

simile_status product_weights_new(const product_key *typical, product_fill_fn fill, void *user, const float *bias,
                                  product_weights **out, simile_error *err)
{
    *out = NULL;
    product_weights *w = mem_new(product_weights);
    if (!w) return err_nomem(err);
    const dnnl_status_t status = weights_init(w, typical, fill, user, bias);
    if (status != dnnl_success) {
        product_weights_free(w);
        return failure(status, "pack weights", err);
    }
    *out = w;
    return SIMILE_OK;
}

void product_weights_free(product_weights *w)
{
    if (!w) return;
    if (w->memory) dnnl_memory_destroy(w->memory);
    if (w->bias_memory) dnnl_memory_destroy(w->bias_memory);
    if (w->engine) dnnl_engine_destroy(w->engine);
    shim_md_free(w->layout);
    mem_free(w->data);
    mem_free(w->bias);
    mem_free(w);
}

size_t product_weights_bytes(const product_weights *w)
{
    return w->bytes;
}

/* ---- plans ---- */

static dnnl_status_t append_activation(dnnl_post_ops_t ops, nn_act act)
{
    switch (act) {
    case NN_ACT_GELU: return shim_append_eltwise(ops, dnnl_eltwise_gelu_erf, 0);
    case NN_ACT_GELU_TANH: return shim_append_eltwise(ops, dnnl_eltwise_gelu_tanh, 0);
    case NN_ACT_QUICK_GELU: return shim_append_eltwise(ops, dnnl_eltwise_swish, 1.702f);
    case NN_ACT_SWISH: return shim_append_eltwise(ops, dnnl_eltwise_swish, 1.0f);
    case NN_ACT_RELU: return shim_append_eltwise(ops, dnnl_eltwise_relu, 0);
    case NN_ACT_NONE:
    default: return dnnl_success;
    }
}

/* Everything that follows the sum of products: accumulation, then activation, and where scratch memory comes from. */
static dnnl_status_t ending_new(dnnl_primitive_attr_t *out, const product_key *key)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(&attr);
    if (status == dnnl_success) status = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (status == dnnl_success) status = dnnl_post_ops_create(&ops);
    if (status == dnnl_success && key->accumulate) status = shim_append_sum(ops);
    if (status == dnnl_success) status = append_activation(ops, key->act);
    if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(attr, ops);
    if (ops) dnnl_post_ops_destroy(ops);
    if (status != dnnl_success && attr) {
        dnnl_primitive_attr_destroy(attr);
        attr = NULL;
    }
    *out = attr;
    return status;
}

static dnnl_status_t plan_memories(products *p, product_plan *plan, const operands *o, const_dnnl_primitive_desc_t desc)
{
    dnnl_status_t status = dnnl_memory_create(&plan->x, shim_md_ref(o->x), p->engine, DNNL_MEMORY_NONE);
    if (status == dnnl_success) status = dnnl_memory_create(&plan->y, shim_md_ref(o->y), p->engine, DNNL_MEMORY_NONE);
    const md_ref scratch = dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
    const size_t size = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
    if (status != dnnl_success || size == 0) return status;
    if (!grow_scratch(p, size)) return dnnl_out_of_memory;
    return dnnl_memory_create(&plan->scratch, scratch, p->engine, DNNL_MEMORY_NONE);
}

static dnnl_status_t plan_init(products *p, product_plan *plan, const product_weights *like, const product_key *key)
{
    operands o = {0};
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_status_t status = operands_new(&o, key, like->layout);
    if (status == dnnl_success) status = ending_new(&attr, key);
    if (status == dnnl_success) status = describe(&desc, p->engine, &key->weights, &o, attr);
    if (status == dnnl_success) status = dnnl_primitive_create(&plan->primitive, desc);
    if (status == dnnl_success) status = plan_memories(p, plan, &o, desc);
    if (status == dnnl_success) snprintf(plan->name, sizeof plan->name, "%s", name_of(desc));
    if (desc) dnnl_primitive_desc_destroy(desc);
    if (attr) dnnl_primitive_attr_destroy(attr);
    operands_free(&o);
    return status;
}

simile_status product_plan_new(products *p, const product_weights *like, const product_key *key, product_plan **out,
                               simile_error *err)
{
    *out = NULL;
    product_plan *plan = mem_new(product_plan);
    if (!plan) return err_nomem(err);
    const dnnl_status_t status = plan_init(p, plan, like, key);
    if (status != dnnl_success) {
        product_plan_free(plan);
        return failure(status, "prepare a product", err);
    }
    *out = plan;
    return SIMILE_OK;
}

void product_plan_free(product_plan *plan)
{
    if (!plan) return;
    if (plan->primitive) dnnl_primitive_destroy(plan->primitive);
    if (plan->x) dnnl_memory_destroy(plan->x);
    if (plan->y) dnnl_memory_destroy(plan->y);
    if (plan->scratch) dnnl_memory_destroy(plan->scratch);
    mem_free(plan);
}

const char *product_plan_name(const product_plan *plan)
{
    return plan->name;
}

simile_status product_run(products *p, const product_plan *plan, const product_weights *w, const float *x, float *y,
                          simile_error *err)
{
    /* The interface takes no pointers to const; x is only read. */
    dnnl_status_t status = dnnl_memory_set_data_handle(plan->x, (void *)(uintptr_t)x);
    if (status == dnnl_success) status = dnnl_memory_set_data_handle(plan->y, y);
    if (status == dnnl_success && plan->scratch) status = dnnl_memory_set_data_handle(plan->scratch, p->scratch);
    if (status != dnnl_success) return failure(status, "run a product", err);

    dnnl_exec_arg_t args[5] = {{DNNL_ARG_SRC, plan->x}, {DNNL_ARG_WEIGHTS, w->memory}, {DNNL_ARG_DST, plan->y}};
    int n_args = 3;
    if (w->bias_memory) args[n_args++] = (dnnl_exec_arg_t){DNNL_ARG_BIAS, w->bias_memory};
    if (plan->scratch) args[n_args++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, plan->scratch};
    status = dnnl_primitive_execute(plan->primitive, p->stream, n_args, args);
    if (status == dnnl_success) status = dnnl_stream_wait(p->stream);
    return failure(status, "run a product", err);
}
