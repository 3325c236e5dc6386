/* SPDX-License-Identifier: Apache-2.0
 * pickle.c - see pickle.h. The part of pickle's protocol 2 that torch.save and torch.jit.save write, and the part of
 * protocols 2 to 5 that Python writes for arrays of numpy.
 *
 * A pickle is a program for a machine with a stack and a memo. Python's machine calls whatever the program names; this
 * one knows the handful of names below and has for each a piece of C that builds a tensor, a dictionary or nothing.
 * Nothing is looked up, imported or called: any other name and any other operation ends the reading, by name. A pickle
 * of torch may name nothing of numpy, nor the other way round. Values refer to one another by number and are flat: no
 * operation looks deeper than the items of its argument, and those of what it is made of.
 *
 * Names: torch, _weights_only_unpickler.py (the operations), _utils.py (_rebuild_*) and
 * csrc/jit/serialization/pickler.cpp (what TorchScript adds: classes below __torch__, four kinds of lists); numpy,
 * _core/src/multiarray/methods.c (array_reduce, array_reduce_ex) and descriptor.c (arraydescr_reduce); Python,
 * pickle.py (bytes in protocol 2).
 *
 * The bytes are hostile. Values, items, stack and memo have fixed bounds, which published checkpoints keep by a factor
 * of ten; together they stay below 24 MiB. */
#include "model/pickle.h"

#include "base/mem.h"
#include "model/weights.h"

enum { MAX_VALUES = 1 << 18, MAX_ITEMS = 1 << 19, MAX_STACK = 1 << 18, MAX_MARKS = 1 << 12 };

typedef struct {
    pickle *p;
    pickle_of of;
    const uint8_t *data;
    size_t len, at;
    const char *subject;
    simile_error *err;
    uint32_t *stack, *memo;
    uint32_t n_stack, stack_capacity, memo_capacity, n_memo;
    uint32_t marks[MAX_MARKS]; /* heights of the stack */
    uint32_t n_marks;
} machine;

/* ---- what a pickle may name ---- */

typedef enum {
    CALL_NEVER, /* a type of storage, which only a storage's own tuple may hold */
    CALL_DICT,
    CALL_TENSOR,
    CALL_FIRST, /* gives its first argument back */
    CALL_OTHER,
    CALL_CLASS,
    CALL_ARRAY, /* an array of numpy, whose state comes later */
    CALL_DTYPE,
    CALL_FROM_BUFFER, /* an array of numpy at once */
    CALL_BYTES        /* bytes, written as a text of Latin-1 */
} global_call;

typedef struct {
    const char *name; /* module.name */
    global_call call;
    const char *dtype;
    pickle_of of;
} global;

