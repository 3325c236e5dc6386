/* SPDX-License-Identifier: Apache-2.0
 * installed.c - which models lie in a folder, and taking one away. */
#include "base/file.h"
#include "base/mem.h"
#include "hub/parts.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_MODELS = 10000 };

typedef struct {
    char **items;
    size_t n, capacity;
} names;

static void names_release(names *list)
{
    for (size_t i = 0; i < list->n; i++) mem_free(list->items[i]);
    mem_free(list->items);
}

static simile_status names_add(names *list, const char *name, simile_error *err)
{
    if (list->n == list->capacity) {
        const size_t capacity = list->capacity ? list->capacity * 2 : 16;
        char **items = mem_grow(list->items, capacity, sizeof *items);
        if (!items) return err_nomem(err);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->n] = mem_strdup(name);
    return list->items[list->n] ? (list->n++, SIMILE_OK) : err_nomem(err);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static simile_status list_names(const char *folder, names *out, simile_error *err)
{
    DIR *dir = opendir(folder);
    if (!dir) return errno == ENOENT || errno == ENOTDIR ? SIMILE_OK : err_errno(err, "cannot read '%s'", folder);
    simile_status status = SIMILE_OK;
    const struct dirent *entry;
    while (!status && out->n < MAX_MODELS && (entry = readdir(dir)))
        if (entry->d_name[0] != '.') status = names_add(out, entry->d_name, err);
    closedir(dir);
    if (out->n) qsort(out->items, out->n, sizeof *out->items, by_name);
    return status;
}

static int add_size(void *user, const char *path, const file_facts *facts)
{
    *(int64_t *)user += facts->size;
    return 0;
}

static bool has_file(const char *folder, const char *name)
{
    char *path = path_join(folder, name);
    const bool there = path && file_exists(path);
    mem_free(path);
    return there;
}

/* The only files by which a folder without a record is known to be a model. */
static bool looks_like_model(const char *folder)
{
    return has_file(folder, "config.json") || has_file(folder, "open_clip_config.json") ||
           has_file(folder, "modules.json");
}

static bool is_part(const char *name)
{
    const size_t n = strlen(name);
    return n > 5 && strcmp(name + n - 5, ".part") == 0;
}

/* Fills in what the record says. False: there is none. */
static bool read_record(const char *folder, const char *file, hub_record *out)
{
    char *path = path_join(folder, file);
    const bool good = path && file_exists(path) && !hub_record_read(path, out, NULL);
    mem_free(path);
    return good;
}

simile_status hub_folder_source(const char *folder, char **out, simile_error *err)
{
    hub_record record = {0};
    *out = NULL;
    char *path = path_join(folder, HUB_RECORD);
    simile_status status = !path               ? SIMILE_E_NOMEM
                           : file_exists(path) ? hub_record_read(path, &record, NULL)
                                               : SIMILE_OK;
    if (!status && record.source && !(*out = mem_strdup(record.source))) status = SIMILE_E_NOMEM;
    hub_record_release(&record);
    mem_free(path);
    return status == SIMILE_E_NOMEM ? err_nomem(err) : SIMILE_OK; /* a damaged record says nothing */
}

/* *go_on: whether fn wants more. */
static simile_status show_one(const char *folder, const char *name, int own, simile_installed_fn fn, void *user,
                              bool *go_on, simile_error *err)
{
    hub_record record = {0};
    file_facts facts;
    char *path = path_join(folder, name), *shown = mem_strdup(name);
    simile_status status = path && shown ? SIMILE_OK : err_nomem(err);
    if (!status && !file_stat(path, &facts, NULL) && facts.is_directory) {
        const bool partial = own && is_part(name) && read_record(path, HUB_STATE, &record);
        const bool made = !partial && read_record(path, HUB_RECORD, &record);
        simile_installed_model m = {.name = shown, .directory = path, .source = record.source, .partial = partial};
        m.removable = own && (made || partial);
        if (partial) shown[strlen(shown) - 5] = 0;
        if (partial || made || looks_like_model(path)) {
            status = file_walk(path, add_size, NULL, &m.bytes, err);
            if (!status) *go_on = !fn(user, &m);
        }
    }
    hub_record_release(&record);
    mem_free(path);
    mem_free(shown);
    return status;
}

simile_status hub_installed(const char *models, int own, simile_installed_fn fn, void *user, simile_error *err)
{
    names list = {0};
    bool go_on = true;
    simile_status status = list_names(models, &list, err);
    for (size_t i = 0; i < list.n && !status && go_on; i++)
        status = show_one(models, list.items[i], own, fn, user, &go_on, err);
    names_release(&list);
    if (!status && !go_on) return err_set(err, SIMILE_E_CANCELLED, "cancelled");
    return status;
}

static simile_status remove_one(const char *models, const char *name, int64_t *bytes, simile_error *err)
{
    static const char *const endings[] = {"", ".part"};
    bool found = false;
    simile_status status = SIMILE_OK;
    for (size_t i = 0; i < 2 && !status; i++) {
        struct stat st;
        char *path = mem_printf("%s/%s%s", models, name, endings[i]);
        if (!path) return err_nomem(err);
        if (!lstat(path, &st)) {
            found = true;
            status = hub_delete(path, bytes, err);
        }
        mem_free(path);
    }
    if (!status && !found) return err_set(err, SIMILE_E_NOT_FOUND, "there is no model '%s' in '%s'", name, models);
    return status;
}

simile_status hub_remove(const char *name, const char *models, int64_t *bytes, simile_error *err)
{
    hub_lock lock = {.fd = -1};
    *bytes = 0;
    if (!hub_name_is_safe(name)) return err_set(err, SIMILE_E_ARG, "'%.80s' cannot be the name of a model here", name);
    if (!file_exists(models)) return err_set(err, SIMILE_E_NOT_FOUND, "there is no model '%s' in '%s'", name, models);
    RETURN_IF_ERROR(hub_lock_take(models, name, &lock, err));
    const simile_status status = remove_one(models, name, bytes, err);
    hub_lock_give(&lock);
    return status;
}
