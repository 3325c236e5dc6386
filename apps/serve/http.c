/* SPDX-License-Identifier: Apache-2.0
 *
 * http.c - the listener: libmicrohttpd on one side, handlers on the other, see http.h and listen.h.
 *
 * Life of a request. MHD's thread reads its first line (on_uri), then its headers (begin: framing, guard, route), then
 * its body into a buffer (take_body). Once it is whole the connection is suspended and goes to a worker, which runs the
 * handler, makes the response and resumes the connection; MHD's thread then queues the response (answer, again) and
 * tells when it was sent (on_completed). What is refused is refused when its headers are known: a short body is read
 * and dropped, so that the client gets to read the answer; a long one is not waited for.
 *
 * Framing that two readers could read in two ways (request smuggling) is refused, and its connection closed: two
 * lengths, a length beside Transfer-Encoding, another coding than chunked, several Host headers.
 *
 * Threads: MHD's own, the workers, the reaper's. An exchange belongs to MHD's thread, but for the time between
 * hand_over() and MHD_resume_connection(). */
#include "serve/listen.h"

#include "base/mem.h"
#include "serve/exchange.h"
#include "serve/log.h"
#include "serve/metrics.h"
#include "serve/stream.h"
#include "serve/wait.h"
#include "serve/workers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    DROPPED_MAX = 1024 * 1024, /* of a refused request's body, that is read */
    ALWAYS_HELD = 64 * 1024,   /* of a body, however many are held */
    EXTRA_POOL = 32 * 1024,    /* of a connection's memory, beside its headers */
    STREAM_BLOCK = 32 * 1024,
    BACKLOG = 511,
    SECONDS_TO_SEND = 10, /* what is ready, when the server stops */
    SIGN_OF_LIFE = 15
};

struct http {
    server *s;
    const route *const *tables;
    http_limits limits;
    guard *guard;
    workers *workers;
    reaper *reaper;
    struct MHD_Daemon *daemon;
    int port;
    atomic_uint_fast64_t ids;
    atomic_size_t held; /* bytes of bodies */
    atomic_int streams;
    atomic_bool stopping;
    pthread_mutex_t lock; /* of busy */
    pthread_cond_t done;
    int busy; /* requests that arrived and are not answered */
};

/* ---- bookkeeping ---- */

static void change_busy(http *h, int by)
{
    pthread_mutex_lock(&h->lock);
    h->busy += by;
    if (!h->busy) pthread_cond_broadcast(&h->done);
    pthread_mutex_unlock(&h->lock);
}

static void hold(http *h, exchange *ex, size_t bytes)
{
    ex->counted += bytes;
    atomic_fetch_add(&h->held, bytes);
    metrics_gauge(h->s->metrics, GAUGE_BODY_BYTES, (int64_t)bytes);
}

static void let_go(http *h, exchange *ex)
{
    atomic_fetch_sub(&h->held, ex->counted);
    metrics_gauge(h->s->metrics, GAUGE_BODY_BYTES, -(int64_t)ex->counted);
    ex->counted = 0;
    buf_release(&ex->body);
}

static const char *header_of(const exchange *ex, const char *name)
{
    return MHD_lookup_connection_value(ex->connection, MHD_HEADER_KIND, name);
}

static int descriptor(const exchange *ex)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(ex->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}

/* ---- replies of our own ---- */

/* Makes the response out of what the handler left, or out of why it could not. */
static void finish(exchange *ex, reply *r)
{
    simile_error err;
    const bool failed = !buf_ok(&r->body);
    if (failed) reply_errorf(r, 503, "nomem", "the answer was too large, or memory is short");
    if (exchange_respond(ex, r, &err)) ex->response = NULL;
}

static void __attribute__((format(printf, 4, 5)))
refuse(exchange *ex, int status, const char *code, const char *format, ...)
{
    simile_error message;
    reply r;
    va_list args;
    va_start(args, format);
    err_vset(&message, SIMILE_OK, format, args);
    va_end(args);
    reply_init(&r);
    reply_errorf(&r, status, code, "%s", message.message);
    if (status == 401) reply_header(&r, "WWW-Authenticate", "Bearer realm=\"simile\"");
    if (status == 400 && !ex->route) reply_header(&r, "Connection", "close");
    ex->refused = true;
    finish(ex, &r);
}

