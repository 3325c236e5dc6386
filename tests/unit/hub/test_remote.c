/* SPDX-License-Identifier: Apache-2.0
 * test_remote.c - pictures that strangers name: what is fetched, and above all what is not.
 *
 * A thread plays the server, on the loopback; it counts its visitors. Its own origin is the only one that is trusted,
 * so that every other private place is refused as it would be in earnest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "hub/http.h"
#include "hub/hub.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static simile_error err;

/* ---- the server ---- */

static int listener, port;
static pthread_t thread;
static atomic_int visits;

/* A picture of 2 x 1 pixels. */
static const char ppm[] = "P6 2 1 255\n\xff\x00\x00\x00\x00\xff";

static bool send_all(int fd, const char *bytes, size_t n)
{
    while (n) {
        const ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes += sent;
        n -= (size_t)sent;
    }
    return true;
}

static void say(int fd, const char *head, const char *body, size_t n)
{
    char text[2048];
    snprintf(text, sizeof text, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", head, n);
    send_all(fd, text, strlen(text));
    send_all(fd, body, n);
}

/* "/to/URL": a redirect there. */
static void redirect(int fd, const char *url)
{
    char head[1024];
    snprintf(head, sizeof head, "302 Found\r\nLocation: %s", url);
    say(fd, head, "", 0);
}

/* A body that never ends: at once, or drop by drop until the client has enough of it. */
static void pour(int fd, bool slowly)
{
    static const char block[1 << 14] = "P6 ";
    static const char head[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    send_all(fd, head, strlen(head));
    while (send_all(fd, block, slowly ? 1 : sizeof block))
        if (slowly) usleep(20000);
}

static void answer(int fd, const char *path)
{
    char self[128];
    snprintf(self, sizeof self, "http://127.0.0.1:%d/loop", port);
    if (strncmp(path, "/to/", 4) == 0)
        redirect(fd, path + 4);
    else if (strcmp(path, "/loop") == 0)
        redirect(fd, self);
    else if (strcmp(path, "/endless") == 0)
        pour(fd, false);
    else if (strcmp(path, "/slow") == 0)
        pour(fd, true);
    else if (strcmp(path, "/page") == 0)
        say(fd, "200 OK\r\nContent-Type: image/jpeg", "<!doctype html><title>x</title>", 31);
    else if (strcmp(path, "/announced") == 0)
        send_all(fd, "HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\nP6 ", 52);
    else if (strcmp(path, "/picture") == 0)
        say(fd, "200 OK\r\nContent-Type: text/plain", ppm, sizeof ppm - 1);
    else
        say(fd, "404 Not Found", "", 0);
}

static void serve_one(int fd)
{
    char text[4096];
    size_t n = 0;
    while (n < sizeof text - 1) {
        const ssize_t got = recv(fd, text + n, sizeof text - 1 - n, 0);
        if (got <= 0) return;
        n += (size_t)got;
        text[n] = 0;
        if (strstr(text, "\r\n\r\n")) break;
    }
    char *path = strchr(text, ' ');
    if (!path) return;
    path[1 + strcspn(path + 1, " ")] = 0;
    visits++;
    answer(fd, path + 1);
}

static void *run(void *unused)
{
    for (;;) {
        const int fd = accept(listener, NULL, NULL);
        if (fd < 0) return NULL;
        serve_one(fd);
        shutdown(fd, SHUT_RDWR);
        close(fd);
    }
}

static int start(void **state)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&a, len) || listen(listener, 16)) return -1;
    getsockname(listener, (struct sockaddr *)&a, &len);
    port = ntohs(a.sin_port);
    return pthread_create(&thread, NULL, run, NULL);
}

static int stop(void **state)
{
    shutdown(listener, SHUT_RDWR);
    close(listener);
    return pthread_join(thread, NULL);
}

/* ---- what is asked of it ---- */

/* what: a path of the server, or a whole URL. */
static simile_status fetch(const char *what, bool trusted, simile_image **out)
{
    char own[64], url[1024];
    const int seconds = strcmp(what, "/slow") == 0 ? 1 : 60;
    snprintf(own, sizeof own, "http://127.0.0.1:%d", port);
    snprintf(url, sizeof url, "%s%s", *what == '/' ? own : "", what);
    const simile_fetch_options o = {.struct_size = sizeof o,
                                    .max_bytes = 100000,
                                    .seconds = seconds,
                                    .redirects = 3,
                                    .trust = trusted ? own : NULL};
    memset(&err, 0, sizeof err);
    const simile_status status = simile_image_fetch(url, &o, out, &err);
    assert_true((status == SIMILE_OK) == (*out != NULL));
    return status;
}

static void expect(const char *what, simile_status wanted, const char *words)
{
    simile_image *image;
    const simile_status status = fetch(what, true, &image);
    if (status != wanted) fail_msg("'%s': %s: %s", what, simile_status_name(status), err.message);
    if (!strstr(err.message, words)) fail_msg("'%s': %s", what, err.message);
}

static void the_bytes_say_what_it_is(void **state)
{
    simile_image *image;
    if (fetch("/picture", true, &image)) fail_msg("%s", err.message);
    assert_int_equal(simile_image_get_info(image)->width, 2);
    simile_image_free(image);
    expect("/page", SIMILE_E_FORMAT, "not a picture");
    expect("/nothing", SIMILE_E_NOT_FOUND, "404");
}

