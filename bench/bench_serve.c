/* SPDX-License-Identifier: Apache-2.0
 * bench_serve.c - load for `simile serve`: N connections that stay open, each asking again as soon as it was answered.
 *
 *     bench_serve search [TEXTS]           GET /v1/search, the lines of a file in turn (or a few sentences)
 *     bench_serve image PICTURE            POST /predict, as Immich asks for the vector of a picture
 *     bench_serve get PATH                 any other GET
 *     bench_serve post PATH TYPE BODY      any other POST, the body from a file
 *
 *     --host A --port N    of the server, an IPv4 address; default 127.0.0.1 and 7997
 *     --key KEY            sent as a Bearer token
 *     --connections N      default 8
 *     --seconds S          measured; default 10
 *     --warmup S           before that; default 2
 *     --model NAME         that `image` asks for; default ViT-B-32__openai
 *     --pid PID            of the server: its resident memory is printed, at the beginning, at the end, and
 *     --every S            as often as that in between, with the requests since
 *     --health             asks /healthz twice a second beside it
 *     --slowloris N        connections beside it that send a byte of a header every five seconds
 *     --garbage N          connections beside it that send what no server wants: noise, broken JSON, bodies that end
 *                          too soon, pictures that are none, paths that lead out
 *
 * Printed: requests a second, percentiles of the time from the first byte sent to the last byte received (to one in a
 * hundred), refusals (429, 503), other errors. The exit status is 1 where there were errors or nothing was answered.
 * One thread, epoll; memory does not grow with the number of requests. */
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "measure.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUCKETS = 2400, HEAD_BYTES = 16384, EVENTS = 256, MOST_CONNECTIONS = 20000, MOST_REQUESTS = 10000 };
enum { MOST_BODY = 128 << 20 };
#define TICK_SECONDS     0.1
#define SLOW_SECONDS     5.0
#define HEALTH_SECONDS   0.5
#define GARBAGE_SECONDS  1.0 /* after which a garbage connection is given up */
#define BUCKET_STEP      1.01
#define SHORTEST_SECONDS 1e-6

typedef enum { LOAD, HEALTH, SLOW, GARBAGE, KINDS } kind;

typedef struct {
    int64_t answered, refused, failed, broken; /* broken: the connection ended before the answer */
    int64_t closed;                            /* by the server, between requests */
    int64_t connected;                         /* how often */
    int64_t buckets[BUCKETS];
    double longest;
} score;

typedef struct {
    kind kind;
    int fd;         /* -1: to be opened at `wake` */
    bool connected; /* the kernel said so */
    bool asking;    /* a request is under way */
    double wake, since;
    const buf *request;
    size_t sent;
    char head[HEAD_BYTES];
    size_t head_len;
    int64_t body_left; /* -1: the head is not complete */
    int status;
    bool closes;
} connection;

static struct {
    struct sockaddr_in address;
    const char *host, *key, *model;
    int connections, slow, garbage, health;
    double seconds, warmup, every;
    long pid;
    int epoll;
    buf requests[MOST_REQUESTS];
    size_t n_requests, next_request;
    buf health_request, slow_request;
    buf bad_requests[8];
    size_t n_bad, next_bad;
    score scores[KINDS];
    double begin; /* of what is measured */
    connection *all;
    size_t n;
} b;

static void stop(const char *what)
{
    fprintf(stderr, "bench_serve: %s\n", what);
    exit(1);
}

/* ---- requests ---- */

static void write_head(buf *out, const char *method, const char *path, const char *type, size_t len)
{
    buf_init(out, MOST_BODY + (1 << 16));
    buf_printf(out, "%s %s HTTP/1.1\r\nHost: %s:%d\r\n", method, path, b.host, ntohs(b.address.sin_port));
    if (b.key) buf_printf(out, "Authorization: Bearer %s\r\n", b.key);
    if (type) buf_printf(out, "Content-Type: %s\r\nContent-Length: %zu\r\n", type, len);
    buf_text(out, "\r\n");
}

