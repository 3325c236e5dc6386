/* SPDX-License-Identifier: Apache-2.0
 * towers.c - see towers.h: the names that clients may use, and loading and unloading what is behind them.
 *
 *     name ─┐
 *     name ─┴─ tower (a model, or a pair) ── while loaded: simile_model, a lane for texts, a lane for pictures
 *
 * A tower is UNLOADED, LOADING (by the caller who wanted it first; others wait), LOADED or UNLOADING. Whoever holds it
 * keeps it from being unloaded. One thread, the keeper, unloads what was idle for the time to live. At most
 * LIMIT_MODELS are loaded: another one takes the place of the one that was idle the longest, and where all are held,
 * the answer is BUSY.
 *
 * Names of installed models are read from the disk at the start, and again when somebody names one that is unknown,
 * every RESCAN_SECONDS at most. Towers and names are never taken away before towers_free.
 *
 * Threads: two kinds of locks, towers.lock (names, the number of loaded models) before tower.lock (state, holders). */
#include "serve/towers.h"

#include "base/file.h"
#include "base/mem.h"
#include "serve/lane.h"
#include "serve/metrics.h"
#include "serve/wait.h"

#include <math.h>
#include <stdatomic.h>

enum { TOWERS = 256, NAMES = 512, RESCAN_SECONDS = 2, CONFIG_BYTES = 1 << 20 };
enum { LANE_TEXTS, LANE_IMAGES, LANES };

typedef enum { UNLOADED, LOADING, LOADED, UNLOADING } tower_state;

struct tower {
    towers *all;
    char *model, *text_model; /* names or paths; text_model NULL: none */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* the state, or nobody holds it any more */
    tower_state state;
    size_t holders;
    double idle_since;
    simile_model *handle;
    lane *lanes[LANES];
};

typedef struct {
    char *name;
    tower *t;
} tower_name;

struct towers {
    char *search_path;
    bool force_pairing, any_installed;
    int32_t compute;
    int threads, ttl_seconds;
    metrics *metrics;
    atomic_bool stopping;
    pthread_mutex_t lock;
    tower *towers[TOWERS];
    size_t n_towers;
    tower_name names[NAMES];
    size_t n_names;
    size_t loaded; /* or being loaded */
    double scanned;
    pthread_cond_t ending;
    pthread_t keeper;
    bool has_keeper;
};

/* ---- names: under towers.lock, or before anybody else knows the towers ---- */

static tower *find_name(const towers *t, const char *name)
{
    for (size_t i = 0; i < t->n_names; i++)
        if (strcmp(t->names[i].name, name) == 0) return t->names[i].t;
    return NULL;
}

static bool is_made_of(const tower *one, const char *model, const char *text_model)
{
    if (strcmp(one->model, model) != 0) return false;
    return text_model ? one->text_model && strcmp(one->text_model, text_model) == 0 : !one->text_model;
}

static void tower_free(tower *one)
{
    if (!one) return;
    pthread_cond_destroy(&one->changed);
    pthread_mutex_destroy(&one->lock);
    mem_free(one->model);
    mem_free(one->text_model);
    mem_free(one);
}

static simile_status add_tower(towers *t, const char *model, const char *text_model, tower **out, simile_error *err)
{
    for (size_t i = 0; i < t->n_towers; i++) {
        *out = t->towers[i];
        if (is_made_of(*out, model, text_model)) return SIMILE_OK;
    }
    *out = NULL;
    if (t->n_towers == TOWERS) return err_set(err, SIMILE_E_LIMIT, "more than %d models", TOWERS);
    tower *one = mem_new(tower);
    if (!one) return err_nomem(err);
    one->all = t;
    pthread_mutex_init(&one->lock, NULL);
    pthread_cond_init(&one->changed, NULL);
    one->model = mem_strdup(model);
    one->text_model = text_model ? mem_strdup(text_model) : NULL;
    if (!one->model || (text_model && !one->text_model)) {
        tower_free(one);
        return err_nomem(err);
    }
    *out = t->towers[t->n_towers++] = one;
    return SIMILE_OK;
}

