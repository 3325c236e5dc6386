/* SPDX-License-Identifier: Apache-2.0
 * forms.c - see forms.h. Threads: each reply is one handler's. */
#include "serve/forms.h"

#include <stdio.h>
#include <string.h>

void reply_again(reply *r, int status)
{
    buf_clear(&r->body);
    r->status = status;
    if (status == 429 || status == 503) reply_header(r, "Retry-After", "1");
}

void reply_saying(reply *r, int status, const char *key, const char *format, va_list args)
{
    char text[512];
    json_writer w;
    vsnprintf(text, sizeof text, format, args);
    reply_again(r, status);
    reply_json(r, &w);
    jw_object(&w);
    jw_key(&w, key);
    jw_string(&w, text);
    jw_object_end(&w);
}

void reply_detail(reply *r, int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    reply_saying(r, status, "detail", format, args);
    va_end(args);
}

/* One step of a path: a number when it is one. */
static void write_step(json_writer *w, const char *at, size_t n)
{
    int64_t number = 0;
    size_t digits = 0;
    while (digits < n && digits < 9 && at[digits] >= '0' && at[digits] <= '9')
        number = number * 10 + (at[digits++] - '0');
    if (n && digits == n)
        jw_int(w, number);
    else
        jw_string_n(w, at, n);
}

void reply_invalid(reply *r, const char *type, const char *where, const char *message)
{
    json_writer w;
    reply_again(r, 422);
    reply_json(r, &w);
    jw_object(&w);
    jw_key(&w, "detail");
    jw_array(&w);
    jw_object(&w);
    jw_key(&w, "type");
    jw_string(&w, type);
    jw_key(&w, "loc");
    jw_array(&w);
    for (const char *at = where; *at;) {
        const size_t n = strcspn(at, "/");
        write_step(&w, at, n);
        at += n + (at[n] == '/');
    }
    jw_array_end(&w);
    jw_key(&w, "msg");
    jw_string(&w, message);
    jw_object_end(&w);
    jw_array_end(&w);
    jw_object_end(&w);
}

void reply_invalid_json(reply *r, const simile_error *err)
{
    if (err->status == SIMILE_E_LIMIT)
        reply_detail(r, 413, "%s", err->message);
    else if (err->status == SIMILE_E_NOMEM)
        reply_detail(r, 503, "%s", err->message);
    else
        reply_invalid(r, "json_invalid", "body", err->message);
}

int status_of_model(const simile_error *err)
{
    const int status = status_of(err);
    return status == 503 ? 503 : 500;
}
