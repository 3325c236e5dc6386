/* SPDX-License-Identifier: Apache-2.0
 * weights.c - the weight files of a model directory: see weights.h.
 *
 * A sharded checkpoint lists its tensors in model.safetensors.index.json: {"weight_map": {"tensor": "file"}}. A file
 * name there is foreign: it must be a plain name within the directory. */
#include "model/weights.h"

#include "base/jscan.h"
#include "base/mem.h"

#include <stdio.h>

enum { MAX_SHARDS = 1024, MAX_INDEX = 64 << 20 };

typedef struct {
    char *name; /* within the directory */
    file_map map;
    weight_table table;
} shard;

struct weights {
    char *directory;
    shard *shards;
    size_t n_shards;
};

void weights_close(weights *w)
{
    if (!w) return;
    for (size_t i = 0; i < w->n_shards; i++) {
        weight_table_release(&w->shards[i].table);
        file_map_close(&w->shards[i].map);
        mem_free(w->shards[i].name);
    }
    mem_free(w->shards);
    mem_free(w->directory);
    mem_free(w);
}

static simile_status add_shard(weights *w, const char *name, simile_error *err)
{
    for (size_t i = 0; i < w->n_shards; i++) {
        if (!strcmp(w->shards[i].name, name)) return SIMILE_OK;
    }
    if (w->n_shards == MAX_SHARDS)
        return err_set(err, SIMILE_E_LIMIT, "cannot read '%s': more than %d weight files", w->directory, MAX_SHARDS);
    shard *shards = mem_grow(w->shards, w->n_shards + 1, sizeof *shards);
    if (!shards) return err_nomem(err);
    w->shards = shards;
    shards[w->n_shards] = (shard){.name = mem_strdup(name)};
    if (!shards[w->n_shards].name) return err_nomem(err);
    w->n_shards++;
    return SIMILE_OK;
}

static bool plain_name(const char *name)
{
    return name[0] && name[0] != '.' && !strchr(name, '/');
}

/* The "weight_map" object: collects the file names; a tensor that its file lacks is found missing later, by name. */
static void read_weight_map(jscan *s, weights *w, buf *key, buf *value, simile_status *status, simile_error *err)
{
    jscan_object(s);
    while (!*status && jscan_key(s, key)) {
        if (!jscan_string(s, value)) return;
        *status = plain_name(value->data)
                      ? add_shard(w, value->data, err)
                      : err_set(err, SIMILE_E_FORMAT, "cannot read '%s': '%s' is not the name of a weight file",
                                w->directory, value->data);
    }
}

static simile_status read_index(weights *w, const char *path, simile_error *err)
{
    char *text;
    size_t len;
    RETURN_IF_ERROR(file_read(path, MAX_INDEX, &text, &len, err));
    jscan s;
    buf key, value;
    buf_init(&key, len);
    buf_init(&value, len);
    simile_status status = SIMILE_OK;
    jscan_init(&s, text, len);
    jscan_object(&s);
    while (!status && jscan_key(&s, &key)) {
        if (!strcmp(key.data, "weight_map"))
            read_weight_map(&s, w, &key, &value, &status, err);
        else
            jscan_skip(&s);
    }
    if (!status && !jscan_end(&s)) status = jscan_error(&s, path, err);
    if (!status && w->n_shards == 0)
        status = err_set(err, SIMILE_E_FORMAT, "cannot read '%s': it names no weight file", path);
    buf_release(&key);
    buf_release(&value);
    mem_free(text);
    return status;
}

static simile_status list_shards(weights *w, simile_error *err)
{
    char *whole = path_join(w->directory, "model.safetensors");
    char *index = path_join(w->directory, "model.safetensors.index.json");
    simile_status status;
    if (!whole || !index)
        status = err_nomem(err);
    else if (file_exists(whole))
        status = add_shard(w, "model.safetensors", err);
    else if (file_exists(index))
        status = read_index(w, index, err);
    else
        status = err_set(err, SIMILE_E_NOT_FOUND,
                         "cannot open the model '%s': no model.safetensors or model.safetensors.index.json in it",
                         w->directory);
    mem_free(whole);
    mem_free(index);
    return status;
}

static simile_status open_shard(weights *w, shard *sh, simile_error *err)
{
    char *path = path_join(w->directory, sh->name);
    if (!path) return err_nomem(err);
    simile_status status = file_map_open(path, &sh->map, err);
    if (!status) status = safetensors_read(sh->map.data, sh->map.len, path, &sh->table, err);
    mem_free(path);
    return status;
}

