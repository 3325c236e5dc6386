/* SPDX-License-Identifier: Apache-2.0
 * lane.c - see lane.h.
 *
 * Callers put their work into the queue and sleep. The lane's thread takes what is at its head, and with it what else
 * in the queue can be encoded in the same call, up to LIMIT_BATCH pieces: while one batch is encoded the next one forms
 * by itself. When the queue is shorter than a batch and others are known to be on their way, the thread waits for them,
 * for LIMIT_BATCH_WAIT_MS at most; who has not come by then is no longer expected, so that a caller who never comes
 * (who holds the model for another reason) delays one batch and not all of them.
 *
 * Work of more pieces than there is room for is done by instalments: what is left of it goes to the end of the queue,
 * and small requests pass by. Readings are the exception: a call of simile_read makes one object, so their texts stay
 * together. Texts that may need a translation are read apart from those that do not, which are much faster.
 *
 * A call that fails for several is repeated for each, so that nobody gets another one's error.
 *
 * Threads: the queue and all of `work` under one lock, but for what a batch writes through the callers' pointers while
 * they sleep. The encoder, the reader and the buffers are the thread's alone. */
#include "serve/lane.h"

#include "base/mem.h"
#include "serve/metrics.h"
#include "serve/wait.h"

typedef struct {
    work *owner;
    size_t first, n;
} share;

typedef struct {
    share shares[LIMIT_BATCH];
    size_t n_shares, pieces;
} batch;

struct lane {
    lane_options options;
    size_t dim;
    pthread_mutex_t lock;
    pthread_cond_t news; /* work came, nobody is expected any more, or the end */
    pthread_t thread;
    bool started, stopping;
    work *head, *tail;
    size_t waiting;  /* what the queue weighs */
    size_t expected; /* who is on the way */
    /* the thread's own */
    simile_encoder *encoder;
    simile_reader *reader;
    float *vectors; /* [LIMIT_BATCH, dim] */
    uint8_t truncated[LIMIT_BATCH];
    const char **texts; /* [texts_capacity] */
    size_t texts_capacity;
    const simile_image *images[LIMIT_BATCH];
};

/* ---- the queue: all of this under the lock ---- */

/* Nobody's request may fill the queue alone, as it does not fill the encoder: it is worked off by instalments. */
static size_t weight(const work *w)
{
    return w->n < LIMIT_BATCH ? w->n : LIMIT_BATCH;
}

static void append(lane *l, work *w)
{
    w->next = NULL;
    *(l->tail ? &l->tail->next : &l->head) = w;
    l->tail = w;
    l->waiting += weight(w);
    metrics_gauge(l->options.metrics, GAUGE_WORK_WAITING, (int64_t)weight(w));
}

/* before: the one in front of w; NULL when w is the head. */
static void unlink_work(lane *l, work *before, work *w)
{
    *(before ? &before->next : &l->head) = w->next;
    if (l->tail == w) l->tail = before;
    l->waiting -= weight(w);
    metrics_gauge(l->options.metrics, GAUGE_WORK_WAITING, -(int64_t)weight(w));
}

static void end_work(work *w, simile_status status, const simile_error *why)
{
    w->ended = true;
    w->status = status;
    if (status) w->why = *why;
    pthread_cond_signal(&w->done);
}

static void cancel_all(lane *l)
{
    simile_error why;
    const simile_status status = err_set(&why, SIMILE_E_CANCELLED, "the model is being unloaded");
    while (l->head) {
        work *w = l->head;
        unlink_work(l, NULL, w);
        end_work(w, status, &why);
    }
}

/* ---- who goes together ---- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_way(const simile_read_options *a, const simile_read_options *b)
{
    if (a->via != b->via || a->fuse != b->fuse || a->candidates != b->candidates || a->labels != b->labels)
        return false;
    if (!same_text(a->language, b->language) || a->n_templates != b->n_templates) return false;
    for (size_t i = 0; i < a->n_templates; i++)
        if (!same_text(a->templates[i], b->templates[i])) return false;
    return true;
}

static bool goes_with(const work *first, const work *w)
{
    if (w->kind != first->kind) return false;
    return w->kind != WORK_READ || (w->foreign == first->foreign && same_way(&w->options, &first->options));
}

/* How many pieces of w have room; 0: none, or not without the others. */
static size_t portion(const batch *b, const work *w)
{
    const size_t room = b->pieces < LIMIT_BATCH ? LIMIT_BATCH - b->pieces : 0, left = w->n - w->taken;
    if (w->kind == WORK_READ) return left <= room || !b->n_shares ? left : 0;
    return left < room ? left : room;
}