/* ---- headers ---- */

typedef struct {
    int lengths, codings, hosts, strange;
} framing;

/* What a method and the name of a header are made of (RFC 9110, 5.6.2). */
static const char token[] = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* MHD 0.9 puts a line that goes on with the next one (obs-fold) together wrongly, and ends up with a name that is a
 * known one with something behind it. */
static bool is_mangled(const char *name)
{
    static const char *const known[] = {"Content-Length", "Transfer-Encoding", "Host"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const size_t len = strlen(known[i]);
        if (strncasecmp(name, known[i], len) == 0 && name[len]) return true;
    }
    return false;
}

static enum MHD_Result count_header(void *user, enum MHD_ValueKind kind, const char *name, const char *value)
{
    framing *f = user;
    (void)kind;
    if (!*name || name[strspn(name, token)] || is_mangled(name))
        f->strange++; /* "Content-Length :", which some take for the header */
    if (strcasecmp(name, "Content-Length") == 0) {
        f->lengths++;
        if (!value || !*value || strspn(value, "0123456789") != strlen(value)) f->strange++;
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        f->codings++;
        if (!value || strcasecmp(value, "chunked") != 0) f->strange++;
    } else if (strcasecmp(name, "Host") == 0) {
        f->hosts++;
    }
    return MHD_YES;
}

/* Is it clear where the request ends, and for whom it is? */
static bool well_framed(const exchange *ex)
{
    framing f = {0};
    MHD_get_connection_values(ex->connection, MHD_HEADER_KIND, count_header, &f);
    return !f.strange && f.lengths + f.codings <= 1 && f.hosts <= 1;
}

static size_t header_bytes(const exchange *ex)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(ex->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    return info ? info->header_size : 0;
}

/* SIZE_MAX: it is chunked, and nobody knows. */
static uint64_t declared_length(const exchange *ex)
{
    const char *text = header_of(ex, "Content-Length");
    if (!text) return header_of(ex, "Transfer-Encoding") ? UINT64_MAX : 0;
    return strlen(text) > 18 ? UINT64_MAX - 1 : strtoull(text, NULL, 10);
}

static guard_facts facts_of(const exchange *ex)
{
    return (guard_facts){.method = ex->q.method,
                         .host = header_of(ex, "Host"),
                         .origin = header_of(ex, "Origin"),
                         .site = header_of(ex, "Sec-Fetch-Site"),
                         .mode = header_of(ex, "Sec-Fetch-Mode"),
                         .dest = header_of(ex, "Sec-Fetch-Dest"),
                         .authorization = header_of(ex, "Authorization"),
                         .api_key = header_of(ex, "X-API-Key")};
}

/* OPTIONS: what a browser asks before it lets a page of another origin ask (CORS), or what the path can do. */
static void answer_options(exchange *ex, const char *allow)
{
    reply r;
    reply_init(&r);
    r.status = 204;
    reply_header(&r, "Allow", allow);
    if (ex->judged.allow_origin && header_of(ex, "Access-Control-Request-Method")) {
        reply_header(&r, "Access-Control-Allow-Methods", allow);
        reply_header(&r, "Access-Control-Allow-Headers", "Authorization, Content-Type, X-API-Key, Last-Event-ID");
        reply_header(&r, "Access-Control-Max-Age", "600");
        if (header_of(ex, "Access-Control-Request-Private-Network"))
            reply_header(&r, "Access-Control-Allow-Private-Network", "true");
    }
    ex->refused = true; /* there is nothing to hand over */
    finish(ex, &r);
}

