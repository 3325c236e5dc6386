/* SPDX-License-Identifier: Apache-2.0
 * pickle.h - the values of a pickle that torch wrote, dictionaries of tensors, or that holds arrays of numpy; and
 * nothing that could run. */
#ifndef SIMILE_MODEL_PICKLE_H
#define SIMILE_MODEL_PICKLE_H

#include "base/err.h"
#include "nn/nn.h"

/* Whose names it may hold. */
typedef enum { PICKLE_OF_TORCH, PICKLE_OF_NUMPY } pickle_of;

typedef enum {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INT,
    PICKLE_OTHER, /* a value that no tensor needs: a float, an integer beyond 64 bits, a device */
    PICKLE_TEXT,
    PICKLE_TUPLE,
    PICKLE_LIST,
    PICKLE_DICT,   /* items: key, value, key, value, ... */
    PICKLE_GLOBAL, /* code: which one */
    PICKLE_OBJECT, /* of a class of TorchScript; items: its attributes, as those of a dictionary */
    PICKLE_STORAGE,
    PICKLE_TENSOR,
    PICKLE_BYTES, /* code: PICKLE_LATIN1 or 0 */
    PICKLE_ARRAY, /* items: shape, dtype, order, bytes; none: never finished */
    PICKLE_DTYPE  /* items: name, order of bytes; fewer: never finished */
} pickle_kind;

enum { PICKLE_LATIN1 = 1 }; /* bytes, each as a character of UTF-8 */
enum { PICKLE_SHAPE, PICKLE_ARRAY_DTYPE, PICKLE_ORDER, PICKLE_DATA, PICKLE_ARRAY_ITEMS };

typedef struct {
    uint8_t kind, code;
    uint32_t n, capacity; /* bytes of a text or of bytes as they lie in the file, items of a container */
    union {
        int64_t number;
        const char *text; /* within the file, not NUL-terminated */
        uint32_t *items;
        uint32_t index; /* into storages or tensors */
    };
} pickle_value;

typedef struct {
    const char *dtype; /* "F32": as safetensors spells it */
    uint32_t key;      /* the text that names its bytes */
    int64_t count;
} pickle_storage;

typedef struct {
    uint32_t storage;
    int rank;
    int64_t offset, size[NN_MAX_RANK], stride[NN_MAX_RANK]; /* in elements */
} pickle_tensor;

typedef struct {
    pickle_value *values;
    uint32_t n_values, values_capacity;
    pickle_storage *storages;
    uint32_t n_storages, storages_capacity;
    pickle_tensor *tensors;
    uint32_t n_tensors, tensors_capacity;
    size_t n_items; /* of all containers */
    uint32_t root;
} pickle;

/* Runs the pickle that begins at data; *used, which may be NULL, becomes its length. */
simile_status pickle_read(pickle_of of, const uint8_t *data, size_t len, const char *subject, pickle *out, size_t *used,
                          simile_error *err);
void pickle_release(pickle *p);

bool pickle_is_text(const pickle *p, uint32_t value, const char *text);

#endif
