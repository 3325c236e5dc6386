/* SPDX-License-Identifier: Apache-2.0
 *
 * client.c - see client.h. Sockets that wait at most SECONDS: a server that hangs fails the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client.h"

#include "base/clock.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SECONDS = 60, ANSWER_MAX = 64 * 1024 * 1024 };

/* ---- sockets ---- */

int client_connect(int port)
{
    const struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval patience = {.tv_sec = SECONDS};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (const void *)&at, sizeof at), 0);
    return fd;
}

void client_send(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len) {
        const ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;
        at += n;
        len -= (size_t)n;
    }
}

void client_say(int fd, const char *text)
{
    client_send(fd, text, strlen(text));
}

bool client_closed(int fd, double seconds)
{
    const double until = clock_seconds() + seconds;
    for (double left; (left = until - clock_seconds()) > 0;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        char dropped[4096];
        if (poll(&p, 1, (int)(left * 1000) + 1) <= 0) continue;
        const ssize_t n = recv(fd, dropped, sizeof dropped, 0);
        if (n == 0 || (n < 0 && errno == ECONNRESET)) return true;
    }
    return false;
}

/* ---- answers ---- */

/* Reads more into the buffer; false at the end of the connection. */
static bool more(int fd, buf *in)
{
    char bytes[16384];
    for (;;) {
        const ssize_t n = recv(fd, bytes, sizeof bytes, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == ECONNRESET) return false;
        if (n < 0) fail_msg("the server does not answer: %s", strerror(errno));
        if (n == 0) return false;
        assert_true(buf_append(in, bytes, (size_t)n));
        return true;
    }
}

static bool has(int fd, buf *in, size_t len)
{
    while (in->len < len) {
        if (!more(fd, in)) return false;
    }
    return true;
}

/* Where the line that begins at `at` ends, its line end not counted. */
static bool line_end(int fd, buf *in, size_t at, size_t *end)
{
    for (;;) {
        const char *found = in->len > at ? memmem(in->data + at, in->len - at, "\r\n", 2) : NULL;
        if (found) {
            *end = (size_t)(found - in->data);
            return true;
        }
        if (!more(fd, in)) return false;
    }
}

static void read_chunks(int fd, buf *in, size_t at, buf *body)
{
    for (size_t end; line_end(fd, in, at, &end);) {
        const size_t len = strtoul(in->data + at, NULL, 16);
        at = end + 2;
        if (!len || !has(fd, in, at + len + 2)) return;
        assert_true(buf_append(body, in->data + at, len));
        at += len + 2;
    }
}

static void read_body(int fd, buf *in, size_t at, const answer *a, buf *body)
{
    char value[64];
    if (answer_header(a, "Transfer-Encoding", value, sizeof value)) {
        read_chunks(fd, in, at, body);
    } else if (answer_header(a, "Content-Length", value, sizeof value)) {
        const size_t len = strtoul(value, NULL, 10);
        has(fd, in, at + len);
        buf_append(body, in->data + at, in->len - at < len ? in->len - at : len);
    } else {
        while (more(fd, in)) {
        }
        buf_append(body, in->data + at, in->len - at);
    }
}

void client_read(int fd, bool head, answer *out)
{
    buf in, body;
    size_t at = 0, end = 0;
    *out = (answer){0};
    buf_init(&in, ANSWER_MAX);
    buf_init(&body, ANSWER_MAX);
    buf_append(&body, "", 0);
    const bool answered = line_end(fd, &in, 0, &end);
    if (answered) out->status = (int)strtol(in.data + strcspn(in.data, " "), NULL, 10);
    for (at = end + 2; answered && line_end(fd, &in, at, &end) && end != at;) at = end + 2;
    const size_t first = answered ? (size_t)((char *)memmem(in.data, in.len, "\r\n", 2) - in.data) + 2 : 0;
    out->headers = answered ? mem_strndup(in.data + first, at - first) : mem_strdup("");
    const bool none = head || out->status == 204 || out->status == 304 || out->status < 200;
    if (answered && !none) read_body(fd, &in, at + 2, out, &body);
    out->body = buf_take(&body, &out->len);
    assert_non_null(out->headers);
    assert_non_null(out->body);
    buf_release(&in);
}

