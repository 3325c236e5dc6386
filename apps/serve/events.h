/* SPDX-License-Identifier: Apache-2.0
 * events.h - news for whoever listens: what is published goes to every open stream (reply_events). A stream that does
 * not read fast enough loses the oldest news, never memory. Threads: any. */
#ifndef SIMILE_SERVE_EVENTS_H
#define SIMILE_SERVE_EVENTS_H

#include "serve/serve.h"

simile_status events_new(events **out, simile_error *err);
void events_free(events *e);
/* name: "job", "catalog"; json: one line. */
void events_publish(events *e, const char *name, const char *json);

#endif
