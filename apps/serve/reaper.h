/* SPDX-License-Identifier: Apache-2.0
 * reaper.h - ends connections that take too long: who sends a byte now and then is never idle, but not done either.
 *
 * Threads: one of its own. reaper_enter and the like: the one that owns the connection. */
#ifndef SIMILE_SERVE_REAPER_H
#define SIMILE_SERVE_REAPER_H

#include "base/err.h"

#include <stdint.h>

typedef struct reaper reaper;
typedef struct watched watched; /* one connection */

typedef enum {
    PHASE_WAITING, /* for a request, or for the rest of its headers */
    PHASE_READING, /* its headers and its body */
    PHASE_WORKING, /* nobody waits for the client */
    PHASE_SENDING,
    PHASE_STREAMING /* has no end: libmicrohttpd closes it when the client takes nothing any more */
} phase;

typedef struct {
    double waiting, reading;  /* seconds that a phase may take */
    double hurried;           /* seconds of PHASE_WAITING while three quarters of the connections are taken */
    int connections;          /* at most */
    double step;              /* seconds between two looks */
    void (*tick)(void *user); /* called at each look */
    void *user;
} reaper_setup;

simile_status reaper_new(const reaper_setup *setup, reaper **out, simile_error *err);
void reaper_free(reaper *r); /* after every connection has left */

watched *reaper_enter(reaper *r, int fd); /* NULL: memory is short */
void reaper_leave(reaper *r, watched *c); /* before the descriptor is closed; NULL is fine */
/* bytes: of the reply, for PHASE_SENDING: a large one may take longer. */
void reaper_phase(reaper *r, watched *c, phase now, uint64_t bytes);

/* Writes a whole reply without a body that says this status and that the connection ends, if the socket takes it. */
void reaper_last_words(int fd, int status);

#endif
