/* SPDX-License-Identifier: Apache-2.0
 * stages.c - who does what next while pictures are added: read, decide, decode, encode, store.
 *
 * All stages share one team of threads, each of which asks for the next task whenever it is done with one, so that
 * every processor is busy as long as there is work of any kind, and none waits for a stage of its own. A task is one
 * file (to be read, or decoded, prepared and made a thumbnail of) or one group of pictures (to be encoded, by an
 * encoder of one thread: several groups side by side lose nothing to one another, as the threads of one network do).
 * What is nearest to the end comes first; files are read ahead of that only so far that decoding need not wait for
 * them. Feeding, storing and telling how far it is are the calling thread's, between its other tasks.
 *
 * Reading, deciding and decoding begin in the order of the files, and batches are stored in it, whoever is done first.
 * Groups are the same ones each time, too: see record.c.
 *
 * Memory: files that were read and not decoded yet take at most FILE_ROOM bytes, pixels that are being decoded at most
 * PIXEL_ROOM; a file or picture that is larger by itself waits until it is alone. Beside these stand the tensors of
 * threads + 2 groups, and an encoder's working memory for each thread. When memory is short for a picture, it is tried
 * once more while nothing else is at work, and then quarantined. None of these waits can wait for another: room is
 * given in the order of the files, and whoever has room for pixels asks for nothing more.
 *
 * When there are no more files than one group holds, no thread could take another group beside it, and the caller's
 * encoder works with all of its threads.
 *
 * Threads: as said. `lock` guards the plan, and nobody holds it while working. */
#include "engine/ingest.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <time.h>

enum { GROUP = 8, SMALL_GROUP = 4, READ_AHEAD = 2 };
#define GROUP_SIDE   256 /* pictures of more pixels a side are encoded by SMALL_GROUPs */
#define FILE_ROOM    ((size_t)128 << 20)
#define PIXEL_ROOM   ((size_t)256 << 20)
#define TELL_SECONDS 0.25

typedef enum { TASK_WAIT, TASK_END, TASK_STORE, TASK_FEED, TASK_DECIDE, TASK_READ, TASK_DECODE, TASK_ENCODE } task;

/* ---- the plan: everything here with the lock held ---- */

group *group_of(const ingest *in, int64_t number)
{
    const size_t n = (size_t)number;
    return &in->groups[(n / in->batch * in->groups_a_batch + n % in->batch / in->group) % in->n_groups];
}

static size_t batch_size(const ingest *in)
{
    const size_t n = (size_t)(in->fed - in->stored);
    return n < in->batch ? n : in->batch;
}

/* Will no more jobs come to this group? */
static bool group_is_whole(const ingest *in, const group *g)
{
    const size_t at = (size_t)g->first % in->batch;
    const size_t most = in->batch - at < in->group ? in->batch - at : in->group;
    return g->n == most || in->all_fed;
}

static bool can_encode(const ingest *in, const group *g)
{
    return !g->encoding && !g->encoded && g->settled == g->n && group_is_whole(in, g);
}

static bool one_group_only(const ingest *in)
{
    return in->all_fed && (size_t)in->fed <= in->group;
}

/* The oldest group that can be encoded. */
static group *next_group(const ingest *in)
{
    for (int64_t i = in->stored; i < in->fed;) {
        group *g = group_of(in, i);
        if (can_encode(in, g)) return g;
        i = g->first + (int64_t)g->n;
    }
    return NULL;
}

static bool can_store(const ingest *in)
{
    const size_t n = batch_size(in);
    if (!n || (n < in->batch && !in->all_fed)) return false;
    for (int64_t i = in->stored; i < in->stored + (int64_t)n;) {
        const group *g = group_of(in, i);
        if (!g->encoded) return false;
        i = g->first + (int64_t)g->n;
    }
    return true;
}