/* Finds the route and asks the guard. What has no route is judged as strictly as can be, before it is told so. */
static void admit(http *h, exchange *ex)
{
    char allow[ALLOW_MAX];
    const bool options = strcmp(ex->q.method, "OPTIONS") == 0;
    const char *asked = options ? header_of(ex, "Access-Control-Request-Method") : NULL;
    const guard_facts facts = facts_of(ex);
    ex->route = route_find(h->tables, asked ? asked : ex->q.method, ex->q.path, ex->stars, ex->q.stars, allow);
    ex->judged = guard_judge(h->guard, &facts, ex->route ? ex->route->flags : 0);
    if (ex->judged.status) {
        metrics_count(h->s->metrics, COUNT_REFUSED_GUARD, 1);
        refuse(ex, ex->judged.status, ex->judged.code, "%s", ex->judged.message);
    } else if (options && *allow) {
        answer_options(ex, allow);
    } else if (!ex->route && *allow) {
        reply r;
        reply_init(&r);
        reply_errorf(&r, 405, "method_not_allowed", "this path knows %s", allow);
        reply_header(&r, "Allow", allow);
        ex->refused = true;
        finish(ex, &r);
    } else if (!ex->route) {
        refuse(ex, 404, "not_found", "there is nothing at this path");
    }
}

static void check_room(http *h, exchange *ex)
{
    const uint64_t length = declared_length(ex);
    const bool upload = ex->route->flags & ROUTE_UPLOAD;
    ex->room = upload ? h->limits.upload_bytes : h->limits.json_bytes;
    if (length != UINT64_MAX && length > ex->room)
        refuse(ex, 413, "limit", "the body is longer than %zu bytes", ex->room);
    else if (length > ALWAYS_HELD && atomic_load(&h->held) > h->limits.bodies_bytes)
        refuse(ex, 503, "busy", "too many bodies are on their way");
    buf_init(&ex->body, length < ex->room ? (size_t)length : ex->room);
}

/* A short body can stand for a very long one. */
static bool is_compressed(const exchange *ex)
{
    const char *coding = header_of(ex, "Content-Encoding");
    return coding && strcasecmp(coding, "identity") != 0;
}

static void judge(http *h, exchange *ex)
{
    simile_error err;
    if (atomic_load(&h->stopping))
        refuse(ex, 503, "stopping", "the server is stopping");
    else if (*ex->q.method == '?')
        refuse(ex, 400, "bad_request", "the method of the request is none");
    else if (!well_framed(ex))
        refuse(ex, 400, "bad_request", "the length of the request is said in two ways, or for several hosts");
    else if (header_bytes(ex) > h->limits.header_bytes)
        refuse(ex, 431, "limit", "the headers are longer than %zu bytes", h->limits.header_bytes);
    else if (is_compressed(ex))
        refuse(ex, 415, "unsupported", "compressed bodies are not read");
    else if (exchange_read_target(ex, &err))
        refuse(ex, status_of(&err), "bad_request", "%s", err.message);
    else
        admit(h, ex);
    if (!ex->refused) check_room(h, ex);
}

/* Should the rest of a refused request be waited for, so that the client reads the answer? */
static bool worth_reading(const exchange *ex)
{
    return ex->status != 400 && declared_length(ex) <= DROPPED_MAX && !header_of(ex, "Expect");
}

static enum MHD_Result send_response(http *h, exchange *ex)
{
    if (!ex->response) return MHD_NO;
    reaper_phase(h->reaper, ex->watch, ex->endless ? PHASE_STREAMING : PHASE_SENDING, ex->sent);
    const enum MHD_Result queued = MHD_queue_response(ex->connection, (unsigned int)ex->status, ex->response);
    MHD_destroy_response(ex->response);
    ex->response = NULL;
    return queued;
}

static enum MHD_Result begin(http *h, exchange *ex, const char *method)
{
    const char *type;
    ex->begun = true;
    ex->q.method = *method && !method[strspn(method, token)] ? method : "?"; /* it goes into the log */
    judge(h, ex);
    type = header_of(ex, "Content-Type");
    ex->q.content_type = type ? type : "";
    if (!ex->refused || worth_reading(ex)) return MHD_YES;
    return send_response(h, ex);
}

/* ---- bodies ---- */

/* In the middle of a body MHD takes no response. Where the end is near the rest is dropped, and then answered; else the
 * answer is written by hand, and the connection closed. */
