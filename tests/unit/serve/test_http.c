/* SPDX-License-Identifier: Apache-2.0
 *
 * test_http.c - requests and replies: routes, bodies, limits, keep-alive, streams of events, stopping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client.h"

#include "base/mem.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- handlers of the test ---- */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

/* Tells what it was asked. */
static void echo(server *s, const request *q, reply *r)
{
    json_writer w;
    int64_t limit = 40;
    const bool good = request_query_int(q, "limit", 1, 1000, &limit);
    (void)s;
    reply_json(r, &w);
    jw_object(&w);
    jw_key(&w, "method"), jw_string(&w, q->method);
    jw_key(&w, "path"), jw_string(&w, q->path);
    jw_key(&w, "star"), jw_string(&w, q->stars[0]);
    jw_key(&w, "second"), jw_string(&w, q->stars[1]);
    jw_key(&w, "text"), jw_string(&w, request_query(q, "text"));
    jw_key(&w, "limit"), jw_int(&w, good ? limit : -1);
    jw_key(&w, "type"), jw_string(&w, q->content_type);
    jw_key(&w, "body_len"), jw_int(&w, (int64_t)q->body_len);
    jw_key(&w, "body"), jw_string(&w, q->body_len < 1000 ? q->body : "");
    jw_object_end(&w);
}

static void parsed(server *s, const request *q, reply *r)
{
    json_t *root;
    simile_error err;
    (void)s;
    if (request_json(q, &root, &err)) {
        reply_error(r, 0, &err);
        return;
    }
    json_decref(root);
    buf_text(&r->body, "{}");
}

/* Takes as long as the test holds the gate. */
static void slow(server *s, const request *q, reply *r)
{
    (void)s, (void)q;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    buf_text(&r->body, "{\"slow\":true}");
}

static void file(server *s, const request *q, reply *r)
{
    (void)s, (void)q;
    r->type = "image/png";
    r->file = true;
    r->fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    r->file_at = 1;
    r->file_len = 3;
}

static void listen_to_events(server *s, const request *q, reply *r)
{
    (void)s, (void)q;
    reply_events(r);
}

static void fails(server *s, const request *q, reply *r)
{
    simile_error err;
    (void)s, (void)q;
    err_set(&err, SIMILE_E_NOT_FOUND, "there is no item 17");
    reply_error(r, 0, &err);
}

static void overflows(server *s, const request *q, reply *r)
{
    (void)s, (void)q;
    r->body.max = 10;
    buf_text(&r->body, "more than ten bytes");
}

static const route test_routes[] = {
    {"GET", "/echo", echo, 0},
    {"POST", "/echo", echo, 0},
    {"POST", "/upload", echo, ROUTE_UPLOAD},
    {"POST", "/json", parsed, 0},
    {"GET", "/items/*", echo, 0},
    {"GET", "/items/recent", fails, 0},
    {"GET", "/items/*/near/*", echo, 0},
    {"GET", "/slow", slow, 0},
    {"GET", "/quick", echo, ROUTE_PUBLIC},
    {"GET", "/file", file, 0},
    {"GET", "/events", listen_to_events, 0},
    {"GET", "/fails", fails, 0},
    {"GET", "/overflows", overflows, 0},
    {0},
};
static const route *const tables[] = {test_routes, NULL};

static bare_server b;

