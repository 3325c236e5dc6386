/* SPDX-License-Identifier: Apache-2.0
 *
 * reaper.c - a deadline for each connection, and a thread that looks at them, see reaper.h.
 *
 * libmicrohttpd closes what is silent. What trickles is shut down here: the descriptor itself is closed by its owner,
 * who sees the end of the stream. Both happen under one lock, so that no descriptor is shut down that has become
 * somebody else's.
 *
 * A reply may take as long as a request, and a second more for each 16 KiB of it. */
#include "serve/reaper.h"

#include "base/mem.h"
#include "serve/wait.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>

enum { SLOWEST = 16 * 1024 }; /* bytes a second */

struct watched {
    watched *before, *after;
    int fd;
    phase now;
    double since, deadline; /* 0: none */
};

struct reaper {
    reaper_setup setup;
    pthread_mutex_t lock;
    pthread_cond_t stop;
    pthread_t thread;
    watched *first;
    int count;
    bool stopping;
};

void reaper_last_words(int fd, int status)
{
    const char *reason = status == 413   ? "Content Too Large"
                         : status == 503 ? "Service Unavailable"
                                         : "Request Timeout";
    char text[160];
    const int n = snprintf(text, sizeof text, "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Length: 0\r\n%s\r\n",
                           status, reason, status == 503 ? "Retry-After: 1\r\n" : "");
    /* nothing to be done where it cannot be said */
    if (send(fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) errno = 0;
    shutdown(fd, SHUT_WR);
}

static bool is_late(const reaper *r, const watched *c, double now)
{
    if (c->now == PHASE_WAITING && r->count > r->setup.connections / 4 * 3) return now > c->since + r->setup.hurried;
    return c->deadline > 0 && now > c->deadline;
}

static void end(watched *c)
{
    if (c->now == PHASE_READING || c->now == PHASE_WAITING) reaper_last_words(c->fd, 408);
    shutdown(c->fd, SHUT_RDWR);
    c->now = PHASE_WORKING; /* once is enough */
    c->deadline = 0;
}

static void look(reaper *r)
{
    const double now = clock_seconds();
    for (watched *c = r->first; c; c = c->after) {
        if (is_late(r, c, now)) end(c);
    }
}

static void *watch(void *user)
{
    reaper *r = user;
    pthread_mutex_lock(&r->lock);
    while (!r->stopping) {
        wait_until(&r->stop, &r->lock, clock_seconds() + r->setup.step);
        if (r->stopping) break;
        look(r);
        pthread_mutex_unlock(&r->lock);
        r->setup.tick(r->setup.user);
        pthread_mutex_lock(&r->lock);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

simile_status reaper_new(const reaper_setup *setup, reaper **out, simile_error *err)
{
    *out = NULL;
    reaper *r = mem_new(reaper);
    if (!r) return err_nomem(err);
    r->setup = *setup;
    pthread_mutex_init(&r->lock, NULL);
    wait_condition(&r->stop);
    if (pthread_create(&r->thread, NULL, watch, r)) {
        mem_free(r);
        return err_set(err, SIMILE_E_NOMEM, "cannot start a thread");
    }
    *out = r;
    return SIMILE_OK;
}

void reaper_free(reaper *r)
{
    if (!r) return;
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    pthread_cond_signal(&r->stop);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    pthread_cond_destroy(&r->stop);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

watched *reaper_enter(reaper *r, int fd)
{
    watched *c = mem_new(watched);
    if (!c) return NULL;
    c->fd = fd;
    c->since = clock_seconds();
    c->deadline = c->since + r->setup.waiting;
    pthread_mutex_lock(&r->lock);
    c->after = r->first;
    if (r->first) r->first->before = c;
    r->first = c;
    r->count++;
    pthread_mutex_unlock(&r->lock);
    return c;
}

void reaper_leave(reaper *r, watched *c)
{
    if (!c) return;
    pthread_mutex_lock(&r->lock);
    if (c->before)
        c->before->after = c->after;
    else
        r->first = c->after;
    if (c->after) c->after->before = c->before;
    r->count--;
    pthread_mutex_unlock(&r->lock);
    mem_free(c);
}

void reaper_phase(reaper *r, watched *c, phase now, uint64_t bytes)
{
    if (!c) return;
    const double since = clock_seconds();
    const double lasts[] = {[PHASE_WAITING] = r->setup.waiting,
                            [PHASE_READING] = r->setup.reading,
                            [PHASE_WORKING] = 0,
                            [PHASE_SENDING] = r->setup.reading + (double)bytes / SLOWEST,
                            [PHASE_STREAMING] = 0};
    pthread_mutex_lock(&r->lock);
    c->now = now;
    c->since = since;
    c->deadline = now == PHASE_WORKING || now == PHASE_STREAMING ? 0 : since + lasts[now];
    pthread_mutex_unlock(&r->lock);
}