static const global globals[] = {
    {"collections.OrderedDict", CALL_DICT, NULL, PICKLE_OF_TORCH},
    {"torch._utils._rebuild_tensor_v2", CALL_TENSOR, NULL, PICKLE_OF_TORCH},
    {"torch._utils._rebuild_tensor", CALL_TENSOR, NULL, PICKLE_OF_TORCH},
    {"torch._utils._rebuild_parameter", CALL_FIRST, NULL, PICKLE_OF_TORCH},
    {"torch.jit._pickle.build_intlist", CALL_FIRST, NULL, PICKLE_OF_TORCH},
    {"torch.jit._pickle.build_tensorlist", CALL_FIRST, NULL, PICKLE_OF_TORCH},
    {"torch.jit._pickle.build_doublelist", CALL_FIRST, NULL, PICKLE_OF_TORCH},
    {"torch.jit._pickle.build_boollist", CALL_FIRST, NULL, PICKLE_OF_TORCH},
    {"torch.jit._pickle.restore_type_tag", CALL_FIRST, NULL, PICKLE_OF_TORCH},
    {"torch.Size", CALL_FIRST, NULL, PICKLE_OF_TORCH},
    {"torch.device", CALL_OTHER, NULL, PICKLE_OF_TORCH},
    {"torch.FloatStorage", CALL_NEVER, "F32", PICKLE_OF_TORCH},
    {"torch.HalfStorage", CALL_NEVER, "F16", PICKLE_OF_TORCH},
    {"torch.BFloat16Storage", CALL_NEVER, "BF16", PICKLE_OF_TORCH},
    {"torch.LongStorage", CALL_NEVER, "I64", PICKLE_OF_TORCH},
    {"torch.DoubleStorage", CALL_NEVER, "F64", PICKLE_OF_TORCH},
    {"torch.IntStorage", CALL_NEVER, "I32", PICKLE_OF_TORCH},
    {"torch.ShortStorage", CALL_NEVER, "I16", PICKLE_OF_TORCH},
    {"torch.CharStorage", CALL_NEVER, "I8", PICKLE_OF_TORCH},
    {"torch.ByteStorage", CALL_NEVER, "U8", PICKLE_OF_TORCH},
    {"torch.BoolStorage", CALL_NEVER, "BOOL", PICKLE_OF_TORCH},
    {"__torch__", CALL_CLASS, NULL, PICKLE_OF_TORCH}, /* and everything below it */
    {"numpy.ndarray", CALL_NEVER, NULL, PICKLE_OF_NUMPY},
    {"numpy.dtype", CALL_DTYPE, NULL, PICKLE_OF_NUMPY},
    {"numpy.core.multiarray._reconstruct", CALL_ARRAY, NULL, PICKLE_OF_NUMPY},
    {"numpy._core.multiarray._reconstruct", CALL_ARRAY, NULL, PICKLE_OF_NUMPY}, /* since numpy 2 */
    {"numpy.core.numeric._frombuffer", CALL_FROM_BUFFER, NULL, PICKLE_OF_NUMPY},
    {"numpy._core.numeric._frombuffer", CALL_FROM_BUFFER, NULL, PICKLE_OF_NUMPY},
    {"_codecs.encode", CALL_BYTES, NULL, PICKLE_OF_NUMPY},
};
enum { GLOBALS = sizeof globals / sizeof globals[0] };

static simile_status corrupt(const machine *m, const char *why)
{
    return err_set(m->err, SIMILE_E_CORRUPT, "cannot read '%s': %s at byte %zu of its pickle", m->subject, why, m->at);
}

static simile_status too_much(const machine *m, const char *what, int bound)
{
    return err_set(m->err, SIMILE_E_LIMIT, "cannot read '%s': its pickle has more than %d %s", m->subject, bound, what);
}

/* ---- memory ---- */

/* Room for one more of `size` bytes in an array that doubles. */
static simile_status room(machine *m, void *array, uint32_t n, uint32_t *capacity, size_t size)
{
    void **at = array;
    if (n < *capacity) return SIMILE_OK;
    const uint32_t wanted = *capacity ? *capacity * 2 : 64;
    void *grown = mem_grow(*at, wanted, size);
    if (!grown) return err_nomem(m->err);
    *at = grown;
    *capacity = wanted;
    return SIMILE_OK;
}

static simile_status push(machine *m, uint32_t value)
{
    if (m->n_stack == MAX_STACK) return too_much(m, "values on its stack", MAX_STACK);
    RETURN_IF_ERROR(room(m, &m->stack, m->n_stack, &m->stack_capacity, sizeof *m->stack));
    m->stack[m->n_stack++] = value;
    return SIMILE_OK;
}

static simile_status push_new(machine *m, pickle_value v)
{
    pickle *p = m->p;
    if (p->n_values == MAX_VALUES) return too_much(m, "values", MAX_VALUES);
    RETURN_IF_ERROR(room(m, &p->values, p->n_values, &p->values_capacity, sizeof *p->values));
    p->values[p->n_values] = v;
    return push(m, p->n_values++);
}

static simile_status push_kind(machine *m, pickle_kind kind)
{
    return push_new(m, (pickle_value){.kind = (uint8_t)kind});
}

static simile_status push_number(machine *m, int64_t number)
{
    return push_new(m, (pickle_value){.kind = PICKLE_INT, .number = number});
}

