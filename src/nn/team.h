/* SPDX-License-Identifier: Apache-2.0
 * team.h - threads that are given very short pieces of work, thousands of times a second. Private to nn/.
 *
 * A run cuts its work into as many parts as the team has members. The caller takes the first part, and then whichever
 * are left: it never waits for a member that has not come yet, only for those that are in the middle of a part. So a
 * member that sleeps, or whose processor is taken by another program, costs nothing but its help. */
#ifndef SIMILE_NN_TEAM_H
#define SIMILE_NN_TEAM_H

#include "base/err.h"

typedef struct nn_team nn_team;
enum { TEAM_MOST = 1 << 12 }; /* members */

/* fn(user, part, parts), once for each part. Parts of one run may be done by any member, several by the same. */
typedef void (*team_fn)(void *user, int part, int parts);

simile_status team_new(int threads, nn_team **out, simile_error *err);
void team_free(nn_team *t);
/* From one thread at a time; returns when all parts are done. In a child of fork() that thread does all of them. */
void team_run(nn_team *t, team_fn fn, void *user);

#endif
