/* SPDX-License-Identifier: Apache-2.0
 *
 * events.c - news and who listens to them (server-sent events, WHATWG HTML 9.2), see events.h and stream.h.
 *
 * The last news are kept in a ring, once for all streams; a stream is the number of
 * the event it sends next. Whoever is slower than the ring goes on with the oldest that is left. A client that comes
 * back names the last id it saw, and gets what it missed as far as it is there. Ids go on from the time of the start,
 * so that those of an earlier run are never mistaken for ours.
 *
 * Threads: any; one lock. The callbacks of a stream are called under it. */
#include "serve/stream.h"

#include "base/clock.h"
#include "base/mem.h"

#include <inttypes.h>
#include <pthread.h>

enum { RING = 256, EVENT_MAX = 16 * 1024 };

static const char hello[] = "retry: 2000\n\n", sign_of_life[] = ":\n\n";

struct stream {
    events *of;
    stream *before, *after;
    stream_calls calls;
    uint64_t id;      /* of the event that is sent next */
    const char *word; /* sent before it; NULL: none */
    double last;      /* when something was sent */
    bool asleep;
};

struct events {
    pthread_mutex_t lock;
    buf ring[RING];       /* event `id` at id % RING, as it is sent */
    uint64_t first, next; /* ids: of the oldest, of the one that comes */
    stream *streams;
    int count;
    bool ended;
};

simile_status events_new(events **out, simile_error *err)
{
    struct timespec now;
    *out = NULL;
    events *e = mem_new(events);
    if (!e) return err_nomem(err);
    clock_gettime(CLOCK_REALTIME, &now);
    pthread_mutex_init(&e->lock, NULL);
    for (size_t i = 0; i < RING; i++) buf_init(&e->ring[i], EVENT_MAX);
    e->first = e->next = (uint64_t)now.tv_sec * 1000;
    *out = e;
    return SIMILE_OK;
}

void events_free(events *e)
{
    if (!e) return;
    for (size_t i = 0; i < RING; i++) buf_release(&e->ring[i]);
    pthread_mutex_destroy(&e->lock);
    mem_free(e);
}

static void wake(stream *s)
{
    if (!s->asleep) return;
    s->asleep = false;
    s->calls.wake(s->calls.user);
}

static void wake_all(events *e)
{
    for (stream *s = e->streams; s; s = s->after) wake(s);
}

/* Where memory is short the event is lost, as to a slow reader. */
void events_publish(events *e, const char *name, const char *json)
{
    pthread_mutex_lock(&e->lock);
    buf *place = &e->ring[e->next % RING];
    if (e->next - e->first == RING) e->first++;
    buf_clear(place);
    buf_printf(place, "id: %" PRIu64 "\nevent: %s\ndata: %s\n\n", e->next, name, json);
    if (!buf_ok(place)) buf_clear(place);
    e->next++;
    wake_all(e);
    pthread_mutex_unlock(&e->lock);
}

void events_tick(events *e, double silent_seconds)
{
    const double now = clock_seconds();
    pthread_mutex_lock(&e->lock);
    for (stream *s = e->streams; s; s = s->after) {
        if (!s->asleep || now < s->last + silent_seconds) continue;
        s->word = sign_of_life;
        wake(s);
    }
    pthread_mutex_unlock(&e->lock);
}

void events_end(events *e)
{
    pthread_mutex_lock(&e->lock);
    e->ended = true;
    wake_all(e);
    pthread_mutex_unlock(&e->lock);
}

simile_status stream_open(events *e, const stream_calls *calls, uint64_t after, int max, stream **out,
                          simile_error *err)
{
    *out = NULL;
    stream *s = mem_new(stream);
    if (!s) return err_nomem(err);
    *s = (stream){.of = e, .calls = *calls, .word = hello, .last = clock_seconds()};
    pthread_mutex_lock(&e->lock);
    const bool room = e->count < max;
    if (room) {
        s->id = after >= e->first && after < e->next ? after + 1 : e->next;
        s->after = e->streams;
        if (s->after) s->after->before = s;
        e->streams = s;
        e->count++;
    }
    pthread_mutex_unlock(&e->lock);
    if (!room) {
        mem_free(s);
        return err_set(err, SIMILE_E_BUSY, "too many listen to events already");
    }
    *out = s;
    return SIMILE_OK;
}

void stream_close(stream *s)
{
    events *e = s->of;
    pthread_mutex_lock(&e->lock);
    if (s->before)
        s->before->after = s->after;
    else
        e->streams = s->after;
    if (s->after) s->after->before = s->before;
    e->count--;
    pthread_mutex_unlock(&e->lock);
    mem_free(s);
}

/* Events are sent whole or not at all: one that is longer than all of the room there is gets lost. */
static size_t fill(stream *s, char *out, size_t max)
{
    const events *e = s->of;
    size_t n = 0;
    if (s->word && strlen(s->word) <= max) {
        n = strlen(s->word);
        memcpy(out, s->word, n);
    }
    s->word = NULL;
    if (s->id < e->first) s->id = e->first;
    for (; s->id < e->next; s->id++) {
        const buf *one = &e->ring[s->id % RING];
        if (one->len > max - n && n) break;
        if (one->len > max || !one->len) continue;
        memcpy(out + n, one->data, one->len);
        n += one->len;
    }
    return n;
}

ssize_t stream_read(stream *s, char *out, size_t max)
{
    events *e = s->of;
    ssize_t n = -1;
    pthread_mutex_lock(&e->lock);
    if (!e->ended) {
        n = (ssize_t)fill(s, out, max);
        if (n > 0) s->last = clock_seconds();
        if (n == 0) {
            s->asleep = true;
            s->calls.sleep(s->calls.user);
        }
    }
    pthread_mutex_unlock(&e->lock);
    return n;
}