static bool can_read(const ingest *in)
{
    if (in->next_read == in->fed || in->n_files >= in->threads + READ_AHEAD) return false;
    return !in->file_bytes || in->file_bytes + job_at(in, in->next_read)->file_cost <= FILE_ROOM;
}

static bool can_decode(ingest *in)
{
    while (in->next_decode < in->decided && job_at(in, in->next_decode)->state != JOB_WANTED) in->next_decode++;
    if (in->next_decode == in->decided) return false;
    const job *j = job_at(in, in->next_decode);
    if (!group_of(in, in->next_decode)->buffer && !in->n_free) return false;
    return !in->n_decoding || in->pixel_bytes + j->pixel_cost <= PIXEL_ROOM;
}

static bool can_decide(const ingest *in)
{
    return !in->deciding && in->decided < in->next_read && job_at(in, in->decided)->state == JOB_READ;
}

static task pick(ingest *in, bool caller)
{
    if (in->stopping || (in->all_fed && in->stored == in->fed)) return TASK_END;
    if (in->alone) return TASK_WAIT;
    if (caller && can_store(in)) return TASK_STORE;
    if (caller && !in->all_fed && stages_have_room(in)) return TASK_FEED;
    if (can_decide(in)) return TASK_DECIDE;
    if (!in->n_files && can_read(in)) return TASK_READ;
    if (next_group(in) && (caller || !one_group_only(in))) return TASK_ENCODE;
    if (can_decode(in)) return TASK_DECODE;
    return can_read(in) ? TASK_READ : TASK_WAIT;
}

static void fail(ingest *in, const simile_error *why)
{
    if (!in->status) {
        in->status = why->status;
        in->why = *why;
    }
    in->stopping = true;
}

static void add_seconds(ingest *in, const double *seconds)
{
    for (int i = 0; i < SIMILE_STAGES; i++) in->seconds[i] += seconds[i];
}

static void settle(ingest *in, int64_t number)
{
    job_at(in, number)->state = JOB_SETTLED;
    group_of(in, number)->settled++;
}

/* ---- tasks: called with the lock held, given up meanwhile ---- */

static void do_read(ingest *in)
{
    double seconds[SIMILE_STAGES] = {0};
    job *j = job_at(in, in->next_read++);
    j->state = JOB_READING;
    in->n_files++;
    in->file_bytes += j->file_cost;
    pthread_mutex_unlock(&in->lock);
    examine_read(in, j, seconds);
    pthread_mutex_lock(&in->lock);
    j->state = JOB_READ;
    add_seconds(in, seconds);
}

/* A job that will not be decoded lets its file go. */
static void let_go(ingest *in, job *j)
{
    in->n_files--;
    in->file_bytes -= j->file_cost;
    mem_free(j->bytes);
    j->bytes = NULL;
}

static void do_decide(ingest *in)
{
    in->deciding = true;
    while (in->decided < in->next_read && job_at(in, in->decided)->state == JOB_READ) {
        job *j = job_at(in, in->decided);
        simile_error why = {0};
        pthread_mutex_unlock(&in->lock);
        const simile_status status = record_decide(in, in->decided, &why);
        pthread_mutex_lock(&in->lock);
        if (status) {
            fail(in, &why);
            break;
        }
        if (j->outcome == OUTCOME_NONE) {
            j->state = JOB_WANTED;
        } else {
            let_go(in, j);
            settle(in, in->decided);
        }
        in->decided++;
    }
    in->deciding = false;
}

static void do_decode(ingest *in)
{
    double seconds[SIMILE_STAGES] = {0};
    const int64_t number = in->next_decode++;
    job *j = job_at(in, number);
    group *g = group_of(in, number);
    if (!g->buffer) g->buffer = in->free_buffers[--in->n_free];
    j->pixels = g->buffer + (size_t)(number - g->first) * pixel_count(in->spec);
    j->state = JOB_DECODING;
    in->n_files--;
    in->n_decoding++;
    in->pixel_bytes += j->pixel_cost;
    pthread_mutex_unlock(&in->lock);
    examine_decode(in, j, seconds);
    pthread_mutex_lock(&in->lock);
    in->n_decoding--;
    in->pixel_bytes -= j->pixel_cost;
    in->file_bytes -= j->file_cost;
    settle(in, number);
    add_seconds(in, seconds);
}