static enum MHD_Result cut_off(http *h, exchange *ex, int status)
{
    if (declared_length(ex) - ex->body.len <= DROPPED_MAX) {
        let_go(h, ex);
        refuse(ex, status, "busy", "too many bodies are on their way");
        return MHD_YES;
    }
    ex->status = status;
    reaper_last_words(descriptor(ex), status);
    return MHD_NO;
}

static enum MHD_Result take_body(http *h, exchange *ex, const char *bytes, size_t *len)
{
    const size_t n = *len;
    *len = 0;
    if (ex->refused) {
        ex->dropped += n;
        return ex->dropped > DROPPED_MAX ? MHD_NO : MHD_YES;
    }
    if (n > ex->room - ex->body.len) return cut_off(h, ex, 413);
    if (ex->body.len + n > ALWAYS_HELD && atomic_load(&h->held) + n > h->limits.bodies_bytes)
        return cut_off(h, ex, 503);
    hold(h, ex, n);
    return buf_append(&ex->body, bytes, n) ? MHD_YES : cut_off(h, ex, 503);
}

/* ---- streams ---- */

typedef struct {
    http *h;
    stream *stream;
    struct MHD_Connection *connection;
} listening;

static void fall_asleep(void *user)
{
    MHD_suspend_connection(((listening *)user)->connection);
}

static void wake_up(void *user)
{
    MHD_resume_connection(((listening *)user)->connection);
}

static ssize_t read_stream(void *user, uint64_t position, char *out, size_t max)
{
    const ssize_t n = stream_read(((listening *)user)->stream, out, max);
    (void)position;
    return n < 0 ? MHD_CONTENT_READER_END_OF_STREAM : n;
}

static void end_stream(void *user)
{
    listening *l = user;
    stream_close(l->stream);
    metrics_gauge(l->h->s->metrics, GAUGE_STREAMS, -1);
    mem_free(l);
}

static uint64_t last_event(const exchange *ex)
{
    const char *text = header_of(ex, "Last-Event-ID");
    return text ? strtoull(text, NULL, 10) : 0;
}

/* A client that vanished without a word would keep its stream until TCP gives up, a quarter of an hour later: signs of
 * life go into the socket all the same. So what is sent has to be acknowledged in time. */
static void expect_acknowledgement(const http *h, const exchange *ex)
{
    const unsigned int ms = (unsigned int)h->limits.idle_seconds * 1000;
    if (setsockopt(descriptor(ex), IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms)) errno = 0; /* a socket of files */
}

static simile_status open_stream(http *h, exchange *ex, simile_error *err)
{
    listening *l = mem_new(listening);
    if (!l) return err_nomem(err);
    *l = (listening){.h = h, .connection = ex->connection};
    const stream_calls calls = {fall_asleep, wake_up, l};
    const simile_status status = stream_open(h->s->events, &calls, last_event(ex), h->limits.streams, &l->stream, err);
    if (status) {
        mem_free(l);
        return status;
    }
    metrics_gauge(h->s->metrics, GAUGE_STREAMS, 1);
    ex->response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream, l, end_stream);
    ex->endless = ex->response != NULL;
    if (ex->endless) {
        expect_acknowledgement(h, ex);
        return SIMILE_OK;
    }
    end_stream(l);
    return err_nomem(err);
}

/* ---- handlers ---- */

static void run_handler(void *user, void *item)
{
    http *h = user;
    exchange *ex = item;
    simile_error err;
    reply r;
    ex->taken = clock_seconds();
    metrics_gauge(h->s->metrics, GAUGE_REQUESTS_WAITING, -1);
    metrics_observe(h->s->metrics, HISTOGRAM_QUEUE_SECONDS, ex->taken - ex->queued);
    reply_init(&r);
    ex->route->run(h->s, &ex->q, &r);
    if (r.stream && open_stream(h, ex, &err)) reply_error(&r, 0, &err);
    finish(ex, &r);
    let_go(h, ex);
    atomic_store(&ex->answered, true);
    MHD_resume_connection(ex->connection);
}