static simile_status add_items(machine *m, uint32_t to, const uint32_t *items, uint32_t n)
{
    pickle_value *v = &m->p->values[to];
    if (n > MAX_ITEMS || m->p->n_items > MAX_ITEMS - n) return too_much(m, "items", MAX_ITEMS);
    if (n > v->capacity - v->n) {
        uint32_t capacity = v->capacity ? v->capacity * 2 : n;
        if (capacity < v->n + n) capacity = v->n + n;
        uint32_t *grown = mem_grow(v->items, capacity, sizeof *grown);
        if (!grown) return err_nomem(m->err);
        v->items = grown;
        v->capacity = capacity;
    }
    if (n) memcpy(v->items + v->n, items, n * sizeof *items);
    v->n += n;
    m->p->n_items += n;
    return SIMILE_OK;
}

/* ---- the stack ---- */

/* Values above the innermost mark cannot be taken by an operation that does not know of it. */
static bool has(const machine *m, uint32_t n)
{
    const uint32_t floor = m->n_marks ? m->marks[m->n_marks - 1] : 0;
    return m->n_stack - floor >= n;
}

static simile_status need(const machine *m, uint32_t n)
{
    return has(m, n) ? SIMILE_OK : corrupt(m, "too few values on the stack");
}

static uint32_t pop(machine *m)
{
    return m->stack[--m->n_stack];
}

static pickle_value *top(const machine *m)
{
    return &m->p->values[m->stack[m->n_stack - 1]];
}

static pickle_kind kind_of(const machine *m, uint32_t value)
{
    return (pickle_kind)m->p->values[value].kind;
}

static simile_status pop_mark(machine *m, uint32_t *first)
{
    if (!m->n_marks) return corrupt(m, "a mark is missing");
    *first = m->marks[--m->n_marks];
    return SIMILE_OK;
}

/* ---- bytes ---- */

static simile_status take(machine *m, size_t n, const uint8_t **out)
{
    if (n > m->len - m->at) return corrupt(m, "the end comes too early");
    *out = m->data + m->at;
    m->at += n;
    return SIMILE_OK;
}

static simile_status take_number(machine *m, int bytes, uint64_t *out)
{
    const uint8_t *at = NULL;
    RETURN_IF_ERROR(take(m, (size_t)bytes, &at));
    *out = 0;
    for (int i = 0; i < bytes; i++) *out |= (uint64_t)at[i] << (8 * i);
    return SIMILE_OK;
}

/* Text, or bytes. */
static simile_status read_text(machine *m, int length_bytes, pickle_kind kind)
{
    uint64_t n = 0;
    const uint8_t *text = NULL;
    RETURN_IF_ERROR(take_number(m, length_bytes, &n));
    RETURN_IF_ERROR(take(m, n, &text));
    if (n > UINT32_MAX) return corrupt(m, "a text or an array is too long");
    return push_new(m, (pickle_value){.kind = (uint8_t)kind, .n = (uint32_t)n, .text = (const char *)text});
}

/* Two's complement, little-endian. */
static simile_status read_long(machine *m)
{
    uint64_t n = 0, value = 0;
    const uint8_t *at = NULL;
    RETURN_IF_ERROR(take_number(m, 1, &n));
    RETURN_IF_ERROR(take(m, n, &at));
    if (n > 8) return push_kind(m, PICKLE_OTHER);
    for (uint64_t i = 0; i < 8; i++) {
        const uint8_t byte = i < n ? at[i] : n && at[n - 1] & 0x80 ? 0xff : 0;
        value |= (uint64_t)byte << (8 * i);
    }
    return push_number(m, (int64_t)value);
}

/* ---- names ---- */

static simile_status take_line(machine *m, const char **out, size_t *len)
{
    const uint8_t *end = memchr(m->data + m->at, '\n', m->len - m->at);
    if (!end) return corrupt(m, "the end comes too early");
    *out = (const char *)m->data + m->at;
    *len = (size_t)(end - (m->data + m->at));
    m->at += *len + 1;
    return SIMILE_OK;
}

static bool names(const global *g, const char *module, size_t module_len, const char *name, size_t name_len)
{
    const size_t len = strlen(g->name);
    if (g->call == CALL_CLASS)
        return module_len >= len && !memcmp(module, g->name, len) && (module_len == len || module[len] == '.');
    return len == module_len + 1 + name_len && !memcmp(g->name, module, module_len) && g->name[module_len] == '.' &&
           !memcmp(g->name + module_len + 1, name, name_len);
}

