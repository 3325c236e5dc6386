/* SPDX-License-Identifier: Apache-2.0
 * dnnl3.c - dnnl_shim.h for oneDNN 3.x (Debian 13 has 3.7): descriptors are opaque and owned, a primitive descriptor
 * is made in one call. Threads: these functions keep no state. */
#include "base/mem.h"
#include "nn/dnnl_shim.h"

struct shim_md {
    dnnl_memory_desc_t desc;
};

static dnnl_status_t finish(shim_md **out, shim_md *md, dnnl_status_t status)
{
    if (status != dnnl_success) {
        mem_free(md);
        md = NULL;
    }
    *out = md;
    return status;
}

dnnl_status_t shim_md_new(shim_md **out, int rank, const int64_t *dims, const int64_t *strides)
{
    *out = NULL;
    shim_md *md = mem_new(shim_md);
    if (!md) return dnnl_out_of_memory;
    const dnnl_status_t status =
        strides ? dnnl_memory_desc_create_with_strides(&md->desc, rank, dims, dnnl_f32, strides)
                : dnnl_memory_desc_create_with_tag(&md->desc, rank, dims, dnnl_f32, dnnl_format_tag_any);
    return finish(out, md, status);
}

dnnl_status_t shim_md_copy(shim_md **out, md_ref from)
{
    *out = NULL;
    shim_md *md = mem_new(shim_md);
    if (!md) return dnnl_out_of_memory;
    return finish(out, md, dnnl_memory_desc_clone(&md->desc, from));
}

dnnl_status_t shim_md_box(shim_md **out, const shim_md *whole, const int64_t *dims, const int64_t *offsets)
{
    *out = NULL;
    shim_md *md = mem_new(shim_md);
    if (!md) return dnnl_out_of_memory;
    return finish(out, md, dnnl_memory_desc_create_submemory(&md->desc, whole->desc, dims, offsets));
}

void shim_md_free(shim_md *md)
{
    if (!md) return;
    dnnl_memory_desc_destroy(md->desc);
    mem_free(md);
}

md_ref shim_md_ref(const shim_md *md)
{
    return md ? md->desc : NULL;
}

dnnl_status_t shim_inner_product(dnnl_primitive_desc_t *out, dnnl_engine_t engine, md_ref x, md_ref weights,
                                 md_ref bias, md_ref y, const_dnnl_primitive_attr_t attr)
{
    return dnnl_inner_product_forward_primitive_desc_create(out, engine, dnnl_forward_inference, x, weights, bias, y,
                                                            attr);
}

dnnl_status_t shim_convolution(dnnl_primitive_desc_t *out, dnnl_engine_t engine, const shim_window *window, md_ref x,
                               md_ref weights, md_ref bias, md_ref y, const_dnnl_primitive_attr_t attr)
{
    const dnnl_dims_t strides = {window->stride, window->stride}, pads = {window->pad, window->pad};
    const dnnl_dims_t dilates = {0};
    return dnnl_convolution_forward_primitive_desc_create(out, engine, dnnl_forward_inference, dnnl_convolution_direct,
                                                          x, weights, bias, y, strides, dilates, pads, pads, attr);
}

dnnl_status_t shim_reorder(dnnl_primitive_desc_t *out, dnnl_engine_t engine, md_ref from, md_ref to)
{
    return dnnl_reorder_primitive_desc_create(out, from, engine, to, engine, NULL);
}

dnnl_status_t shim_append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_data_type_undef);
}

dnnl_status_t shim_append_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t kind, float alpha)
{
    return dnnl_post_ops_append_eltwise(ops, kind, alpha, 0.0f);
}