/* Suspended first: a worker may be done before this returns. */
static enum MHD_Result hand_over(http *h, exchange *ex)
{
    ex->handed_over = true;
    ex->q.body = ex->body.data ? ex->body.data : "";
    ex->q.body_len = ex->body.len;
    ex->queued = clock_seconds();
    reaper_phase(h->reaper, ex->watch, PHASE_WORKING, 0);
    metrics_gauge(h->s->metrics, GAUGE_REQUESTS_WAITING, 1);
    change_busy(h, 1);
    MHD_suspend_connection(ex->connection);
    const bool quick = ex->route->flags & ROUTE_PUBLIC && !ex->q.body_len;
    if (workers_push(h->workers, ex, quick)) return MHD_YES;
    metrics_gauge(h->s->metrics, GAUGE_REQUESTS_WAITING, -1);
    metrics_count(h->s->metrics, COUNT_REFUSED_BUSY, 1);
    refuse(ex, 503, "busy", "too many requests wait already");
    let_go(h, ex);
    atomic_store(&ex->answered, true);
    MHD_resume_connection(ex->connection);
    return MHD_YES;
}

/* ---- what MHD calls ---- */

static void *on_uri(void *user, const char *uri, struct MHD_Connection *connection)
{
    http *h = user;
    exchange *ex = mem_new(exchange);
    if (!ex) return NULL;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    ex->connection = connection;
    ex->watch = info ? info->socket_context : NULL;
    ex->started = clock_seconds();
    ex->q.id = atomic_fetch_add(&h->ids, 1) + 1;
    ex->q.inside = ex;
    ex->q.body = ex->q.content_type = "";
    ex->target = mem_strdup(uri);
    reaper_phase(h->reaper, ex->watch, PHASE_READING, 0);
    return ex;
}

static enum MHD_Result answer(void *user, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *bytes, size_t *len, void **context)
{
    http *h = user;
    exchange *ex = *context;
    (void)connection, (void)url, (void)version;
    if (!ex || !ex->target) return MHD_NO; /* memory is short */
    if (!ex->begun) return begin(h, ex, method);
    if (*len) return take_body(h, ex, bytes, len);
    if (ex->refused) return send_response(h, ex);
    if (!ex->handed_over) return hand_over(h, ex);
    return atomic_load(&ex->answered) ? send_response(h, ex) : MHD_YES;
}

static void client_text(const exchange *ex, char out[INET6_ADDRSTRLEN])
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(ex->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;
    out[0] = 0;
    if (address && address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, out, INET6_ADDRSTRLEN);
    if (address && address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, out, INET6_ADDRSTRLEN);
}

static void tell(http *h, const exchange *ex, uint64_t in)
{
    char client[INET6_ADDRSTRLEN];
    const double now = clock_seconds();
    const int status = ex->status ? ex->status : 499; /* the client went away before there was one */
    const count_name classes[] = {COUNT_REQUESTS_2XX, COUNT_REQUESTS_4XX, COUNT_REQUESTS_5XX};
    metrics_count(h->s->metrics, classes[status >= 500 ? 2 : status >= 400 ? 1 : 0], 1);
    metrics_observe(h->s->metrics, HISTOGRAM_REQUEST_SECONDS, now - ex->started);
    if (h->s->options.log == LOG_FORM_NONE) return;
    client_text(ex, client);
    const log_request line = {.id = ex->q.id,
                              .client = client,
                              .method = ex->q.method ? ex->q.method : "?",
                              .path = ex->q.path ? ex->q.path : "?",
                              .status = status,
                              .in = in,
                              .out = ex->sent,
                              .seconds = now - ex->started,
                              .queued = ex->taken > 0 ? ex->taken - ex->queued : 0};
    log_write_request(h->s->options.log, &line);
}

static void on_completed(void *user, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode why)
{
    http *h = user;
    exchange *ex = *context;
    (void)connection, (void)why;
    if (!ex) return;
    *context = NULL;
    tell(h, ex, ex->dropped + (ex->q.body_len ? ex->q.body_len : ex->counted));
    reaper_phase(h->reaper, ex->watch, PHASE_WAITING, 0);
    if (ex->response) MHD_destroy_response(ex->response);
    let_go(h, ex);
    if (ex->handed_over) change_busy(h, -1);
    query_string_release(&ex->query);
    mem_free(ex->target);
    mem_free(ex->stars);
    mem_free(ex);
}