static simile_status push_global(machine *m, const char *module, size_t module_len, const char *name, size_t name_len)
{
    for (size_t i = 0; i < GLOBALS; i++) {
        if (globals[i].of == m->of && names(&globals[i], module, module_len, name, name_len))
            return push_new(m, (pickle_value){.kind = PICKLE_GLOBAL, .code = (uint8_t)i});
    }
    return err_set(m->err, SIMILE_E_UNSUPPORTED,
                   "cannot read '%s': its pickle asks for '%.*s.%.*s', which is no part of %s", m->subject,
                   (int)(module_len < 80 ? module_len : 80), module, (int)(name_len < 80 ? name_len : 80), name,
                   m->of == PICKLE_OF_TORCH ? "a tensor" : "an array");
}

static simile_status read_global(machine *m)
{
    const char *module = NULL, *name = NULL;
    size_t module_len = 0, name_len = 0;
    RETURN_IF_ERROR(take_line(m, &module, &module_len));
    RETURN_IF_ERROR(take_line(m, &name, &name_len));
    return push_global(m, module, module_len, name, name_len);
}

/* The same with both names on the stack. */
static simile_status take_global(machine *m)
{
    RETURN_IF_ERROR(need(m, 2));
    const pickle_value *name = &m->p->values[pop(m)], *module = &m->p->values[pop(m)];
    if (name->kind != PICKLE_TEXT || module->kind != PICKLE_TEXT) return corrupt(m, "a name is no text");
    return push_global(m, module->text, module->n, name->text, name->n);
}

/* ---- what names do ---- */

/* ("storage", type, key, location, count), and in old files a sixth that must be None. */
static simile_status make_storage(machine *m)
{
    RETURN_IF_ERROR(need(m, 1));
    pickle *p = m->p;
    const pickle_value *id = &p->values[pop(m)];
    if (id->kind != PICKLE_TUPLE || id->n < 5 || id->n > 6 || !pickle_is_text(p, id->items[0], "storage"))
        return corrupt(m, "a storage is not described as torch does");
    const pickle_value *type = &p->values[id->items[1]], *count = &p->values[id->items[4]];
    if (type->kind != PICKLE_GLOBAL || !globals[type->code].dtype || kind_of(m, id->items[2]) != PICKLE_TEXT ||
        count->kind != PICKLE_INT || count->number < 0)
        return corrupt(m, "a storage is not described as torch does");
    if (id->n == 6 && kind_of(m, id->items[5]) != PICKLE_NONE)
        return err_set(m->err, SIMILE_E_UNSUPPORTED, "cannot read '%s': a storage in it is a view of another",
                       m->subject);
    if (p->n_storages == MAX_TENSORS) return too_much(m, "storages", MAX_TENSORS);
    RETURN_IF_ERROR(room(m, &p->storages, p->n_storages, &p->storages_capacity, sizeof *p->storages));
    p->storages[p->n_storages] = (pickle_storage){globals[type->code].dtype, id->items[2], count->number};
    return push_new(m, (pickle_value){.kind = PICKLE_STORAGE, .index = p->n_storages++});
}

static bool read_numbers(const machine *m, uint32_t from, int64_t *out, uint32_t *n)
{
    const pickle_value *v = &m->p->values[from];
    if ((v->kind != PICKLE_TUPLE && v->kind != PICKLE_LIST) || v->n > NN_MAX_RANK) return false;
    for (uint32_t i = 0; i < v->n; i++) {
        const pickle_value *number = &m->p->values[v->items[i]];
        if (number->kind != PICKLE_INT || number->number < 0) return false;
        out[i] = number->number;
    }
    *n = v->n;
    return true;
}

