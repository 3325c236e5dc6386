/* SPDX-License-Identifier: Apache-2.0
 * weights.c - the weight files of a model: see weights.h.
 *
 * The format of a file is told from its first bytes, never from its name; names only decide which file of a directory
 * is read. A sharded checkpoint lists its tensors in an index: {"weight_map": {"tensor": "file"}}. A file name there is
 * foreign: it must be a plain name within the directory. */
#include "model/weights.h"

#include "base/jscan.h"
#include "base/mem.h"
#include "model/names.h"

#include <dirent.h>
#include <stdio.h>

enum { MAX_SHARDS = 1024, MAX_INDEX = 64 << 20 };

typedef struct {
    char *name; /* within the directory */
    file_map map;
    weight_table table;
} shard;

struct weights {
    char *path, *directory; /* as given; where the files are */
    shard *shards;
    size_t n_shards;
    weights_format format; /* of the first shard */
    gguf_facts gguf;
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
    mem_free(w->path);
    mem_free(w->directory);
    mem_free(w);
}

void weights_forget(const weights *w)
{
    for (size_t i = 0; i < w->n_shards; i++) file_map_forget(&w->shards[i].map);
}

/* ---- which files ---- */

static simile_status add_shard(weights *w, const char *name, simile_error *err)
{
    for (size_t i = 0; i < w->n_shards; i++) {
        if (!strcmp(w->shards[i].name, name)) return SIMILE_OK;
    }
    if (w->n_shards == MAX_SHARDS)
        return err_set(err, SIMILE_E_LIMIT, "cannot read '%s': more than %d weight files", w->path, MAX_SHARDS);
    shard *shards = mem_grow(w->shards, w->n_shards + 1, sizeof *shards);
    if (!shards) return err_nomem(err);
    w->shards = shards;
    shards[w->n_shards] = (shard){.name = mem_strdup(name)};
    if (!shards[w->n_shards].name) return err_nomem(err);
    w->n_shards++;
    return SIMILE_OK;
}

/* The "weight_map" object: collects the file names; a tensor that its file lacks is found missing later, by name. */
static void read_weight_map(jscan *s, weights *w, buf *key, buf *value, simile_status *status, simile_error *err)
{
    jscan_object(s);
    while (!*status && jscan_key(s, key)) {
        if (!jscan_string(s, value)) return;
        *status = path_is_plain_name(value->data)
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

static bool has_ending(const char *name)
{
    static const char *const endings[] = {".safetensors", ".bin", ".pt", ".pth", ".gguf"};
    const size_t len = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        const size_t n = strlen(endings[i]);
        if (len > n && !strcmp(name + len - n, endings[i])) return name[0] != '.';
    }
    return false;
}

/* A directory in which no file has one of the usual names: its only weight file. */
static simile_status add_only_file(weights *w, simile_error *err)
{
    DIR *folder = opendir(w->directory);
    if (!folder) return err_errno(err, "cannot open the model '%s'", w->path);
    simile_status status = SIMILE_OK;
    for (const struct dirent *d = readdir(folder); !status && d; d = readdir(folder)) {
        if (!has_ending(d->d_name)) continue;
        if (w->n_shards)
            status = err_set(err, SIMILE_E_FORMAT,
                             "cannot open the model '%s': '%s' and '%s' are both in it; name the one that is meant",
                             w->path, w->shards[0].name, d->d_name);
        else
            status = add_shard(w, d->d_name, err);
    }
    closedir(folder);
    if (!status && !w->n_shards)
        status = err_set(err, SIMILE_E_NOT_FOUND,
                         "cannot open the model '%s': no weight file in it (model.safetensors, pytorch_model.bin or "
                         "open_clip_pytorch_model.bin, *.pt, *.gguf)",
                         w->path);
    return status;
}

static simile_status list_directory(weights *w, simile_error *err)
{
    static const struct {
        const char *name;
        bool index;
    } usual[] = {{"model.safetensors", false},           {"model.safetensors.index.json", true},
                 {"open_clip_model.safetensors", false}, {"pytorch_model.bin", false},
                 {"pytorch_model.bin.index.json", true}, {"open_clip_pytorch_model.bin", false}};
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        char *path = path_join(w->directory, usual[i].name);
        if (!path) return err_nomem(err);
        const bool there = file_exists(path);
        simile_status status = SIMILE_OK;
        if (there) status = usual[i].index ? read_index(w, path, err) : add_shard(w, usual[i].name, err);
        mem_free(path);
        if (there) return status;
    }
    return add_only_file(w, err);
}