static simile_status add_name(towers *t, const char *name, tower *one, simile_error *err)
{
    const tower *there = find_name(t, name);
    if (there == one) return SIMILE_OK;
    if (there) return err_set(err, SIMILE_E_EXISTS, "the name '%.80s' is given to two models", name);
    if (t->n_names == NAMES) return err_set(err, SIMILE_E_LIMIT, "more than %d names of models", NAMES);
    char *copy = mem_strdup(name);
    if (!copy) return err_nomem(err);
    t->names[t->n_names++] = (tower_name){copy, one};
    return SIMILE_OK;
}

static simile_status add_main(towers *t, const towers_options *o, simile_error *err)
{
    tower *one;
    if (!o->model || !*o->model) return err_set(err, SIMILE_E_ARG, "no model was named");
    const char *text_model = o->text_model && *o->text_model ? o->text_model : NULL;
    char *name = path_name(o->model);
    simile_status status = name ? add_tower(t, o->model, text_model, &one, err) : err_nomem(err);
    if (!status) status = add_name(t, name, one, err);
    mem_free(name);
    return status;
}

/* "NAME=MODEL" or "NAME=MODEL+TEXT_MODEL", in a copy that is cut up. A MODEL that is itself a known name is that one.
 */
static simile_status add_alias(towers *t, char *alias, simile_error *err)
{
    char *model = strchr(alias, '='), *text_model = model ? strchr(model, '+') : NULL;
    if (model) *model++ = 0;
    if (text_model) *text_model++ = 0;
    if (!*alias || !model || !*model || (text_model && !*text_model))
        return err_set(err, SIMILE_E_ARG, "another name for a model is written NAME=MODEL or NAME=MODEL+TEXT_MODEL");
    tower *one = text_model ? NULL : find_name(t, model);
    if (!one) RETURN_IF_ERROR(add_tower(t, model, text_model, &one, err));
    return add_name(t, alias, one, err);
}

static simile_status add_aliases(towers *t, const towers_options *o, simile_error *err)
{
    simile_status status = SIMILE_OK;
    for (size_t i = 0; i < o->n_aliases && !status; i++) {
        char *copy = mem_strdup(o->aliases[i]);
        status = copy ? add_alias(t, copy, err) : err_nomem(err);
        mem_free(copy);
    }
    return status;
}

/* ---- what is installed ---- */

typedef struct {
    towers *t;
    simile_status status;
    simile_error *err;
} installed_scan;

/* Translators are installed among the models, and make no vectors. */
static bool is_translator(const char *folder)
{
    json_t *config = NULL;
    const char *type = "";
    char *path = path_join(folder, "config.json");
    const bool read = path && file_exists(path) && !json_read_object(path, CONFIG_BYTES, &config, NULL);
    if (read) json_get_string((json_from){config, path}, "model_type", &type, NULL);
    const bool found = strcmp(type, "marian") == 0;
    if (read) json_decref(config);
    mem_free(path);
    return found;
}

static int on_installed(void *user, const simile_installed_model *m)
{
    installed_scan *scan = user;
    towers *t = scan->t;
    tower *one;
    if (m->partial || find_name(t, m->name) || is_translator(m->directory)) return 0;
    /* What an alias named before is that very tower. */
    for (size_t i = 0; i < t->n_towers; i++)
        if (is_made_of(t->towers[i], m->name, NULL)) return add_name(t, m->name, t->towers[i], NULL) != 0;
    if (t->n_towers == TOWERS || t->n_names == NAMES) return 1;
    scan->status = add_tower(t, m->directory, NULL, &one, scan->err);
    if (!scan->status) scan->status = add_name(t, m->name, one, scan->err);
    return scan->status != SIMILE_OK;
}

static simile_status scan_installed(towers *t, simile_error *err)
{
    installed_scan scan = {.t = t, .err = err};
    if (!t->any_installed) return SIMILE_OK;
    t->scanned = clock_seconds();
    RETURN_IF_ERROR(simile_installed_models(t->search_path, on_installed, &scan, err));
    return scan.status;
}

