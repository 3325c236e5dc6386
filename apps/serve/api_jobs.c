/* SPDX-License-Identifier: Apache-2.0
 *
 * api_jobs.c - /v1/folders, /v1/scan, /v1/jobs, /v1/events: what may be indexed, what that would be, and indexing it.
 *
 * Folders are named by ids that this server handed out; no path comes from a request. Threads: one request each. */
#include "base/mem.h"
#include "dates.h"
#include "serve/api.h"
#include "serve/folders.h"
#include "serve/jobs.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <time.h>

enum { MAX_FOLDERS = 64, FOLDER_NAME = 128 };

/* ---- folders ---- */

static int write_folder(void *user, const folder_info *one)
{
    json_writer *w = user;
    jw_object(w);
    jw_key(w, "id"), jw_string(w, one->id);
    jw_key(w, "name"), jw_string(w, one->name);
    jw_key(w, "path"), jw_string(w, one->path);
    jw_key(w, "has_children"), jw_bool(w, one->has_children);
    jw_object_end(w);
    return 0;
}

static simile_status write_folders(const input *in, server *s, reply *r, simile_error *err)
{
    const char *parent = NULL;
    json_writer w;
    RETURN_IF_ERROR(input_string(in, "parent", FOLDER_NAME, &parent, err));
    reply_json(r, &w);
    jw_object(&w);
    jw_key(&w, "folders"), jw_array(&w);
    RETURN_IF_ERROR(folders_list(s->folders, parent, write_folder, &w, err));
    jw_array_end(&w);
    jw_object_end(&w);
    return SIMILE_OK;
}

void api_folders(server *s, const request *q, reply *r)
{
    static const char *const keys[] = {"parent", NULL};
    input in;
    simile_error err;
    simile_status status = input_open(q, INPUT_QUERY, keys, r, &in, &err);
    if (!status) status = write_folders(&in, s, r, &err);
    api_end(r, status, &err);
    input_close(&in);
}

/* ---- scanning ---- */

typedef struct {
    int32_t year, month;
    int64_t count, known;
} period;

typedef struct {
    period *periods; /* in the order in which they came */
    size_t n;
    int64_t pictures, bytes, known;
    bool no_memory;
} census;

/* Looking through a folder reads the head of every file: one such request is worked on at a time. */
static atomic_flag scanning = ATOMIC_FLAG_INIT;

/* A few hundred months at most, and files of one folder are mostly of one month: the last one found is tried first. */
static period *period_of(census *c, int32_t year, int32_t month)
{
    for (size_t i = c->n; i--;)
        if (c->periods[i].year == year && c->periods[i].month == month) return &c->periods[i];
    period *all = mem_grow(c->periods, c->n + 1, sizeof *all);
    if (!all) return NULL;
    c->periods = all;
    all[c->n] = (period){.year = year, .month = month};
    return &all[c->n++];
}

static int count_picture(void *user, const simile_scanned *file)
{
    census *c = user;
    const time_t date = (time_t)file->date;
    struct tm day;
    c->pictures++;
    c->bytes += file->size;
    c->known += file->known;
    if (!moment_in_range(file->date) || !gmtime_r(&date, &day)) return 0;
    period *p = period_of(c, day.tm_year + 1900, day.tm_mon + 1);
    c->no_memory = !p;
    if (!p) return 1;
    p->count++;
    p->known += file->known;
    return 0;
}

static int newest_first(const void *x, const void *y)
{
    const period *a = x, *b = y;
    if (a->year != b->year) return a->year > b->year ? -1 : 1;
    return a->month > b->month ? -1 : a->month < b->month;
}

static void write_census(const census *c, reply *r)
{
    json_writer w;
    reply_json(r, &w);
    jw_object(&w);
    jw_key(&w, "pictures"), jw_int(&w, c->pictures);
    jw_key(&w, "bytes"), jw_int(&w, c->bytes);
    jw_key(&w, "known"), jw_int(&w, c->known);
    jw_key(&w, "periods"), jw_array(&w);
    for (size_t i = 0; i < c->n; i++) {
        jw_object(&w);
        jw_key(&w, "year"), jw_int(&w, c->periods[i].year);
        jw_key(&w, "month"), jw_int(&w, c->periods[i].month);
        jw_key(&w, "count"), jw_int(&w, c->periods[i].count);
        jw_key(&w, "known"), jw_int(&w, c->periods[i].known);
        jw_object_end(&w);
    }
    jw_array_end(&w);
    jw_object_end(&w);
}

static simile_status scan(server *s, const char *path, reply *r, simile_error *err)
{
    census c = {0};
    if (atomic_flag_test_and_set(&scanning))
        return err_set(err, SIMILE_E_BUSY, "a folder is being looked through for somebody else already");
    const simile_scan_options options = {.struct_size = sizeof options, .progress = api_stopping, .user = s};
    simile_status status = simile_library_scan(s->library, &path, 1, &options, count_picture, &c, err);
    atomic_flag_clear(&scanning);
    if (!status && c.no_memory) status = err_nomem(err);
    if (!status) {
        if (c.n) qsort(c.periods, c.n, sizeof *c.periods, newest_first);
        write_census(&c, r);
    }
    mem_free(c.periods);
    return status;
}

