/* SPDX-License-Identifier: Apache-2.0
 * torch_tensors.c - from the values of a pickle to named tensors: see torch.h.
 *
 * Three shapes are known: a dictionary of tensors (a state_dict); a dictionary that holds it as "state_dict" or "model"
 * beside other things; a tree of TorchScript objects, whose attributes' names joined by dots are the tensors' names.
 * What is no tensor is passed over. An object may be reached by several ways, so the walk is bounded by the number of
 * its steps, and its depth by the names it makes.
 *
 * A tensor of torch is a storage, an offset and a stride for each dimension. Where the strides are those of rows one
 * behind the other it is a view into the file; else its elements are copied in order. */
#include "model/torch.h"

#include "base/mem.h"

enum { MAX_DEPTH = 32, MAX_STEPS = 1 << 20 };

typedef struct {
    const pickle *p;
    torch_find find;
    void *user;
    const char *subject;
    weight_table *out;
    simile_error *err;
    char name[MAX_TENSOR_NAME + 1];
} collector;

static const struct {
    char name[6];
    uint8_t size;
    bool usable;
    nn_dtype dtype;
} dtypes[] = {{"F32", 4, true, NN_F32}, {"F16", 2, true, NN_F16}, {"BF16", 2, true, NN_BF16}, {"I64", 8, true, NN_I64},
              {"F64", 8, false, 0},     {"I32", 4, false, 0},     {"I16", 2, false, 0},       {"I8", 1, false, 0},
              {"U8", 1, false, 0},      {"BOOL", 1, false, 0}};

static size_t find_dtype(const char *name)
{
    size_t i = 0;
    while (strcmp(dtypes[i].name, name) != 0) i++; /* pickle.c names no other */
    return i;
}

static simile_status bad_tensor(const collector *c, const char *why)
{
    return err_set(c->err, SIMILE_E_CORRUPT, "cannot read '%s': tensor '%s' %s", c->subject, c->name, why);
}

/* ---- one tensor ---- */

/* Elements, and the place behind the last of them in the storage; false when either overflows. */
static bool extent(const pickle_tensor *t, int64_t *count, int64_t *end)
{
    *count = 1;
    *end = t->offset;
    for (int i = 0; i < t->rank; i++) {
        if (__builtin_mul_overflow(*count, t->size[i], count)) return false;
    }
    if (*count == 0) return true;
    for (int i = 0; i < t->rank; i++) {
        int64_t span;
        if (__builtin_mul_overflow(t->size[i] - 1, t->stride[i], &span) || __builtin_add_overflow(*end, span, end))
            return false;
    }
    return !__builtin_add_overflow(*end, 1, end);
}

static bool is_contiguous(const pickle_tensor *t)
{
    int64_t wanted = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        if (t->size[i] != 1 && t->stride[i] != wanted) return false;
        wanted *= t->size[i]; /* extent() has seen that it does not overflow */
    }
    return true;
}

/* All elements in order of their indices, the last running fastest. */
static void copy_strided(const pickle_tensor *t, const uint8_t *storage, size_t size, int64_t count, uint8_t *out)
{
    int64_t index[NN_MAX_RANK] = {0}, at = t->offset;
    for (int64_t n = 0; n < count; n++) {
        memcpy(out + (size_t)n * size, storage + (size_t)at * size, size);
        for (int i = t->rank - 1; i >= 0; i--) {
            at += t->stride[i];
            if (++index[i] < t->size[i]) break;
            at -= t->stride[i] * t->size[i];
            index[i] = 0;
        }
    }
}

/* The storage's bytes, once it is known that the tensor lies within them. */
static simile_status locate(const collector *c, const pickle_tensor *t, size_t size, const uint8_t **data,
                            int64_t *count)
{
    const pickle_storage *s = &c->p->storages[t->storage];
    const pickle_value *key = &c->p->values[s->key];
    uint64_t bytes = 0, wanted;
    int64_t end;
    if (!c->find(c->user, key->text, key->n, data, &bytes))
        return err_set(c->err, SIMILE_E_CORRUPT, "cannot read '%s': tensor '%s' lacks its data '%.*s'", c->subject,
                       c->name, (int)(key->n < 60 ? key->n : 60), key->text);
    if (__builtin_mul_overflow((uint64_t)s->count, (uint64_t)size, &wanted) || wanted != bytes)
        return bad_tensor(c, "has data of another size than its pickle says");
    if (!extent(t, count, &end)) return bad_tensor(c, "has a size that overflows");
    if (*count && end > s->count) return bad_tensor(c, "reaches beyond its data");
    return SIMILE_OK;
}