/* ---- loading ---- */

static simile_status open_model(const tower *one, simile_model **out, simile_error *err)
{
    const simile_model_options options = {.struct_size = sizeof options,
                                          .search_path = one->all->search_path,
                                          .text_model = one->text_model,
                                          .force_pairing = one->all->force_pairing,
                                          .compute = one->all->compute};
    return simile_model_open(one->model, &options, out, err);
}

static void close_loaded(simile_model *handle, lane *const *lanes)
{
    for (int i = 0; i < LANES; i++) lane_free(lanes[i]);
    simile_model_close(handle);
}

/* By one thread, while the tower is LOADING. */
static simile_status load(tower *one, simile_error *err)
{
    towers *t = one->all;
    simile_model *handle;
    lane *lanes[LANES] = {NULL};
    RETURN_IF_ERROR(open_model(one, &handle, err));
    const lane_options options = {.model = handle,
                                  .search_path = t->search_path,
                                  .force_pairing = t->force_pairing && one == t->towers[0],
                                  .threads = t->threads,
                                  .metrics = t->metrics};
    simile_status status = SIMILE_OK;
    for (int i = 0; i < LANES && !status; i++) status = lane_new(&options, &lanes[i], err);
    if (status) {
        close_loaded(handle, lanes);
        return status;
    }
    one->handle = handle;
    memcpy(one->lanes, lanes, sizeof lanes);
    metrics_count(t->metrics, COUNT_MODEL_LOADS, 1);
    metrics_gauge(t->metrics, GAUGE_MODELS_LOADED, 1);
    return SIMILE_OK;
}

static void set_state(tower *one, tower_state state)
{
    pthread_mutex_lock(&one->lock);
    one->state = state;
    one->idle_since = clock_seconds();
    pthread_cond_broadcast(&one->changed);
    pthread_mutex_unlock(&one->lock);
}

/* Under towers.lock. False: somebody holds it, or it is not loaded. */
static bool unload_idle(towers *t, tower *one)
{
    pthread_mutex_lock(&one->lock);
    const bool idle = one->state == LOADED && !one->holders;
    if (idle) one->state = UNLOADING;
    pthread_mutex_unlock(&one->lock);
    if (!idle) return false;
    close_loaded(one->handle, one->lanes);
    one->handle = NULL;
    t->loaded--;
    metrics_count(t->metrics, COUNT_MODEL_UNLOADS, 1);
    metrics_gauge(t->metrics, GAUGE_MODELS_LOADED, -1);
    set_state(one, UNLOADED);
    return true;
}

/* When a tower became idle; INFINITY where it is not, or not loaded. */
static double idle_since(tower *one)
{
    pthread_mutex_lock(&one->lock);
    const double since = one->state == LOADED && !one->holders ? one->idle_since : INFINITY;
    pthread_mutex_unlock(&one->lock);
    return since;
}

static tower *idle_longest(const towers *t)
{
    tower *best = NULL;
    double longest = INFINITY;
    for (size_t i = 0; i < t->n_towers; i++) {
        const double since = idle_since(t->towers[i]);
        if (since >= longest) continue;
        longest = since;
        best = t->towers[i];
    }
    return best;
}

static simile_status take_place(towers *t, simile_error *err)
{
    simile_status status = SIMILE_OK;
    pthread_mutex_lock(&t->lock);
    while (t->loaded >= LIMIT_MODELS && !status) {
        tower *other = idle_longest(t);
        if (!other)
            status = err_set(err, SIMILE_E_BUSY, "%d models are in use, more are not loaded at once", LIMIT_MODELS);
        else
            unload_idle(t, other);
    }
    if (!status) t->loaded++;
    pthread_mutex_unlock(&t->lock);
    return status;
}

static void give_place(towers *t)
{
    pthread_mutex_lock(&t->lock);
    t->loaded--;
    pthread_mutex_unlock(&t->lock);
}