/* ---- encoding ---- */

static simile_status encoder_of(ingest *in, int worker, bool team, model_encoder **out, simile_error *err)
{
    *out = in->encoder->e;
    if (team || in->threads == 1) return SIMILE_OK;
    if (!in->encoders[worker])
        RETURN_IF_ERROR(model_encoder_new(model_encoder_model(in->encoder->e), 1, &in->encoders[worker], err));
    *out = in->encoders[worker];
    return SIMILE_OK;
}

static void take_vector(const ingest *in, job *j, const float *row)
{
    memcpy(j->vector, row, (size_t)in->dim * sizeof *row);
    j->outcome = OUTCOME_VECTOR;
    if (!make_unit(j->vector, in->dim)) quarantine(j, "the model gives it no vector");
}

/* The tensors move together at the front of the buffer; row k of the result belongs to the k-th of them. */
static simile_status encode_group(ingest *in, const group *g, model_encoder *e, simile_error *err)
{
    const size_t count = pixel_count(in->spec), dim = (size_t)in->dim;
    const int64_t end = g->first + (int64_t)g->n;
    size_t n = 0;
    for (int64_t i = g->first; i < end; i++) {
        const job *j = job_at(in, i);
        if (j->outcome == OUTCOME_PIXELS) memmove(g->buffer + n++ * count, j->pixels, count * sizeof *j->pixels);
    }
    if (!n) return SIMILE_OK;
    float *rows = mem_array(n * dim, sizeof *rows);
    if (!rows) return err_nomem(err);
    const simile_status status = model_encode_pixels(e, g->buffer, n, rows, err);
    n = 0;
    for (int64_t i = g->first; i < end && !status; i++) {
        job *j = job_at(in, i);
        if (j->outcome == OUTCOME_PIXELS) take_vector(in, j, rows + n++ * dim);
    }
    mem_free(rows);
    return status;
}

static void do_encode(ingest *in, int worker)
{
    group *g = next_group(in);
    const bool team = one_group_only(in);
    model_encoder *e;
    simile_error why = {0};
    g->encoding = true;
    pthread_mutex_unlock(&in->lock);
    const double start = clock_seconds();
    simile_status status = encoder_of(in, worker, team, &e, &why);
    if (!status) status = encode_group(in, g, e, &why);
    const double seconds = clock_seconds() - start;
    pthread_mutex_lock(&in->lock);
    if (status) fail(in, &why);
    if (g->buffer) in->free_buffers[in->n_free++] = g->buffer;
    g->buffer = NULL;
    g->encoding = false;
    g->encoded = true;
    in->seconds[SIMILE_STAGE_ENCODE] += seconds * (team ? in->threads : 1);
}

static simile_status work_off(ingest *in, job *j, double *seconds, simile_error *err)
{
    model_encoder *e;
    examine_forget(j);
    RETURN_IF_ERROR(encoder_of(in, 0, false, &e, err));
    float *pixels = mem_array(pixel_count(in->spec), sizeof *pixels), *row = mem_array((size_t)in->dim, sizeof *row);
    simile_status status = SIMILE_OK;
    j->pixels = pixels;
    if (pixels && row)
        examine_read(in, j, seconds);
    else
        j->outcome = OUTCOME_NO_MEMORY;
    if (j->outcome == OUTCOME_NONE) examine_decode(in, j, seconds);
    if (j->outcome == OUTCOME_PIXELS) {
        status = model_encode_pixels(e, pixels, 1, row, err);
        if (!status) take_vector(in, j, row);
    }
    if (j->outcome == OUTCOME_NO_MEMORY) quarantine(j, "too large for the memory of this machine");
    mem_free(pixels);
    mem_free(row);
    return status;
}