/* (storage, offset, sizes, strides, ...): what may follow does not matter to a reader. */
static simile_status make_tensor(machine *m, const pickle_value *args)
{
    pickle *p = m->p;
    pickle_tensor t = {0};
    uint32_t rank = 0, strides = 0;
    if (args->n < 4 || kind_of(m, args->items[0]) != PICKLE_STORAGE || kind_of(m, args->items[1]) != PICKLE_INT)
        return corrupt(m, "a tensor is not described as torch does");
    t.storage = p->values[args->items[0]].index;
    t.offset = p->values[args->items[1]].number;
    if (t.offset < 0 || !read_numbers(m, args->items[2], t.size, &rank) ||
        !read_numbers(m, args->items[3], t.stride, &strides) || rank != strides)
        return corrupt(m, "a tensor has sizes or strides that are no numbers of 63 bits, or more than 8 of them,");
    t.rank = (int)rank;
    if (p->n_tensors == MAX_TENSORS) return too_much(m, "tensors", MAX_TENSORS);
    RETURN_IF_ERROR(room(m, &p->tensors, p->n_tensors, &p->tensors_capacity, sizeof *p->tensors));
    p->tensors[p->n_tensors] = t;
    return push_new(m, (pickle_value){.kind = PICKLE_TENSOR, .index = p->n_tensors++});
}

/* OrderedDict() or, from Python 2, OrderedDict([[key, value], ...]). */
static simile_status make_dict(machine *m, uint32_t args)
{
    RETURN_IF_ERROR(push_kind(m, PICKLE_DICT));
    if (m->p->values[args].n == 0) return SIMILE_OK;
    const uint32_t made = m->stack[m->n_stack - 1], list = m->p->values[args].items[0];
    if (m->p->values[args].n != 1 || kind_of(m, list) != PICKLE_LIST) return corrupt(m, "an odd dictionary");
    for (uint32_t i = 0; i < m->p->values[list].n; i++) {
        const pickle_value *pair = &m->p->values[m->p->values[list].items[i]];
        if ((pair->kind != PICKLE_LIST && pair->kind != PICKLE_TUPLE) || pair->n != 2)
            return corrupt(m, "an odd dictionary");
        RETURN_IF_ERROR(add_items(m, made, pair->items, 2));
    }
    return SIMILE_OK;
}

/* A value that holds these. */
static simile_status push_holder(machine *m, pickle_kind kind, const uint32_t *items, uint32_t n)
{
    RETURN_IF_ERROR(push_kind(m, kind));
    return add_items(m, m->stack[m->n_stack - 1], items, n);
}

/* (numpy.ndarray, (0,), b"b") */
static simile_status make_array(machine *m, const pickle_value *args)
{
    if (args->n != 3 || kind_of(m, args->items[0]) != PICKLE_GLOBAL) return corrupt(m, "an odd array");
    return push_kind(m, PICKLE_ARRAY);
}

/* (buffer, dtype, shape, order) */
static simile_status make_array_at_once(machine *m, const pickle_value *args)
{
    if (args->n != 4) return corrupt(m, "an odd array");
    const uint32_t items[PICKLE_ARRAY_ITEMS] = {args->items[2], args->items[1], args->items[3], args->items[0]};
    return push_holder(m, PICKLE_ARRAY, items, PICKLE_ARRAY_ITEMS);
}

/* ("f4", ...) */
static simile_status make_dtype(machine *m, const pickle_value *args)
{
    if (args->n < 1) return corrupt(m, "an odd type");
    const uint32_t name = args->items[0];
    return push_holder(m, PICKLE_DTYPE, &name, 1);
}

/* ("...", "latin1"): in protocol 2 Python has no other way to write bytes. */
static simile_status make_bytes(machine *m, const pickle_value *args)
{
    const pickle_value *text = args->n == 2 ? &m->p->values[args->items[0]] : NULL;
    if (!text || text->kind != PICKLE_TEXT || !pickle_is_text(m->p, args->items[1], "latin1"))
        return corrupt(m, "bytes are not described as Python does");
    return push_new(m, (pickle_value){.kind = PICKLE_BYTES, .code = PICKLE_LATIN1, .n = text->n, .text = text->text});
}