static simile_status load_in_place(tower *one, simile_error *err)
{
    RETURN_IF_ERROR(take_place(one->all, err));
    const simile_status status = load(one, err);
    if (status) give_place(one->all);
    return status;
}

/* Under tower.lock, which is given up while somebody loads. */
static simile_status make_loaded(tower *one, simile_error *err)
{
    while (one->state == LOADING || one->state == UNLOADING) pthread_cond_wait(&one->changed, &one->lock);
    if (one->state == LOADED) return SIMILE_OK;
    one->state = LOADING;
    pthread_mutex_unlock(&one->lock);
    const simile_status status = load_in_place(one, err);
    set_state(one, status ? UNLOADED : LOADED);
    pthread_mutex_lock(&one->lock);
    return status;
}

simile_status tower_hold(tower *t, simile_error *err)
{
    if (atomic_load(&t->all->stopping)) return err_set(err, SIMILE_E_CANCELLED, "the server is stopping");
    pthread_mutex_lock(&t->lock);
    t->holders++;
    const simile_status status = make_loaded(t, err);
    if (status) {
        t->holders--;
        pthread_cond_broadcast(&t->changed);
    }
    pthread_mutex_unlock(&t->lock);
    for (int i = 0; i < LANES && !status; i++) lane_expect(t->lanes[i]);
    return status;
}