static void add_share(lane *l, batch *b, work *w, size_t n)
{
    if (!w->taken) metrics_observe(l->options.metrics, HISTOGRAM_WORK_SECONDS, clock_seconds() - w->since);
    b->shares[b->n_shares++] = (share){.owner = w, .first = w->taken, .n = n};
    b->pieces += n;
    w->taken += n;
}

/* The head of the queue and who goes with it. At most one of them is left unfinished: the one that filled the batch. */
static void take_batch(lane *l, batch *b)
{
    work *before = NULL, *unfinished = NULL;
    const work *first = l->head;
    *b = (batch){0};
    for (work *w = l->head, *next; w && b->pieces < LIMIT_BATCH; w = next) {
        next = w->next;
        const size_t n = goes_with(first, w) ? portion(b, w) : 0;
        if (!n) {
            before = w;
            continue;
        }
        unlink_work(l, before, w);
        add_share(l, b, w, n);
        if (w->taken < w->n) unfinished = w;
    }
    if (unfinished) append(l, unfinished);
}

/* ---- encoding: on the thread, without the lock ---- */

static bool need_texts(lane *l, size_t n)
{
    if (n <= l->texts_capacity) return true;
    const char **texts = mem_grow(l->texts, n, sizeof *texts);
    if (!texts) return false;
    l->texts = texts;
    l->texts_capacity = n;
    return true;
}

static bool gather_texts(lane *l, const batch *b)
{
    size_t at = 0;
    if (!need_texts(l, b->pieces)) return false;
    for (size_t i = 0; i < b->n_shares; i++) {
        const share *s = &b->shares[i];
        for (size_t k = 0; k < s->n; k++) l->texts[at++] = s->owner->texts[s->first + k];
    }
    return true;
}

static void scatter(lane *l, const batch *b)
{
    size_t at = 0;
    for (size_t i = 0; i < b->n_shares; i++) {
        const share *s = &b->shares[i];
        work *w = s->owner;
        memcpy(w->out + s->first * l->dim, l->vectors + at * l->dim, s->n * l->dim * sizeof *l->vectors);
        if (w->truncated) memcpy(w->truncated + s->first, l->truncated + at, s->n);
        at += s->n;
    }
}

static simile_status encode_texts(lane *l, const batch *b, simile_error *err)
{
    if (!gather_texts(l, b)) return err_nomem(err);
    memset(l->truncated, 0, sizeof l->truncated);
    RETURN_IF_ERROR(simile_encode_texts(l->encoder, l->texts, b->pieces, l->vectors, l->truncated, err));
    scatter(l, b);
    return SIMILE_OK;
}

static simile_status encode_images(lane *l, const batch *b, simile_error *err)
{
    size_t at = 0;
    for (size_t i = 0; i < b->n_shares; i++) {
        const share *s = &b->shares[i];
        for (size_t k = 0; k < s->n; k++) l->images[at++] = s->owner->images[s->first + k];
    }
    RETURN_IF_ERROR(simile_encode_images(l->encoder, l->images, b->pieces, l->vectors, err));
    scatter(l, b);
    return SIMILE_OK;
}

static simile_status need_reader(lane *l, simile_error *err)
{
    const simile_reader_options options = {.struct_size = sizeof options,
                                           .search_path = l->options.search_path,
                                           .force_pairing = l->options.force_pairing,
                                           .threads = l->options.threads};
    return l->reader ? SIMILE_OK : simile_reader_new(l->encoder, &options, &l->reader, err);
}