static simile_status answer_scan(const input *in, server *s, reply *r, simile_error *err)
{
    const char *id = NULL;
    char *path;
    RETURN_IF_ERROR(input_string(in, "folder", FOLDER_NAME, &id, err));
    if (!id) return err_set(err, SIMILE_E_ARG, "'folder' is missing");
    RETURN_IF_ERROR(folders_open(s->folders, id, &path, err));
    const simile_status status = scan(s, path, r, err);
    mem_free(path);
    return status;
}

void api_scan(server *s, const request *q, reply *r)
{
    static const char *const keys[] = {"folder", NULL};
    input in;
    simile_error err;
    simile_status status = input_open(q, INPUT_JSON, keys, r, &in, &err);
    if (!status) status = answer_scan(&in, s, r, &err);
    api_end(r, status, &err);
    input_close(&in);
}

/* ---- jobs ---- */

static simile_status write_job(server *s, int64_t id, reply *r, simile_error *err)
{
    json_writer w;
    reply_json(r, &w);
    if (jobs_json(s->jobs, id, &w)) return SIMILE_OK;
    return err_set(err, SIMILE_E_NOT_FOUND, "there is no job %" PRId64, id);
}

static simile_status start(const input *in, server *s, job_request *job, int64_t *id, reply *r, simile_error *err)
{
    int32_t after = 0, before = 0;
    job->newest_first = true;
    RETURN_IF_ERROR(input_moment(in, "after", &after, &job->after, err));
    RETURN_IF_ERROR(input_moment(in, "before", &before, &job->before, err));
    RETURN_IF_ERROR(input_bool(in, "newest_first", &job->newest_first, err));
    RETURN_IF_ERROR(input_bool(in, "retry", &job->retry, err));
    job->has_after = after;
    job->has_before = before;
    const simile_status status = jobs_start(s->jobs, job, id, err);
    if (status == SIMILE_E_LIMIT) r->status = 429; /* too many wait */
    return status;
}

static simile_status open_folders(const input *in, server *s, char **paths, size_t *n_paths, simile_error *err)
{
    const char **ids;
    size_t n;
    simile_status status = input_strings(in, "folders", 0, MAX_FOLDERS, &ids, &n, err);
    for (; !status && *n_paths < n; ++*n_paths) {
        status = folders_open(s->folders, ids[*n_paths], &paths[*n_paths], err);
        if (status) break;
    }
    mem_free(ids);
    return status;
}

static simile_status answer_start(const input *in, server *s, reply *r, simile_error *err)
{
    char *paths[MAX_FOLDERS], place[48];
    job_request job = {.paths = (const char *const *)paths};
    int64_t id;
    simile_status status = open_folders(in, s, paths, &job.n_paths, err);
    if (!status) status = start(in, s, &job, &id, r, err);
    if (!status) status = write_job(s, id, r, err);
    if (!status) {
        snprintf(place, sizeof place, "/v1/jobs/%" PRId64, id);
        reply_header(r, "Location", place);
        r->status = 202;
    }
    for (size_t i = 0; i < job.n_paths; i++) mem_free(paths[i]);
    return status;
}

void api_job_start(server *s, const request *q, reply *r)
{
    static const char *const keys[] = {"folders", "after", "before", "newest_first", "retry", NULL};
    input in;
    simile_error err;
    simile_status status = input_open(q, INPUT_JSON, keys, r, &in, &err);
    if (!status) status = answer_start(&in, s, r, &err);
    api_end(r, status, &err);
    input_close(&in);
}

void api_jobs(server *s, const request *q, reply *r)
{
    json_writer w;
    simile_error err;
    const simile_status status = api_bare(q, r, &err);
    if (!status) {
        reply_json(r, &w);
        jw_object(&w);
        jw_key(&w, "jobs");
        jobs_list_json(s->jobs, &w);
        jw_object_end(&w);
    }
    api_end(r, status, &err);
}

static simile_status answer_job(server *s, const request *q, reply *r, int what, simile_error *err)
{
    int64_t id;
    RETURN_IF_ERROR(api_bare(q, r, err));
    RETURN_IF_ERROR(api_id(q, "job", &id, err));
    if (what >= 0) RETURN_IF_ERROR(jobs_tell(s->jobs, id, what, err));
    return write_job(s, id, r, err);
}

void api_job(server *s, const request *q, reply *r)
{
    simile_error err;
    api_end(r, answer_job(s, q, r, -1, &err), &err);
}

void api_job_pause(server *s, const request *q, reply *r)
{
    simile_error err;
    api_end(r, answer_job(s, q, r, JOB_PAUSE, &err), &err);
}

void api_job_resume(server *s, const request *q, reply *r)
{
    simile_error err;
    api_end(r, answer_job(s, q, r, JOB_RESUME, &err), &err);
}

void api_job_cancel(server *s, const request *q, reply *r)
{
    simile_error err;
    api_end(r, answer_job(s, q, r, JOB_CANCEL, &err), &err);
}

/* ---- news ---- */

void api_events(server *s, const request *q, reply *r)
{
    simile_error err;
    const simile_status status = api_bare(q, r, &err);
    if (!status) reply_events(r);
    api_end(r, status, &err);
}
