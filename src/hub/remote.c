/* SPDX-License-Identifier: Apache-2.0
 * remote.c - fetching what a stranger names: the bytes of a URL from the public web, within limits.
 *
 * The rules of where to go are those of a guarded session (http.h). Here is what one answer may be: so many bytes,
 * known beforehand or counted while they come. There is one attempt; whoever asked may ask again. Threads: any, each
 * call has a session of its own. */
#include "hub/http.h"
#include "hub/hub.h"

enum { STALL_SECONDS = 10 };

typedef struct {
    const char *url;
    buf *out;
} remote;

static simile_status too_large(const remote *r, simile_error *err)
{
    return err_set(err, SIMILE_E_LIMIT, "cannot fetch '%s': it is larger than %zu bytes", r->url, r->out->max);
}

static simile_status on_begin(void *user, const http_head *head, bool *again, simile_error *err)
{
    const remote *r = user;
    *again = false;
    if (head->content_length > 0 && (uint64_t)head->content_length > r->out->max) return too_large(r, err);
    return SIMILE_OK;
}

static simile_status on_data(void *user, const void *bytes, size_t len, simile_error *err)
{
    const remote *r = user;
    if (len > r->out->max - r->out->len) return too_large(r, err);
    return buf_append(r->out, bytes, len) ? SIMILE_OK : err_nomem(err);
}

simile_status hub_remote(const char *url, const simile_fetch_options *options, buf *out, simile_error *err)
{
    http *h;
    http_head head;
    remote r = {.url = url, .out = out};
    const http_guard guard = {.redirects = options->redirects, .seconds = options->seconds, .trust = options->trust};
    /* where the time for all of it is the shorter one, it ends first and says so */
    const int stall = options->seconds < STALL_SECONDS ? options->seconds + 1 : STALL_SECONDS;
    const http_options session = {.endpoint = url, .stall_seconds = stall, .guard = &guard};
    const http_ask ask = {.subject = url, .user = &r, .begin = on_begin, .data = on_data};
    RETURN_IF_ERROR(http_open(&session, &h, err));
    const simile_status status = http_get(h, url, &ask, &head, err);
    http_close(h);
    return status;
}
