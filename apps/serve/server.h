/* SPDX-License-Identifier: Apache-2.0
 * server.h - a whole server: models, catalogue, indexing and listener, started and stopped together. */
#ifndef SIMILE_SERVE_SERVER_H
#define SIMILE_SERVE_SERVER_H

#include "serve/towers.h"

typedef struct running running;

typedef struct {
    serve_options options;
    towers_options towers;
    const char *catalog; /* made where there is none, unless read_only */
    int fd;              /* a socket that listens already, see server_inherited; 0: none */
} server_setup;

/* The main model is opened, to be sure that it can be and that the catalogue is its own. The setup's strings live as
 * long as the server. */
simile_status server_start(const server_setup *setup, running **out, simile_error *err);
int server_port(const running *r);
/* Answers what has arrived, then ends: connections, the job that runs, models. NULL is fine. */
void server_stop(running *r);

/* The socket that systemd opened for this process ($LISTEN_FDS); 0: none. LIMIT: there are several. */
simile_status server_inherited(int *fd, simile_error *err);
/* Tells systemd, where it wants to know ($NOTIFY_SOCKET): "READY=1", "STOPPING=1". */
void server_notify(const char *state);

#endif
