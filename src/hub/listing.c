/* SPDX-License-Identifier: Apache-2.0
 * listing.c - reading what the hub says about a repository, and choosing from it: see listing.h.
 *
 * Names from a server are hostile: one that could leave its folder, or that a terminal would obey, condemns the whole
 * listing; one that is merely unusual is not chosen. */
#include "hub/listing.h"

#include "base/documents.h"
#include "base/jscan.h"
#include "base/mem.h"

#include <stdio.h>

enum { MAX_DEPTH = 4, MAX_NAME = 96, MAX_TEXT = 4096 };

/* ---- lists ---- */

simile_status hub_files_add(hub_files *files, const char *path, int64_t size, const char *oid, simile_error *err)
{
    if (files->n == files->capacity) {
        const size_t capacity = files->capacity ? files->capacity * 2 : 32;
        hub_file *items = mem_grow(files->items, capacity, sizeof *items);
        if (!items) return err_nomem(err);
        files->items = items;
        files->capacity = capacity;
    }
    hub_file *f = &files->items[files->n];
    *f = (hub_file){.path = mem_strdup(path), .size = size};
    if (!f->path) return err_nomem(err);
    if (oid && strlen(oid) < sizeof f->oid) memcpy(f->oid, oid, strlen(oid) + 1);
    files->n++;
    return SIMILE_OK;
}

const hub_file *hub_files_find(const hub_files *files, const char *path)
{
    for (size_t i = 0; i < files->n; i++)
        if (strcmp(files->items[i].path, path) == 0) return &files->items[i];
    return NULL;
}

void hub_files_release(hub_files *files)
{
    for (size_t i = 0; i < files->n; i++) mem_free(files->items[i].path);
    mem_free(files->items);
    *files = (hub_files){0};
}

/* ---- names ---- */

static bool is_ordinary(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("._-+=@, ", c));
}

bool hub_path_is_safe(const char *path)
{
    size_t depth = 0;
    if (strlen(path) > HUB_MAX_PATH) return false;
    for (const char *p = path;; p++) {
        const size_t len = strcspn(p, "/");
        if (!len || *p == '.' || *p == ' ' || ++depth > MAX_DEPTH) return false;
        for (size_t i = 0; i < len; i++)
            if (!is_ordinary(p[i])) return false;
        p += len;
        if (!*p) return true;
    }
}

bool hub_name_is_safe(const char *name)
{
    const size_t n = strlen(name);
    return n && n <= MAX_NAME && !strchr(name, '/') && !strchr(name, ' ') && hub_path_is_safe(name) &&
           !(n >= 5 && strcmp(name + n - 5, ".part") == 0);
}

bool hub_is_hex(const char *text, size_t digits)
{
    return strlen(text) == digits && strspn(text, "0123456789abcdef") == digits;
}

/* Would it leave its folder, or upset a terminal? */
static bool is_hostile(const char *path)
{
    if (*path == '/' || !*path || strlen(path) > MAX_TEXT) return true;
    for (const char *p = path; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '\\') return true;
    for (const char *p = path; p; p = strchr(p, '/')) {
        p += *p == '/';
        const size_t len = strcspn(p, "/");
        if (!len || (len <= 2 && p[0] == '.' && p[len - 1] == '.')) return true;
    }
    return false;
}

/* ---- JSON ---- */

typedef struct {
    buf key, type, path, oid, lfs_oid;
    uint64_t size, lfs_size;
    bool has_size, has_lfs;
} entry;

static void entry_init(entry *e)
{
    *e = (entry){0};
    buf *const parts[] = {&e->key, &e->type, &e->path, &e->oid, &e->lfs_oid};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) buf_init(parts[i], MAX_TEXT);
}

static void entry_release(entry *e)
{
    buf *const parts[] = {&e->key, &e->type, &e->path, &e->oid, &e->lfs_oid};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) buf_release(parts[i]);
}

