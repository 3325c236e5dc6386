/* SPDX-License-Identifier: Apache-2.0
 * hub_api.c - getting models, listing and deleting them: the public side of the room hub. */
#include "base/file.h"
#include "base/mem.h"
#include "engine/internal.h"
#include "hub/hub.h"

#ifndef SIMILE_DATADIR
#define SIMILE_DATADIR "/usr/local/share/simile"
#endif

enum { RETRIES = 5, STALL_SECONDS = 30, BACKOFF_MS = 1000, MAX_BACKOFF_MS = 3600000, MAX_SEEN = 1 << 20 };

const simile_known_model *simile_known_model_at(size_t i)
{
    return hub_known_at(i);
}

/* $XDG_DATA_HOME/simile/models; *out stays NULL when there is no such place. */
static simile_status own_folder(char **out, simile_error *err)
{
    char *home = path_data_home();
    *out = NULL;
    if (!home) return SIMILE_OK;
    *out = path_join(home, "models");
    mem_free(home);
    return *out ? SIMILE_OK : err_nomem(err);
}

static simile_status need_own_folder(char **out, simile_error *err)
{
    RETURN_IF_ERROR(own_folder(out, err));
    if (*out) return SIMILE_OK;
    return err_set(err, SIMILE_E_NOT_FOUND, "there is no place for models: neither HOME nor XDG_DATA_HOME is set");
}

simile_status simile_pull(const char *what, const simile_pull_options *options, simile_pull_report *report,
                          simile_error *err)
{
    simile_pull_options opt;
    char *models;
    if (report) *report = (simile_pull_report){0};
    if (!what) return err_set(err, SIMILE_E_ARG, "no model was named");
    RETURN_IF_ERROR(options_copy(&opt, sizeof opt, options, err));
    if (!opt.retries) opt.retries = RETRIES;
    if (opt.stall_seconds <= 0) opt.stall_seconds = STALL_SECONDS;
    if (opt.backoff_ms <= 0) opt.backoff_ms = BACKOFF_MS;
    if (opt.backoff_ms > MAX_BACKOFF_MS) opt.backoff_ms = MAX_BACKOFF_MS;
    RETURN_IF_ERROR(need_own_folder(&models, err));
    const simile_status status = hub_pull(what, models, &opt, report, err);
    mem_free(models);
    return status;
}

/* ---- what is there ---- */

typedef struct {
    simile_installed_fn fn;
    void *user;
    bool stopped;
    buf seen; /* folders that were looked through, a newline behind each */
} visit;

static int pass_on(void *user, const simile_installed_model *found)
{
    visit *v = user;
    v->stopped = v->fn(v->user, found) != 0;
    return v->stopped;
}

/* The installation's folder may be named in several places: each is shown once. */
static simile_status visit_folder(visit *v, const char *folder, bool own, simile_error *err)
{
    if (v->stopped) return SIMILE_OK;
    char *path = path_absolute(folder), *line = path ? mem_printf("\n%s\n", path) : NULL;
    simile_status status = line ? SIMILE_OK : err_nomem(err);
    const bool again = !status && v->seen.len && strstr(v->seen.data, line);
    if (!status && !again && !buf_text(&v->seen, line)) status = err_nomem(err);
    if (!status && !again) status = hub_installed(path, own, pass_on, v, err);
    mem_free(path);
    mem_free(line);
    return v->stopped ? SIMILE_OK : status;
}

/* Each folder of a list with ':' between them. */
static simile_status visit_list(visit *v, const char *list, simile_error *err)
{
    while (list && *list) {
        const size_t len = strcspn(list, ":");
        char *folder = mem_strndup(list, len);
        if (!folder) return err_nomem(err);
        const simile_status status = len ? visit_folder(v, folder, false, err) : SIMILE_OK;
        mem_free(folder);
        RETURN_IF_ERROR(status);
        list += len + (list[len] == ':');
    }
    return SIMILE_OK;
}

simile_status simile_installed_models(const char *search_path, simile_installed_fn fn, void *user, simile_error *err)
{
    visit v = {.fn = fn, .user = user};
    char *own;
    if (!fn) return err_set(err, SIMILE_E_ARG, "no callback was given");
    RETURN_IF_ERROR(own_folder(&own, err));
    buf_init(&v.seen, MAX_SEEN);
    simile_status status = visit_list(&v, search_path, err);
    if (!status) status = visit_list(&v, getenv("SIMILE_MODELS"), err);
    if (!status && own) status = visit_folder(&v, own, true, err);
    if (!status) status = visit_list(&v, SIMILE_DATADIR "/models", err);
    buf_release(&v.seen);
    mem_free(own);
    return status;
}

/* Of a model that cannot be opened nothing is remembered. */
static char *remembered_of(const char *models, const char *name, char digest_text[DIGEST_HEX])
{
    char *path = path_is_plain_name(name) ? path_join(models, name) : NULL;
    model *m = NULL;
    char *remembered = path && !model_open(path, NULL, &m, NULL) ? remembered_digest(m, digest_text) : NULL;
    model_close(m);
    mem_free(path);
    return remembered;
}

simile_status simile_model_remove(const char *name, int64_t *bytes, simile_error *err)
{
    int64_t freed = 0;
    char *models;
    if (bytes) *bytes = 0;
    if (!name) return err_set(err, SIMILE_E_ARG, "no model was named");
    RETURN_IF_ERROR(need_own_folder(&models, err));
    char digest_text[DIGEST_HEX];
    char *remembered = remembered_of(models, name, digest_text);
    const simile_status status = hub_remove(name, models, &freed, err);
    if (!status && remembered) freed += forget_model(remembered, digest_text);
    mem_free(remembered);
    mem_free(models);
    if (bytes) *bytes = freed;
    return status;
}