/* A name must not stand in two shards: which one would count is anybody's guess. Both tables are sorted by name. */
static simile_status check_overlap(const weights *w, const shard *a, const shard *b, simile_error *err)
{
    size_t i = 0, j = 0;
    while (i < a->table.n && j < b->table.n) {
        const int order = strcmp(a->table.entries[i].name, b->table.entries[j].name);
        if (order == 0)
            return err_set(err, SIMILE_E_CORRUPT, "cannot open the model '%s': tensor '%s' is in '%s' and in '%s'",
                           w->directory, a->table.entries[i].name, a->name, b->name);
        if (order < 0)
            i++;
        else
            j++;
    }
    return SIMILE_OK;
}

simile_status weights_open(const char *directory, weights **out, simile_error *err)
{
    *out = NULL;
    weights *w = mem_new(weights);
    if (!w) return err_nomem(err);
    simile_status status = SIMILE_OK;
    w->directory = mem_strdup(directory);
    if (!w->directory) status = err_nomem(err);
    if (!status) status = list_shards(w, err);
    for (size_t i = 0; !status && i < w->n_shards; i++) {
        status = open_shard(w, &w->shards[i], err);
        for (size_t j = 0; !status && j < i; j++) status = check_overlap(w, &w->shards[j], &w->shards[i], err);
    }
    if (status) {
        weights_close(w);
        return status;
    }
    *out = w;
    return SIMILE_OK;
}

static int compare_name(const void *key, const void *entry)
{
    return strcmp(key, ((const weight_entry *)entry)->name);
}

const weight_entry *weights_find(const weights *w, const char *name)
{
    for (size_t i = 0; i < w->n_shards; i++) {
        const weight_table *t = &w->shards[i].table;
        const weight_entry *e = t->n ? bsearch(name, t->entries, t->n, sizeof *e, compare_name) : NULL;
        if (e) return e;
    }
    return NULL;
}

bool weights_has(const weights *w, const char *name)
{
    return weights_find(w, name) != NULL;
}

/* "[3, 768]" */
static void shape_text(char out[160], int rank, const int64_t *dim)
{
    size_t n = (size_t)snprintf(out, 160, "[");
    for (int i = 0; i < rank && n < 140; i++)
        n += (size_t)snprintf(out + n, 160 - n, i ? ", %lld" : "%lld", (long long)dim[i]);
    snprintf(out + n, 160 - n, "]");
}

simile_status weights_get(const weights *w, const char *name, int rank, const int64_t *dim, nn_tensor *out,
                          simile_error *err)
{
    const weight_entry *e = weights_find(w, name);
    if (!e)
        return err_set(err, SIMILE_E_FORMAT, "cannot open the model '%s': tensor '%s' is missing", w->directory, name);
    bool same = e->tensor.rank == rank;
    for (int i = 0; same && i < rank; i++) same = e->tensor.dim[i] == dim[i];
    if (!same) {
        char has[160], wants[160];
        shape_text(has, e->tensor.rank, e->tensor.dim);
        shape_text(wants, rank, dim);
        return err_set(err, SIMILE_E_FORMAT,
                       "cannot open the model '%s': tensor '%s' has the shape %s, but the configuration needs %s",
                       w->directory, name, has, wants);
    }
    if (!e->usable || e->tensor.dtype == NN_I64)
        return err_set(err, SIMILE_E_UNSUPPORTED,
                       "cannot open the model '%s': tensor '%s' is of dtype %s, not F32, F16 or BF16", w->directory,
                       name, e->dtype);
    *out = e->tensor;
    return SIMILE_OK;
}

const char *weights_dtype(const weights *w)
{
    uint64_t bytes[3] = {0}, all = 0;
    for (size_t i = 0; i < w->n_shards; i++) {
        for (size_t j = 0; j < w->shards[i].table.n; j++) {
            const weight_entry *e = &w->shards[i].table.entries[j];
            if (!e->usable || e->tensor.dtype > NN_BF16) continue;
            bytes[e->tensor.dtype] += e->end - e->begin;
            all += e->end - e->begin;
        }
    }
    for (int d = NN_F32; d <= NN_BF16; d++) {
        if (bytes[d] > all - all / 20) return nn_dtype_name((nn_dtype)d);
    }
    return "mixed";
}

const char *weights_directory(const weights *w)
{
    return w->directory;
}
