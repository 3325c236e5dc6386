/* SPDX-License-Identifier: Apache-2.0
 * names.c - see names.h; the layouts themselves stand with their families, in families/. */
#include "model/names.h"

#include "base/buf.h"
#include "base/mem.h"
#include "model/family.h"

#include <math.h>
#include <stdio.h>

/* Networks that are not there, by a part with which a name begins. */
static const struct {
    const char *begins, *what;
} unknown[] = {
    {"visual.trunk.", "its image tower is one of timm"},
    {"visual.attn_pool.", "its image tower ends in attentional pooling"},
    {"text_decoder.", "it is a CoCa, with a decoder of text"},
};

bool names_ignored(const char *name)
{
    static const char *const ignored[] = {"vision_model.embeddings.position_ids",
                                          "text_model.embeddings.position_ids",
                                          "input_resolution",
                                          "context_length",
                                          "vocab_size",
                                          "attn_mask"};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) {
        if (!strcmp(name, ignored[i])) return true;
    }
    return false;
}

/* ---- one name ---- */

typedef struct {
    const char *number, *rest; /* within the name */
    size_t number_len;
} match;

static bool matches(const char *pattern, const char *name, match *m)
{
    *m = (match){.rest = ""};
    for (; *pattern; pattern++) {
        if (*pattern == '*') {
            m->rest = name;
            return *name != 0;
        }
        if (*pattern != '#') {
            if (*pattern != *name++) return false;
            continue;
        }
        m->number = name;
        m->number_len = strspn(name, "0123456789");
        if (m->number_len == 0 || m->number_len > 5) return false;
        name += m->number_len;
    }
    return *name == 0;
}

/* part: what '?' is, and what '@' begins with. NULL when memory is short. */
static char *canonical(const char *to, const match *m, char part)
{
    buf b;
    buf_init(&b, 4 * MAX_TENSOR_NAME);
    for (; *to; to++) {
        if (*to == '#')
            buf_append(&b, m->number, m->number_len);
        else if (*to == '*')
            buf_text(&b, m->rest);
        else if (*to == '@')
            buf_text(&b, part == 'q' ? "query" : part == 'k' ? "key" : "value");
        else
            buf_byte(&b, *to == '?' ? part : *to);
    }
    char *name = buf_take(&b, NULL);
    buf_release(&b);
    return name;
}

/* ---- one tensor ---- */

typedef struct {
    weight_table *t;
    const char *subject;
    simile_error *err;
} renamer;

static simile_status rename_entry(const renamer *r, weight_entry *e, char *name)
{
    if (!name) return err_nomem(r->err);
    mem_free(e->name);
    e->name = name;
    return SIMILE_OK;
}

/* q, k and v are thirds of its rows. */
static simile_status split(const renamer *r, size_t at, const name_rule *rule, const match *m)
{
    const weight_entry whole = r->t->entries[at];
    const int64_t rows = whole.tensor.rank ? whole.tensor.dim[0] : 0;
    if (rows == 0 || rows % 3 || nn_dtype_block(whole.tensor.dtype) > 1)
        return err_set(r->err, SIMILE_E_FORMAT, "cannot read '%s': tensor '%s' does not hold three of one size",
                       r->subject, whole.name);
    const uint64_t bytes = (whole.end - whole.begin) / 3;
    for (int i = 0; i < 3; i++) {
        char *name = canonical(rule->to, m, "qkv"[i]); /* m points into the whole's name until the last is made */
        weight_entry *e = NULL;
        if (name) e = i < 2 ? weight_table_add(r->t, name, strlen(name)) : &r->t->entries[at];
        if (!e) {
            mem_free(name);
            return err_nomem(r->err);
        }
        weight_entry part = whole;
        part.name = name;
        part.tensor.data = (const uint8_t *)whole.tensor.data + (uint64_t)i * bytes;
        part.tensor.dim[0] = rows / 3;
        part.begin = whole.begin + (uint64_t)i * bytes;
        part.end = part.begin + bytes;
        mem_free(e->name);
        *e = part;
    }
    return SIMILE_OK;
}

