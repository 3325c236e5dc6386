/* SPDX-License-Identifier: Apache-2.0
 * client.h - for the tests of the server: one in this process at a free port, and a client that says byte for byte what
 * a test wants it to. Every failure of the client is one of the test (cmocka). */
#ifndef SIMILE_TEST_CLIENT_H
#define SIMILE_TEST_CLIENT_H

#include "serve/events.h"
#include "serve/listen.h"
#include "serve/metrics.h"

/* ---- a client ---- */

typedef struct {
    int status;    /* 0: the connection ended without an answer */
    char *headers; /* "Name: value\r\n" lines; never NULL */
    char *body;    /* decoded where it was chunked; followed by a NUL; never NULL */
    size_t len;
} answer;

int client_connect(int port);
void client_send(int fd, const void *bytes, size_t len); /* what the server does not take is let go */
void client_say(int fd, const char *text);
/* Reads one answer; `head`: to a HEAD request. */
void client_read(int fd, bool head, answer *out);
/* Has the server closed its side? Waits for it at most so long, and drops what comes. */
bool client_closed(int fd, double seconds);

/* One request over a connection of its own, with a Host header; headers: further ones, each with its "\r\n", or NULL;
 * body: NULL: none, else a Content-Length goes with it. */
void client_ask(int port, const char *method, const char *target, const char *headers, const void *body, size_t len,
                answer *out);
/* The whole request, as it is sent: */
void client_raw(int port, const char *said, answer *out);
void client_get(int port, const char *target, answer *out);
void client_post_json(int port, const char *target, const char *json, answer *out);

/* Appends a part of a multipart body whose boundary is "simile-test"; client_multipart_end() closes it.
 * filename, type: NULL: none. */
#define CLIENT_MULTIPART "Content-Type: multipart/form-data; boundary=simile-test\r\n"
void client_multipart(buf *body, const char *name, const char *filename, const char *type, const void *data,
                      size_t len);
void client_multipart_end(buf *body);

void answer_free(answer *a);
/* The value of a header into out, at most size bytes; false: it is not there. */
bool answer_header(const answer *a, const char *name, char *out, size_t size);
json_t *answer_json(const answer *a); /* fails the test if it is none; json_decref */

/* ---- a server without models: HTTP alone ---- */

typedef struct {
    server s;
    http *http;
    int port;
} bare_server;

/* options: NULL: the defaults; the port is always a free one. tables, limits: NULL: those of routes.c, limits.h. */
void bare_start(bare_server *b, const serve_options *options, const route *const *tables, const http_limits *limits);
void bare_stop(bare_server *b);

#endif