static void check(const buf *request)
{
    if (!buf_ok(request)) stop("out of memory");
}

static void add_search(const char *text, size_t len)
{
    static const char digits[] = "0123456789ABCDEF";
    buf path;
    if (!len || b.n_requests == MOST_REQUESTS) return;
    buf_init(&path, 1 << 20);
    buf_text(&path, "/v1/search?limit=20&text=");
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)text[i];
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain) buf_byte(&path, '%');
        if (!plain) buf_byte(&path, digits[c >> 4]);
        buf_byte(&path, plain ? (char)c : digits[c & 15]);
    }
    check(&path);
    write_head(&b.requests[b.n_requests], "GET", path.data, NULL, 0);
    check(&b.requests[b.n_requests++]);
    buf_release(&path);
}

static void make_search(const char *file)
{
    static const char own[] = "two dogs in the snow\na red car\na boat on the sea at night\na black cat on a table\n"
                              "children on a beach\na blue bird in a tree\nan old church\nfood on a plate\n";
    char *text = NULL;
    size_t len = sizeof own - 1;
    simile_error err;
    if (file && file_read(file, MOST_BODY, &text, &len, &err)) stop(err.message);
    const char *at = file ? text : own, *end = at + len;
    while (at < end) {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        if (!line) line = end;
        add_search(at, (size_t)(line - at));
        at = line + 1;
    }
    mem_free(text);
    if (!b.n_requests) stop("there is no text in that file");
}

static void make_post(const char *path, const char *type, const char *body, size_t len)
{
    write_head(&b.requests[0], "POST", path, type, len);
    buf_append(&b.requests[0], body, len);
    check(&b.requests[0]);
    b.n_requests = 1;
}

static void make_body(const char *path, const char *type, const char *file)
{
    char *body;
    size_t len;
    simile_error err;
    if (file_read(file, MOST_BODY, &body, &len, &err)) stop(err.message);
    make_post(path, type, body, len);
    mem_free(body);
}

static void write_predict(buf *out, const char *picture, size_t len)
{
    buf_init(out, MOST_BODY + (1 << 16));
    buf_printf(out,
               "--limit\r\nContent-Disposition: form-data; name=\"entries\"\r\n\r\n"
               "{\"clip\":{\"visual\":{\"modelName\":\"%s\",\"options\":{}}}}\r\n"
               "--limit\r\nContent-Disposition: form-data; name=\"image\"; filename=\"blob\"\r\n"
               "Content-Type: application/octet-stream\r\n\r\n",
               b.model);
    buf_append(out, picture, len);
    buf_text(out, "\r\n--limit--\r\n");
    check(out);
}

static void make_image(const char *file)
{
    char *picture;
    size_t len;
    buf body;
    simile_error err;
    if (file_read(file, MOST_BODY, &picture, &len, &err)) stop(err.message);
    write_predict(&body, picture, len);
    make_post("/predict", "multipart/form-data; boundary=limit", body.data, body.len);
    buf_release(&body);
    mem_free(picture);
}

static buf *next_bad(void)
{
    return &b.bad_requests[b.n_bad++];
}

/* The same noise in every run. */
static void append_noise(buf *out, size_t n)
{
    uint32_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        buf_byte(out, (char)(state >> 24));
    }
}

