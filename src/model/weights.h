/* SPDX-License-Identifier: Apache-2.0
 * weights.h - named tensors of a checkpoint, whatever file they lie in.
 *
 *     weights.c       finds the files, recognises their format by content, looks names up
 *     safetensors.c   safetensors
 *     torch_zip.c     what torch.save and torch.jit.save write (zip.c: the archive, pickle.c: its data.pkl)
 *     torch_legacy.c  what torch.save wrote before 1.6
 *     numpy_pickle.c  a pickle of two arrays of numpy: a last layer
 *     gguf.c          GGUF
 *     quantised.c     8-bit integers with factors
 *     names.c         from the names of a file's layout to those of Hugging Face, by which networks ask
 *
 * A tensor is a view into a mapping that lives as long as the weights. One that does not lie there row by row (it was
 * saved transposed, say) is copied into memory that the table owns, in the type in which it is stored: all such copies
 * together are never larger than the file and COPY_ROOM. */
#ifndef SIMILE_MODEL_WEIGHTS_H
#define SIMILE_MODEL_WEIGHTS_H

#include "base/file.h"
#include "nn/nn.h"
#include "text/tokenizer.h"

enum { MAX_TENSORS = 65536, MAX_TENSOR_NAME = 255, COPY_ROOM = 16 << 20 };

typedef struct {
    char *name; /* owned by the table */
    nn_tensor tensor;
    uint64_t begin, end; /* byte range within the file, or within what lies behind its header */
    bool usable;         /* its dtype is one that networks use */
    bool used;           /* a network has asked for it */
    char dtype[12];      /* as the file spells it */
} weight_entry;

typedef struct {
    weight_entry *entries; /* sorted by name */
    size_t n, capacity;
    void **copies; /* tensors that do not lie in the file */
    size_t n_copies, copied, copy_max;
} weight_table;

/* ---- table.c ---- */

/* Appends an empty entry of that name; NULL when memory is short. */
weight_entry *weight_table_add(weight_table *t, const char *name, size_t len);
/* Memory of the table's own for a tensor that has to be copied. */
simile_status weight_table_copy(weight_table *t, size_t size, const char *subject, const char *name, void **out,
                                simile_error *err);
/* Sorts by name; a name that stands twice is an error. */
simile_status weight_table_sort(weight_table *t, const char *subject, simile_error *err);
const weight_entry *weight_table_find(const weight_table *t, const char *name); /* once it is sorted */
void weight_table_release(weight_table *t);

/* ---- formats: each appends its tensors, which point into `data`, to *out, which it first empties ---- */

/* Enforces every rule of the format (github.com/huggingface/safetensors, safetensors/src/tensor.rs): see safetensors.c.
 */
simile_status safetensors_read(const uint8_t *data, size_t len, const char *subject, weight_table *out,
                               simile_error *err);
/* Tensors of 8-bit integers that have factors beside them become NN_I8. The table is sorted (quantised.c). */
simile_status quantised_read(weight_table *t, const char *subject, simile_error *err);
simile_status torch_zip_read(const uint8_t *data, size_t len, const char *subject, weight_table *out, bool *script,
                             simile_error *err);
simile_status torch_legacy_read(const uint8_t *data, size_t len, const char *subject, weight_table *out,
                                simile_error *err);
/* linear.weight [out, in] and linear.bias [out], float32. */
simile_status numpy_pickle_read(const uint8_t *data, size_t len, const char *subject, weight_table *out,
                                simile_error *err);

typedef struct {
    const uint8_t *first; /* each: u64 length and bytes, all of them within the file */
    uint64_t n;
} gguf_strings;

/* What a GGUF file says of its network, under the keys of clip.cpp; 0 where it is silent. */
typedef struct {
    bool clip, text, vision, gelu, projector; /* what its architecture is and holds */
    int64_t image_size, patch, context;
    struct {
        int64_t width, mlp, dim, heads, layers;
        double eps;
    } tower[2]; /* vision, text */
    float mean[3], std[3];
    bool has_mean, has_std;
    gguf_strings tokens; /* by id; as long as the file is mapped */
} gguf_facts;
simile_status gguf_read(const uint8_t *data, size_t len, const char *subject, weight_table *out, gguf_facts *facts,
                        simile_error *err);
/* The tokenizer whose tokens these are; *out stays NULL when the file holds none. UNSUPPORTED: they are not CLIP's. */
simile_status gguf_tokenizer(const gguf_facts *facts, const char *subject, tokenizer **out, simile_error *err);

/* ---- a checkpoint ---- */

typedef struct weights weights;

typedef enum { WEIGHTS_SAFETENSORS, WEIGHTS_TORCH, WEIGHTS_TORCHSCRIPT, WEIGHTS_NUMPY, WEIGHTS_GGUF } weights_format;

/* A directory or a single file. In a directory: the first there is of the names in weights.c, or else the only file
 * with the ending of one. Names are canonical afterwards: those of Hugging Face. */
simile_status weights_open(const char *path, weights **out, simile_error *err);
void weights_close(weights *w);
/* The files' pages need not stay in memory: for whoever has read many weights and will not do so again soon. */
void weights_forget(const weights *w);

const weight_entry *weights_find(const weights *w, const char *name); /* NULL: not there */

/* The tensor of that name and exactly that shape (rank dims), of a float type; an error names what is wrong with it. */
simile_status weights_get(const weights *w, const char *name, int rank, const int64_t *dim, nn_tensor *out,
                          simile_error *err);
/* A tensor that the network has a name but no use for: it may be there. */
void weights_skip(const weights *w, const char *name);
/* A tensor that may be there and is not needed. */
void weights_ignore(const weights *w, const char *name);
/* An error names a tensor that no network asked for. */
simile_status weights_all_used(const weights *w, simile_error *err);
bool weights_has(const weights *w, const char *name);
/* Dimension `at` of a tensor of that rank, 0 when there is no such one: to describe a network by its shapes. */
int64_t weights_size(const weights *w, const char *name, int rank, int at);
/* Of the largest part, as files spell it, or "mixed"; "I8" where there are any such. */
const char *weights_dtype(const weights *w);
const char *weights_directory(const weights *w); /* where its other files lie */
weights_format weights_kind(const weights *w);
const gguf_facts *weights_gguf(const weights *w); /* NULL: not a GGUF file */

#endif