/* Each caller gets a slice of the readings of all. */
static simile_status hand_out(const batch *b, simile_readings *all, simile_error *err)
{
    size_t at = 0;
    simile_status status = SIMILE_OK;
    for (size_t i = 0; i < b->n_shares && !status; i++) {
        status = simile_readings_slice(all, at, b->shares[i].n, b->shares[i].owner->readings, err);
        at += b->shares[i].n;
    }
    for (size_t i = 0; status && i < b->n_shares; i++) {
        simile_readings_free(*b->shares[i].owner->readings);
        *b->shares[i].owner->readings = NULL;
    }
    return status;
}

static simile_status read_texts(lane *l, const batch *b, simile_error *err)
{
    simile_readings *all;
    if (!gather_texts(l, b)) return err_nomem(err);
    RETURN_IF_ERROR(need_reader(l, err));
    RETURN_IF_ERROR(simile_read(l->reader, l->texts, b->pieces, &b->shares[0].owner->options, &all, err));
    if (b->n_shares == 1) {
        *b->shares[0].owner->readings = all;
        return SIMILE_OK;
    }
    const simile_status status = hand_out(b, all, err);
    simile_readings_free(all);
    return status;
}

static simile_status encode(lane *l, const batch *b, simile_error *err)
{
    switch (b->shares[0].owner->kind) {
    case WORK_TEXTS: return encode_texts(l, b, err);
    case WORK_READ: return read_texts(l, b, err);
    default: return encode_images(l, b, err);
    }
}

static void run_batch(lane *l, const batch *b, simile_status *statuses, simile_error *whys)
{
    const bool images = b->shares[0].owner->kind == WORK_IMAGES;
    const double start = clock_seconds();
    statuses[0] = encode(l, b, &whys[0]);
    const bool alone = statuses[0] && b->n_shares > 1;
    for (size_t i = alone ? 0 : 1; i < b->n_shares; i++) {
        const batch one = {.shares = {b->shares[i]}, .n_shares = 1, .pieces = b->shares[i].n};
        statuses[i] = alone ? encode(l, &one, &whys[i]) : SIMILE_OK;
    }
    metrics_observe(l->options.metrics, HISTOGRAM_ENCODE_SECONDS, clock_seconds() - start);
    metrics_observe(l->options.metrics, images ? HISTOGRAM_BATCH_IMAGES : HISTOGRAM_BATCH_TEXTS, (double)b->pieces);
    metrics_count(l->options.metrics, images ? COUNT_IMAGES : COUNT_TEXTS, (int64_t)b->pieces);
}

/* ---- the thread ---- */

/* What is left of a work that failed is not done. */
static void drop(lane *l, const work *wanted)
{
    for (work *before = NULL, *w = l->head; w; before = w, w = w->next) {
        if (w != wanted) continue;
        unlink_work(l, before, w);
        return;
    }
}

static void finish_batch(lane *l, const batch *b, const simile_status *statuses, const simile_error *whys)
{
    for (size_t i = 0; i < b->n_shares; i++) {
        work *w = b->shares[i].owner;
        w->finished += b->shares[i].n;
        if (statuses[i] && w->taken < w->n) drop(l, w);
        if (statuses[i] || w->finished == w->n) end_work(w, statuses[i], &whys[i]);
    }
}

static void wait_for_company(lane *l)
{
    const double until = l->head->since + LIMIT_BATCH_WAIT_MS * 1e-3;
    if (clock_seconds() >= until) return; /* it waited for the batch before, and company came meanwhile */
    while (!l->stopping && l->head && l->expected && l->waiting < LIMIT_BATCH) {
        if (wait_until(&l->news, &l->lock, until)) l->expected = 0;
    }
}