static void make_garbage(void)
{
    buf body, *out = next_bad();
    buf_init(out, 1 << 20);
    append_noise(out, 20000);
    out = next_bad();
    write_head(out, "POST", "/v1/search", "application/json", 4096);
    for (int i = 0; i < 4096; i++) buf_byte(out, '[');
    out = next_bad(); /* a body that does not come */
    write_head(out, "POST", "/predict", "multipart/form-data; boundary=limit", 50 << 20);
    buf_text(out, "--limit\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\n\xff\xd8\xff");
    out = next_bad();
    buf_init(&body, 1 << 20);
    append_noise(&body, 100000);
    buf picture;
    write_predict(&picture, body.data, body.len);
    write_head(out, "POST", "/predict", "multipart/form-data; boundary=limit", picture.len);
    buf_append(out, picture.data, picture.len);
    buf_release(&picture);
    buf_release(&body);
    write_head(next_bad(), "GET", "/v1/items/../../../../etc/passwd", NULL, 0);
    out = next_bad(); /* two lengths that differ */
    buf_init(out, 1 << 16);
    buf_text(out, "POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nContent-Length: 40\r\n\r\n{}{}");
    out = next_bad();
    buf_init(out, 1 << 20);
    buf_text(out, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ");
    for (int i = 0; i < 100000; i++) buf_byte(out, 'a');
    for (size_t i = 0; i < b.n_bad; i++) check(&b.bad_requests[i]);
}

/* ---- connections ---- */

static double pause_of(kind k)
{
    return k == HEALTH ? HEALTH_SECONDS : k == SLOW ? SLOW_SECONDS : TICK_SECONDS;
}

static void hang_up(connection *c, double wake)
{
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
    c->connected = c->asking = false;
    c->wake = wake;
}

static void watch(connection *c, int operation, bool writing)
{
    struct epoll_event e = {.events = EPOLLIN | (writing ? EPOLLOUT : 0u), .data = {.ptr = c}};
    if (epoll_ctl(b.epoll, operation, c->fd, &e)) stop("epoll_ctl fails");
}

static void connect_to_server(connection *c, double now)
{
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) stop("too many open files: raise the limit (ulimit -n)");
    if (connect(c->fd, (const struct sockaddr *)&b.address, sizeof b.address) && errno != EINPROGRESS) {
        b.scores[c->kind].broken += now >= b.begin;
        hang_up(c, now + TICK_SECONDS);
        return;
    }
    c->connected = false;
    c->wake = INFINITY;
    watch(c, EPOLL_CTL_ADD, true);
}

static const buf *choose_request(kind k)
{
    switch (k) {
    case LOAD: return &b.requests[b.next_request++ % b.n_requests];
    case HEALTH: return &b.health_request;
    case SLOW: return &b.slow_request;
    default: return &b.bad_requests[b.next_bad++ % b.n_bad];
    }
}

/* Sends what the kernel takes. A slow one sends one byte a time. */
static void send_more(connection *c, double now)
{
    while (c->sent < c->request->len) {
        const size_t left = c->request->len - c->sent;
        const ssize_t n = send(c->fd, c->request->data + c->sent, c->kind == SLOW ? 1 : left, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return;
        if (n < 0) {
            b.scores[c->kind].broken += now >= b.begin;
            hang_up(c, now + TICK_SECONDS);
            return;
        }
        c->sent += (size_t)n;
        if (c->kind == SLOW) {
            c->wake = now + SLOW_SECONDS;
            break;
        }
    }
    if (c->kind == SLOW || c->sent == c->request->len) watch(c, EPOLL_CTL_MOD, false);
}

static void ask(connection *c, double now)
{
    c->request = choose_request(c->kind);
    c->sent = c->head_len = 0;
    c->body_left = -1;
    c->asking = true;
    c->since = now;
    c->wake = c->kind == GARBAGE ? now + GARBAGE_SECONDS : INFINITY;
    watch(c, EPOLL_CTL_MOD, true);
    send_more(c, now);
}

/* ---- answers ---- */

static void count(connection *c, double now)
{
    score *s = &b.scores[c->kind];
    const double took = now - c->since;
    if (c->since < b.begin) return;
    if (c->status == 429 || c->status == 503)
        s->refused++;
    else if (c->status < 200 || c->status > 299)
        s->failed++;
    else
        s->answered++;
    double bucket = log(took / SHORTEST_SECONDS) / log(BUCKET_STEP);
    if (!(bucket > 0)) bucket = 0;
    s->buckets[bucket < BUCKETS - 1 ? (int)bucket : BUCKETS - 1]++;
    if (took > s->longest) s->longest = took;
}

static void finish(connection *c, double now)
{
    const bool refused = c->status == 429 || c->status == 503;
    count(c, now);
    c->asking = false;
    if (c->closes || c->kind == GARBAGE)
        hang_up(c, now + pause_of(c->kind));
    else if (c->kind == LOAD && !refused)
        ask(c, now);
    else
        c->wake = now + pause_of(c->kind);
}

/* The head is complete: its status, and how much follows. */
static bool read_head(connection *c, size_t end)
{
    c->head[end] = 0;
    c->body_left = 0;
    c->closes = false;
    if (sscanf(c->head, "HTTP/1.%*d %d", &c->status) != 1) return false;
    for (char *line = strstr(c->head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, "content-length:", 15) == 0) c->body_left = strtoll(line + 17, NULL, 10);
        if (strncasecmp(line + 2, "connection: close", 17) == 0) c->closes = true;
        if (strncasecmp(line + 2, "transfer-encoding:", 18) == 0) return false;
    }
    return c->body_left >= 0;
}

