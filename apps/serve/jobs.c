/* SPDX-License-Identifier: Apache-2.0
 * jobs.c - see jobs.h.
 *
 * One thread takes the oldest job that waits and calls simile_library_add for it, with an encoder of its own, and at a
 * lower priority than those who answer requests. All else happens in the progress callback, which that call makes
 * between two batches: there the thread sleeps while the job is paused, and says that it is to stop. A paused job that
 * has begun stays the one that is at work: it keeps the catalogue's place for a writer and its model.
 *
 * Nothing here outlives the process. After a restart the same folders given to a new job go on where the old one was,
 * because what is in the catalogue is passed over.
 *
 * Threads: everything under one lock, which nobody holds while the library works. Events are published under it, so
 * that they leave in order. */
#include "serve/jobs.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "dates.h"
#include "serve/events.h"
#include "serve/folders.h"
#include "serve/towers.h"
#include "show.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

enum { REMEMBERED = 32, SAMPLES = 40, CURRENT_BYTES = 1024, NICE = 10, PATHS = 1000, SHOWN_BYTES = 8192 };
#define TELL_SECONDS    0.25 /* between two events of a job that goes on */
#define CATALOG_SECONDS 2.0  /* between two events about the catalogue */

_Static_assert(REMEMBERED > LIMIT_JOBS + 1, "one of those that are remembered has ended");

typedef enum { WAITING, RUNNING, PAUSED, DONE, FAILED, CANCELLED } job_state;
static const char *const state_names[] = {"waiting", "running", "paused", "done", "failed", "cancelled"};

typedef struct {
    double time;
    int64_t done;
} sample;

typedef struct {
    int64_t id;
    job_state state;
    bool begun, cancel;
    job_request request; /* paths: copies */
    char **paths;
    size_t n_paths;
    int64_t done, total, started, ended; /* the latter two in seconds since 1970, 0: not yet */
    char current[CURRENT_BYTES];
    simile_add_report report;
    int32_t limit; /* SIMILE_STAGE_...: what most of the time goes to; -1: not known */
    char error[sizeof((simile_error *)NULL)->message];
    sample samples[SAMPLES]; /* the last few seconds, a ring */
    size_t n_samples;        /* ever taken since it went on */
    double told;
} job;

struct jobs {
    server *s;
    pthread_mutex_t lock;
    pthread_cond_t news; /* a job to do, a word to the one at work, or the end */
    pthread_t thread;
    bool started, stopping;
    job *all[REMEMBERED + 1]; /* oldest first */
    size_t n;
    int64_t last_id;
    /* the thread's own */
    simile_add_report report; /* of the job at work, while the library counts */
    simile_add_work work;     /* the same */
    double told_catalog;
};

/* ---- telling: under the lock ---- */

static bool has_ended(const job *one)
{
    return one->state == DONE || one->state == FAILED || one->state == CANCELLED;
}

/* Pictures a second of the last few seconds in which it worked; 0: not known. */
static double rate(const job *one)
{
    if (one->n_samples < 2) return 0;
    const size_t oldest = one->n_samples > SAMPLES ? one->n_samples % SAMPLES : 0;
    const sample *from = &one->samples[oldest], *to = &one->samples[(one->n_samples - 1) % SAMPLES];
    return to->time > from->time ? (double)(to->done - from->done) / (to->time - from->time) : 0;
}

static void write_time(json_writer *w, const char *key, int64_t seconds)
{
    char text[DATE_TEXT];
    jw_key(w, key);
    if (seconds && moment_text(seconds, text))
        jw_string(w, text);
    else
        jw_null(w);
}

static void write_report(json_writer *w, const simile_add_report *r)
{
    jw_key(w, "report"), jw_object(w);
    jw_key(w, "found"), jw_int(w, r->found);
    jw_key(w, "added"), jw_int(w, r->added);
    jw_key(w, "updated"), jw_int(w, r->updated);
    jw_key(w, "moved"), jw_int(w, r->moved);
    jw_key(w, "unchanged"), jw_int(w, r->unchanged);
    jw_key(w, "removed"), jw_int(w, r->removed);
    jw_key(w, "quarantined"), jw_int(w, r->quarantined);
    jw_object_end(w);
}