static simile_status add_tensor(collector *c, uint32_t value, size_t name_len)
{
    const pickle_tensor *t = &c->p->tensors[c->p->values[value].index];
    const size_t row = find_dtype(c->p->storages[t->storage].dtype), size = dtypes[row].size;
    const uint8_t *data = NULL;
    int64_t count = 0;
    c->name[name_len] = 0;
    if (c->out->n == MAX_TENSORS)
        return err_set(c->err, SIMILE_E_LIMIT, "cannot read '%s': more than %d tensors", c->subject, MAX_TENSORS);
    RETURN_IF_ERROR(locate(c, t, size, &data, &count));
    if (count && is_contiguous(t)) {
        data += (size_t)t->offset * size;
    } else if (count) {
        size_t bytes = 0;
        void *copy;
        if (!mem_mul((size_t)count, size, &bytes)) return bad_tensor(c, "has a size that overflows");
        RETURN_IF_ERROR(weight_table_copy(c->out, bytes, c->subject, c->name, &copy, c->err));
        copy_strided(t, data, size, count, copy);
        data = copy;
    }
    weight_entry *e = weight_table_add(c->out, c->name, name_len);
    if (!e) return err_nomem(c->err);
    e->usable = dtypes[row].usable;
    e->end = (uint64_t)count * size;
    memcpy(e->dtype, dtypes[row].name, sizeof dtypes[row].name);
    e->tensor = (nn_tensor){.data = data, .dtype = dtypes[row].dtype, .rank = t->rank};
    memcpy(e->tensor.dim, t->size, sizeof t->size);
    return SIMILE_OK;
}

/* ---- the tree ---- */

typedef struct {
    uint32_t value, item;
    size_t name_len; /* of the path to it, with its dot */
} frame;

/* Appends a key to the name that has `len` bytes; false when it is no name of a tensor. */
static bool append_key(collector *c, size_t len, uint32_t key, size_t *out)
{
    const pickle_value *k = &c->p->values[key];
    if (k->kind != PICKLE_TEXT || k->n == 0 || k->n > MAX_TENSOR_NAME - 1 - len || memchr(k->text, 0, k->n))
        return false;
    memcpy(c->name + len, k->text, k->n);
    *out = len + k->n;
    return true;
}

static simile_status walk(collector *c, uint32_t root)
{
    frame frames[MAX_DEPTH] = {{.value = root}};
    int depth = 1;
    for (int64_t steps = 0; depth > 0; steps++) {
        frame *f = &frames[depth - 1];
        const pickle_value *v = &c->p->values[f->value];
        if (steps == MAX_STEPS)
            return err_set(c->err, SIMILE_E_LIMIT, "cannot read '%s': its objects have more than %d attributes",
                           c->subject, MAX_STEPS);
        if (f->item >= v->n) {
            depth--;
            continue;
        }
        const uint32_t key = v->items[f->item], value = v->items[f->item + 1];
        const pickle_kind kind = (pickle_kind)c->p->values[value].kind;
        size_t len = 0;
        f->item += 2;
        if (kind != PICKLE_TENSOR && kind != PICKLE_OBJECT) continue;
        if (!append_key(c, f->name_len, key, &len))
            return err_set(c->err, SIMILE_E_FORMAT, "cannot read '%s': a tensor has a name that is empty or too long",
                           c->subject);
        if (kind == PICKLE_TENSOR) {
            RETURN_IF_ERROR(add_tensor(c, value, len));
        } else if (depth == MAX_DEPTH) {
            return err_set(c->err, SIMILE_E_LIMIT, "cannot read '%s': objects lie more than %d deep in one another",
                           c->subject, MAX_DEPTH);
        } else {
            c->name[len] = '.';
            frames[depth++] = (frame){.value = value, .name_len = len + 1};
        }
    }
    return SIMILE_OK;
}

/* The dictionary itself, or the one that it holds as "state_dict" or "model". */
static uint32_t unwrap(const pickle *p)
{
    const pickle_value *v = &p->values[p->root];
    for (uint32_t i = 0; v->kind == PICKLE_DICT && i < v->n; i += 2) {
        const bool wraps = pickle_is_text(p, v->items[i], "state_dict") || pickle_is_text(p, v->items[i], "model");
        if (wraps && p->values[v->items[i + 1]].kind == PICKLE_DICT) return v->items[i + 1];
    }
    return p->root;
}

simile_status torch_collect(const pickle *p, torch_find find, void *user, const char *subject, weight_table *out,
                            simile_error *err)
{
    const pickle_kind kind = (pickle_kind)p->values[p->root].kind;
    if (kind != PICKLE_DICT && kind != PICKLE_OBJECT)
        return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': its pickle holds no dictionary of tensors", subject);
    collector *c = mem_new(collector);
    if (!c) return err_nomem(err);
    *c = (collector){.p = p, .find = find, .user = user, .subject = subject, .out = out, .err = err};
    simile_status status = walk(c, unwrap(p));
    if (!status && !out->n)
        status = err_set(err, SIMILE_E_FORMAT, "cannot read '%s': its pickle holds no tensors", subject);
    if (!status) status = weight_table_sort(out, subject, err);
    mem_free(c);
    return status;
}