static int start(void **state)
{
    (void)state;
    bare_start(&b, NULL, tables, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    bare_stop(&b);
    return 0;
}

/* ---- routes and targets ---- */

static void expect(const char *method, const char *target, const char *body, int status)
{
    answer a;
    client_ask(b.port, method, target, NULL, body, body ? strlen(body) : 0, &a);
    if (a.status != status) fail_msg("%s %s: %d, not %d: %s", method, target, a.status, status, a.body);
    answer_free(&a);
}

static void expect_field(const char *target, const char *field, const char *value)
{
    answer a;
    client_get(b.port, target, &a);
    assert_int_equal(a.status, 200);
    json_t *root = answer_json(&a);
    const char *got = json_string_value(json_object_get(root, field));
    if (!got || strcmp(got, value) != 0) fail_msg("%s: %s is '%s', not '%s'", target, field, got ? got : "null", value);
    json_decref(root);
    answer_free(&a);
}

static void test_routes_are_found(void **state)
{
    (void)state;
    expect("GET", "/echo", NULL, 200);
    expect("POST", "/echo", "{}", 200);
    expect("GET", "/nowhere", NULL, 404);
    expect("GET", "/echo/", NULL, 404);
    expect("GET", "/items/", NULL, 404);
    expect("GET", "/items/recent", NULL, 404); /* the handler's own */
    expect_field("/items/17", "star", "17");
    expect_field("/items/17/near/x%20y?text=z", "star", "17");
    expect_field("/items/17/near/x%20y?text=z", "second", "x y");
    expect_field("/items/17/near/x%20y?text=z", "path", "/items/17/near/x y");
}

static void test_methods(void **state)
{
    answer a;
    char allow[100];
    (void)state;
    client_ask(b.port, "DELETE", "/echo", NULL, NULL, 0, &a);
    assert_int_equal(a.status, 405);
    assert_true(answer_header(&a, "Allow", allow, sizeof allow));
    assert_string_equal(allow, "GET, HEAD, POST");
    answer_free(&a);
    client_ask(b.port, "OPTIONS", "/echo", NULL, NULL, 0, &a);
    assert_int_equal(a.status, 204);
    answer_free(&a);
    client_ask(b.port, "HEAD", "/echo", NULL, NULL, 0, &a);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.len, 0);
    answer_free(&a);
    expect("PROPFIND", "/echo", NULL, 405);
}

static void test_queries(void **state)
{
    (void)state;
    expect_field("/echo?text=two+dogs%20in%C3%A9", "text", "two dogs in\xc3\xa9");
    expect_field("/echo?text=first&text=second", "text", "first");
    expect_field("/echo?other=1&text=", "text", "");
    expect("GET", "/echo?text=%4", NULL, 400);
    expect("GET", "/echo?text=%zz", NULL, 400);
    expect("GET", "/echo?text=%00", NULL, 400);
    expect("GET", "/echo?text=%ff", NULL, 400);
    expect("GET", "/echo?%ff=1", NULL, 400);
    answer a;
    client_get(b.port, "/echo?limit=7", &a);
    assert_non_null(strstr(a.body, "\"limit\":7"));
    answer_free(&a);
    client_get(b.port, "/echo?limit=1001", &a);
    assert_non_null(strstr(a.body, "\"limit\":-1"));
    answer_free(&a);
    client_get(b.port, "/echo?limit=7x", &a);
    assert_non_null(strstr(a.body, "\"limit\":-1"));
    answer_free(&a);
}

static void test_too_many_keys(void **state)
{
    buf target;
    (void)state;
    buf_init(&target, 4096);
    buf_text(&target, "/echo?a=1");
    for (int i = 0; i < 64; i++) buf_text(&target, "&a=1");
    expect("GET", target.data, NULL, 413);
    buf_release(&target);
}

/* ---- bodies ---- */

static void test_bodies(void **state)
{
    answer a;
    (void)state;
    client_post_json(b.port, "/echo", "{\"a\":1}", &a);
    json_t *root = answer_json(&a);
    assert_string_equal(json_string_value(json_object_get(root, "body")), "{\"a\":1}");
    assert_string_equal(json_string_value(json_object_get(root, "type")), "application/json");
    json_decref(root);
    answer_free(&a);
    client_raw(b.port,
               "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
               "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
               &a);
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.body, "\"body\":\"abcde\""));
    answer_free(&a);
}

static void test_large_body(void **state)
{
    const size_t len = 3 * 1024 * 1024;
    char *body = mem_zero(len);
    answer a;
    (void)state;
    memset(body, 'x', len);
    client_ask(b.port, "POST", "/upload", NULL, body, len, &a);
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.body, "\"body_len\":3145728"));
    answer_free(&a);
    mem_free(body);
}

static void test_json_bodies(void **state)
{
    (void)state;
    expect("POST", "/json", "{\"a\":[1,2,{\"b\":\"[[[[{{{{\"}]}", 200);
    expect("POST", "/json", "", 400);
    expect("POST", "/json", "[]", 400);
    expect("POST", "/json", "{\"a\":1", 400);
    expect("POST", "/json", "{\"a\":1}x", 400);
    expect("POST", "/json", "{\"a\":1,\"a\":2}", 400);
}