static void release(tower *t, bool used)
{
    for (int i = 0; i < LANES; i++) lane_expect_less(t->lanes[i]);
    pthread_mutex_lock(&t->lock);
    if (used) t->idle_since = clock_seconds();
    if (!--t->holders) pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

void tower_release(tower *t)
{
    release(t, true);
}

void tower_release_unused(tower *t)
{
    release(t, false);
}

/* ---- work ---- */

const simile_model *tower_model(tower *t)
{
    return t->handle;
}

simile_status tower_texts(tower *t, const char *const *texts, size_t n, float *out, uint8_t *truncated,
                          simile_error *err)
{
    work w = {.kind = WORK_TEXTS, .n = n, .texts = texts, .out = out, .truncated = truncated};
    return lane_do(t->lanes[LANE_TEXTS], &w, err);
}

simile_status tower_images(tower *t, const simile_image *const *images, size_t n, float *out, simile_error *err)
{
    work w = {.kind = WORK_IMAGES, .n = n, .images = images, .out = out};
    return lane_do(t->lanes[LANE_IMAGES], &w, err);
}

simile_status tower_read(tower *t, const char *const *texts, size_t n, const simile_read_options *options,
                         simile_readings **out, simile_error *err)
{
    work w = {.kind = WORK_READ, .n = n, .texts = texts, .how = options, .readings = out};
    *out = NULL;
    return lane_do(t->lanes[LANE_TEXTS], &w, err);
}

simile_status tower_own_encoder(tower *t, simile_encoder **out, simile_error *err)
{
    const simile_encoder_options how = {.struct_size = sizeof how, .threads = t->all->threads};
    /* Whoever asks for one has no work for the lanes. */
    for (int i = 0; i < LANES; i++) lane_expect_less(t->lanes[i]);
    return simile_encoder_new(t->handle, &how, out, err);
}

/* ---- the keeper ---- */

/* Unloads what was idle long enough; returns when the next one will have been. Who is released from now on will not
 * have been idle long enough before `now` + ttl. */
static double unload_expired(towers *t, double now)
{
    double next = now + t->ttl_seconds;
    for (size_t i = 0; i < t->n_towers; i++) {
        const double until = idle_since(t->towers[i]) + t->ttl_seconds;
        if (until <= now)
            unload_idle(t, t->towers[i]);
        else if (until < next)
            next = until;
    }
    return next;
}

static void *keeper_main(void *argument)
{
    towers *t = argument;
    pthread_mutex_lock(&t->lock);
    while (!atomic_load(&t->stopping)) wait_until(&t->ending, &t->lock, unload_expired(t, clock_seconds()));
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

static simile_status start_keeper(towers *t, simile_error *err)
{
    if (t->ttl_seconds <= 0) return SIMILE_OK;
    if (pthread_create(&t->keeper, NULL, keeper_main, t))
        return err_set(err, SIMILE_E_NOMEM, "cannot start the thread that unloads models");
    t->has_keeper = true;
    return SIMILE_OK;
}

/* ---- all of them ---- */

static simile_status fill(towers *t, const towers_options *o, simile_error *err)
{
    t->force_pairing = o->force_pairing;
    t->compute = o->compute;
    t->any_installed = o->any_installed;
    t->threads = o->threads;
    t->ttl_seconds = o->ttl_seconds;
    if (o->search_path) {
        t->search_path = mem_strdup(o->search_path);
        if (!t->search_path) return err_nomem(err);
    }
    RETURN_IF_ERROR(add_main(t, o, err));
    RETURN_IF_ERROR(add_aliases(t, o, err));
    RETURN_IF_ERROR(scan_installed(t, err));
    return start_keeper(t, err);
}

simile_status towers_new(const towers_options *options, metrics *m, towers **out, simile_error *err)
{
    *out = NULL;
    towers *t = mem_new(towers);
    if (!t) return err_nomem(err);
    t->metrics = m;
    atomic_init(&t->stopping, false);
    pthread_mutex_init(&t->lock, NULL);
    wait_condition(&t->ending);
    const simile_status status = fill(t, options, err);
    if (status)
        towers_free(t);
    else
        *out = t;
    return status;
}

static void end_keeper(towers *t)
{
    pthread_mutex_lock(&t->lock);
    atomic_store(&t->stopping, true);
    pthread_cond_signal(&t->ending);
    pthread_mutex_unlock(&t->lock);
    if (t->has_keeper) pthread_join(t->keeper, NULL);
}

/* What waits in it is cancelled; then everybody who holds it lets go. */
static void end_tower(tower *one)
{
    pthread_mutex_lock(&one->lock);
    while (one->state == LOADING) pthread_cond_wait(&one->changed, &one->lock);
    for (int i = 0; one->state == LOADED && i < LANES; i++) lane_stop(one->lanes[i]);
    while (one->holders) pthread_cond_wait(&one->changed, &one->lock);
    pthread_mutex_unlock(&one->lock);
}

void towers_free(towers *t)
{
    if (!t) return;
    end_keeper(t);
    for (size_t i = 0; i < t->n_towers; i++) end_tower(t->towers[i]);
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < t->n_towers; i++) unload_idle(t, t->towers[i]);
    pthread_mutex_unlock(&t->lock);
    for (size_t i = 0; i < t->n_names; i++) mem_free(t->names[i].name);
    for (size_t i = 0; i < t->n_towers; i++) tower_free(t->towers[i]);
    pthread_cond_destroy(&t->ending);
    pthread_mutex_destroy(&t->lock);
    mem_free(t->search_path);
    mem_free(t);
}

tower *towers_main(towers *t)
{
    return t->towers[0];
}

tower *towers_find(towers *t, const char *name)
{
    pthread_mutex_lock(&t->lock);
    tower *one = find_name(t, name);
    if (!one && t->any_installed && clock_seconds() - t->scanned >= RESCAN_SECONDS) {
        scan_installed(t, NULL); /* where that fails, the name stays unknown */
        one = find_name(t, name);
    }
    pthread_mutex_unlock(&t->lock);
    return one;
}

void towers_each(towers *t, tower_fn fn, void *user)
{
    pthread_mutex_lock(&t->lock);
    const size_t n = t->n_names;
    pthread_mutex_unlock(&t->lock);
    for (size_t i = 0; i < n; i++) {
        tower *one = t->names[i].t; /* names are only ever added */
        pthread_mutex_lock(&one->lock);
        const bool loaded = one->state == LOADED;
        pthread_mutex_unlock(&one->lock);
        if (fn(user, t->names[i].name, one, loaded)) return;
    }
}
