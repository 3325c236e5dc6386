/* SPDX-License-Identifier: Apache-2.0
 *
 * test_attack.c - requests that nobody means well with: each is refused, and the server answers the next one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client.h"
#include "serve/guard.h"

#include "base/mem.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define POST "POST /json HTTP/1.1\r\nHost: localhost\r\n"

/* ---- handlers of the test ---- */

static void fine(server *s, const request *q, reply *r)
{
    (void)s, (void)q;
    buf_text(&r->body, "{\"fine\":true}");
}

static void takes_json(server *s, const request *q, reply *r)
{
    json_t *root;
    simile_error err;
    (void)s;
    if (request_json(q, &root, &err)) {
        reply_error(r, 0, &err);
        return;
    }
    json_decref(root);
    buf_text(&r->body, "{\"fine\":true}");
}

static void takes_parts(server *s, const request *q, reply *r)
{
    parts p;
    simile_error err;
    (void)s;
    if (parts_read(q->content_type, q->body, q->body_len, &p, &err))
        reply_error(r, 0, &err);
    else
        buf_printf(&r->body, "{\"parts\":%zu}", p.count);
    parts_release(&p);
}

static void large(server *s, const request *q, reply *r)
{
    static char zeros[32 * 1024 * 1024];
    (void)s, (void)q;
    r->fixed = zeros;
    r->fixed_len = sizeof zeros;
}

/* What a careless handler might do with foreign text. */
static void reflects(server *s, const request *q, reply *r)
{
    const char *text = request_query(q, "text");
    (void)s;
    reply_header(r, "X-Text", text ? text : "");
    reply_errorf(r, 400, "bad", "no such thing as %s", text ? text : "");
}

static const route test_routes[] = {
    {"GET", "/fine", fine, 0},
    {"POST", "/fine", fine, ROUTE_CHANGES},
    {"GET", "/public", fine, ROUTE_PUBLIC},
    {"GET", "/items/*", fine, 0},
    {"GET", "/shared", fine, ROUTE_ANY_ORIGIN},
    {"POST", "/json", takes_json, 0},
    {"POST", "/parts", takes_parts, ROUTE_UPLOAD},
    {"GET", "/large", large, 0},
    {"GET", "/reflects", reflects, 0},
    {0},
};
static const route *const tables[] = {test_routes, NULL};

static bare_server b;

static void start(const serve_options *options, const http_limits *limits)
{
    bare_start(&b, options, tables, limits);
}

/* With the defaults. */
static int plain(void **state)
{
    (void)state;
    start(NULL, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    bare_stop(&b);
    return 0;
}

static int status_with(const char *method, const char *target, const char *headers)
{
    answer a;
    client_ask(b.port, method, target, headers, strcmp(method, "POST") == 0 ? "{}" : NULL, 2, &a);
    const int status = a.status;
    answer_free(&a);
    return status;
}

static int status_of_raw(const char *said)
{
    answer a;
    client_raw(b.port, said, &a);
    const int status = a.status;
    answer_free(&a);
    return status;
}

static void still_alive(void)
{
    assert_int_equal(status_with("GET", "/fine", NULL), 200);
}

/* ---- paths ---- */

static void test_traversal(void **state)
{
    static const char *const targets[] = {"/../../../../etc/passwd",
                                          "/items/../../etc/passwd",
                                          "/items/..",
                                          "/items/.",
                                          "/items/%2e%2e",
                                          "/items/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
                                          "/items/..%2f..%2fetc%2fpasswd",
                                          "/items/..%5c..%5cetc",
                                          "/items/..\\..\\etc",
                                          "/items/%00",
                                          "/items/17%00.jpg",
                                          "/items/%c0%ae%c0%ae",
                                          "/items/%ff",
                                          "/items/%",
                                          "/items/%2",
                                          "/items/%zz",
                                          "/items/a%0d%0aSet-Cookie:%20x=1",
                                          "//etc/passwd",
                                          "/./fine/",
                                          "/etc/passwd",
                                          "/%2fetc%2fpasswd",
                                          "fine",
                                          "*",
                                          "http://evil.example/fine",
                                          "file:///etc/passwd"};
    (void)state;
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        const int status = status_with("GET", targets[i], NULL);
        if (status != 400 && status != 404) fail_msg("%s: %d", targets[i], status);
    }
    still_alive();
}

/* ---- DNS rebinding ---- */