simile_status stages_work_alone(ingest *in, job *j, simile_error *err)
{
    double seconds[SIMILE_STAGES] = {0};
    pthread_mutex_lock(&in->lock);
    in->alone = true;
    while (in->n_busy > 1) pthread_cond_wait(&in->news, &in->lock);
    pthread_mutex_unlock(&in->lock);
    const simile_status status = work_off(in, j, seconds, err);
    pthread_mutex_lock(&in->lock);
    in->alone = false;
    add_seconds(in, seconds);
    pthread_cond_broadcast(&in->news);
    pthread_mutex_unlock(&in->lock);
    return status;
}

/* ---- the calling thread's own tasks ---- */

/* Pictures that memory was too short for get another chance while nothing else is at work. */
static simile_status retry_alone(ingest *in, size_t n, simile_error *err)
{
    simile_status status = SIMILE_OK;
    for (size_t i = 0; i < n && !status; i++) {
        job *j = job_at(in, in->stored + (int64_t)i);
        if (j->outcome == OUTCOME_NO_MEMORY) status = stages_work_alone(in, j, err);
    }
    return status;
}

static simile_status store(ingest *in, size_t n, simile_error *err)
{
    const char *last = job_at(in, in->stored + (int64_t)n - 1)->file->path;
    RETURN_IF_ERROR(retry_alone(in, n, err));
    const double start = clock_seconds();
    RETURN_IF_ERROR(record_batch(in, n, err));
    for (size_t i = 0; i < n; i++) examine_forget(job_at(in, in->stored + (int64_t)i));
    in->done += (int64_t)n;
    pthread_mutex_lock(&in->lock);
    in->stored += (int64_t)n;
    in->seconds[SIMILE_STAGE_STORE] += clock_seconds() - start;
    pthread_cond_broadcast(&in->news);
    pthread_mutex_unlock(&in->lock);
    return tell(in, last, err);
}

static void do_store(ingest *in)
{
    const size_t n = batch_size(in);
    simile_error why = {0};
    pthread_mutex_unlock(&in->lock);
    const simile_status status = store(in, n, &why);
    pthread_mutex_lock(&in->lock);
    if (status) fail(in, &why);
}

static void do_feed(ingest *in)
{
    simile_error why = {0};
    bool more = true;
    pthread_mutex_unlock(&in->lock);
    const simile_status status = feed(in, &more, &why);
    pthread_mutex_lock(&in->lock);
    if (status) fail(in, &why);
    if (!more) in->all_fed = true;
}

/* Between tasks, and while others work: whoever watches sees that it goes on, and can stop it. */
static void tell_if_due(ingest *in)
{
    simile_error why = {0};
    if (in->stopping || clock_seconds() - in->told < TELL_SECONDS) return;
    const char *subject = in->stored < in->fed ? job_at(in, in->stored)->file->path : "";
    pthread_mutex_unlock(&in->lock);
    const simile_status status = tell(in, subject, &why);
    pthread_mutex_lock(&in->lock);
    if (status) fail(in, &why);
}

bool stages_have_room(const ingest *in)
{
    return (size_t)(in->fed - in->stored) < in->capacity;
}

void stages_push(ingest *in, const job *j)
{
    pthread_mutex_lock(&in->lock);
    const int64_t number = in->fed;
    job *slot = job_at(in, number);
    group *g = group_of(in, number);
    if ((size_t)number % in->batch % in->group == 0) *g = (group){.first = number};
    *slot = *j;
    slot->vector = in->vectors + (size_t)number % in->capacity * (size_t)in->dim;
    g->n++;
    in->fed++;
    pthread_cond_broadcast(&in->news);
    pthread_mutex_unlock(&in->lock);
}

/* ---- the threads ---- */

static void wait_for_news(ingest *in, bool caller)
{
    struct timespec until;
    if (!caller) {
        pthread_cond_wait(&in->news, &in->lock);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)(TELL_SECONDS * 1e9);
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&in->news, &in->lock, &until);
}

