/* SPDX-License-Identifier: Apache-2.0
 * context.h - what a context holds. Private to nn/.
 *
 * A context is used by one thread at a time, so nothing here is locked; the members of its team see only their own
 * part of the work and their own scratch memory. */
#ifndef SIMILE_NN_CONTEXT_H
#define SIMILE_NN_CONTEXT_H

#include "nn/dnnl.h"
#include "nn/gemm.h"
#include "nn/kernels.h"
#include "nn/team.h"

#include <pthread.h>

/* Shapes in use at once: a tower has about six products, each with one number of rows for full batches and a few for
 * remainders; texts have one per total length. */
enum { NN_PLANS = 128 };

typedef struct {
    product_key key;
    product_plan *plan; /* NULL: free */
    uint64_t used;      /* the context's clock at the last use */
} nn_plan_slot;

struct nn_context {
    int threads;
    const nn_kernels *kernels;
    const nn_attention_kernels *attention_bf16; /* NULL: float32's */
    const gemm_kernels *gemm[NN_PRECISIONS];
    products *products;
    nn_plan_slot plans[NN_PLANS];
    uint64_t clock;
    float *scratch; /* `threads` parts of scratch_floats each, 64-byte aligned */
    size_t scratch_floats;
    uint8_t *narrowed; /* rows of x as own products read them; grows */
    size_t narrowed_size;
    nn_team *team; /* NULL: OpenMP's is used */
    bool settled;  /* OpenMP's team of the thread below exists */
    pthread_t settler;
};

/* Scratch memory of at least `floats` for each worker; its content does not survive. */
simile_status nn_scratch_reserve(nn_context *ctx, size_t floats, simile_error *err);
/* ctx->narrowed of at least `bytes`. */
simile_status nn_narrowed_reserve(nn_context *ctx, size_t bytes, simile_error *err);
static inline float *nn_scratch(const nn_context *ctx, int worker)
{
    return ctx->scratch + (size_t)worker * ctx->scratch_floats;
}

/* fn(user, worker, workers) once on each of the team: workers is at most the context's thread count, and worker 0 is
 * the calling thread. With `alone`, worker 0 does all: for work that is smaller than waking the others. */
typedef void (*nn_team_fn)(void *user, int worker, int workers);
void nn_team_run(nn_context *ctx, bool alone, nn_team_fn fn, void *user);

/* The product library takes its thread count from the calling thread: set it before, give back what was returned
 * after. Nothing that belongs to the process or to another thread changes. */
int nn_library_enter(int threads);
void nn_library_leave(int before);
void nn_team_settle(nn_context *ctx);
bool nn_team_is_own(void); /* whether contexts have a team of their own, or share OpenMP's with the library */

/* Part `part` of `parts` of the items 0 .. items-1, in contiguous runs. */
static inline int64_t nn_part_begin(int64_t items, int part, int parts)
{
    return items / parts * part + (items % parts < part ? items % parts : part);
}

/* Packed by the product library or for own kernels: one of the two. */
struct nn_matrix {
    product_shape shape;
    product_weights *weights;
    gemm_matrix *own;
};

/* A convolution's window, and the size of the pictures for which the layout of its weights is chosen. */
typedef struct {
    int64_t size, stride, pad, height, width;
} nn_window;

/* As nn_matrix_new(). With a window, spec's rows are those of a convolution: [in, size, size]. */
simile_status nn_matrix_pack(const nn_matrix_spec *spec, const nn_window *window, nn_matrix **out, simile_error *err);
/* nn_matrix_new() picks one of these two; the library knows float32 only. */
simile_status nn_matrix_new_library(const nn_matrix_spec *spec, nn_matrix **out, simile_error *err);
simile_status nn_matrix_new_own(const nn_matrix_spec *spec, nn_matrix **out, simile_error *err);

/* As nn_conv_new(), by the product library (float32) and by kernels of our own. */
simile_status nn_conv_new_library(const nn_conv_spec *spec, nn_conv **out, simile_error *err);
simile_status nn_conv_new_own(const nn_conv_spec *spec, nn_conv **out, simile_error *err);
/* By squares (winograd.h) wherever they can be used, even if that does not pay. */
simile_status nn_conv_new_squares(const nn_conv_spec *spec, nn_conv **out, simile_error *err);

/* The plan for a key, made if need be. The calling thread's library threads are set. */
simile_status nn_plan_find(nn_context *ctx, const nn_matrix *w, const product_key *key, const product_plan **out,
                           simile_error *err);

/* In how large pieces nn_linear() cuts a number of rows. */
int64_t nn_rows_at_once(int threads, int64_t rows);

/* The name that the product library gives to the code of one product: for tests and benchmarks. */
simile_status nn_linear_name(nn_context *ctx, const nn_matrix *w, int64_t rows, nn_act act, bool accumulate,
                             const char **out, simile_error *err);
simile_status nn_conv_name(nn_context *ctx, const nn_conv *c, const nn_pictures *x, nn_act act, bool accumulate,
                           const char **out, simile_error *err);

#endif