static int status_for_host(const char *host)
{
    char headers[600];
    snprintf(headers, sizeof headers, "Host: %s\r\n", host);
    return status_with("GET", "/public", headers);
}

static void test_rebinding(void **state)
{
    static const char *const good[] = {"localhost",      "localhost:7997", "LOCALHOST",         "127.0.0.1",
                                       "127.0.0.1:7997", "[::1]:7997",     "192.168.1.7",       "a.localhost",
                                       "localhost.",     "photos.example", "Photos.Example:80", "[2001:db8::1]"};
    static const char *const bad[] = {"evil.example",
                                      "evil.example:7997",
                                      "localhost.evil.example",
                                      "127.0.0.1.evil.example",
                                      "photos.example.evil.example",
                                      "evilphotos.example",
                                      "localhost@evil.example",
                                      "localhost:80@evil.example",
                                      "localhost/evil",
                                      "notlocalhost",
                                      "127.0.0.1:port",
                                      "127.0.0.1:",
                                      "[::1",
                                      "::1",
                                      "0x7f.1",
                                      "2130706433",
                                      "127.1",
                                      "."};
    static const char *const hosts[] = {"photos.example"};
    const serve_options options = {.hosts = hosts, .n_hosts = 1};
    (void)state;
    start(&options, NULL);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (status_for_host(good[i]) != 200) fail_msg("%s was refused", good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (status_for_host(bad[i]) != 403) fail_msg("%s: %d", bad[i], status_for_host(bad[i]));
    }
    assert_int_equal(status_for_host(""), 400);
    assert_int_equal(status_of_raw("GET /fine HTTP/1.1\r\nConnection: close\r\n\r\n"), 400);
    assert_int_equal(status_of_raw("GET /fine HTTP/1.0\r\n\r\n"), 400);
    assert_int_equal(
        status_of_raw("GET /fine HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"), 400);
    bare_stop(&b);
}

/* ---- other sites' pages ---- */

static int status_from(const char *method, const char *target, const char *origin)
{
    char headers[300];
    snprintf(headers, sizeof headers, "Origin: %s\r\n", origin);
    return status_with(method, target, headers);
}

static void test_foreign_origins(void **state)
{
    char own[64];
    static const char *const foreign[] = {
        "https://evil.example",  "null",    "http://localhost:3000", "https://photos.example.evil.example",
        "http://photos.example", "file://", "photos.example",        ""};
    static const char *const origins[] = {"https://photos.example"};
    const serve_options options = {.origins = origins, .n_origins = 1};
    (void)state;
    start(&options, NULL);
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        if (status_from("POST", "/fine", foreign[i]) != 403)
            fail_msg("POST from '%s': %d", foreign[i], status_from("POST", "/fine", foreign[i]));
        if (status_from("GET", "/fine", foreign[i]) != 403) fail_msg("GET from '%s'", foreign[i]);
        if (status_from("GET", "/shared", foreign[i]) != 200) fail_msg("shared from '%s'", foreign[i]);
    }
    snprintf(own, sizeof own, "http://127.0.0.1:%d", b.port);
    assert_int_equal(status_from("POST", "/fine", own), 200);
    snprintf(own, sizeof own, "http://127.0.0.1:%d", b.port + 1);
    assert_int_equal(status_from("POST", "/fine", own), 403);
    assert_int_equal(status_from("POST", "/fine", "https://photos.example"), 200);
    bare_stop(&b);
}