static simile_status transpose(const renamer *r, weight_entry *e)
{
    const nn_tensor t = e->tensor;
    if (t.rank != 2 || !e->usable || nn_dtype_block(t.dtype) > 1)
        return err_set(r->err, SIMILE_E_FORMAT, "cannot read '%s': tensor '%s' is no matrix of floats", r->subject,
                       e->name);
    const size_t rows = (size_t)t.dim[0], cols = (size_t)t.dim[1], size = nn_dtype_size(t.dtype);
    void *copy;
    RETURN_IF_ERROR(weight_table_copy(r->t, (size_t)(e->end - e->begin), r->subject, e->name, &copy, r->err));
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < cols; j++)
            memcpy((uint8_t *)copy + (j * rows + i) * size, (const uint8_t *)t.data + (i * cols + j) * size, size);
    }
    e->tensor.data = copy;
    e->tensor.dim[0] = t.dim[1];
    e->tensor.dim[1] = t.dim[0];
    return SIMILE_OK;
}

static simile_status flatten(const renamer *r, weight_entry *e)
{
    nn_tensor *t = &e->tensor;
    if (t->rank < 2 || t->dim[0] != 1)
        return err_set(r->err, SIMILE_E_FORMAT, "cannot read '%s': the first dimension of tensor '%s' is not 1",
                       r->subject, e->name);
    t->rank--;
    memmove(t->dim, t->dim + 1, (size_t)t->rank * sizeof *t->dim);
    return SIMILE_OK;
}

static bool can_join(const weight_entry *upper, const weight_entry *lower)
{
    const nn_tensor *a = &upper->tensor, *b = &lower->tensor;
    int64_t rows;
    if (a->rank < 1 || a->rank != b->rank || a->dtype != b->dtype || !upper->usable || !lower->usable) return false;
    for (int i = 1; i < a->rank; i++) {
        if (a->dim[i] != b->dim[i]) return false;
    }
    if (upper->begin == upper->end || lower->begin == lower->end) return false;
    return nn_dtype_block(a->dtype) == 1 && !__builtin_add_overflow(a->dim[0], b->dim[0], &rows);
}

/* The lower tensor may have been ignored already; its name is still its own. */
static simile_status join(const renamer *r, size_t at, const name_rule *rule, const match *m)
{
    weight_entry *e = &r->t->entries[at];
    const weight_entry *lower = NULL;
    char *name = canonical(rule[1].from, m, 0);
    if (!name) return err_nomem(r->err);
    for (size_t i = 0; !lower && i < r->t->n; i++) {
        if (!strcmp(r->t->entries[i].name, name)) lower = &r->t->entries[i];
    }
    mem_free(name);
    if (!lower || !can_join(e, lower))
        return err_set(r->err, SIMILE_E_FORMAT,
                       "cannot read '%s': tensor '%s' lacks its other part, or does not fit it", r->subject, e->name);
    const size_t above = (size_t)(e->end - e->begin), below = (size_t)(lower->end - lower->begin);
    void *copy;
    RETURN_IF_ERROR(weight_table_copy(r->t, above + below, r->subject, e->name, &copy, r->err));
    memcpy(copy, e->tensor.data, above);
    memcpy((uint8_t *)copy + above, lower->tensor.data, below);
    e->tensor.data = copy;
    e->tensor.dim[0] += lower->tensor.dim[0];
    e->end += below;
    return SIMILE_OK;
}

/* The layouts of a checkpoint. */
enum { MAX_APPLIED = 8 };
typedef struct {
    const name_layout *items[MAX_APPLIED];
    size_t n;
} layout_list;

static const char *without(const char *name, const char *before)
{
    const size_t len = before ? strlen(before) : 0;
    return len && !strncmp(name, before, len) ? name + len : name;
}

static simile_status apply_rule(const renamer *r, size_t at, const name_rule *rule, const match *m)
{
    weight_entry *e = &r->t->entries[at];
    switch (rule->action) {
    case NAME_SPLIT: return split(r, at, rule, m);
    case NAME_IGNORE: e->used = true; return SIMILE_OK;
    case NAME_TRANSPOSE: RETURN_IF_ERROR(transpose(r, e)); break;
    case NAME_FLAT: RETURN_IF_ERROR(flatten(r, e)); break;
    case NAME_JOIN: RETURN_IF_ERROR(join(r, at, rule, m)); break;
    case NAME_KEEP:
    default: break;
    }
    return rename_entry(r, e, canonical(rule->to, m, 0));
}