static void write_job(json_writer *w, const job *one)
{
    const double speed = one->state == RUNNING ? rate(one) : 0;
    jw_object(w);
    jw_key(w, "id"), jw_int(w, one->id);
    jw_key(w, "state"), jw_string(w, state_names[one->state]);
    jw_key(w, "paths"), jw_array(w);
    for (size_t i = 0, bytes = 0; i < one->n_paths && (bytes += strlen(one->paths[i])) <= SHOWN_BYTES; i++)
        jw_string(w, one->paths[i]);
    jw_array_end(w);
    jw_key(w, "done"), jw_int(w, one->done);
    jw_key(w, "total"), jw_int(w, one->total);
    jw_key(w, "current"), jw_string(w, one->current);
    jw_key(w, "rate"), jw_double(w, speed);
    jw_key(w, "seconds_left");
    if (speed > 0 && one->total)
        jw_double(w, (double)(one->total - one->done) / speed);
    else
        jw_null(w);
    jw_key(w, "limit");
    if (one->limit >= 0)
        jw_string(w, show_stage(one->limit));
    else
        jw_null(w);
    write_time(w, "started", one->started);
    write_time(w, "ended", one->ended);
    write_report(w, &one->report);
    jw_key(w, "error");
    if (one->error[0])
        jw_string(w, one->error);
    else
        jw_null(w);
    jw_object_end(w);
}

static void publish_job(jobs *j, job *one)
{
    buf text;
    json_writer w;
    buf_init(&text, 1 << 24);
    jw_init(&w, &text);
    write_job(&w, one);
    if (buf_ok(&text) && text.data) events_publish(j->s->events, "job", text.data);
    buf_release(&text);
    one->told = clock_seconds();
}

static void set_state(jobs *j, job *one, job_state state)
{
    one->state = state;
    one->n_samples = 0;
    if (has_ended(one)) {
        one->ended = (int64_t)time(NULL);
        one->current[0] = 0;
    }
    publish_job(j, one);
    pthread_cond_broadcast(&j->news);
}

void jobs_publish_catalog(server *s)
{
    char text[128];
    simile_stats stats;
    if (simile_library_get_stats(s->library, &stats, NULL)) return;
    snprintf(text, sizeof text, "{\"images\":%lld,\"texts\":%lld,\"quarantined\":%lld}", (long long)stats.images,
             (long long)stats.texts, (long long)stats.quarantined);
    events_publish(s->events, "catalog", text);
}

/* On the thread, without the lock. */
static void publish_catalog(jobs *j)
{
    j->told_catalog = clock_seconds();
    jobs_publish_catalog(j->s);
}

/* ---- one job: on the thread ---- */

typedef struct {
    jobs *j;
    job *one;
} at_work;

static void take_sample(job *one, double now)
{
    const sample *last = &one->samples[(one->n_samples + SAMPLES - 1) % SAMPLES];
    if (one->n_samples && now - last->time < TELL_SECONDS) return;
    one->samples[one->n_samples++ % SAMPLES] = (sample){now, one->done};
}

static int on_progress(void *user, int64_t done, int64_t total, const char *subject)
{
    const at_work *a = user;
    jobs *j = a->j;
    job *one = a->one;
    const double now = clock_seconds();
    if (now - j->told_catalog >= CATALOG_SECONDS) publish_catalog(j);
    pthread_mutex_lock(&j->lock);
    one->done = done;
    one->total = total;
    one->report = j->report;
    one->limit = j->work.limit;
    snprintf(one->current, sizeof one->current, "%s", subject);
    if (one->state == RUNNING) take_sample(one, now);
    if (one->state == RUNNING && now - one->told >= TELL_SECONDS) publish_job(j, one);
    while (one->state == PAUSED && !one->cancel && !j->stopping) pthread_cond_wait(&j->news, &j->lock);
    const int stop = one->cancel || j->stopping;
    pthread_mutex_unlock(&j->lock);
    return stop;
}

/* ---- folders that were added before ---- */

typedef struct {
    char **paths;
    size_t n;
    simile_status status;
} cover;

/* The fewest folders that all others lie in. */
static bool cover_add(cover *c, const char *folder)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->n; i++)
        if (folder_holds(c->paths[i], folder)) return true;
    for (size_t i = 0; i < c->n; i++) {
        if (folder_holds(folder, c->paths[i]))
            mem_free(c->paths[i]);
        else
            c->paths[kept++] = c->paths[i];
    }
    c->n = kept;
    char **paths = mem_grow(c->paths, c->n + 1, sizeof *paths);
    if (paths) c->paths = paths;
    char *copy = paths ? mem_strdup(folder) : NULL;
    if (copy) c->paths[c->n++] = copy;
    return copy != NULL;
}

/* A folder that is not there now (another disk, perhaps) is passed over: its pictures are not forgotten for that. */
static int on_folder(void *user, const char *folder, int64_t count)
{
    cover *c = user;
    (void)count;
    if (file_is_folder(folder) && !cover_add(c, folder)) c->status = SIMILE_E_NOMEM;
    return c->status != SIMILE_OK;
}