static void test_fetch_metadata(void **state)
{
    (void)state;
    assert_int_equal(status_with("GET", "/fine", "Sec-Fetch-Site: same-origin\r\n"), 200);
    assert_int_equal(status_with("GET", "/fine", "Sec-Fetch-Site: none\r\n"), 200);
    assert_int_equal(status_with("GET", "/fine", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n"), 403);
    assert_int_equal(status_with("GET", "/fine", "Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: no-cors\r\n"), 403);
    assert_int_equal(status_with("POST", "/fine", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n"), 403);
    assert_int_equal(status_with("GET", "/fine",
                                 "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n"
                                 "Sec-Fetch-Dest: document\r\n"),
                     200);
    assert_int_equal(status_with("GET", "/fine",
                                 "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n"
                                 "Sec-Fetch-Dest: iframe\r\n"),
                     403);
    assert_int_equal(status_with("POST", "/fine",
                                 "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n"
                                 "Sec-Fetch-Dest: document\r\n"),
                     403);
}

#define PREFLIGHT(origin, method) "Origin: " origin "\r\nAccess-Control-Request-Method: " method "\r\n"

static void test_preflight(void **state)
{
    static const char *const origins[] = {"https://photos.example"};
    const serve_options options = {.origins = origins, .n_origins = 1, .api_key = "a-key"};
    answer a;
    char value[200];
    (void)state;
    start(&options, NULL);
    assert_int_equal(status_with("OPTIONS", "/fine", PREFLIGHT("https://evil.example", "POST")), 403);
    assert_int_equal(status_with("OPTIONS", "/nowhere", PREFLIGHT("https://photos.example", "POST")), 404);
    client_ask(b.port, "OPTIONS", "/fine", PREFLIGHT("https://photos.example", "POST"), NULL, 0, &a);
    assert_int_equal(a.status, 204);
    assert_true(answer_header(&a, "Access-Control-Allow-Origin", value, sizeof value));
    assert_string_equal(value, "https://photos.example");
    assert_true(answer_header(&a, "Access-Control-Allow-Methods", value, sizeof value));
    assert_string_equal(value, "GET, HEAD, POST");
    assert_true(answer_header(&a, "Vary", value, sizeof value));
    answer_free(&a);
    client_ask(b.port, "OPTIONS", "/shared", PREFLIGHT("https://evil.example", "GET"), NULL, 0, &a);
    assert_int_equal(a.status, 204);
    assert_true(answer_header(&a, "Access-Control-Allow-Origin", value, sizeof value));
    assert_string_equal(value, "*");
    answer_free(&a);
    assert_int_equal(status_with("GET", "/shared", NULL), 401); /* for everybody's pages, but not without the key */
    bare_stop(&b);
}

/* ---- keys ---- */

static void test_keys(void **state)
{
    static const char *const wrong[] = {
        "Authorization: Bearer a-kex\r\n",
        "Authorization: Bearer a-key \r\nX-API-Key: b\r\n",
        "Authorization: Bearer a-ke\r\n",
        "Authorization: Bearer a-keyy\r\n",
        "Authorization: Bearer\r\n",
        "Authorization: Bearer \r\n",
        "Authorization: Basic a-key\r\n",
        "Authorization: a-key\r\n",
        "X-API-Key: \r\n",
        "X-API-Key: A-KEY\r\n",
        "X-API-Key: Bearer a-key\r\n",
        "Cookie: key=a-key\r\n",
    };
    const serve_options options = {.api_key = "a-key"};
    answer a;
    char value[100];
    (void)state;
    start(&options, NULL);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const int status = status_with("GET", "/fine", wrong[i]);
        if (status != 401 && i != 1) fail_msg("%s: %d", wrong[i], status);
    }
    client_get(b.port, "/fine?api_key=a-key", &a);
    assert_int_equal(a.status, 401);
    assert_true(answer_header(&a, "WWW-Authenticate", value, sizeof value));
    assert_null(strstr(a.body, "a-key"));
    answer_free(&a);
    assert_int_equal(status_with("GET", "/nowhere", NULL), 401); /* what is there is told to nobody */
    assert_int_equal(status_with("GET", "/public", NULL), 200);
    assert_int_equal(status_with("GET", "/fine", "Authorization: Bearer a-key\r\n"), 200);
    assert_int_equal(status_with("GET", "/fine", "authorization: bearer a-key\r\n"), 200);
    assert_int_equal(status_with("POST", "/fine", "X-API-Key: a-key\r\n"), 200);
    bare_stop(&b);
}

static void expect_start(const serve_options *options, simile_status expected)
{
    server s = {.options = *options};
    simile_error err;
    http *h = NULL;
    assert_int_equal(events_new(&s.events, &err), SIMILE_OK);
    assert_int_equal(metrics_new(&s.metrics, &err), SIMILE_OK);
    assert_int_equal(http_start(&s, NULL, &h, &err), expected);
    if (expected) assert_null(h);
    http_stop(h);
    events_free(s.events);
    metrics_free(s.metrics);
}

static void test_open_addresses(void **state)
{
    static const char *const bad[] = {"photos.example"};
    (void)state;
    expect_start(&(serve_options){.address = "0.0.0.0"}, SIMILE_E_ARG);
    expect_start(&(serve_options){.address = "::"}, SIMILE_E_ARG);
    expect_start(&(serve_options){.address = "192.0.2.1"}, SIMILE_E_ARG);
    expect_start(&(serve_options){.address = "0.0.0.0", .api_key = ""}, SIMILE_E_ARG);
    expect_start(&(serve_options){.address = "photos.example", .open = true}, SIMILE_E_ARG);
    expect_start(&(serve_options){.origins = bad, .n_origins = 1}, SIMILE_E_ARG);
    expect_start(&(serve_options){.address = "0.0.0.0", .open = true}, SIMILE_OK);
    expect_start(&(serve_options){.address = "0.0.0.0", .api_key = "a-key"}, SIMILE_OK);
    expect_start(&(serve_options){.address = "127.0.0.2"}, SIMILE_OK);
    expect_start(&(serve_options){.address = "localhost"}, SIMILE_OK);
    assert_true(guard_is_loopback("::1"));
    assert_true(guard_is_loopback("::ffff:127.0.0.1"));
    assert_false(guard_is_loopback("::ffff:10.0.0.1"));
    assert_false(guard_is_loopback("1.127.0.1"));
}

/* A socket that somebody else opened is looked at as well. */
static void test_inherited_socket(void **state)
{
    simile_error err;
    http *h;
    server s = {0};
    (void)state;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd > 0);
    assert_int_equal(listen(fd, 5), 0); /* at 0.0.0.0 */
    const http_setup setup = {.fd = fd};
    assert_int_equal(http_start(&s, &setup, &h, &err), SIMILE_E_ARG);
    assert_null(h);
}

static void test_read_only(void **state)
{
    const serve_options options = {.read_only = true};
    (void)state;
    start(&options, NULL);
    assert_int_equal(status_with("POST", "/fine", NULL), 403);
    assert_int_equal(status_with("GET", "/fine", NULL), 200);
    bare_stop(&b);
}

/* ---- sizes ---- */

static void test_large_headers(void **state)
{
    static const size_t sizes[] = {33 * 1024, 60 * 1024, 200 * 1024};
    buf headers;
    (void)state;
    buf_init(&headers, 1 << 20);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        buf_clear(&headers);
        buf_text(&headers, "X-Long: ");
        for (size_t n = 0; n < sizes[i]; n++) buf_byte(&headers, 'x');
        buf_text(&headers, "\r\n");
        assert_int_equal(status_with("GET", "/fine", headers.data), 431);
    }
    buf_clear(&headers);
    for (int n = 0; n < 4000; n++) buf_printf(&headers, "X-Many-%d: x\r\n", n);
    assert_int_equal(status_with("GET", "/fine", headers.data), 431);
    buf_clear(&headers);
    buf_text(&headers, "/fine?x=");
    for (int n = 0; n < 100 * 1024; n++) buf_byte(&headers, 'x');
    const int status = status_with("GET", headers.data, NULL);
    assert_true(status == 414 || status == 431);
    buf_release(&headers);
    still_alive();
}

static void test_large_bodies(void **state)
{
    const http_limits limits = {.json_bytes = 1000, .upload_bytes = 2000};
    char body[3000];
    answer a;
    (void)state;
    start(NULL, &limits);
    memset(body, ' ', sizeof body);
    memcpy(body, "{}", 2);
    client_ask(b.port, "POST", "/json", NULL, body, 1000, &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    client_ask(b.port, "POST", "/json", NULL, body, 1001, &a);
    assert_int_equal(a.status, 413);
    answer_free(&a);
    client_ask(b.port, "POST", "/parts", NULL, body, 2001, &a);
    assert_int_equal(a.status, 413);
    answer_free(&a);
    assert_int_equal(status_of_raw("POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999999\r\n\r\n{"),
                     413);
    assert_int_equal(
        status_of_raw("POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Length: 18446744073709551615\r\n\r\n{"), 413);
    assert_int_equal(status_of_raw("POST /json HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
                                   "Content-Length: 5000\r\n\r\n"),
                     413);
    bare_stop(&b);
}

static void test_endless_chunks(void **state)
{
    const http_limits limits = {.json_bytes = 1000};
    char chunk[512];
    answer a;
    (void)state;
    start(NULL, &limits);
    const int fd = client_connect(b.port);
    client_say(fd, "POST /json HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    memset(chunk, ' ', sizeof chunk);
    for (int i = 0; i < 3; i++) {
        client_say(fd, "200\r\n");
        client_send(fd, chunk, sizeof chunk);
        client_say(fd, "\r\n");
    }
    client_read(fd, false, &a);
    assert_int_equal(a.status, 413);
    answer_free(&a);
    close(fd);
    still_alive();
    bare_stop(&b);
}

/* Many bodies that never end: what they may hold together is bounded, and short ones still come through. */
static int64_t held_bytes(void)
{
    static const char name[] = "\nsimile_body_bytes ";
    buf text;
    buf_init(&text, 1 << 20);
    metrics_text(b.s.metrics, &b.s, &text);
    const char *at = text.data ? strstr(text.data, name) : NULL;
    assert_non_null(at);
    const int64_t held = strtoll(at + sizeof name - 1, NULL, 10);
    buf_release(&text);
    return held;
}

static void test_all_bodies_together(void **state)
{
    const http_limits limits = {.bodies_bytes = 1024 * 1024, .json_bytes = 1024 * 1024};
    const size_t most = 1000 * 1000;
    char *body = mem_zero(most);
    int fds[3];
    answer a;
    (void)state;
    start(NULL, &limits);
    memset(body, ' ', most);
    fds[0] = client_connect(b.port);
    client_say(fds[0], POST "Content-Length: 1000001\r\n\r\n");
    client_send(fds[0], body, most);
    while (held_bytes() < (int64_t)most) usleep(1000);
    for (int i = 1; i < 3; i++) {
        fds[i] = client_connect(b.port);
        client_say(fds[i], POST "Content-Length: 1000000\r\n\r\n");
        client_send(fds[i], body, most);
        client_read(fds[i], false, &a);
        assert_int_equal(a.status, 503);
        answer_free(&a);
    }
    client_post_json(b.port, "/json", "{}", &a);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    for (int i = 0; i < 3; i++) close(fds[i]);
    mem_free(body);
    bare_stop(&b);
}

static void test_deep_json(void **state)
{
    const int depths[] = {33, 100, 100000};
    buf body;
    answer a;
    (void)state;
    buf_init(&body, 1 << 20);
    for (int i = 0; i < 3; i++) {
        buf_clear(&body);
        buf_text(&body, "{\"a\":");
        for (int n = 1; n < depths[i]; n++) buf_byte(&body, '[');
        for (int n = 1; n < depths[i]; n++) buf_byte(&body, ']');
        buf_byte(&body, '}');
        client_post_json(b.port, "/json", body.data, &a);
        assert_int_equal(a.status, 400);
        assert_non_null(strstr(a.body, "32 deep"));
        answer_free(&a);
    }
    buf_release(&body);
    still_alive();
}

static void test_compressed(void **state)
{
    (void)state;
    assert_int_equal(status_with("POST", "/json", "Content-Encoding: gzip\r\n"), 415);
    assert_int_equal(status_with("POST", "/json", "Content-Encoding: identity\r\n"), 200);
}

/* ---- framing ---- */

#define POST     "POST /json HTTP/1.1\r\nHost: localhost\r\n"
#define SMUGGLED "GET /fine HTTP/1.1\r\nHost: localhost\r\nX-Smuggled: yes\r\n\r\n"

/* How many answers come before the connection is closed, and the first one's status. */
static int count_answers(const char *said, int *first)
{
    const int fd = client_connect(b.port);
    int n = 0;
    client_say(fd, said);
    shutdown(fd, SHUT_WR);
    for (;;) {
        answer a;
        client_read(fd, false, &a);
        const int status = a.status;
        answer_free(&a);
        if (!status) break;
        if (!n++) *first = status;
    }
    close(fd);
    return n;
}

static void test_smuggling(void **state)
{
    static const char *const requests[] = {
        POST "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG" SMUGGLED,
        POST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" SMUGGLED,
        POST "Content-Length: 2\r\nContent-Length: 100\r\n\r\n{}" SMUGGLED,
        POST "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" SMUGGLED,
        POST "Content-Length: 2, 2\r\n\r\n{}" SMUGGLED,
        POST "Content-Length: +2\r\n\r\n{}" SMUGGLED,
        POST "Content-Length: -2\r\n\r\n{}" SMUGGLED,
        POST "Content-Length: 0x2\r\n\r\n{}" SMUGGLED,
        POST "Content-Length: 2a\r\n\r\n{}" SMUGGLED,
        POST "Content-Length:\r\n\r\n{}" SMUGGLED,
        POST "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}" SMUGGLED,
        POST "Transfer-Encoding: xchunked\r\nContent-Length: 2\r\n\r\n{}" SMUGGLED,
        POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
        POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" SMUGGLED,
        POST "Transfer-Encoding : chunked\r\nContent-Length: 2\r\n\r\n{}" SMUGGLED,
        POST "Transfer-Encoding:\r\n chunked\r\nContent-Length: 2\r\n\r\n{}" SMUGGLED,
        POST "Content-Length: 2\r\nTransfer-Encoding:\r\n\tchunked\r\n\r\n{}" SMUGGLED,
        POST "Content-Length: 2\r\nX-A: b\r\nTransfer-Encoding:\r\n\r\n{}" SMUGGLED,
        POST "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n" SMUGGLED,
        POST "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n" SMUGGLED,
        POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}XX0\r\n\r\n" SMUGGLED,
    };
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        int first = 0;
        const int n = count_answers(requests[i], &first);
        if (n > 1 || (n == 1 && (first < 400 || first > 499))) fail_msg("%zu: %d answers, %d", i, n, first);
    }
    still_alive();
}

static void test_nonsense(void **state)
{
    static const char *const requests[] = {
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET /fine\r\n\r\n",
        "GET /fine HTTP/9.9\r\nHost: localhost\r\n\r\n",
        "get /fine HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "TRACE /fine HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "CONNECT localhost:22 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "GET /fine HTTP/1.1\r\nHost localhost\r\nConnection: close\r\n\r\n",
        "GET /fine HTTP/1.1\r\n: localhost\r\nConnection: close\r\n\r\n",
        "\x16\x03\x01\x02\x01\x01\x01\xfc\x03\x03", /* somebody thinks that this is https */
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        int first = 0;
        const int n = count_answers(requests[i], &first);
        if (n && first < 400) fail_msg("%zu: %d", i, first);
    }
    still_alive();
}

/* ---- multipart ---- */

static void test_damaged_multipart(void **state)
{
    static const char *const bodies[] = {
        "",
        "--simile-test",
        "--simile-test\r\n",
        "--simile-test\r\nContent-Disposition: form-data; name=\"a\"\r\n",
        "--simile-test\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n",
        "--simile-test\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nvalue",
        "--simile-test\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nvalue\r\n--simile-test",
        "--simile-test\r\nContent-Disposition: form-data\r\n\r\nvalue\r\n--simile-test--\r\n",
        "--simile-test\r\n\r\nvalue\r\n--simile-test--\r\n",
        "--simile-test\r\nContent-Disposition: form-data; name=\"\xff\"\r\n\r\nvalue\r\n--simile-test--\r\n",
        "--another\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nvalue\r\n--another--\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        answer a;
        client_ask(b.port, "POST", "/parts", CLIENT_MULTIPART, bodies[i], strlen(bodies[i]), &a);
        if (a.status != 400) fail_msg("%zu: %d %s", i, a.status, a.body);
        answer_free(&a);
    }
    assert_int_equal(status_with("POST", "/parts", "Content-Type: multipart/form-data\r\n"), 400);
    assert_int_equal(status_with("POST", "/parts", "Content-Type: multipart/form-data; boundary=\r\n"), 400);
    assert_int_equal(status_with("POST", "/parts", "Content-Type: text/plain; boundary=simile-test\r\n"), 400);
    still_alive();
}

/* Content that looks like the boundary, but for where it stands or for what follows it. */
static void test_boundaries_in_content(void **state)
{
    static const char head[] = "--simile-test\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n";
    static const char *const contents[] = {
        "--simile-testing",
        "x--simile-test--",
        "a\r\n--simile-tests--simile-test--\r\nb",
        "\n\n--simile-test-\r\n",
        "--simile-test-simile-test--simile-test x\n ---simile-test",
    };
    char body[512];
    (void)state;
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
        answer a;
        snprintf(body, sizeof body, "before --simile-test\r\n%s%s\r\n%s\r\n--simile-test-- \r\nafter", head,
                 contents[i], head);
        client_ask(b.port, "POST", "/parts", CLIENT_MULTIPART, body, strlen(body), &a);
        if (a.status != 200 || strcmp(a.body, "{\"parts\":2}") != 0) fail_msg("%zu: %d %s", i, a.status, a.body);
        answer_free(&a);
    }
}

