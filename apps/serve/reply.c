/* SPDX-License-Identifier: Apache-2.0
 *
 * reply.c - replies, and the headers that every one of them carries.
 *
 * The policy for documents lets scripts and styles come from this server alone, and nothing else; what is no document
 * may load nothing at all. A handler that sets one of these headers itself is left its own. Threads: that of the
 * handler, until exchange_respond gave the reply away. */
#include "serve/exchange.h"

#include "base/mem.h"
#include "serve/events.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

enum { BODY_MAX = 256 * 1024 * 1024 };

static const char page_policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";
static const char other_policy[] = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static const struct {
    const char *name, *value;
} always[] = {
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"},
    {"Cache-Control", "no-store"},
};

/* ---- filling in ---- */

void reply_init(reply *r)
{
    *r = (reply){.status = 200, .type = "application/json"};
    buf_init(&r->body, BODY_MAX);
}

static void forget_file(reply *r)
{
    if (r->file) close(r->fd);
    r->file = false;
}

void reply_release(reply *r)
{
    buf_release(&r->body);
    forget_file(r);
}

static const header *find(const reply *r, const char *name)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        if (strcasecmp(r->headers[i].name, name) == 0) return &r->headers[i];
    }
    return NULL;
}

/* What does not fit or would end the line is left out: a header is never cut. */
void reply_header(reply *r, const char *name, const char *value)
{
    header *h = &r->headers[r->n_headers];
    if (r->n_headers == REPLY_HEADERS || strlen(name) >= sizeof h->name || strlen(value) >= sizeof h->value) return;
    for (const char *at = value; *at; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) return;
    }
    snprintf(h->name, sizeof h->name, "%s", name);
    snprintf(h->value, sizeof h->value, "%s", value);
    r->n_headers++;
}

void reply_json(reply *r, json_writer *w)
{
    jw_init(w, &r->body);
}

void reply_events(reply *r)
{
    r->stream = true;
    r->type = "text/event-stream";
}

/* ---- errors ---- */

int status_of(const simile_error *err)
{
    switch (err->status) {
    case SIMILE_E_ARG:
    case SIMILE_E_FORMAT:
    case SIMILE_E_UNSUPPORTED: return 400;
    case SIMILE_E_NOT_FOUND: return 404;
    case SIMILE_E_EXISTS:
    case SIMILE_E_VERSION: return 409;
    case SIMILE_E_LIMIT: return 413;
    case SIMILE_E_BUSY:
    case SIMILE_E_NOMEM:
    case SIMILE_E_CANCELLED: return 503;
    default: return 500;
    }
}

static void write_error(reply *r, int status, const char *code, const char *message)
{
    json_writer w;
    r->status = status;
    r->type = "application/json";
    r->stream = false;
    r->fixed = NULL;
    forget_file(r);
    buf_clear(&r->body);
    r->body.max = BODY_MAX;
    reply_json(r, &w);
    jw_object(&w);
    jw_key(&w, "error");
    jw_object(&w);
    jw_key(&w, "code"), jw_string(&w, code);
    jw_key(&w, "message"), jw_string(&w, message);
    jw_object_end(&w);
    jw_object_end(&w);
    if ((status == 429 || status == 503) && !find(r, "Retry-After")) reply_header(r, "Retry-After", "1");
}

/* SIMILE_E_NOT_FOUND: "not_found". */
static void code_of(simile_status status, char out[32])
{
    const char *name = simile_status_name(status);
    if (strncmp(name, "SIMILE_E_", 9) == 0) name += 9;
    size_t n = 0;
    for (; name[n] && n < 31; n++) out[n] = (char)tolower((unsigned char)name[n]);
    out[n] = 0;
}

void reply_error(reply *r, int status, const simile_error *err)
{
    char code[32];
    code_of(err->status, code);
    write_error(r, status ? status : status_of(err), code, err->message);
}

void reply_errorf(reply *r, int status, const char *code, const char *format, ...)
{
    simile_error message;
    va_list args;
    va_start(args, format);
    err_vset(&message, SIMILE_OK, format, args);
    va_end(args);
    write_error(r, status, code, message.message);
}

/* ---- to MHD ---- */

static void keep(void *fixed)
{
    (void)fixed;
}

/* MHD wants a pointer to what it may not change. */
static void *unconst(const void *pointer)
{
    return (void *)(uintptr_t)pointer;
}

static struct MHD_Response *body_of(exchange *ex, reply *r)
{
    struct MHD_Response *made;
    size_t len;
    if (r->stream) return ex->response; /* made by whoever has the stream */
    if (r->file) {
        ex->sent = (uint64_t)r->file_len;
        made = MHD_create_response_from_fd_at_offset64(ex->sent, r->fd, (uint64_t)r->file_at);
        if (made) r->file = false; /* MHD closes it */
        return made;
    }
    if (r->fixed) {
        ex->sent = r->fixed_len;
        return MHD_create_response_from_buffer_with_free_callback(r->fixed_len, unconst(r->fixed), keep);
    }
    char *bytes = buf_take(&r->body, &len);
    ex->sent = len;
    if (!bytes) return NULL;
    made = MHD_create_response_from_buffer_with_free_callback(len, bytes, mem_free);
    if (!made) mem_free(bytes);
    return made;
}

static void add_security(struct MHD_Response *to, const reply *r, const verdict *v)
{
    for (size_t i = 0; i < sizeof always / sizeof *always; i++) {
        if (!find(r, always[i].name)) MHD_add_response_header(to, always[i].name, always[i].value);
    }
    /* A script too: as a service worker it may fetch what its own policy lets it. */
    const bool page = strncmp(r->type, "text/html", 9) == 0 || strncmp(r->type, "text/javascript", 15) == 0;
    if (!find(r, "Content-Security-Policy"))
        MHD_add_response_header(to, "Content-Security-Policy", page ? page_policy : other_policy);
    if (!find(r, "Cross-Origin-Resource-Policy"))
        MHD_add_response_header(to, "Cross-Origin-Resource-Policy", v->allow_origin ? "cross-origin" : "same-origin");
    if (!v->allow_origin) return;
    MHD_add_response_header(to, "Access-Control-Allow-Origin", v->allow_origin);
    if (strcmp(v->allow_origin, "*") != 0) MHD_add_response_header(to, "Vary", "Origin");
}

simile_status exchange_respond(exchange *ex, reply *r, simile_error *err)
{
    const bool bare = r->status == 204 || r->status == 304;
    ex->status = r->status;
    struct MHD_Response *made = body_of(ex, r);
    reply_release(r);
    if (!made) return err_nomem(err);
    if (!bare) MHD_add_response_header(made, "Content-Type", r->type);
    for (size_t i = 0; i < r->n_headers; i++) MHD_add_response_header(made, r->headers[i].name, r->headers[i].value);
    add_security(made, r, &ex->judged);
    ex->response = made;
    return SIMILE_OK;
}