/* ---- replies ---- */

static void test_errors(void **state)
{
    answer a;
    (void)state;
    client_get(b.port, "/fails", &a);
    assert_int_equal(a.status, 404);
    assert_string_equal(a.body, "{\"error\":{\"code\":\"not_found\",\"message\":\"there is no item 17\"}}");
    answer_free(&a);
    client_get(b.port, "/overflows", &a);
    assert_int_equal(a.status, 503);
    answer_free(&a);
}

static void test_file(void **state)
{
    answer a;
    (void)state;
    client_get(b.port, "/file", &a);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.len, 3);
    assert_memory_equal(a.body, "ELF", 3);
    answer_free(&a);
}

static void test_headers_of_every_reply(void **state)
{
    static const char *const targets[] = {"/echo", "/nowhere", "/fails", "/echo?text=%zz"};
    static const char *const names[] = {"Content-Security-Policy", "X-Content-Type-Options",      "X-Frame-Options",
                                        "Referrer-Policy",         "Cross-Origin-Opener-Policy",  "Cache-Control",
                                        "Permissions-Policy",      "Cross-Origin-Resource-Policy"};
    (void)state;
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        answer a;
        char value[400];
        client_get(b.port, targets[i], &a);
        for (size_t j = 0; j < sizeof names / sizeof *names; j++) {
            if (!answer_header(&a, names[j], value, sizeof value)) fail_msg("%s lacks %s", targets[i], names[j]);
        }
        assert_false(answer_header(&a, "Access-Control-Allow-Origin", value, sizeof value));
        answer_free(&a);
    }
}

