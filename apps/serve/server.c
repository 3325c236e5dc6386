/* SPDX-License-Identifier: Apache-2.0
 *
 * server.c - puts the parts together, see server.h.
 *
 * They start in the order in which they need each other and stop in the opposite one: first nobody asks any more, then
 * the job ends behind its last batch, then the encoders, then the catalogue is closed. Of systemd's two protocols
 * (sd_listen_fds(3), sd_notify(3)) the few lines that are needed stand here. Threads: one starts and stops. */
#include "serve/server.h"

#include "base/file.h"
#include "base/mem.h"
#include "serve/events.h"
#include "serve/folders.h"
#include "serve/jobs.h"
#include "serve/listen.h"
#include "serve/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct running {
    server s;
    http *http;
};

enum { FIRST_INHERITED = 3 };

/* ---- start ---- */

/* Every connection is a descriptor; the limit that shells give is low for the sake of old programs. */
static void allow_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= 2 * LIMIT_CONNECTIONS) return;
    limit.rlim_cur = limit.rlim_max < 2 * LIMIT_CONNECTIONS ? limit.rlim_max : 2 * LIMIT_CONNECTIONS;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static simile_status open_library(server *s, const char *path, simile_error *err)
{
    const simile_library_options options = {
        .struct_size = sizeof options, .read_only = s->options.read_only, .threads = s->options.threads};
    tower *t = towers_main(s->towers);
    if (!s->options.read_only) RETURN_IF_ERROR(path_make_folder_above(path, err));
    RETURN_IF_ERROR(tower_hold(t, err));
    const simile_status status = simile_library_open(path, tower_model(t), &options, &s->library, err);
    tower_release(t);
    return status;
}

static simile_status start(running *r, const server_setup *setup, simile_error *err)
{
    server *s = &r->s;
    const http_setup listener = {.fd = setup->fd};
    RETURN_IF_ERROR(events_new(&s->events, err));
    RETURN_IF_ERROR(metrics_new(&s->metrics, err));
    RETURN_IF_ERROR(towers_new(&setup->towers, s->metrics, &s->towers, err));
    RETURN_IF_ERROR(open_library(s, setup->catalog, err));
    RETURN_IF_ERROR(folders_new(s->options.roots, s->options.n_roots, &s->folders, err));
    RETURN_IF_ERROR(folders_remember(s->folders, s->library, err));
    RETURN_IF_ERROR(jobs_new(s, &s->jobs, err));
    return http_start(s, &listener, &r->http, err);
}

simile_status server_start(const server_setup *setup, running **out, simile_error *err)
{
    *out = NULL;
    running *r = mem_new(running);
    if (!r) return err_nomem(err);
    r->s.options = setup->options;
    r->s.started = time(NULL);
    allow_descriptors();
    const simile_status status = start(r, setup, err);
    if (status)
        server_stop(r);
    else
        *out = r;
    return status;
}

int server_port(const running *r)
{
    return http_port(r->http);
}

void server_stop(running *r)
{
    if (!r) return;
    http_stop(r->http);
    jobs_free(r->s.jobs);
    folders_free(r->s.folders);
    simile_library_close(r->s.library);
    towers_free(r->s.towers);
    metrics_free(r->s.metrics);
    events_free(r->s.events);
    mem_free(r);
}

/* ---- systemd ---- */

static long from_environment(const char *name)
{
    const char *text = getenv(name);
    return text ? strtol(text, NULL, 10) : 0;
}

simile_status server_inherited(int *fd, simile_error *err)
{
    const long n = from_environment("LISTEN_PID") == (long)getpid() ? from_environment("LISTEN_FDS") : 0;
    *fd = 0;
    if (n <= 0) return SIMILE_OK;
    if (n > 1) return err_set(err, SIMILE_E_LIMIT, "cannot listen at %ld inherited sockets: one is enough", n);
    if (fcntl(FIRST_INHERITED, F_SETFD, FD_CLOEXEC)) return err_errno(err, "cannot use the inherited socket");
    *fd = FIRST_INHERITED;
    return SIMILE_OK;
}

void server_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const size_t len = path ? strlen(path) : 0;
    if (!len || len >= sizeof to.sun_path || (*path != '/' && *path != '@')) return;
    memcpy(to.sun_path, path, len);
    if (*path == '@') to.sun_path[0] = 0; /* an abstract name */
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    const socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const void *)&to, size) < 0) errno = 0; /* nobody listens */
    close(fd);
}
