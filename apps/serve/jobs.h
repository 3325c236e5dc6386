/* SPDX-License-Identifier: Apache-2.0
 * jobs.h - indexing in the background: one at a time, others wait their turn. A job can be paused, goes on, and be
 * cancelled; what it did so far is kept. It tells its progress through events ("job", the JSON of jobs_json) at most
 * four times a second, and at its end. Threads: any. */
#ifndef SIMILE_SERVE_JOBS_H
#define SIMILE_SERVE_JOBS_H

#include "serve/serve.h"

simile_status jobs_new(server *s, jobs **out, simile_error *err);
void jobs_free(jobs *j); /* cancels what runs and waits for it */

typedef struct {
    const char *const *paths; /* folders or pictures; none: every folder that was added before */
    size_t n_paths;
    bool has_after, has_before;
    int64_t after, before; /* pictures of this time alone */
    bool newest_first;
    bool retry; /* what was quarantined */
} job_request;

/* *id: from 1 on. LIMIT: LIMIT_JOBS wait already, or more than 1000 paths. */
simile_status jobs_start(jobs *j, const job_request *request, int64_t *id, simile_error *err);
enum { JOB_PAUSE, JOB_RESUME, JOB_CANCEL };
simile_status jobs_tell(jobs *j, int64_t id, int what, simile_error *err); /* NOT_FOUND; EXISTS: it has ended already */
/* {"id", "state": "waiting|running|paused|done|failed|cancelled", "paths", "done", "total", "current", "rate",
 *  "seconds_left", "limit", "started", "ended", "report": {"found", "added", "updated", "moved", "unchanged",
 * "removed", "quarantined"}, "error"}. "paths": those of the request, the first of them if they are many; none for
 * everything known. false: there is no such job. The last 32 are remembered. */
bool jobs_json(jobs *j, int64_t id, json_writer *w);
void jobs_list_json(jobs *j, json_writer *w); /* an array, newest first */

/* Tells through events ("catalog") how much is in the catalogue now. */
void jobs_publish_catalog(server *s);

#endif