static void test_many_parts(void **state)
{
    buf body;
    answer a;
    (void)state;
    buf_init(&body, 1 << 20);
    for (int i = 0; i < LIMIT_PARTS + 1; i++) client_multipart(&body, "a", NULL, NULL, "x", 1);
    client_multipart_end(&body);
    client_ask(b.port, "POST", "/parts", CLIENT_MULTIPART, body.data, body.len, &a);
    assert_int_equal(a.status, 413);
    answer_free(&a);
    buf_release(&body);
}

/* ---- texts that come back ---- */

static void test_reflected_text(void **state)
{
    answer a;
    char value[100];
    (void)state;
    client_get(b.port, "/reflects?text=%3Cscript%3Ealert(1)%3C%2Fscript%3E", &a);
    assert_int_equal(a.status, 400);
    assert_true(answer_header(&a, "Content-Type", value, sizeof value));
    assert_string_equal(value, "application/json");
    assert_true(answer_header(&a, "X-Content-Type-Options", value, sizeof value));
    answer_free(&a);
    client_get(b.port, "/reflects?text=a%0d%0aSet-Cookie:%20b=1", &a);
    assert_false(answer_header(&a, "Set-Cookie", value, sizeof value));
    assert_false(answer_header(&a, "X-Text", value, sizeof value));
    answer_free(&a);
}