static void entry_clear(entry *e)
{
    buf *const parts[] = {&e->type, &e->path, &e->oid, &e->lfs_oid};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) buf_clear(parts[i]);
    e->has_size = e->has_lfs = false;
}

static const char *text_of(const buf *b)
{
    return b->len ? b->data : "";
}

static bool read_lfs(jscan *s, entry *e)
{
    if (jscan_peek(s) != '{') return jscan_skip(s);
    jscan_object(s);
    while (jscan_key(s, &e->key)) {
        const char *key = text_of(&e->key);
        if (strcmp(key, "oid") == 0)
            jscan_string(s, &e->lfs_oid);
        else if (strcmp(key, "size") == 0)
            e->has_lfs = jscan_uint(s, &e->lfs_size);
        else
            jscan_skip(s);
    }
    return !s->problem;
}

static bool read_entry(jscan *s, entry *e)
{
    entry_clear(e);
    jscan_object(s);
    while (jscan_key(s, &e->key)) {
        const char *key = text_of(&e->key);
        if (strcmp(key, "type") == 0)
            jscan_string(s, &e->type);
        else if (strcmp(key, "path") == 0)
            jscan_string(s, &e->path);
        else if (strcmp(key, "oid") == 0)
            jscan_string(s, &e->oid);
        else if (strcmp(key, "size") == 0)
            e->has_size = jscan_uint(s, &e->size);
        else if (strcmp(key, "lfs") == 0)
            read_lfs(s, e);
        else
            jscan_skip(s);
    }
    return !s->problem;
}

/* The listing's own entry for a file in LFS is a pointer of some 130 bytes: what counts is in "lfs". */
static simile_status keep_entry(const entry *e, const char *subject, hub_files *files, simile_error *err)
{
    const char *path = text_of(&e->path), *oid = text_of(e->has_lfs ? &e->lfs_oid : &e->oid);
    const uint64_t size = e->has_lfs ? e->lfs_size : e->size;
    if (strcmp(text_of(&e->type), "file") != 0) return SIMILE_OK;
    if (is_hostile(path))
        return err_set(err, SIMILE_E_CORRUPT, "cannot use the list of '%s': it has a file named '%.80s'", subject,
                       path);
    if (!hub_path_is_safe(path)) return SIMILE_OK;
    if (!e->has_size && !e->has_lfs)
        return err_set(err, SIMILE_E_CORRUPT, "cannot use the list of '%s': '%.80s' has no size", subject, path);
    if (size > (uint64_t)HUB_MAX_FILE_SIZE)
        return err_set(err, SIMILE_E_LIMIT, "cannot use the list of '%s': '%.80s' is said to have %llu bytes", subject,
                       path, (unsigned long long)size);
    if (!hub_is_hex(oid, e->has_lfs ? 64 : 40))
        return err_set(err, SIMILE_E_CORRUPT, "cannot use the list of '%s': '%.80s' has no checksum", subject, path);
    if (files->n >= HUB_MAX_FILES)
        return err_set(err, SIMILE_E_LIMIT, "cannot use the list of '%s': more than %d files", subject, HUB_MAX_FILES);
    return hub_files_add(files, path, (int64_t)size, oid, err);
}

simile_status hub_tree_parse(const void *json, size_t len, const char *subject, hub_files *files, simile_error *err)
{
    jscan s;
    entry e;
    simile_status status = SIMILE_OK;
    jscan_init(&s, json, len);
    entry_init(&e);
    jscan_array(&s);
    while (!status && jscan_item(&s)) {
        if (read_entry(&s, &e)) status = keep_entry(&e, subject, files, err);
    }
    if (!status && !jscan_end(&s)) status = jscan_error(&s, subject, err);
    entry_release(&e);
    return status;
}

