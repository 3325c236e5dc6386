/* SPDX-License-Identifier: Apache-2.0
 *
 * log.c - lines on stderr, see log.h.
 *
 * A line is made in memory and written by one write(2), so that lines of several threads do not mix. Control characters
 * of a path never reach a terminal: JSON escapes them, and of the short form they are replaced. Threads: any. */
#include "serve/log.h"

#include "base/mem.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 64 * 1024 };

static void write_line(buf *line)
{
    buf_byte(line, '\n');
    if (buf_ok(line)) {
        const ssize_t written = write(STDERR_FILENO, line->data, line->len);
        if (written < 0) errno = 0; /* there is no other place to say it */
    }
    buf_release(line);
}

static void begin(json_writer *w, buf *line)
{
    char when[40];
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    const size_t n = strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(when + n, sizeof when - n, ".%03dZ", (int)(now.tv_nsec / 1000000));
    buf_init(line, LINE_MAX_BYTES);
    jw_init(w, line);
    jw_object(w);
    jw_key(w, "time"), jw_string(w, when);
}

static void request_json_line(const log_request *l)
{
    buf line;
    json_writer w;
    begin(&w, &line);
    jw_key(&w, "level"), jw_string(&w, l->status >= 500 ? "error" : "info");
    jw_key(&w, "request"), jw_int(&w, (int64_t)l->id);
    jw_key(&w, "client"), jw_string(&w, l->client);
    jw_key(&w, "method"), jw_string(&w, l->method);
    jw_key(&w, "path"), jw_string(&w, l->path);
    jw_key(&w, "status"), jw_int(&w, l->status);
    jw_key(&w, "bytes_in"), jw_int(&w, (int64_t)l->in);
    jw_key(&w, "bytes_out"), jw_int(&w, (int64_t)l->out);
    jw_key(&w, "seconds"), jw_double(&w, (double)(int64_t)(l->seconds * 1e6) / 1e6);
    jw_key(&w, "queued"), jw_double(&w, (double)(int64_t)(l->queued * 1e6) / 1e6);
    jw_object_end(&w);
    write_line(&line);
}

static void plain_text(buf *line, const char *text)
{
    for (; *text; text++) buf_byte(line, (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
}

static void request_text_line(const log_request *l)
{
    buf line;
    buf_init(&line, LINE_MAX_BYTES);
    buf_printf(&line, "%d %s ", l->status, l->method);
    plain_text(&line, l->path);
    buf_printf(&line, " %.1f ms", l->seconds * 1e3);
    write_line(&line);
}

void log_write_request(log_form form, const log_request *line)
{
    if (form == LOG_FORM_JSON)
        request_json_line(line);
    else if (form == LOG_FORM_TEXT)
        request_text_line(line);
}

void log_write_message(log_form form, int level, const char *text)
{
    static const char *const levels[] = {"error", "warning", "info", "debug"};
    const char *name = levels[level < 0 ? 0 : level > 3 ? 3 : level];
    buf line;
    if (form == LOG_FORM_NONE) return;
    if (form == LOG_FORM_JSON) {
        json_writer w;
        begin(&w, &line);
        jw_key(&w, "level"), jw_string(&w, name);
        jw_key(&w, "message"), jw_string(&w, text);
        jw_object_end(&w);
    } else {
        buf_init(&line, LINE_MAX_BYTES);
        buf_printf(&line, "simile: %s%s", level == LOG_WARNING ? "warning: " : "", text);
    }
    write_line(&line);
}