/* What a server with this form of log writes while it answers `said`, which may be nonsense. */
static void log_of(log_form form, const char *said, char *out, size_t size)
{
    const serve_options options = {.log = form};
    answer a;
    int ends[2];
    const int before = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    start(&options, NULL);
    client_raw(b.port, said, &a);
    answer_free(&a);
    bare_stop(&b);
    dup2(before, STDERR_FILENO); /* the last writer of the pipe is gone */
    close(before);
    size_t len = 0;
    for (ssize_t n; len + 1 < size && (n = read(ends[0], out + len, size - 1 - len)) > 0;) len += (size_t)n;
    out[len] = 0;
    close(ends[0]);
}

/* No escape sequence gets from a request to the terminal in which the server runs. */
static void test_terminals(void **state)
{
    static const char *const said[] = {
        "\x1b[2JGET /fine HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "GET\xc2\x9b"
        "2J /fine HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "GET /fine%C2%9B2J HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "GET /fine/%F0%9F%90%88%c3%a9 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    };
    static const log_form forms[] = {LOG_FORM_TEXT, LOG_FORM_JSON};
    char text[2000];
    (void)state;
    for (size_t i = 0; i < 8; i++) {
        log_of(forms[i % 2], said[i / 2], text, sizeof text);
        assert_null(strchr(text, 0x1b));
        assert_null(strstr(text, "\xc2\x9b"));
    }
    log_of(LOG_FORM_TEXT, said[3], text, sizeof text);
    assert_non_null(strstr(text, "404 GET /fine/\xf0\x9f\x90\x88\xc3\xa9 "));
}

/* ---- slowness ---- */

static const http_limits hasty = {.idle_seconds = 2, .request_seconds = 0.5};

/* One byte now and then, for longer than a request may take. */
static void trickle(int fd, const char *bytes)
{
    for (size_t i = 0; i < 100 && !client_closed(fd, 0.05); i++) client_send(fd, bytes + i % strlen(bytes), 1);
}

static void test_slow_headers(void **state)
{
    (void)state;
    start(NULL, &hasty);
    const int fd = client_connect(b.port);
    client_say(fd, "GET /fine HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
    trickle(fd, "slow");
    assert_true(client_closed(fd, 10));
    close(fd);
    const int before = client_connect(b.port); /* not even the first line */
    trickle(before, "A");
    assert_true(client_closed(before, 10));
    close(before);
    still_alive();
    bare_stop(&b);
}

static void test_slow_body(void **state)
{
    answer a;
    (void)state;
    start(NULL, &hasty);
    const int fd = client_connect(b.port);
    client_say(fd, POST "Content-Length: 1000\r\n\r\n{");
    client_read(fd, false, &a); /* while nothing more is sent */
    assert_int_equal(a.status, 408);
    answer_free(&a);
    close(fd);
    still_alive();
    bare_stop(&b);
}

static void test_idle(void **state)
{
    (void)state;
    start(NULL, &hasty);
    const int fd = client_connect(b.port);
    assert_true(client_closed(fd, 30));
    close(fd);
    bare_stop(&b);
}

/* Who does not read its answer does not keep it. */
static void test_slow_reader(void **state)
{
    const http_limits limits = {.idle_seconds = 1, .request_seconds = 0.5};
    char bytes[4096];
    size_t got = 0;
    (void)state;
    start(NULL, &limits);
    const int fd = client_connect(b.port);
    client_say(fd, "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    usleep(4 * 1000 * 1000);
    for (ssize_t n; (n = recv(fd, bytes, sizeof bytes, 0)) > 0;) got += (size_t)n;
    assert_true(got > 0 && got < 32 * 1024 * 1024);
    close(fd);
    still_alive();
    bare_stop(&b);
}

/* Hundreds of requests that never end, and the others are answered as ever. */
static void test_slow_crowd(void **state)
{
    enum { CROWD = 300 };
    const http_limits limits = {.idle_seconds = 30, .request_seconds = 20, .connections = 350};
    static int fds[CROWD];
    (void)state;
    start(NULL, &limits);
    for (int i = 0; i < CROWD; i++) {
        fds[i] = client_connect(b.port);
        client_say(fds[i], i % 2 ? "GET /fine HTTP/1.1\r\nHost: localh" : POST "Content-Length: 100\r\n\r\n{");
    }
    for (int i = 0; i < 20; i++) still_alive();
    for (int i = 0; i < CROWD; i++) close(fds[i]);
    bare_stop(&b);
}

/* Where nearly all connections are taken, those that ask nothing make room. */
static void test_no_room_for_idlers(void **state)
{
    enum { CROWD = 60 };
    const http_limits limits = {.idle_seconds = 30, .request_seconds = 3, .connections = 40};
    int fds[CROWD];
    (void)state;
    start(NULL, &limits);
    for (int i = 0; i < CROWD; i++) fds[i] = client_connect(b.port);
    still_alive();
    for (int i = 0; i < CROWD; i++) close(fds[i]);
    bare_stop(&b);
}

/* Clients that hang up at every moment leave nothing behind. */
static void test_hanging_up(void **state)
{
    static const char *const said[] = {"",
                                       "GET /fine HT",
                                       "GET /fine HTTP/1.1\r\nHost: localhost\r\n\r\n",
                                       POST "Content-Length: 100\r\n\r\n{",
                                       POST "Content-Length: 2\r\n\r\n{}",
                                       "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n"};
    const http_limits limits = {.idle_seconds = 1, .request_seconds = 1};
    buf text;
    (void)state;
    start(NULL, &limits);
    for (int i = 0; i < 60; i++) {
        const int fd = client_connect(b.port);
        const struct linger now = {.l_onoff = 1};
        client_say(fd, said[i % 6]);
        if (i % 4 == 0) setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close(fd);
    }
    still_alive();
    for (bool empty = false; !empty; usleep(5000)) {
        buf_init(&text, 1 << 20);
        metrics_text(b.s.metrics, &b.s, &text);
        empty = strstr(text.data, "\nsimile_connections 0\n") && strstr(text.data, "\nsimile_body_bytes 0\n") &&
                strstr(text.data, "\nsimile_requests_waiting 0\n");
        buf_release(&text);
    }
    bare_stop(&b);
}

#define PLAIN(test) cmocka_unit_test_setup_teardown(test, plain, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAIN(test_traversal),
        cmocka_unit_test(test_rebinding),
        cmocka_unit_test(test_foreign_origins),
        PLAIN(test_fetch_metadata),
        cmocka_unit_test(test_preflight),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_open_addresses),
        cmocka_unit_test(test_inherited_socket),
        cmocka_unit_test(test_read_only),
        PLAIN(test_large_headers),
        cmocka_unit_test(test_large_bodies),
        cmocka_unit_test(test_endless_chunks),
        cmocka_unit_test(test_all_bodies_together),
        PLAIN(test_deep_json),
        PLAIN(test_compressed),
        PLAIN(test_smuggling),
        PLAIN(test_nonsense),
        PLAIN(test_damaged_multipart),
        PLAIN(test_boundaries_in_content),
        PLAIN(test_many_parts),
        PLAIN(test_reflected_text),
        cmocka_unit_test(test_terminals),
        cmocka_unit_test(test_slow_headers),
        cmocka_unit_test(test_slow_body),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_slow_crowd),
        cmocka_unit_test(test_no_room_for_idlers),
        cmocka_unit_test(test_hanging_up),
    };
    return cmocka_run_group_tests_name("attack", tests, NULL, NULL);
}