simile_status hub_revision_parse(const void *json, size_t len, const char *subject, char commit[HUB_OID],
                                 simile_error *err)
{
    jscan s;
    buf key, sha;
    simile_status status = SIMILE_OK;
    commit[0] = 0;
    jscan_init(&s, json, len);
    buf_init(&key, MAX_TEXT);
    buf_init(&sha, MAX_TEXT);
    jscan_object(&s);
    while (jscan_key(&s, &key)) {
        if (strcmp(text_of(&key), "sha") == 0)
            jscan_string(&s, &sha);
        else
            jscan_skip(&s);
    }
    if (!jscan_end(&s))
        status = jscan_error(&s, subject, err);
    else if (!hub_is_hex(text_of(&sha), 40))
        status = err_set(err, SIMILE_E_CORRUPT, "cannot use what the server says of '%s': it names no commit", subject);
    else
        memcpy(commit, sha.data, 41);
    buf_release(&key);
    buf_release(&sha);
    return status;
}

/* ---- choosing ---- */

static const char *name_in(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* "model-00001-of-00002.safetensors" of "model", ".safetensors" */
static bool is_shard(const char *name, const char *stem, const char *end)
{
    const size_t n = strlen(stem);
    if (strncmp(name, stem, n) != 0 || name[n] != '-' || !ends_with(name, end)) return false;
    const char *p = name + n + 1;
    const size_t a = strspn(p, "0123456789");
    if (!a || strncmp(p + a, "-of-", 4) != 0) return false;
    const size_t b = strspn(p + a + 4, "0123456789");
    return b && strcmp(p + a + 4 + b, end) == 0;
}

static bool in_folder(const char *path, const char *folder, size_t n)
{
    return strncmp(path, folder, n) == 0 && name_in(path) == path + n;
}

static simile_status take(const hub_file *f, hub_files *chosen, simile_error *err)
{
    if (hub_files_find(chosen, f->path)) return SIMILE_OK;
    if (chosen->n >= HUB_MAX_CHOSEN) return err_set(err, SIMILE_E_LIMIT, "the model has too many files");
    return hub_files_add(chosen, f->path, f->size, f->oid, err);
}

/* One way in which weights are stored: a file, or an index and its shards. */
typedef struct {
    const char *stem, *end;
} layout;

static const layout layouts[] = {
    {"model", ".safetensors"}, {"open_clip_model", ".safetensors"}, {"pytorch_model", ".safetensors"},
    {"pytorch_model", ".bin"}, {"open_clip_pytorch_model", ".bin"},
};

/* *found: whether the folder has weights in this layout; they are taken then. */
static simile_status take_layout(const hub_files *all, const char *folder, size_t n, const layout *l, hub_files *chosen,
                                 bool *found, simile_error *err)
{
    char whole[64], index[80];
    snprintf(whole, sizeof whole, "%s%s", l->stem, l->end);
    snprintf(index, sizeof index, "%s.index.json", whole);
    const hub_file *shards = NULL;
    *found = false;
    for (size_t i = 0; i < all->n; i++) {
        const hub_file *f = &all->items[i];
        if (!in_folder(f->path, folder, n)) continue;
        if (strcmp(f->path + n, whole) == 0) {
            *found = true;
            return take(f, chosen, err);
        }
        if (strcmp(f->path + n, index) == 0) shards = f;
    }
    if (!shards) return SIMILE_OK;
    *found = true;
    RETURN_IF_ERROR(take(shards, chosen, err));
    for (size_t i = 0; i < all->n; i++) {
        const hub_file *f = &all->items[i];
        if (in_folder(f->path, folder, n) && is_shard(f->path + n, l->stem, l->end))
            RETURN_IF_ERROR(take(f, chosen, err));
    }
    return SIMILE_OK;
}

/* The only file of the folder that ends so. */
static const hub_file *only_one(const hub_files *all, const char *folder, size_t n, const char *end, size_t *count)
{
    const hub_file *one = NULL;
    *count = 0;
    for (size_t i = 0; i < all->n; i++) {
        const hub_file *f = &all->items[i];
        if (!in_folder(f->path, folder, n) || !ends_with(f->path, end)) continue;
        one = f;
        ++*count;
    }
    return *count == 1 ? one : NULL;
}

static simile_status take_weights(const hub_files *all, const char *folder, size_t n, const char *subject,
                                  hub_files *chosen, bool *found, simile_error *err)
{
    static const char *const ends[] = {".safetensors", ".gguf", ".pt", ".pth", ".bin"};
    *found = false;
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts && !*found; i++)
        RETURN_IF_ERROR(take_layout(all, folder, n, &layouts[i], chosen, found, err));
    for (size_t i = 0; i < sizeof ends / sizeof *ends && !*found; i++) {
        size_t count;
        const hub_file *f = only_one(all, folder, n, ends[i], &count);
        if (count > 1)
            return err_set(err, SIMILE_E_ARG, "cannot choose from '%s': %zu files end in '%s', and one has to be named",
                           subject, count, ends[i]);
        if (!f) continue;
        *found = true;
        RETURN_IF_ERROR(take(f, chosen, err));
    }
    return SIMILE_OK;
}

