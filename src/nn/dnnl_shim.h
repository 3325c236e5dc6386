/* SPDX-License-Identifier: Apache-2.0
 * dnnl_shim.h - the few calls in which the C interfaces of oneDNN 2 and 3 differ. Private to dnnl*.c.
 *
 * Version 2 passes memory descriptors by value and builds a primitive from an operation descriptor; version 3 makes
 * both opaque. shim_md is a descriptor on the heap under either. Every function returns oneDNN's own status. */
#ifndef SIMILE_NN_DNNL_SHIM_H
#define SIMILE_NN_DNNL_SHIM_H

#include <oneapi/dnnl/dnnl.h>

#if DNNL_VERSION_MAJOR < 3
typedef const dnnl_memory_desc_t *md_ref;
#else
typedef const_dnnl_memory_desc_t md_ref;
#endif

typedef struct shim_md shim_md;
typedef struct {
    int64_t stride, pad;
} shim_window;

/* float32; strides in elements, NULL: the library chooses the layout. */
dnnl_status_t shim_md_new(shim_md **out, int rank, const int64_t *dims, const int64_t *strides);
dnnl_status_t shim_md_copy(shim_md **out, md_ref from);
/* The box of `dims` at `offsets` inside another descriptor's memory. */
dnnl_status_t shim_md_box(shim_md **out, const shim_md *whole, const int64_t *dims, const int64_t *offsets);
void shim_md_free(shim_md *md);
md_ref shim_md_ref(const shim_md *md);

/* y = x W^T (+ bias unless NULL), for inference. */
dnnl_status_t shim_inner_product(dnnl_primitive_desc_t *out, dnnl_engine_t engine, md_ref x, md_ref weights,
                                 md_ref bias, md_ref y, const_dnnl_primitive_attr_t attr);
/* The same of a convolution; stride and pad are those of both directions. */
dnnl_status_t shim_convolution(dnnl_primitive_desc_t *out, dnnl_engine_t engine, const shim_window *window, md_ref x,
                               md_ref weights, md_ref bias, md_ref y, const_dnnl_primitive_attr_t attr);
dnnl_status_t shim_reorder(dnnl_primitive_desc_t *out, dnnl_engine_t engine, md_ref from, md_ref to);
dnnl_status_t shim_append_sum(dnnl_post_ops_t ops);
dnnl_status_t shim_append_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t kind, float alpha);

#endif