static void *lane_main(void *argument)
{
    lane *l = argument;
    batch b;
    simile_status statuses[LIMIT_BATCH];
    simile_error whys[LIMIT_BATCH];
    pthread_mutex_lock(&l->lock);
    for (;;) {
        while (!l->head && !l->stopping) pthread_cond_wait(&l->news, &l->lock);
        if (l->stopping) break;
        wait_for_company(l);
        if (l->stopping) break;
        take_batch(l, &b);
        pthread_mutex_unlock(&l->lock);
        run_batch(l, &b, statuses, whys);
        pthread_mutex_lock(&l->lock);
        finish_batch(l, &b, statuses, whys);
    }
    cancel_all(l);
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* ---- for callers ---- */

void lane_expect(lane *l)
{
    pthread_mutex_lock(&l->lock);
    l->expected++;
    pthread_mutex_unlock(&l->lock);
}

static void expect_less(lane *l)
{
    if (l->expected && !--l->expected) pthread_cond_signal(&l->news);
}

void lane_expect_less(lane *l)
{
    pthread_mutex_lock(&l->lock);
    expect_less(l);
    pthread_mutex_unlock(&l->lock);
}

static simile_status accept(lane *l, work *w, simile_error *err)
{
    if (l->stopping) return err_set(err, SIMILE_E_CANCELLED, "the model is being unloaded");
    if (l->waiting && l->waiting + weight(w) > LIMIT_WAITING)
        return err_set(err, SIMILE_E_BUSY, "too much is waiting for the model already");
    append(l, w);
    expect_less(l);
    pthread_cond_signal(&l->news);
    return SIMILE_OK;
}

/* Texts in Latin script are read directly, unless the caller says otherwise. */
static bool may_be_translated(const work *w)
{
    if (w->kind != WORK_READ) return false;
    if (w->options.language && strcmp(w->options.language, "en") != 0) return true;
    for (size_t i = 0; i < w->n; i++)
        if (w->texts[i] && simile_script(w->texts[i], strlen(w->texts[i])) > SIMILE_SCRIPT_LATIN) return true;
    return false;
}

simile_status lane_do(lane *l, work *w, simile_error *err)
{
    if (!w->n) return w->kind == WORK_READ ? err_set(err, SIMILE_E_ARG, "no texts were given") : SIMILE_OK;
    w->options = w->how ? *w->how : (simile_read_options){.struct_size = sizeof w->options};
    w->taken = w->finished = 0;
    w->ended = false;
    w->foreign = may_be_translated(w);
    w->since = clock_seconds();
    pthread_cond_init(&w->done, NULL);
    pthread_mutex_lock(&l->lock);
    simile_status status = accept(l, w, err);
    if (status == SIMILE_E_BUSY) metrics_count(l->options.metrics, COUNT_REFUSED_BUSY, 1);
    if (!status) {
        while (!w->ended) pthread_cond_wait(&w->done, &l->lock);
        status = w->status;
        if (status && err) *err = w->why;
    }
    pthread_mutex_unlock(&l->lock);
    pthread_cond_destroy(&w->done);
    return status;
}

/* ---- making and ending ---- */

static simile_status start(lane *l, simile_error *err)
{
    const simile_encoder_options how = {.struct_size = sizeof how, .threads = l->options.threads};
    l->dim = (size_t)simile_model_get_info(l->options.model)->dim;
    l->vectors = mem_array(LIMIT_BATCH * l->dim, sizeof *l->vectors);
    if (!l->vectors) return err_nomem(err);
    RETURN_IF_ERROR(simile_encoder_new(l->options.model, &how, &l->encoder, err));
    if (pthread_create(&l->thread, NULL, lane_main, l))
        return err_set(err, SIMILE_E_NOMEM, "cannot start a thread for the model");
    l->started = true;
    return SIMILE_OK;
}

simile_status lane_new(const lane_options *options, lane **out, simile_error *err)
{
    *out = NULL;
    lane *l = mem_new(lane);
    if (!l) return err_nomem(err);
    l->options = *options;
    pthread_mutex_init(&l->lock, NULL);
    wait_condition(&l->news);
    const simile_status status = start(l, err);
    if (status)
        lane_free(l);
    else
        *out = l;
    return status;
}

void lane_stop(lane *l)
{
    pthread_mutex_lock(&l->lock);
    l->stopping = true;
    pthread_cond_signal(&l->news);
    pthread_mutex_unlock(&l->lock);
}

void lane_free(lane *l)
{
    if (!l) return;
    lane_stop(l);
    if (l->started) pthread_join(l->thread, NULL);
    simile_reader_free(l->reader);
    simile_encoder_free(l->encoder);
    pthread_cond_destroy(&l->news);
    pthread_mutex_destroy(&l->lock);
    mem_free(l->vectors);
    mem_free(l->texts);
    mem_free(l);
}