static simile_status take_named(const hub_files *all, const char *weights, const char *subject, hub_files *chosen,
                                simile_error *err)
{
    const hub_file *f = hub_files_find(all, weights);
    if (!f) return err_set(err, SIMILE_E_NOT_FOUND, "'%s' has no file '%s'", subject, weights);
    return take(f, chosen, err);
}

/* A configuration of OpenCLIP beside weights of transformers would mislead whoever opens the model. */
static void drop_other_layout(hub_files *chosen)
{
    const bool both = hub_files_find(chosen, "config.json") && hub_files_find(chosen, "open_clip_config.json");
    bool foreign = false;
    for (size_t i = 0; i < chosen->n; i++)
        foreign |= strncmp(chosen->items[i].path, "open_clip_", 10) == 0 && !ends_with(chosen->items[i].path, ".json");
    if (!both) return;
    const char *drop = foreign ? "config.json" : "open_clip_config.json";
    for (size_t i = 0; i < chosen->n; i++) {
        if (strcmp(chosen->items[i].path, drop) != 0) continue;
        mem_free(chosen->items[i].path);
        memmove(&chosen->items[i], &chosen->items[i + 1], (chosen->n - i - 1) * sizeof *chosen->items);
        chosen->n--;
        return;
    }
}

/* The weights of every module folder that has some, but for that of a file that was named. *any: whether there were any
 * at all. */
static simile_status take_all_weights(const hub_files *all, const char *named, const char *subject, hub_files *chosen,
                                      bool *any, simile_error *err)
{
    const bool modules = hub_files_find(all, "modules.json") != NULL;
    const size_t its = named ? (size_t)(name_in(named) - named) : SIZE_MAX;
    if (its) RETURN_IF_ERROR(take_weights(all, "", 0, subject, chosen, any, err));
    for (size_t i = 0; modules && i < all->n; i++) {
        const char *path = all->items[i].path;
        const size_t n = (size_t)(name_in(path) - path);
        bool found;
        if (!n || !document_in_module(path) || (n == its && !strncmp(path, named, n))) continue;
        RETURN_IF_ERROR(take_weights(all, path, n, subject, chosen, &found, err));
        *any = *any || found;
    }
    return SIMILE_OK;
}

simile_status hub_choose(const hub_files *all, const char *weights, const char *subject, hub_files *chosen,
                         simile_error *err)
{
    const bool modules = hub_files_find(all, "modules.json") != NULL;
    bool any = true;
    for (size_t i = 0; i < all->n; i++) {
        const hub_file *f = &all->items[i];
        const bool here = modules ? document_in_module(f->path) : !strchr(f->path, '/');
        if (here && document_kind_of(name_in(f->path))) RETURN_IF_ERROR(take(f, chosen, err));
    }
    if (weights) RETURN_IF_ERROR(take_named(all, weights, subject, chosen, err));
    if (!weights || modules) RETURN_IF_ERROR(take_all_weights(all, weights, subject, chosen, &any, err));
    if (!any && !weights)
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot pull '%s': it holds no weights in a form known here",
                       subject);
    drop_other_layout(chosen);
    return SIMILE_OK;
}