static void test_keep_alive(void **state)
{
    const int fd = client_connect(b.port);
    (void)state;
    for (int i = 0; i < 3; i++) {
        answer a;
        client_say(fd, i == 1 ? "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
                              : "GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client_read(fd, false, &a);
        assert_int_equal(a.status, 200);
        answer_free(&a);
    }
    close(fd);
}

/* ---- queue ---- */

static int begin_slow(void)
{
    const int fd = client_connect(b.port);
    client_say(fd, "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
    return fd;
}

static void end_slow(int fd)
{
    answer a;
    client_read(fd, false, &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "{\"slow\":true}");
    answer_free(&a);
    close(fd);
}

/* Until the metrics hold this line. */
static void wait_for(const char *line)
{
    for (bool found = false; !found; usleep(2000)) {
        buf text;
        buf_init(&text, 1 << 20);
        metrics_text(b.s.metrics, &b.s, &text);
        assert_true(buf_ok(&text));
        found = strstr(text.data, line);
        buf_release(&text);
    }
}

/* One worker at work, two in the queue: the next one is refused, but for what is quick. */
static void test_full_queue(void **state)
{
    const serve_options options = {.workers = 1};
    const http_limits limits = {.queue = 2};
    answer a;
    char value[64];
    int fds[3];
    (void)state;
    bare_stop(&b);
    bare_start(&b, &options, tables, &limits);
    pthread_mutex_lock(&gate);
    fds[0] = begin_slow();
    wait_for("simile_queue_seconds_count 1\n");
    fds[1] = begin_slow();
    fds[2] = begin_slow();
    wait_for("simile_requests_waiting 2\n");
    client_get(b.port, "/echo", &a);
    assert_int_equal(a.status, 503);
    assert_true(answer_header(&a, "Retry-After", value, sizeof value));
    answer_free(&a);
    client_get(b.port, "/quick", &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < 3; i++) end_slow(fds[i]);
}

static void *stop_server(void *user)
{
    (void)user;
    bare_stop(&b);
    return NULL;
}

/* What arrived before the end is answered, what comes then is not. */
static void test_stopping(void **state)
{
    pthread_t stopper;
    (void)state;
    bare_stop(&b);
    bare_start(&b, NULL, tables, NULL);
    pthread_mutex_lock(&gate);
    const int fd = begin_slow();
    wait_for("simile_queue_seconds_count 1\n");
    pthread_create(&stopper, NULL, stop_server, NULL);
    pthread_mutex_unlock(&gate);
    end_slow(fd);
    pthread_join(stopper, NULL);
    bare_start(&b, NULL, tables, NULL);
}

/* ---- events ---- */

/* Reads until the text was seen. */
static void expect_text(int fd, buf *in, const char *text)
{
    while (!in->len || !strstr(in->data, text)) {
        char bytes[4096];
        const ssize_t n = recv(fd, bytes, sizeof bytes, 0);
        if (n <= 0) fail_msg("'%s' did not come", text);
        buf_append(in, bytes, (size_t)n);
    }
}

static void test_events(void **state)
{
    const int fd = client_connect(b.port), other = client_connect(b.port);
    buf in, in_other;
    (void)state;
    buf_init(&in, 1 << 20);
    buf_init(&in_other, 1 << 20);
    client_say(fd, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect_text(fd, &in, "retry: ");
    assert_non_null(strstr(in.data, "text/event-stream"));
    events_publish(b.s.events, "job", "{\"id\":1}");
    expect_text(fd, &in, "event: job\ndata: {\"id\":1}\n\n");
    events_publish(b.s.events, "catalog", "{\"images\":2}");
    expect_text(fd, &in, "event: catalog\ndata: {\"images\":2}\n\n");
    /* who comes back gets what it missed, and only that */
    const char *id = strstr(in.data, "id: ") + 4;
    buf_printf(&in_other, "GET /events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: %.*s\r\n\r\n",
               (int)strcspn(id, "\n"), id);
    client_say(other, in_other.data);
    buf_clear(&in_other);
    expect_text(other, &in_other, "event: catalog\ndata: {\"images\":2}\n\n");
    assert_null(strstr(in_other.data, "event: job"));
    close(fd);
    close(other);
    buf_release(&in);
    buf_release(&in_other);
}

/* A reader that is slower than the news loses the oldest of them, and memory stays what it is. */
static void test_slow_stream(void **state)
{
    char json[1100] = "";
    const int fd = client_connect(b.port);
    buf in;
    (void)state;
    memset(json, 'x', sizeof json - 1);
    buf_init(&in, 64 << 20);
    client_say(fd, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect_text(fd, &in, "retry: ");
    for (int i = 0; i < 20000; i++) events_publish(b.s.events, "job", json);
    events_publish(b.s.events, "last", "{}");
    expect_text(fd, &in, "event: last\ndata: {}\n\n");
    assert_true(in.len < 20000 * 1100);
    close(fd);
    buf_release(&in);
}

static void test_stream_limit_and_signs_of_life(void **state)
{
    const http_limits limits = {.streams = 1, .stream_seconds = 0.1};
    answer a;
    buf in;
    (void)state;
    bare_stop(&b);
    bare_start(&b, NULL, tables, &limits);
    const int fd = client_connect(b.port);
    buf_init(&in, 1 << 20);
    client_say(fd, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect_text(fd, &in, "\n:\n\n");
    client_get(b.port, "/events", &a);
    assert_int_equal(a.status, 503);
    answer_free(&a);
    bare_stop(&b); /* with an open stream */
    expect_text(fd, &in, "\r\n0\r\n\r\n");
    close(fd);
    buf_release(&in);
    bare_start(&b, NULL, tables, NULL);
}

/* A stream has no end, so it is never late with it. */
static void test_stream_outlives_a_request(void **state)
{
    const http_limits limits = {.request_seconds = 0.2, .stream_seconds = 0.05};
    buf in;
    (void)state;
    bare_stop(&b);
    bare_start(&b, NULL, tables, &limits);
    const int fd = client_connect(b.port);
    buf_init(&in, 1 << 20);
    client_say(fd, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for (int i = 0; i < 40; i++) { /* for ten times as long as a request may take */
        buf_clear(&in);
        expect_text(fd, &in, "\n:\n\n");
    }
    events_publish(b.s.events, "job", "{\"id\":1}");
    expect_text(fd, &in, "event: job\n");
    close(fd);
    buf_release(&in);
    bare_stop(&b);
    bare_start(&b, NULL, tables, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes_are_found),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_too_many_keys),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_large_body),
        cmocka_unit_test(test_json_bodies),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_headers_of_every_reply),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_full_queue),
        cmocka_unit_test(test_stopping),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_slow_stream),
        cmocka_unit_test(test_stream_limit_and_signs_of_life),
        cmocka_unit_test(test_stream_outlives_a_request),
    };
    return cmocka_run_group_tests_name("http", tests, start, stop);
}
