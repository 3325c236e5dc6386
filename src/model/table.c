/* SPDX-License-Identifier: Apache-2.0
 * table.c - the table of a file's tensors, which all formats fill in: see weights.h.
 *
 * Built by one thread, read by any number afterwards. */
#include "base/mem.h"
#include "model/weights.h"

void weight_table_release(weight_table *t)
{
    for (size_t i = 0; i < t->n; i++) mem_free(t->entries[i].name);
    for (size_t i = 0; i < t->n_copies; i++) mem_free(t->copies[i]);
    mem_free(t->entries);
    mem_free(t->copies);
    *t = (weight_table){0};
}

weight_entry *weight_table_add(weight_table *t, const char *name, size_t len)
{
    if (t->n == t->capacity) {
        const size_t capacity = t->capacity ? t->capacity * 2 : 64;
        weight_entry *entries = mem_grow(t->entries, capacity, sizeof *entries);
        if (!entries) return NULL;
        t->entries = entries;
        t->capacity = capacity;
    }
    char *copy = mem_strndup(name, len);
    if (!copy) return NULL;
    weight_entry *e = &t->entries[t->n++];
    *e = (weight_entry){.name = copy};
    return e;
}

simile_status weight_table_copy(weight_table *t, size_t size, const char *subject, const char *name, void **out,
                                simile_error *err)
{
    *out = NULL;
    if (size > t->copy_max || t->copied > t->copy_max - size)
        return err_set(err, SIMILE_E_LIMIT, "cannot read '%s': tensor '%s' would take more memory than the whole file",
                       subject, name);
    void **copies = mem_grow(t->copies, t->n_copies + 1, sizeof *copies);
    if (!copies) return err_nomem(err);
    t->copies = copies;
    *out = mem_alloc(size);
    if (!*out) return err_nomem(err);
    copies[t->n_copies++] = *out;
    t->copied += size;
    return SIMILE_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const weight_entry *)a)->name, ((const weight_entry *)b)->name);
}

simile_status weight_table_sort(weight_table *t, const char *subject, simile_error *err)
{
    if (t->n) qsort(t->entries, t->n, sizeof *t->entries, by_name);
    for (size_t i = 1; i < t->n; i++) {
        if (!strcmp(t->entries[i - 1].name, t->entries[i].name))
            return err_set(err, SIMILE_E_CORRUPT, "cannot read '%s': tensor '%s' stands twice", subject,
                           t->entries[i].name);
    }
    return SIMILE_OK;
}

static int compare_name(const void *key, const void *entry)
{
    return strcmp(key, ((const weight_entry *)entry)->name);
}

const weight_entry *weight_table_find(const weight_table *t, const char *name)
{
    return t->n ? bsearch(name, t->entries, t->n, sizeof *t->entries, compare_name) : NULL;
}