static void on_connection(void *user, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    http *h = user;
    const bool open = what == MHD_CONNECTION_NOTIFY_STARTED;
    metrics_gauge(h->s->metrics, GAUGE_CONNECTIONS, open ? 1 : -1);
    if (open) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *context = info ? reaper_enter(h->reaper, info->connect_fd) : NULL;
    } else {
        reaper_leave(h->reaper, *context);
        *context = NULL;
    }
}

/* Targets are decoded by request.c, which refuses what is damaged. */
static size_t leave_as_it_is(void *user, struct MHD_Connection *connection, char *text)
{
    (void)user, (void)connection;
    return strlen(text);
}

/* ---- start and stop ---- */

static simile_status listen_at(const serve_options *o, int *out, simile_error *err)
{
    const char *text = o->address ? o->address : "127.0.0.1";
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)o->port)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)o->port)};
    if (strcmp(text, "localhost") == 0) text = "127.0.0.1";
    const bool is_four = inet_pton(AF_INET, text, &four.sin_addr) == 1;
    if (!is_four && inet_pton(AF_INET6, text, &six.sin6_addr) != 1)
        return err_set(err, SIMILE_E_ARG, "'%s' is no IP address to listen at", text);
    const int fd = socket(is_four ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0) return err_errno(err, "cannot make a socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const struct sockaddr *address = is_four ? (const void *)&four : (const void *)&six;
    if (bind(fd, address, is_four ? sizeof four : sizeof six) || listen(fd, BACKLOG)) {
        const simile_status status = err_errno(err, "cannot listen at %s, port %d", text, o->port);
        close(fd);
        return status;
    }
    *out = fd;
    return SIMILE_OK;
}

/* The port of a socket, and whether others than this machine reach it. */
static int facts_of_socket(int fd, char address[INET6_ADDRSTRLEN])
{
    struct sockaddr_storage at = {0};
    const struct sockaddr_in *four = (const void *)&at;
    const struct sockaddr_in6 *six = (const void *)&at;
    socklen_t len = sizeof at;
    snprintf(address, INET6_ADDRSTRLEN, "127.0.0.1"); /* a socket of the file system is this machine's */
    if (getsockname(fd, (void *)&at, &len)) return 0;
    if (at.ss_family == AF_INET) inet_ntop(AF_INET, &four->sin_addr, address, INET6_ADDRSTRLEN);
    if (at.ss_family == AF_INET6) inet_ntop(AF_INET6, &six->sin6_addr, address, INET6_ADDRSTRLEN);
    return at.ss_family == AF_INET ? ntohs(four->sin_port) : at.ss_family == AF_INET6 ? ntohs(six->sin6_port) : 0;
}

static http_limits limits_of(const http_setup *setup)
{
    http_limits l = setup ? setup->limits : (http_limits){0};
    if (!l.connections) l.connections = LIMIT_CONNECTIONS;
    if (!l.queue) l.queue = LIMIT_QUEUE;
    if (!l.streams) l.streams = LIMIT_STREAMS;
    if (!l.idle_seconds) l.idle_seconds = LIMIT_IDLE_SECONDS;
    if (l.request_seconds <= 0) l.request_seconds = LIMIT_REQUEST_SECONDS;
    if (l.stream_seconds <= 0) l.stream_seconds = SIGN_OF_LIFE;
    if (!l.header_bytes) l.header_bytes = LIMIT_HEADER_BYTES;
    if (!l.json_bytes) l.json_bytes = LIMIT_JSON_BYTES;
    if (!l.upload_bytes) l.upload_bytes = LIMIT_UPLOAD_BYTES;
    if (!l.bodies_bytes) l.bodies_bytes = LIMIT_BODIES_BYTES;
    return l;
}

static void tick(void *user)
{
    http *h = user;
    events_tick(h->s->events, h->limits.stream_seconds);
}

