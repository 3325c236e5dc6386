/* SPDX-License-Identifier: Apache-2.0
 * languages.c - which languages a text tower reads: the public side of the table in the room hub, and finding a model's
 * row in it. A model is known by the record in its folder before it is known by a name: names can be given. */
#include "base/file.h"
#include "base/mem.h"
#include "engine/internal.h"
#include "hub/hub.h"

const simile_language *simile_language_at(size_t i)
{
    return hub_language_at(i);
}

const simile_text_tower *simile_text_tower_at(size_t i)
{
    return hub_text_tower_at(i);
}

int32_t simile_text_tower_reads(const simile_text_tower *tower, const char *code)
{
    return tower && code ? hub_tower_reads(tower, code) : 0;
}

/* The tower of the model in a folder. */
static simile_status in_folder(const char *folder, const simile_text_tower **out, simile_error *err)
{
    char *source, *name = path_name(folder);
    simile_status status = name ? hub_folder_source(folder, &source, err) : err_nomem(err);
    if (!status) {
        *out = source ? hub_tower_of_source(source) : hub_tower_of_name(name);
        mem_free(source);
    }
    mem_free(name);
    return status;
}

/* A file of weights stands for the folder in which it lies. */
static simile_status at_path(const char *path, const simile_text_tower **out, simile_error *err)
{
    file_facts facts;
    RETURN_IF_ERROR(file_stat(path, &facts, err));
    char *absolute = path_absolute(path), *folder = NULL;
    if (absolute) folder = facts.is_directory ? mem_strdup(absolute) : path_folder(absolute);
    const simile_status status = folder ? in_folder(folder, out, err) : err_nomem(err);
    mem_free(absolute);
    mem_free(folder);
    return status;
}

typedef struct {
    const char *name;
    char *folder;
    bool found;
} wanted;

static int look(void *user, const simile_installed_model *m)
{
    wanted *w = user;
    if (m->partial || strcmp(m->name, w->name) != 0) return 0;
    w->found = true;
    w->folder = mem_strdup(m->directory);
    return 1;
}

/* *found: whether a model of this name is there. */
static simile_status installed(const char *name, const char *search_path, bool *found, const simile_text_tower **out,
                               simile_error *err)
{
    wanted w = {.name = name};
    simile_status status = simile_installed_models(search_path, look, &w, err);
    *found = w.found;
    if (!status && w.found) status = w.folder ? in_folder(w.folder, out, err) : err_nomem(err);
    mem_free(w.folder);
    return status;
}

simile_status simile_text_tower_of(const char *name, const char *search_path, const simile_text_tower **out,
                                   simile_error *err)
{
    bool found = false;
    if (!out || !name || !*name) return err_set(err, SIMILE_E_ARG, "no model was named");
    *out = NULL;
    if (strchr(name, '/') && file_exists(name)) return at_path(name, out, err);
    if (!strchr(name, '/')) RETURN_IF_ERROR(installed(name, search_path, &found, out, err));
    if (found) return SIMILE_OK;
    *out = hub_tower_of_name(name);
    if (!*out) *out = hub_tower_of_source(name);
    if (*out) return SIMILE_OK;
    return err_set(err, SIMILE_E_NOT_FOUND, "there is no model '%s', and none of that name is known", name);
}