static simile_status reduce(machine *m)
{
    RETURN_IF_ERROR(need(m, 2));
    const uint32_t args = pop(m), callee = pop(m);
    const pickle_value *a = &m->p->values[args];
    if (kind_of(m, callee) != PICKLE_GLOBAL || a->kind != PICKLE_TUPLE)
        return corrupt(m, "something is called that is no function");
    switch (globals[m->p->values[callee].code].call) {
    case CALL_DICT: return make_dict(m, args);
    case CALL_TENSOR: return make_tensor(m, a);
    case CALL_FIRST: return a->n ? push(m, a->items[0]) : corrupt(m, "a function lacks its argument");
    case CALL_OTHER: return push_kind(m, PICKLE_OTHER);
    case CALL_ARRAY: return make_array(m, a);
    case CALL_FROM_BUFFER: return make_array_at_once(m, a);
    case CALL_DTYPE: return make_dtype(m, a);
    case CALL_BYTES: return make_bytes(m, a);
    default: return corrupt(m, "something is called that is no function");
    }
}

static simile_status new_object(machine *m)
{
    RETURN_IF_ERROR(need(m, 2));
    const pickle_value *args = &m->p->values[pop(m)], *class = &m->p->values[pop(m)];
    if (class->kind != PICKLE_GLOBAL || globals[class->code].call != CALL_CLASS || args->kind != PICKLE_TUPLE)
        return corrupt(m, "an object is made of something that is no class");
    return push_kind(m, PICKLE_OBJECT);
}

/* Of an array (1, shape, dtype, whether by columns, bytes); of a type (version, order of bytes, ...). */
static simile_status build_numpy(machine *m, uint32_t object, const pickle_value *state)
{
    const bool array = kind_of(m, object) == PICKLE_ARRAY;
    const uint32_t has = m->p->values[object].n;
    if (state->kind != PICKLE_TUPLE || has != (array ? 0 : 1) || (array ? state->n != 5 : state->n < 2))
        return corrupt(m, array ? "an odd array" : "an odd type");
    return add_items(m, object, state->items + 1, array ? PICKLE_ARRAY_ITEMS : 1);
}

/* The state of a TorchScript object is the dictionary of its attributes; that of an OrderedDict, its versions, is of no
 * use here. */
static simile_status build(machine *m)
{
    RETURN_IF_ERROR(need(m, 2));
    const uint32_t state = pop(m), object = m->stack[m->n_stack - 1];
    if (kind_of(m, object) == PICKLE_ARRAY || kind_of(m, object) == PICKLE_DTYPE)
        return build_numpy(m, object, &m->p->values[state]);
    if (kind_of(m, object) == PICKLE_OBJECT && kind_of(m, state) == PICKLE_DICT)
        return add_items(m, object, m->p->values[state].items, m->p->values[state].n);
    return kind_of(m, object) == PICKLE_OBJECT || kind_of(m, object) == PICKLE_DICT
               ? SIMILE_OK
               : corrupt(m, "a state is given to something that has none");
}

/* ---- containers ---- */

static simile_status make_tuple(machine *m, uint32_t n)
{
    RETURN_IF_ERROR(need(m, n));
    m->n_stack -= n;
    uint32_t items[3] = {0};
    if (n) memcpy(items, m->stack + m->n_stack, n * sizeof *items);
    RETURN_IF_ERROR(push_kind(m, PICKLE_TUPLE));
    return add_items(m, m->stack[m->n_stack - 1], items, n);
}

static simile_status make_marked_tuple(machine *m)
{
    uint32_t first = 0;
    RETURN_IF_ERROR(pop_mark(m, &first));
    const uint32_t n = m->n_stack - first;
    RETURN_IF_ERROR(push_kind(m, PICKLE_TUPLE));
    const uint32_t tuple = pop(m);
    RETURN_IF_ERROR(add_items(m, tuple, m->stack + first, n));
    m->n_stack = first;
    return push(m, tuple);
}

/* Puts the values from stack[first] on into the container below them. */
static simile_status add_from(machine *m, uint32_t first, pickle_kind kind)
{
    const uint32_t n = m->n_stack - first;
    m->n_stack = first;
    RETURN_IF_ERROR(need(m, 1));
    if (top(m)->kind != kind) return corrupt(m, "items are put into something that is no container");
    if (kind == PICKLE_DICT && n % 2) return corrupt(m, "a key lacks its value");
    return add_items(m, m->stack[first - 1], m->stack + first, n);
}