static simile_status start_threads(http *h, simile_error *err)
{
    const http_limits *l = &h->limits;
    const double step = l->request_seconds < 4 || l->stream_seconds < 4 ? 0.05 : 1;
    const reaper_setup setup = {.waiting = l->idle_seconds + l->request_seconds,
                                .reading = l->request_seconds,
                                .hurried = l->request_seconds / 10,
                                .connections = l->connections,
                                .step = step,
                                .tick = tick,
                                .user = h};
    const int n = h->s->options.workers > 0 ? h->s->options.workers : LIMIT_WORKERS;
    RETURN_IF_ERROR(workers_new(n, (size_t)l->queue, run_handler, h, &h->workers, err));
    return reaper_new(&setup, &h->reaper, err);
}

/* The socket is the daemon's from here on. */
static simile_status start_daemon(http *h, int fd, simile_error *err)
{
    const unsigned int flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;
    const struct MHD_OptionItem options[] = {
        {MHD_OPTION_LISTEN_SOCKET, fd, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, h->limits.connections, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, h->limits.idle_seconds, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)(h->limits.header_bytes + EXTRA_POOL), NULL},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, h},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, h},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)on_uri, h},
        {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)leave_as_it_is, NULL},
        {MHD_OPTION_PER_IP_CONNECTION_LIMIT, LIMIT_CONNECTIONS_PER_CLIENT, NULL},
#if MHD_VERSION >= 0x00097701
        {MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1, NULL},
#else
        {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
#endif
        {MHD_OPTION_END, 0, NULL},
    };
    h->daemon = MHD_start_daemon(flags, 0, NULL, NULL, answer, h, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    if (h->daemon) return SIMILE_OK;
    close(fd);
    return err_set(err, SIMILE_E_IO, "cannot start the HTTP server");
}

static simile_status start(http *h, int fd, simile_error *err)
{
    const simile_status status = start_threads(h, err);
    if (!status) return start_daemon(h, fd, err);
    close(fd);
    return status;
}

static simile_status make(server *s, const http_setup *setup, int fd, http **out, simile_error *err)
{
    char address[INET6_ADDRSTRLEN];
    serve_options reached = s->options;
    http *h = mem_new(http);
    if (!h) {
        close(fd);
        return err_nomem(err);
    }
    h->s = s;
    h->tables = setup && setup->tables ? setup->tables : route_tables;
    h->limits = limits_of(setup);
    h->port = facts_of_socket(fd, address);
    pthread_mutex_init(&h->lock, NULL);
    wait_condition(&h->done);
    reached.address = address;
    simile_status status = guard_check(&reached, err);
    if (!status) status = guard_new(&s->options, &h->guard, err);
    if (status) close(fd);
    if (!status) status = start(h, fd, err);
    if (status)
        http_stop(h);
    else
        *out = h;
    return status;
}

simile_status http_start(server *s, const http_setup *setup, http **out, simile_error *err)
{
    int fd = setup ? setup->fd : 0;
    *out = NULL;
    if (fd <= 0) {
        RETURN_IF_ERROR(guard_check(&s->options, err));
        RETURN_IF_ERROR(listen_at(&s->options, &fd, err));
    }
    return make(s, setup, fd, out, err);
}

int http_port(const http *h)
{
    return h->port;
}

/* Waits until everything that arrived is answered, for a while: a client may never read its reply. */
static void wait_for_replies(http *h)
{
    const double until = clock_seconds() + SECONDS_TO_SEND;
    pthread_mutex_lock(&h->lock);
    while (h->busy && !wait_until(&h->done, &h->lock, until)) {
    }
    pthread_mutex_unlock(&h->lock);
}

void http_stop(http *h)
{
    if (!h) return;
    atomic_store(&h->stopping, true);
    atomic_store(&h->s->stopping, true);
    if (h->daemon) {
        const int fd = MHD_quiesce_daemon(h->daemon);
        if (fd >= 0) close(fd);
        events_end(h->s->events);
        workers_stop(h->workers);
        wait_for_replies(h);
        MHD_stop_daemon(h->daemon);
    }
    workers_free(h->workers);
    reaper_free(h->reaper);
    guard_free(h->guard);
    pthread_cond_destroy(&h->done);
    pthread_mutex_destroy(&h->lock);
    mem_free(h);
}