static simile_status apply(const renamer *r, size_t at, const layout_list *layouts)
{
    const char *whole = r->t->entries[at].name, *stripped = whole;
    match m;
    for (size_t i = 0; i < layouts->n; i++) {
        const char *name = without(whole, layouts->items[i]->before);
        if (name != whole) stripped = name;
        for (const name_rule *rule = layouts->items[i]->rules; rule->from; rule++) {
            if (matches(rule->from, name, &m)) return apply_rule(r, at, rule, &m);
        }
    }
    return stripped == whole ? SIMILE_OK : rename_entry(r, &r->t->entries[at], mem_strdup(stripped));
}

/* ---- the tables ---- */

/* "module.", which training on several devices puts before all names. */
static simile_status strip_module(weight_table *t, simile_error *err)
{
    static const char module[] = "module.";
    for (size_t i = 0; i < t->n; i++) {
        if (strncmp(t->entries[i].name, module, sizeof module - 1) != 0) return SIMILE_OK;
    }
    for (size_t i = 0; i < t->n; i++) {
        char *name = mem_strdup(t->entries[i].name + sizeof module - 1);
        if (!name) return err_nomem(err);
        mem_free(t->entries[i].name);
        t->entries[i].name = name;
    }
    return SIMILE_OK;
}

/* By the names that no layout has changed. */
static simile_status refuse_unknown(const weight_table *t, const char *subject, simile_error *err)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->entries[i].used) continue; /* ignored */
        for (size_t k = 0; k < sizeof unknown / sizeof *unknown; k++) {
            if (!strncmp(t->entries[i].name, unknown[k].begins, strlen(unknown[k].begins)))
                return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': %s, which is not supported", subject,
                               unknown[k].what);
        }
    }
    return SIMILE_OK;
}

/* ln 100, for a format that leaves it out. */
static simile_status add_scale(weight_table *t, const char *subject, simile_error *err)
{
    const float scale = logf(100.0f);
    void *copy;
    RETURN_IF_ERROR(weight_table_copy(t, sizeof scale, subject, "logit_scale", &copy, err));
    weight_entry *e = weight_table_add(t, "logit_scale", 11);
    if (!e) return err_nomem(err);
    memcpy(copy, &scale, sizeof scale);
    memcpy(e->dtype, "F32", 4);
    e->usable = true;
    e->end = sizeof scale;
    e->tensor = (nn_tensor){.data = copy, .dtype = NN_F32};
    return SIMILE_OK;
}

static bool any_has(const named_table *tables, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (weight_table_find(tables[i].table, name)) return true;
    }
    return false;
}

static void find_among(const name_layout *layouts, const named_table *tables, size_t n, layout_list *found)
{
    for (const name_layout *l = layouts; l && l->mark; l++) {
        if (found->n < MAX_APPLIED && any_has(tables, n, l->mark)) found->items[found->n++] = l;
    }
}

static layout_list find_layouts(const named_table *tables, size_t n)
{
    layout_list found = {.n = 0};
    for (size_t f = 0; model_families[f]; f++) find_among(model_families[f]->layouts, tables, n, &found);
    for (size_t i = 0; shared_layouts[i]; i++) find_among(shared_layouts[i], tables, n, &found);
    return found;
}

simile_status names_canonical(const named_table *tables, size_t n, simile_error *err)
{
    for (size_t i = 0; i < n; i++) {
        weight_table *t = tables[i].table;
        if (t->copy_max == 0) t->copy_max = tables[i].len + COPY_ROOM;
        RETURN_IF_ERROR(strip_module(t, err));
        RETURN_IF_ERROR(weight_table_sort(t, tables[i].subject, err));
    }
    const layout_list layouts = find_layouts(tables, n);
    bool adds_scale = false;
    for (size_t i = 0; i < layouts.n; i++) adds_scale |= layouts.items[i]->adds_scale;
    for (size_t i = 0; i < n && layouts.n; i++) {
        const renamer r = {tables[i].table, tables[i].subject, err};
        const size_t had = r.t->n; /* what a split adds has its name already */
        for (size_t k = 0; k < had; k++) RETURN_IF_ERROR(apply(&r, k, &layouts));
        RETURN_IF_ERROR(weight_table_sort(r.t, r.subject, err));
    }
    for (size_t i = 0; i < n; i++) RETURN_IF_ERROR(refuse_unknown(tables[i].table, tables[i].subject, err));
    if (!adds_scale || any_has(tables, n, "logit_scale")) return SIMILE_OK;
    RETURN_IF_ERROR(add_scale(tables[0].table, tables[0].subject, err));
    return weight_table_sort(tables[0].table, tables[0].subject, err);
}