static simile_status list_shards(weights *w, simile_error *err)
{
    file_facts facts;
    RETURN_IF_ERROR(file_stat(w->path, &facts, err));
    w->directory = facts.is_directory ? mem_strdup(w->path) : path_folder(w->path);
    if (!w->directory) return err_nomem(err);
    if (facts.is_directory) return list_directory(w, err);
    char *name = path_name(w->path);
    const simile_status status = name ? add_shard(w, name, err) : err_nomem(err);
    mem_free(name);
    return status;
}

/* ---- what is in them ---- */

static bool starts(const file_map *map, const char *bytes, size_t len)
{
    return map->len >= len && !memcmp(map->data, bytes, len);
}

/* The length of a header may begin with any byte: that of a ZIP archive, of a pickle, of a web page. */
static bool is_plain_safetensors(const file_map *map)
{
    return map->len > 8 && !memcmp(map->data + 4, "\0\0\0\0{", 5);
}

/* Bytes that are no weights, though their file has such a name. */
static simile_status refuse_known(const file_map *map, const char *path, simile_error *err)
{
    if (map->len > 262 && !memcmp(map->data + 257, "ustar", 5))
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot read '%s': a tar archive, which torch wrote before 0.1.10",
                       path);
    if (starts(map, "version https://git-lfs", 23))
        return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': it only points to a file that git-lfs has not fetched",
                       path);
    if (starts(map, "<", 1)) return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': a web page, not weights", path);
    return SIMILE_OK;
}

static simile_status read_tables(weights *w, shard *sh, const char *path, weights_format *format, simile_error *err)
{
    static const char legacy[] = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e";
    const file_map *map = &sh->map;
    *format = WEIGHTS_SAFETENSORS;
    if (is_plain_safetensors(map)) return safetensors_read(map->data, map->len, path, &sh->table, err);
    if (starts(map, "PK", 2)) {
        bool script = false;
        const simile_status status = torch_zip_read(map->data, map->len, path, &sh->table, &script, err);
        *format = script ? WEIGHTS_TORCHSCRIPT : WEIGHTS_TORCH;
        return status;
    }
    if (starts(map, "GGUF", 4)) {
        *format = WEIGHTS_GGUF;
        return gguf_read(map->data, map->len, path, &sh->table, &w->gguf, err);
    }
    if (starts(map, legacy, sizeof legacy - 1)) {
        *format = WEIGHTS_TORCH;
        return torch_legacy_read(map->data, map->len, path, &sh->table, err);
    }
    if (starts(map, "\x80", 1) && map->len > 1 && map->data[1] < 6) {
        *format = WEIGHTS_NUMPY;
        return numpy_pickle_read(map->data, map->len, path, &sh->table, err);
    }
    RETURN_IF_ERROR(refuse_known(map, path, err));
    return safetensors_read(map->data, map->len, path, &sh->table, err);
}

static simile_status open_shard(weights *w, shard *sh, simile_error *err)
{
    char *path = path_join(w->directory, sh->name);
    if (!path) return err_nomem(err);
    weights_format format = WEIGHTS_SAFETENSORS;
    simile_status status = file_map_open(path, &sh->map, err);
    if (!status) status = read_tables(w, sh, path, &format, err);
    if (!status && sh == w->shards) w->format = format;
    if (!status && format != w->format)
        status = err_set(err, SIMILE_E_FORMAT, "cannot open the model '%s': its weight files are of several formats",
                         w->path);
    mem_free(path);
    return status;
}

/* Names are told apart by what all the files hold together. */
static simile_status rename_tensors(weights *w, simile_error *err)
{
    named_table *tables = mem_array(w->n_shards, sizeof *tables);
    if (!tables) return err_nomem(err);
    for (size_t i = 0; i < w->n_shards; i++)
        tables[i] = (named_table){&w->shards[i].table, w->shards[i].name, w->shards[i].map.len};
    simile_status status = names_canonical(tables, w->n_shards, err);
    for (size_t i = 0; !status && i < w->n_shards; i++)
        status = quantised_read(tables[i].table, tables[i].subject, err);
    mem_free(tables);
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
                           w->path, a->table.entries[i].name, a->name, b->name);
        if (order < 0)
            i++;
        else
            j++;
    }
    return SIMILE_OK;
}