/* Takes n bytes that stand behind head_len. False: that was no answer. */
static bool take(connection *c, size_t n)
{
    if (c->body_left >= 0) {
        c->body_left -= (int64_t)n;
        return c->body_left >= 0;
    }
    c->head_len += n;
    char *end = memmem(c->head, c->head_len, "\r\n\r\n", 4);
    if (!end) return c->head_len < HEAD_BYTES - 1;
    const size_t rest = c->head_len - (size_t)(end + 4 - c->head);
    if (!read_head(c, (size_t)(end - c->head))) return false;
    c->body_left -= (int64_t)rest;
    return c->body_left >= 0;
}

static void lost(connection *c, double now)
{
    score *s = &b.scores[c->kind];
    if (now >= b.begin) ++*(c->asking && c->kind != SLOW ? &s->broken : &s->closed);
    hang_up(c, now + TICK_SECONDS);
}

static void receive(connection *c, double now)
{
    for (;;) {
        char scrap[65536];
        const bool body = c->body_left >= 0;
        char *to = body ? scrap : c->head + c->head_len;
        const ssize_t n = recv(c->fd, to, body ? sizeof scrap : HEAD_BYTES - 1 - c->head_len, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (n <= 0 || !c->asking || !take(c, (size_t)n)) {
            lost(c, now);
            return;
        }
        if (c->body_left) continue;
        finish(c, now);
        return;
    }
}

static void handle(connection *c, uint32_t events, double now)
{
    if (!c->connected && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) {
        int why = 0;
        socklen_t size = sizeof why;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &why, &size);
        if (why) {
            b.scores[c->kind].broken += now >= b.begin;
            hang_up(c, now + TICK_SECONDS);
            return;
        }
        c->connected = true;
        b.scores[c->kind].connected++;
        ask(c, now);
        return;
    }
    if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
        receive(c, now);
    else if (c->asking && c->kind != SLOW)
        send_more(c, now);
}

static void tick(double now)
{
    for (size_t i = 0; i < b.n; i++) {
        connection *c = &b.all[i];
        if (c->wake > now) continue;
        if (c->fd < 0)
            connect_to_server(c, now);
        else if (c->kind == GARBAGE)
            hang_up(c, now);
        else if (c->kind == SLOW)
            send_more(c, now);
        else
            ask(c, now);
    }
}

/* ---- the run ---- */