static simile_status add_marked(machine *m, pickle_kind kind)
{
    uint32_t first = 0;
    RETURN_IF_ERROR(pop_mark(m, &first));
    return add_from(m, first, kind);
}

static simile_status add_some(machine *m, uint32_t n, pickle_kind kind)
{
    RETURN_IF_ERROR(need(m, n + 1));
    return add_from(m, m->n_stack - n, kind);
}

/* ---- the memo ---- */

static simile_status memo_set(machine *m, uint64_t index)
{
    RETURN_IF_ERROR(need(m, 1));
    if (index >= MAX_VALUES) return too_much(m, "remembered values", MAX_VALUES);
    if (index >= m->memo_capacity) {
        uint32_t capacity = m->memo_capacity ? m->memo_capacity : 256;
        while (capacity <= index) capacity *= 2;
        uint32_t *grown = mem_grow(m->memo, capacity, sizeof *grown);
        if (!grown) return err_nomem(m->err);
        for (uint32_t i = m->memo_capacity; i < capacity; i++) grown[i] = UINT32_MAX;
        m->memo = grown;
        m->memo_capacity = capacity;
    }
    m->n_memo += m->memo[index] == UINT32_MAX;
    m->memo[index] = m->stack[m->n_stack - 1];
    return SIMILE_OK;
}

static simile_status memo_put(machine *m, int bytes)
{
    uint64_t index = 0;
    RETURN_IF_ERROR(take_number(m, bytes, &index));
    return memo_set(m, index);
}

static simile_status memo_get(machine *m, int bytes)
{
    uint64_t index = 0;
    RETURN_IF_ERROR(take_number(m, bytes, &index));
    if (index >= m->memo_capacity || m->memo[index] == UINT32_MAX)
        return corrupt(m, "a value is recalled that was never remembered");
    return push(m, m->memo[index]);
}

/* ---- operations ---- */

static simile_status mark(machine *m)
{
    if (m->n_marks == MAX_MARKS) return too_much(m, "marks within one another", MAX_MARKS);
    m->marks[m->n_marks++] = m->n_stack;
    return SIMILE_OK;
}

static simile_status read_int(machine *m, int bytes)
{
    uint64_t value = 0;
    RETURN_IF_ERROR(take_number(m, bytes, &value));
    return push_number(m, bytes == 4 ? (int64_t)(int32_t)(uint32_t)value : (int64_t)value);
}

static simile_status read_protocol(machine *m)
{
    uint64_t protocol = 0;
    RETURN_IF_ERROR(take_number(m, 1, &protocol));
    if (protocol == 2 || (m->of == PICKLE_OF_NUMPY && protocol > 2 && protocol <= 5)) return SIMILE_OK;
    return err_set(m->err, SIMILE_E_UNSUPPORTED, "cannot read '%s': its pickle has protocol %d, not %s", m->subject,
                   (int)protocol, m->of == PICKLE_OF_TORCH ? "torch's 2" : "2 to 5");
}

static simile_status read_float(machine *m)
{
    const uint8_t *bytes = NULL;
    RETURN_IF_ERROR(take(m, 8, &bytes));
    return push_kind(m, PICKLE_OTHER);
}

/* A frame says how much may be read at once: all of it lies there anyway. */
static simile_status read_frame(machine *m)
{
    uint64_t length = 0;
    return take_number(m, 8, &length);
}

static simile_status unknown(const machine *m, uint8_t operation)
{
    return err_set(m->err, SIMILE_E_UNSUPPORTED, "cannot read '%s': the operation 0x%02x of its pickle is unknown",
                   m->subject, operation);
}

/* What protocols 3 to 5 have for arrays. */
static simile_status step_numpy(machine *m, uint8_t operation)
{
    switch (operation) {
    case 0x93: return take_global(m);
    case 0x94: return memo_set(m, m->n_memo);
    case 0x95: return read_frame(m);
    case 0x8c: return read_text(m, 1, PICKLE_TEXT);
    case 0x8d: return read_text(m, 8, PICKLE_TEXT);
    case 'B': return read_text(m, 4, PICKLE_BYTES);
    case 'C': return read_text(m, 1, PICKLE_BYTES);
    case 0x8e:
    case 0x96: return read_text(m, 8, PICKLE_BYTES);
    default: return unknown(m, operation);
    }
}

