/* SPDX-License-Identifier: Apache-2.0
 * torch_legacy.c - what torch.save wrote before 1.6, and still does when asked to: pickles behind one another, then
 * bytes.
 *
 *     pickle      the number 0x1950a86a20f9469cfc6c
 *     pickle      1001
 *     pickle      facts about the machine: "little_endian" among them
 *     pickle      the tensors
 *     pickle      list of the storages' keys
 *     then for each key, in the order of the list: i64 count, count elements, little-endian
 *
 * How long an element is stands with the tensors. Reference: pytorch, torch/serialization.py (_legacy_load). The bytes
 * are hostile: pickle.c says what is refused. */
#include "base/mem.h"
#include "model/torch.h"

typedef struct {
    const uint8_t *data; /* NULL until it is placed */
    uint64_t bytes;
    size_t element; /* bytes of one */
    const char *key;
    uint32_t key_len;
} storage;

typedef struct {
    storage *items; /* sorted by key */
    size_t n;
} storage_list;

static int compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
    const int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order ? order : a_len < b_len ? -1 : a_len > b_len;
}

static int by_key(const void *a, const void *b)
{
    const storage *x = a, *y = b;
    return compare(x->key, x->key_len, y->key, y->key_len);
}

static size_t dtype_size(const char *dtype)
{
    return !strcmp(dtype, "BOOL") ? 1 : (size_t)strtoul(dtype + strcspn(dtype, "0123456789"), NULL, 10) / 8;
}

static const storage *find_in(const storage_list *list, const char *key, size_t len)
{
    const storage wanted = {.key = key, .key_len = (uint32_t)len};
    return list->n ? bsearch(&wanted, list->items, list->n, sizeof wanted, by_key) : NULL;
}

static simile_status corrupt(const char *subject, const char *why, simile_error *err)
{
    return err_set(err, SIMILE_E_CORRUPT, "cannot read '%s': %s", subject, why);
}

/* ---- where each storage is ---- */

/* Element sizes by key, from the tensors' pickle; one entry of the result for each of its storages. */
static simile_status list_storages(const pickle *p, const char *subject, storage_list *out, simile_error *err)
{
    out->items = mem_zero_array((size_t)p->n_storages + 1, sizeof *out->items);
    if (!out->items) return err_nomem(err);
    for (uint32_t i = 0; i < p->n_storages; i++) {
        const pickle_value *key = &p->values[p->storages[i].key];
        out->items[i] = (storage){.key = key->text, .key_len = key->n, .element = dtype_size(p->storages[i].dtype)};
    }
    out->n = p->n_storages;
    if (out->n) qsort(out->items, out->n, sizeof *out->items, by_key);
    size_t kept = 0;
    for (size_t i = 0; i < out->n; i++) {
        storage *last = kept ? &out->items[kept - 1] : NULL;
        if (!last || by_key(last, &out->items[i]))
            out->items[kept++] = out->items[i];
        else if (last->element != out->items[i].element)
            return corrupt(subject, "a storage has two types", err);
    }
    out->n = kept;
    return SIMILE_OK;
}

static simile_status place_storages(storage_list *list, const pickle *keys, const uint8_t *data, size_t len,
                                    const char *subject, simile_error *err)
{
    const pickle_value *order = &keys->values[keys->root];
    if (order->kind != PICKLE_LIST) return corrupt(subject, "the list of its storages is missing", err);
    for (uint32_t i = 0; i < order->n; i++) {
        const pickle_value *key = &keys->values[order->items[i]];
        const storage *found = key->kind == PICKLE_TEXT ? find_in(list, key->text, key->n) : NULL;
        if (!found) return corrupt(subject, "a storage in its list belongs to no tensor", err);
        storage *s = &list->items[found - list->items];
        uint64_t count = 0, bytes = 0;
        if (s->data) return corrupt(subject, "a storage stands twice in its list", err);
        if (len < 8) return corrupt(subject, "the file is cut short", err);
        for (int k = 0; k < 8; k++) count |= (uint64_t)data[k] << (8 * k);
        if (__builtin_mul_overflow(count, (uint64_t)s->element, &bytes) || bytes > len - 8)
            return corrupt(subject, "a storage is larger than the file", err);
        s->data = data + 8;
        s->bytes = bytes;
        data += 8 + bytes;
        len -= 8 + (size_t)bytes;
    }
    return len ? corrupt(subject, "bytes follow its last storage", err) : SIMILE_OK;
}

static bool find_storage(void *user, const char *key, size_t len, const uint8_t **data, uint64_t *size)
{
    const storage *s = find_in(user, key, len);
    if (!s || !s->data) return false;
    *data = s->data;
    *size = s->bytes;
    return true;
}

/* ---- the file ---- */

static bool is_little_endian(const pickle *p)
{
    const pickle_value *v = &p->values[p->root];
    for (uint32_t i = 0; v->kind == PICKLE_DICT && i < v->n; i += 2) {
        if (pickle_is_text(p, v->items[i], "little_endian")) {
            const pickle_value *value = &p->values[v->items[i + 1]];
            return value->kind == PICKLE_BOOL && value->number;
        }
    }
    return false;
}

static simile_status check_head(const pickle head[3], const char *subject, simile_error *err)
{
    const pickle_value *version = &head[1].values[head[1].root];
    if (version->kind != PICKLE_INT || version->number != 1001)
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': an unknown version of torch's older format",
                       subject);
    if (!is_little_endian(&head[2]))
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': its numbers are not little-endian", subject);
    return SIMILE_OK;
}

simile_status torch_legacy_read(const uint8_t *data, size_t len, const char *subject, weight_table *out,
                                simile_error *err)
{
    enum { TENSORS = 3, KEYS = 4, PICKLES = 5 };
    pickle parts[PICKLES] = {{0}};
    storage_list list = {0};
    size_t at = 0;
    simile_status status = SIMILE_OK;
    *out = (weight_table){.copy_max = len + COPY_ROOM};
    for (int i = 0; !status && i < PICKLES; i++) {
        size_t used = 0;
        status = pickle_read(PICKLE_OF_TORCH, data + at, len - at, subject, &parts[i], &used, err);
        at += used;
        if (!status && i == 2) status = check_head(parts, subject, err);
    }
    if (!status) status = list_storages(&parts[TENSORS], subject, &list, err);
    if (!status) status = place_storages(&list, &parts[KEYS], data + at, len - at, subject, err);
    if (!status) status = torch_collect(&parts[TENSORS], find_storage, &list, subject, out, err);
    mem_free(list.items);
    for (int i = 0; i < PICKLES; i++) pickle_release(&parts[i]);
    if (status) weight_table_release(out);
    return status;
}