bool answer_header(const answer *a, const char *name, char *out, size_t size)
{
    const size_t n = strlen(name);
    for (const char *line = a->headers; *line;) {
        const size_t len = strcspn(line, "\r");
        if (len > n && strncasecmp(line, name, n) == 0 && line[n] == ':') {
            const size_t blank = n + 1 + strspn(line + n + 1, " ");
            snprintf(out, size, "%.*s", (int)(len - blank), line + blank);
            return true;
        }
        line += len + (line[len] ? 2 : 0);
    }
    return false;
}

json_t *answer_json(const answer *a)
{
    json_error_t why;
    json_t *root = json_loadb(a->body, a->len, JSON_DECODE_ANY, &why);
    if (!root) fail_msg("no JSON: %s: %s", why.text, a->body);
    return root;
}

void answer_free(answer *a)
{
    mem_free(a->headers);
    mem_free(a->body);
    *a = (answer){0};
}

/* ---- requests ---- */

void client_ask(int port, const char *method, const char *target, const char *headers, const void *body, size_t len,
                answer *out)
{
    buf said;
    buf_init(&said, ANSWER_MAX);
    buf_printf(&said, "%s %s HTTP/1.1\r\n", method, target);
    if (!headers || (strncasecmp(headers, "Host:", 5) != 0 && !strcasestr(headers, "\nHost:")))
        buf_printf(&said, "Host: 127.0.0.1:%d\r\n", port);
    buf_printf(&said, "Connection: close\r\n%s", headers ? headers : "");
    if (body) buf_printf(&said, "Content-Length: %zu\r\n", len);
    buf_text(&said, "\r\n");
    if (body) buf_append(&said, body, len);
    assert_true(buf_ok(&said));
    const int fd = client_connect(port);
    client_send(fd, said.data, said.len);
    client_read(fd, strcmp(method, "HEAD") == 0, out);
    close(fd);
    buf_release(&said);
}

void client_raw(int port, const char *said, answer *out)
{
    const int fd = client_connect(port);
    client_say(fd, said);
    client_read(fd, strncmp(said, "HEAD ", 5) == 0, out);
    close(fd);
}

void client_get(int port, const char *target, answer *out)
{
    client_ask(port, "GET", target, NULL, NULL, 0, out);
}

void client_post_json(int port, const char *target, const char *json, answer *out)
{
    client_ask(port, "POST", target, "Content-Type: application/json\r\n", json, strlen(json), out);
}

void client_multipart(buf *body, const char *name, const char *filename, const char *type, const void *data, size_t len)
{
    buf_printf(body, "--simile-test\r\nContent-Disposition: form-data; name=\"%s\"", name);
    if (filename) buf_printf(body, "; filename=\"%s\"", filename);
    buf_text(body, "\r\n");
    if (type) buf_printf(body, "Content-Type: %s\r\n", type);
    buf_text(body, "\r\n");
    buf_append(body, data, len);
    buf_text(body, "\r\n");
}

void client_multipart_end(buf *body)
{
    buf_text(body, "--simile-test--\r\n");
}

/* ---- servers ---- */

void bare_start(bare_server *b, const serve_options *options, const route *const *tables, const http_limits *limits)
{
    simile_error err;
    http_setup setup = {.tables = tables};
    if (limits) setup.limits = *limits;
    *b = (bare_server){.s.started = time(NULL)};
    if (options) b->s.options = *options;
    b->s.options.port = 0;
    assert_int_equal(events_new(&b->s.events, &err), SIMILE_OK);
    assert_int_equal(metrics_new(&b->s.metrics, &err), SIMILE_OK);
    if (http_start(&b->s, &setup, &b->http, &err)) fail_msg("%s", err.message);
    b->port = http_port(b->http);
    assert_true(b->port > 0);
}

void bare_stop(bare_server *b)
{
    http_stop(b->http);
    events_free(b->s.events);
    metrics_free(b->s.metrics);
    *b = (bare_server){0};
}