static simile_status step(machine *m, uint8_t operation)
{
    switch (operation) {
    case 0x80: return read_protocol(m);
    case '(': return mark(m);
    case ')': return make_tuple(m, 0);
    case 't': return make_marked_tuple(m);
    case 0x85: return make_tuple(m, 1);
    case 0x86: return make_tuple(m, 2);
    case 0x87: return make_tuple(m, 3);
    case ']': return push_kind(m, PICKLE_LIST);
    case '}': return push_kind(m, PICKLE_DICT);
    case 0x8f: return push_kind(m, PICKLE_OTHER); /* an empty set */
    case 'a': return add_some(m, 1, PICKLE_LIST);
    case 'e': return add_marked(m, PICKLE_LIST);
    case 's': return add_some(m, 2, PICKLE_DICT);
    case 'u': return add_marked(m, PICKLE_DICT);
    case 'c': return read_global(m);
    case 'R': return reduce(m);
    case 0x81: return new_object(m);
    case 'b': return build(m);
    case 'Q': return make_storage(m);
    case 'h': return memo_get(m, 1);
    case 'j': return memo_get(m, 4);
    case 'q': return memo_put(m, 1);
    case 'r': return memo_put(m, 4);
    case 'N': return push_kind(m, PICKLE_NONE);
    case 0x88: return push_new(m, (pickle_value){.kind = PICKLE_BOOL, .number = 1});
    case 0x89: return push_kind(m, PICKLE_BOOL);
    case 'J': return read_int(m, 4);
    case 'K': return read_int(m, 1);
    case 'M': return read_int(m, 2);
    case 'G': return read_float(m);
    case 0x8a: return read_long(m);
    case 'X': return read_text(m, 4, PICKLE_TEXT);
    case 'U': return read_text(m, 1, PICKLE_TEXT);
    default: return m->of == PICKLE_OF_NUMPY ? step_numpy(m, operation) : unknown(m, operation);
    }
}

static simile_status run(machine *m)
{
    for (;;) {
        const uint8_t *operation = NULL;
        RETURN_IF_ERROR(take(m, 1, &operation));
        if (*operation != '.') {
            RETURN_IF_ERROR(step(m, *operation));
            continue;
        }
        if (m->n_stack != 1 || m->n_marks) return corrupt(m, "the stack does not end with one value");
        m->p->root = m->stack[0];
        return SIMILE_OK;
    }
}

simile_status pickle_read(pickle_of of, const uint8_t *data, size_t len, const char *subject, pickle *out, size_t *used,
                          simile_error *err)
{
    *out = (pickle){0};
    machine *m = mem_new(machine);
    if (!m) return err_nomem(err);
    m->p = out;
    m->of = of;
    m->data = data;
    m->len = len;
    m->subject = subject;
    m->err = err;
    const simile_status status = run(m);
    if (used) *used = m->at;
    mem_free(m->stack);
    mem_free(m->memo);
    mem_free(m);
    if (status) pickle_release(out);
    return status;
}

static bool owns_items(const pickle_value *v)
{
    return v->kind == PICKLE_TUPLE || v->kind == PICKLE_LIST || v->kind == PICKLE_DICT || v->kind == PICKLE_OBJECT ||
           v->kind == PICKLE_ARRAY || v->kind == PICKLE_DTYPE;
}

void pickle_release(pickle *p)
{
    for (uint32_t i = 0; i < p->n_values; i++) {
        if (owns_items(&p->values[i])) mem_free(p->values[i].items);
    }
    mem_free(p->values);
    mem_free(p->storages);
    mem_free(p->tensors);
    *p = (pickle){0};
}

bool pickle_is_text(const pickle *p, uint32_t value, const char *text)
{
    const pickle_value *v = &p->values[value];
    return v->kind == PICKLE_TEXT && v->n == strlen(text) && !memcmp(v->text, text, v->n);
}