static void paths_release(char **paths, size_t n)
{
    for (size_t i = 0; i < n; i++) mem_free(paths[i]);
    mem_free(paths);
}

static simile_status find_folders(const jobs *j, cover *out, simile_error *err)
{
    const simile_filter all = {.struct_size = sizeof all, .status = SIMILE_ANY};
    RETURN_IF_ERROR(simile_library_folders(j->s->library, &all, on_folder, out, err));
    return out->status ? err_nomem(err) : SIMILE_OK;
}

/* ---- the library's part ---- */

static simile_status add(jobs *j, job *one, simile_encoder *encoder, char *const *names, size_t n, simile_error *err)
{
    at_work a = {j, one};
    const job_request *r = &one->request;
    const simile_add_options options = {.struct_size = sizeof options,
                                        .progress = on_progress,
                                        .user = &a,
                                        .work = &j->work,
                                        .retry_quarantined = r->retry,
                                        .newest_first = r->newest_first,
                                        .has_after = r->has_after,
                                        .has_before = r->has_before,
                                        .after = r->after,
                                        .before = r->before};
    const char **paths = mem_array(n, sizeof *paths);
    if (!paths) return err_nomem(err);
    memcpy(paths, names, n * sizeof *paths);
    const simile_status status = simile_library_add(j->s->library, encoder, paths, n, &options, &j->report, err);
    mem_free(paths);
    return status;
}

static simile_status add_with_encoder(jobs *j, job *one, char *const *names, size_t n, simile_error *err)
{
    tower *t = towers_main(j->s->towers);
    simile_encoder *encoder;
    RETURN_IF_ERROR(tower_hold(t, err));
    simile_status status = tower_own_encoder(t, &encoder, err);
    if (!status) {
        status = add(j, one, encoder, names, n, err);
        simile_encoder_free(encoder);
    }
    tower_release(t);
    return status;
}

/* A job that names nothing is about all that is known. */
static simile_status do_job(jobs *j, job *one, simile_error *err)
{
    cover known = {0};
    if (one->n_paths) return add_with_encoder(j, one, one->paths, one->n_paths, err);
    simile_status status = find_folders(j, &known, err);
    if (!status && known.n) status = add_with_encoder(j, one, known.paths, known.n, err);
    paths_release(known.paths, known.n);
    return status;
}

/* Under the lock, which is given up meanwhile. */
static void run_job(jobs *j, job *one)
{
    simile_error err = {0};
    one->begun = true;
    one->started = (int64_t)time(NULL);
    set_state(j, one, RUNNING);
    pthread_mutex_unlock(&j->lock);
    j->report = (simile_add_report){0};
    j->work = (simile_add_work){.struct_size = sizeof j->work, .limit = -1};
    j->told_catalog = 0;
    const simile_status status = do_job(j, one, &err);
    publish_catalog(j);
    pthread_mutex_lock(&j->lock);
    one->report = j->report;
    one->limit = j->work.limit;
    if (!status) one->done = one->total;
    if (status && status != SIMILE_E_CANCELLED) snprintf(one->error, sizeof one->error, "%s", err.message);
    set_state(j, one, !status ? DONE : status == SIMILE_E_CANCELLED ? CANCELLED : FAILED);
}

static job *next_job(const jobs *j)
{
    for (size_t i = 0; i < j->n; i++)
        if (j->all[i]->state == WAITING) return j->all[i];
    return NULL;
}

static void *jobs_main(void *argument)
{
    jobs *j = argument;
    /* Of this thread, and of those that its encoder starts. Where it is refused, nothing is lost. */
    setpriority(PRIO_PROCESS, 0, NICE);
    pthread_mutex_lock(&j->lock);
    while (!j->stopping) {
        job *one = next_job(j);
        if (one)
            run_job(j, one);
        else
            pthread_cond_wait(&j->news, &j->lock);
    }
    pthread_mutex_unlock(&j->lock);
    return NULL;
}

/* ---- starting ---- */

static void job_free(job *one)
{
    if (!one) return;
    paths_release(one->paths, one->n_paths);
    mem_free(one);
}

static simile_status job_new(const job_request *request, job **out, simile_error *err)
{
    *out = NULL;
    if (request->n_paths > PATHS) return err_set(err, SIMILE_E_LIMIT, "more than %d folders", PATHS);
    job *one = mem_new(job);
    if (!one) return err_nomem(err);
    one->request = *request;
    one->limit = -1;
    one->request.paths = NULL; /* the copies are the job's */
    one->paths = request->n_paths ? mem_zero_array(request->n_paths, sizeof *one->paths) : NULL;
    while (one->paths && one->n_paths < request->n_paths) {
        one->paths[one->n_paths] = mem_strdup(request->paths[one->n_paths]);
        if (!one->paths[one->n_paths]) break;
        one->n_paths++;
    }
    if (one->n_paths < request->n_paths) {
        job_free(one);
        return err_nomem(err);
    }
    *out = one;
    return SIMILE_OK;
}

