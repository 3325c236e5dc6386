/* SPDX-License-Identifier: Apache-2.0
 * log.h - one line on stderr for each request, for people or as JSON, and the library's own messages in the same form.
 * What is searched for is nobody's business: paths are logged without their query. Threads: any; a line is whole. */
#ifndef SIMILE_SERVE_LOG_H
#define SIMILE_SERVE_LOG_H

#include "serve/serve.h"

#include <stdint.h>

typedef struct {
    uint64_t id;
    const char *client, *method, *path;
    int status;
    uint64_t in, out;       /* bytes of the bodies */
    double seconds, queued; /* all in all; until a worker took it */
} log_request;

void log_write_request(log_form form, const log_request *line);
/* level: as in simile_set_log. */
void log_write_message(log_form form, int level, const char *text);

#endif