simile_status weights_open(const char *path, weights **out, simile_error *err)
{
    *out = NULL;
    weights *w = mem_new(weights);
    if (!w) return err_nomem(err);
    simile_status status = SIMILE_OK;
    w->path = mem_strdup(path);
    if (!w->path) status = err_nomem(err);
    if (!status) status = list_shards(w, err);
    for (size_t i = 0; !status && i < w->n_shards; i++) status = open_shard(w, &w->shards[i], err);
    if (!status) status = rename_tensors(w, err);
    for (size_t i = 1; !status && i < w->n_shards; i++) {
        for (size_t j = 0; !status && j < i; j++) status = check_overlap(w, &w->shards[j], &w->shards[i], err);
    }
    if (status) {
        weights_close(w);
        return status;
    }
    *out = w;
    return SIMILE_OK;
}

const weight_entry *weights_find(const weights *w, const char *name)
{
    for (size_t i = 0; i < w->n_shards; i++) {
        const weight_entry *e = weight_table_find(&w->shards[i].table, name);
        if (e) return e;
    }
    return NULL;
}

bool weights_has(const weights *w, const char *name)
{
    return weights_find(w, name) != NULL;
}

int64_t weights_size(const weights *w, const char *name, int rank, int at)
{
    const weight_entry *e = weights_find(w, name);
    return e && e->tensor.rank == rank && e->tensor.dim[at] < 1 << 24 ? e->tensor.dim[at] : 0;
}

/* While a model is opened, by one thread. */
static void mark_used(const weight_entry *e)
{
    ((weight_entry *)(uintptr_t)e)->used = true;
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
    if (!e) return err_set(err, SIMILE_E_FORMAT, "cannot open the model '%s': tensor '%s' is missing", w->path, name);
    bool same = e->tensor.rank == rank;
    for (int i = 0; same && i < rank; i++) same = e->tensor.dim[i] == dim[i];
    if (!same) {
        char has[160], wants[160];
        shape_text(has, e->tensor.rank, e->tensor.dim);
        shape_text(wants, rank, dim);
        return err_set(err, SIMILE_E_FORMAT,
                       "cannot open the model '%s': tensor '%s' has the shape %s, but the configuration needs %s",
                       w->path, name, has, wants);
    }
    if (!e->usable || e->tensor.dtype == NN_I64)
        return err_set(err, SIMILE_E_UNSUPPORTED,
                       "cannot open the model '%s': tensor '%s' is of dtype %s, not F32, F16, BF16, a block of them, "
                       "or I8 with its scale",
                       w->path, name, e->dtype);
    *out = e->tensor;
    mark_used(e);
    return SIMILE_OK;
}

void weights_skip(const weights *w, const char *name)
{
    const weight_entry *e = weights_find(w, name);
    if (e) mark_used(e);
}

void weights_ignore(const weights *w, const char *name)
{
    weight_entry *e = (weight_entry *)(uintptr_t)weights_find(w, name);
    if (e) e->used = true;
}

simile_status weights_all_used(const weights *w, simile_error *err)
{
    for (size_t i = 0; i < w->n_shards; i++) {
        for (size_t j = 0; j < w->shards[i].table.n; j++) {
            const weight_entry *e = &w->shards[i].table.entries[j];
            if (!e->used && !names_ignored(e->name))
                return err_set(err, SIMILE_E_UNSUPPORTED,
                               "cannot open the model '%s': its network has no place for the tensor '%s'", w->path,
                               e->name);
        }
    }
    return SIMILE_OK;
}

/* Bytes of the tensors with this dtype, or with any of floats when it is NULL. */
static uint64_t bytes_of(const weights *w, const char *dtype)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < w->n_shards; i++) {
        for (size_t j = 0; j < w->shards[i].table.n; j++) {
            const weight_entry *e = &w->shards[i].table.entries[j];
            if (!e->usable || e->tensor.dtype == NN_I64) continue;
            if (!dtype || !strcmp(e->dtype, dtype)) sum += e->end - e->begin;
        }
    }
    return sum;
}

const char *weights_dtype(const weights *w)
{
    const uint64_t all = bytes_of(w, NULL);
    if (bytes_of(w, nn_dtype_name(NN_I8))) return nn_dtype_name(NN_I8); /* embeddings, which are not, may be larger */
    for (int d = NN_F32; d <= NN_Q8_0; d++) {
        if (bytes_of(w, nn_dtype_name((nn_dtype)d)) > all - all / 20) return nn_dtype_name((nn_dtype)d);
    }
    return "mixed";
}

const char *weights_directory(const weights *w)
{
    return w->directory;
}

weights_format weights_kind(const weights *w)
{
    return w->format;
}

const gguf_facts *weights_gguf(const weights *w)
{
    return w->format == WEIGHTS_GGUF ? &w->gguf : NULL;
}