/* Forgets the oldest that has ended; there is one. */
static void forget_one(jobs *j)
{
    size_t at = 0;
    while (!has_ended(j->all[at])) at++;
    job_free(j->all[at]);
    memmove(j->all + at, j->all + at + 1, (j->n - at - 1) * sizeof *j->all);
    j->n--;
}

static size_t count_waiting(const jobs *j)
{
    size_t n = 0;
    for (size_t i = 0; i < j->n; i++) n += !has_ended(j->all[i]) && !j->all[i]->begun;
    return n;
}

simile_status jobs_start(jobs *j, const job_request *request, int64_t *id, simile_error *err)
{
    job *one;
    RETURN_IF_ERROR(job_new(request, &one, err));
    pthread_mutex_lock(&j->lock);
    simile_status status = SIMILE_OK;
    if (j->stopping)
        status = err_set(err, SIMILE_E_CANCELLED, "the server is stopping");
    else if (count_waiting(j) >= LIMIT_JOBS)
        status = err_set(err, SIMILE_E_LIMIT, "%d jobs are waiting already", LIMIT_JOBS);
    if (!status) {
        *id = one->id = ++j->last_id;
        j->all[j->n++] = one;
        if (j->n > REMEMBERED) forget_one(j);
        set_state(j, one, WAITING);
    }
    pthread_mutex_unlock(&j->lock);
    if (status) job_free(one);
    return status;
}

/* ---- telling a job what to do ---- */

static job *find_job(const jobs *j, int64_t id)
{
    for (size_t i = 0; i < j->n; i++)
        if (j->all[i]->id == id) return j->all[i];
    return NULL;
}

static void cancel(jobs *j, job *one)
{
    one->cancel = true;
    if (one->begun)
        pthread_cond_broadcast(&j->news); /* it ends behind its batch */
    else
        set_state(j, one, CANCELLED);
}

static simile_status tell(jobs *j, job *one, int64_t id, int what, simile_error *err)
{
    if (!one) return err_set(err, SIMILE_E_NOT_FOUND, "there is no job %lld", (long long)id);
    if (has_ended(one)) return err_set(err, SIMILE_E_EXISTS, "job %lld has ended already", (long long)id);
    if (what == JOB_CANCEL)
        cancel(j, one);
    else if (what == JOB_PAUSE && one->state != PAUSED)
        set_state(j, one, PAUSED);
    else if (what == JOB_RESUME && one->state == PAUSED)
        set_state(j, one, one->begun ? RUNNING : WAITING);
    return SIMILE_OK;
}

simile_status jobs_tell(jobs *j, int64_t id, int what, simile_error *err)
{
    pthread_mutex_lock(&j->lock);
    const simile_status status = tell(j, find_job(j, id), id, what, err);
    pthread_mutex_unlock(&j->lock);
    return status;
}

bool jobs_json(jobs *j, int64_t id, json_writer *w)
{
    pthread_mutex_lock(&j->lock);
    const job *one = find_job(j, id);
    if (one) write_job(w, one);
    pthread_mutex_unlock(&j->lock);
    return one != NULL;
}

void jobs_list_json(jobs *j, json_writer *w)
{
    pthread_mutex_lock(&j->lock);
    jw_array(w);
    for (size_t i = j->n; i-- > 0;) write_job(w, j->all[i]);
    jw_array_end(w);
    pthread_mutex_unlock(&j->lock);
}

/* ---- all of them ---- */

simile_status jobs_new(server *s, jobs **out, simile_error *err)
{
    *out = NULL;
    jobs *j = mem_new(jobs);
    if (!j) return err_nomem(err);
    j->s = s;
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->news, NULL);
    if (pthread_create(&j->thread, NULL, jobs_main, j)) {
        jobs_free(j);
        return err_set(err, SIMILE_E_NOMEM, "cannot start the thread that indexes");
    }
    j->started = true;
    *out = j;
    return SIMILE_OK;
}

void jobs_free(jobs *j)
{
    if (!j) return;
    pthread_mutex_lock(&j->lock);
    j->stopping = true;
    pthread_cond_broadcast(&j->news);
    pthread_mutex_unlock(&j->lock);
    if (j->started) pthread_join(j->thread, NULL);
    for (size_t i = 0; i < j->n; i++) job_free(j->all[i]);
    pthread_cond_destroy(&j->news);
    pthread_mutex_destroy(&j->lock);
    mem_free(j);
}