static double resident_mib(void)
{
    char path[64];
    long pages = 0;
    if (!b.pid) return 0;
    snprintf(path, sizeof path, "/proc/%ld/statm", b.pid);
    FILE *in = fopen(path, "r"); /* such files have no length, which file_read would ask for */
    if (!in) stop("there is no process of that number");
    if (fscanf(in, "%*d %ld", &pages) != 1) pages = 0;
    fclose(in);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

static void print_progress(double now, int64_t since)
{
    printf("%8.0f s  %10lld requests", now - b.begin, (long long)(b.scores[LOAD].answered - since));
    if (b.pid) printf("  resident %.1f MiB", resident_mib());
    printf("\n");
    fflush(stdout);
}

static void wait_once(void)
{
    struct epoll_event events[EVENTS];
    const int n = epoll_wait(b.epoll, events, EVENTS, (int)(1000 * TICK_SECONDS));
    const double now = bench_now();
    for (int i = 0; i < n; i++) {
        connection *c = events[i].data.ptr;
        if (c->fd >= 0) handle(c, events[i].events, now);
    }
}

static void run(void)
{
    const double start = bench_now();
    double ticked = 0, told;
    int64_t seen = 0;
    b.begin = told = start + b.warmup;
    while (bench_now() < b.begin + b.seconds) {
        wait_once();
        const double now = bench_now();
        if (now - ticked >= TICK_SECONDS / 2) tick(ticked = now);
        if (b.every <= 0 || now - told < b.every) continue;
        print_progress(now, seen);
        seen = b.scores[LOAD].answered;
        told = now;
    }
}

static void add_connections(kind k, int n)
{
    /* a few hundred a second, so that no queue of the kernel overflows */
    for (int i = 0; i < n; i++)
        b.all[b.n++] = (connection){.kind = k, .fd = -1, .wake = bench_now() + (k == LOAD ? 0 : i * 1e-3)};
}

static void open_connections(void)
{
    struct rlimit files;
    const int all = b.connections + b.health + b.slow + b.garbage;
    if (all > MOST_CONNECTIONS) stop("that is too many connections");
    if (!getrlimit(RLIMIT_NOFILE, &files)) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    b.epoll = epoll_create1(EPOLL_CLOEXEC);
    b.all = mem_zero_array((size_t)all, sizeof *b.all);
    if (b.epoll < 0 || !b.all) stop("out of memory");
    add_connections(LOAD, b.connections);
    add_connections(HEALTH, b.health);
    add_connections(SLOW, b.slow);
    add_connections(GARBAGE, b.garbage);
}

/* ---- the report ---- */

static double percentile(const score *s, double part)
{
    int64_t all = 0, seen = 0;
    for (int i = 0; i < BUCKETS; i++) all += s->buckets[i];
    for (int i = 0; i < BUCKETS; i++) {
        seen += s->buckets[i];
        if (all && (double)seen >= part * (double)all) return 1e3 * SHORTEST_SECONDS * pow(BUCKET_STEP, i + 0.5);
    }
    return 0;
}

static void print_score(const char *what, const score *s, double seconds)
{
    printf("%-10s %10.1f requests/s  p50 %.2f ms  p90 %.2f ms  p99 %.2f ms  longest %.2f ms\n", what,
           (double)s->answered / seconds, percentile(s, 0.5), percentile(s, 0.9), percentile(s, 0.99),
           1e3 * s->longest);
    printf("%-10s %10lld answered, %lld refused, %lld failed, %lld broken off, %lld closed between requests\n", "",
           (long long)s->answered, (long long)s->refused, (long long)s->failed, (long long)s->broken,
           (long long)s->closed);
}

static int report(double before)
{
    const score *load = &b.scores[LOAD], *health = &b.scores[HEALTH];
    print_score("load", load, b.seconds);
    if (b.health) print_score("health", health, b.seconds);
    if (b.slow)
        printf("slowloris  %10lld connections opened, %lld closed by the server\n", (long long)b.scores[SLOW].connected,
               (long long)(b.scores[SLOW].closed + b.scores[SLOW].broken));
    if (b.garbage)
        printf("garbage    %10lld sent, %lld accepted, %lld refused or failed, %lld broken off\n",
               (long long)b.scores[GARBAGE].connected, (long long)b.scores[GARBAGE].answered,
               (long long)(b.scores[GARBAGE].refused + b.scores[GARBAGE].failed), (long long)b.scores[GARBAGE].broken);
    if (b.pid) printf("resident   %10.1f MiB at the beginning, %.1f MiB at the end\n", before, resident_mib());
    const bool bad = !load->answered || load->failed || load->broken || health->failed || health->broken;
    return bad ? 1 : 0;
}

/* ---- the command line ---- */

static void usage(void)
{
    fprintf(stderr,
            "usage: bench_serve search [TEXTS] | image PICTURE | get PATH | post PATH TYPE BODY\n"
            "       [--host A] [--port N] [--key KEY] [--connections N] [--seconds S] [--warmup S] [--pid PID]\n"
            "       [--every S] [--model NAME] [--health] [--slowloris N] [--garbage N]\n"
            "bench/bench_serve.c says what each of them is\n");
    exit(2);
}

static void take_option(const char *name, const char *value)
{
    const double number = strtod(value, NULL);
    if (strcmp(name, "--host") == 0) {
        b.host = value;
        if (inet_pton(AF_INET, value, &b.address.sin_addr) != 1) usage();
    } else if (strcmp(name, "--port") == 0) {
        b.address.sin_port = htons((uint16_t)number);
    } else if (strcmp(name, "--key") == 0) {
        b.key = value;
    } else if (strcmp(name, "--model") == 0) {
        b.model = value;
    } else if (strcmp(name, "--connections") == 0) {
        b.connections = (int)number;
    } else if (strcmp(name, "--seconds") == 0) {
        b.seconds = number;
    } else if (strcmp(name, "--warmup") == 0) {
        b.warmup = number;
    } else if (strcmp(name, "--pid") == 0) {
        b.pid = (long)number;
    } else if (strcmp(name, "--every") == 0) {
        b.every = number;
    } else if (strcmp(name, "--slowloris") == 0) {
        b.slow = (int)number;
    } else if (strcmp(name, "--garbage") == 0) {
        b.garbage = (int)number;
    } else {
        usage();
    }
}

static int take_options(int argc, char **argv, const char **words, int most)
{
    int n = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--health") == 0) {
            b.health = 1;
        } else if (strncmp(argv[i], "--", 2) == 0) {
            if (i + 1 == argc) usage();
            take_option(argv[i], argv[i + 1]);
            i++;
        } else {
            if (n == most) usage();
            words[n++] = argv[i];
        }
    }
    if (b.connections < 1 || b.seconds <= 0 || b.slow < 0 || b.garbage < 0) usage();
    return n;
}