static void redirects_are_followed_so_far(void **state)
{
    char url[256];
    simile_image *image;
    snprintf(url, sizeof url, "/to/http://127.0.0.1:%d/to//picture", port);
    if (fetch(url, true, &image)) fail_msg("%s", err.message);
    simile_image_free(image);
    visits = 0;
    expect("/loop", SIMILE_E_UNSUPPORTED, "from place to place");
    assert_int_equal(visits, 4);
}

static void size_and_time_are_bounded(void **state)
{
    expect("/endless", SIMILE_E_LIMIT, "larger than 100000 bytes");
    expect("/announced", SIMILE_E_LIMIT, "larger than 100000 bytes");
    expect("/slow", SIMILE_E_LIMIT, "longer than 1 seconds");
}

/* Nothing of this is connected to, neither at once nor after a redirect. 80 is the default port of most of them. */
static const char *const inner[] = {
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://127.0.0.1:443/",
    "http://0.0.0.0/",
    "http://localhost/",
    "http://LOCALHOST/",
    "http://a.localhost/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.0.1/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[fe80::1]/",
    "http://[fc00::1]/",
    "http://[ff02::1]/",
    "https://127.0.0.1/",
};

static void private_places_are_refused(void **state)
{
    char redirected[256];
    visits = 0;
    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++) {
        expect(inner[i], SIMILE_E_UNSUPPORTED, "not a public one");
        snprintf(redirected, sizeof redirected, "/to/%s", inner[i]);
        expect(redirected, SIMILE_E_UNSUPPORTED, "not a public one");
    }
    assert_int_equal(visits, sizeof inner / sizeof *inner); /* those that redirected */
}

static void the_server_itself_is_refused_unless_trusted(void **state)
{
    simile_image *image;
    visits = 0;
    assert_int_equal(fetch("/picture", false, &image), SIMILE_E_UNSUPPORTED);
    assert_int_equal(visits, 0);
}

static void other_schemes_and_ports_are_refused(void **state)
{
    char url[64];
    expect("http://192.0.2.1:22/", SIMILE_E_UNSUPPORTED, "port 22");
    expect("https://example.org:8443/", SIMILE_E_UNSUPPORTED, "port 8443");
    expect("/to/http://example.org:25/", SIMILE_E_UNSUPPORTED, "port 25");
    expect("file:///etc/passwd", SIMILE_E_ARG, "no http or https URL");
    expect("ftp://example.org/x.png", SIMILE_E_ARG, "no http or https URL");
    expect("gopher://127.0.0.1:70/_x", SIMILE_E_ARG, "no http or https URL");
    expect("dict://127.0.0.1:11211/stat", SIMILE_E_ARG, "no http or https URL");
    expect("http://user:word@example.org/", SIMILE_E_ARG, "no http or https URL");
    expect("http://example.org@127.0.0.1/", SIMILE_E_ARG, "no http or https URL");
    expect("http://exa mple/", SIMILE_E_ARG, "no http or https URL");
    expect("example.org", SIMILE_E_ARG, "no http or https URL");
    expect("/to/file:///etc/passwd", SIMILE_E_UNSUPPORTED, "no URL of the web");
    expect("/to/ftp://example.org/", SIMILE_E_UNSUPPORTED, "no URL of the web");
    expect("/to/http://user:word@example.org/", SIMILE_E_UNSUPPORTED, "no URL of the web");
    snprintf(url, sizeof url, "http://127.0.0.1:%d@[::1]/", port);
    expect(url, SIMILE_E_ARG, "no http or https URL");
}

/* A trusted origin is that one alone: not another port, scheme or spelling of the machine. */
static void trust_is_of_one_origin(void **state)
{
    char url[64];
    snprintf(url, sizeof url, "http://localhost:%d/picture", port);
    expect(url, SIMILE_E_UNSUPPORTED, "none of 80 and 443");
    snprintf(url, sizeof url, "https://127.0.0.1:%d/picture", port);
    expect(url, SIMILE_E_UNSUPPORTED, "none of 80 and 443");
}

/* A proxy would connect in our place, to where we would not. */
static void no_proxy_is_used(void **state)
{
    char proxy[64];
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", port);
    setenv("http_proxy", proxy, 1);
    setenv("all_proxy", proxy, 1);
    visits = 0;
    expect("http://10.1.2.3/", SIMILE_E_UNSUPPORTED, "not a public one");
    assert_int_equal(visits, 0);
    unsetenv("http_proxy");
    unsetenv("all_proxy");
}

static void short_memory_is_an_error(void **state)
{
    for (long n = 1;; n++) {
        simile_image *image;
        mem_fault_after(n, true);
        const simile_status status = fetch("/picture", true, &image);
        const bool hit = mem_fault_hit();
        mem_fault_after(0, false);
        if (!status) simile_image_free(image);
        if (!hit) break;
        assert_int_not_equal(status, SIMILE_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_say_what_it_is),
        cmocka_unit_test(redirects_are_followed_so_far),
        cmocka_unit_test(size_and_time_are_bounded),
        cmocka_unit_test(private_places_are_refused),
        cmocka_unit_test(the_server_itself_is_refused_unless_trusted),
        cmocka_unit_test(other_schemes_and_ports_are_refused),
        cmocka_unit_test(trust_is_of_one_origin),
        cmocka_unit_test(no_proxy_is_used),
        cmocka_unit_test(short_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