static void do_task(ingest *in, task t, int worker)
{
    switch (t) {
    case TASK_STORE: do_store(in); break;
    case TASK_FEED: do_feed(in); break;
    case TASK_DECIDE: do_decide(in); break;
    case TASK_READ: do_read(in); break;
    case TASK_DECODE: do_decode(in); break;
    default: do_encode(in, worker); break;
    }
}

/* A thread's whole work; that of number 0 is on the calling thread. */
static void work(void *user, size_t item, int worker)
{
    ingest *in = user;
    const bool caller = worker == 0;
    task t;
    (void)item;
    pthread_mutex_lock(&in->lock);
    while ((t = pick(in, caller)) != TASK_END) {
        if (t == TASK_WAIT) {
            wait_for_news(in, caller);
        } else {
            in->n_busy++;
            do_task(in, t, worker);
            in->n_busy--;
            pthread_cond_broadcast(&in->news);
        }
        if (caller) tell_if_due(in);
    }
    pthread_cond_broadcast(&in->news);
    pthread_mutex_unlock(&in->lock);
}

simile_status stages_run(ingest *in, simile_error *err)
{
    pool *threads;
    RETURN_IF_ERROR(pool_new(in->threads, &threads, err));
    in->began = in->told = clock_seconds();
    pool_run(threads, (size_t)in->threads, work, in);
    pool_free(threads);
    if (in->status && err) *err = in->why;
    return in->status;
}

/* ---- making room ---- */

/* Groups are whole batches or equal parts of them. */
static void choose_sizes(ingest *in)
{
    const bool large = in->spec->width > GROUP_SIDE || in->spec->height > GROUP_SIDE;
    const size_t most = large ? SMALL_GROUP : GROUP;
    in->groups_a_batch = (in->batch + most - 1) / most;
    in->group = (in->batch + in->groups_a_batch - 1) / in->groups_a_batch;
    in->groups_a_batch = (in->batch + in->group - 1) / in->group;
    in->n_buffers = (size_t)in->threads + 2;
    const size_t batches = (in->n_buffers * in->group + in->batch - 1) / in->batch + 1;
    in->capacity = batches * in->batch;
    in->n_groups = batches * in->groups_a_batch;
}

simile_status stages_init(ingest *in, simile_error *err)
{
    choose_sizes(in);
    const size_t count = pixel_count(in->spec), n = in->n_buffers;
    in->jobs = mem_zero_array(in->capacity, sizeof *in->jobs);
    in->rewritten = mem_array(in->capacity, sizeof *in->rewritten);
    in->groups = mem_zero_array(in->n_groups, sizeof *in->groups);
    in->vectors = mem_array(in->capacity * (size_t)in->dim, sizeof *in->vectors);
    in->buffers = mem_array(n * in->group * count, sizeof *in->buffers);
    in->free_buffers = mem_array(n, sizeof *in->free_buffers);
    in->encoders = mem_zero_array((size_t)in->threads, sizeof *in->encoders);
    if (!in->jobs || !in->rewritten || !in->groups || !in->vectors || !in->buffers || !in->free_buffers ||
        !in->encoders)
        return err_nomem(err);
    for (size_t i = 0; i < n; i++) in->free_buffers[i] = in->buffers + (n - 1 - i) * in->group * count;
    in->n_free = n;
    return SIMILE_OK;
}

void stages_release(ingest *in)
{
    for (int64_t i = in->stored; in->jobs && i < in->fed; i++) examine_forget(job_at(in, i));
    for (int i = 0; in->encoders && i < in->threads; i++) model_encoder_free(in->encoders[i]);
    mem_free(in->jobs);
    mem_free(in->rewritten);
    mem_free(in->groups);
    mem_free(in->vectors);
    mem_free(in->buffers);
    mem_free(in->free_buffers);
    mem_free(in->encoders);
}