static void make_requests(const char *const *words, int n)
{
    if (n >= 1 && n <= 2 && strcmp(words[0], "search") == 0) {
        make_search(n == 2 ? words[1] : NULL);
    } else if (n == 2 && strcmp(words[0], "image") == 0) {
        make_image(words[1]);
    } else if (n == 2 && strcmp(words[0], "get") == 0) {
        write_head(&b.requests[b.n_requests++], "GET", words[1], NULL, 0);
    } else if (n == 4 && strcmp(words[0], "post") == 0) {
        make_body(words[1], words[2], words[3]);
    } else {
        usage();
    }
    write_head(&b.health_request, "GET", "/healthz", NULL, 0);
    write_head(&b.slow_request, "GET", "/", NULL, 0);
    b.slow_request.len -= 2; /* the head never ends */
    for (int i = 0; i < 1000; i++) buf_text(&b.slow_request, "X: y\r\n");
    check(&b.slow_request);
    make_garbage();
}

int main(int argc, char **argv)
{
    const char *words[4];
    b.host = "127.0.0.1";
    b.model = "ViT-B-32__openai";
    b.connections = 8;
    b.seconds = 10;
    b.warmup = 2;
    b.address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(7997)};
    b.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    make_requests(words, take_options(argc, argv, words, 4));
    open_connections();
    const double before = resident_mib();
    run();
    return report(before);
}
