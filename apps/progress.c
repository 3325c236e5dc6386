/* SPDX-License-Identifier: Apache-2.0
 *
 * progress.c - see progress.h.
 *
 *     [=========>          ]  47%  2,350 of 5,000 pictures  31.4/s  1m 24s left  limited by encoding
 *
 * Redrawn at most ten times a second, cut to the width of the terminal. The rate is the mean since the beginning of
 * the work that was really done: what an earlier run had finished counts for the bar, not for the rate. */
#include "progress.h"

#include "app.h"
#include "base/clock.h"
#include "term.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE = 256, BAR = 24, REDRAW_PER_SECOND = 10 };

static bool line_is_there; /* there is one terminal, hence one line */

void progress_begin(progress *p, const char *unit, bool quiet)
{
    *p = (progress){.unit = unit, .shown = !quiet && isatty(STDERR_FILENO), .started = clock_seconds()};
}

double progress_seconds(const progress *p)
{
    return clock_seconds() - p->started;
}

void progress_wipe(void)
{
    if (!line_is_there) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    line_is_there = false;
}

static void time_text(char *out, size_t size, double seconds)
{
    const long s = (long)(seconds + 0.5);
    if (s >= 3600)
        snprintf(out, size, "%ldh %02ldm", s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf(out, size, "%ldm %02lds", s / 60, s % 60);
    else
        snprintf(out, size, "%lds", s);
}

static void bar_text(char out[BAR + 1], double part)
{
    const int filled = (int)(part * BAR);
    for (int i = 0; i < BAR; i++) out[i] = i < filled ? '=' : i == filled ? '>' : ' ';
    out[BAR] = 0;
}

/* The text after the bar: what is known about speed. */
static void speed_text(const progress *p, int64_t total, char *out, size_t size)
{
    const double seconds = clock_seconds() - p->started;
    const int64_t worked = p->done - p->first;
    out[0] = 0;
    if (seconds < 0.5 || worked <= 0) return;
    const double rate = (double)worked / seconds;
    char left[32];
    time_text(left, sizeof left, (double)(total - p->done) / rate);
    if (total > p->done)
        snprintf(out, size, "  %.1f/s  %s left%s%s", rate, left, p->limit ? "  limited by " : "",
                 p->limit ? p->limit : "");
    else
        snprintf(out, size, "  %.1f/s", rate);
}

static void draw(const progress *p, int64_t total)
{
    char line[LINE], speed[96], bar[BAR + 1], done[32], all[32];
    term_count(done, p->done);
    term_count(all, total);
    speed_text(p, total, speed, sizeof speed);
    if (total > 0) {
        const double part = (double)p->done / (double)total;
        bar_text(bar, part < 1 ? part : 1);
        snprintf(line, sizeof line, "[%s] %3d%%  %s of %s %s%s", bar, (int)(part * 100), done, all, p->unit, speed);
    } else {
        snprintf(line, sizeof line, "%s %s%s", done, p->unit, speed);
    }
    const int width = term_width(STDERR_FILENO);
    fprintf(stderr, "\r%.*s\033[K", width - 1, line);
    fflush(stderr);
    line_is_there = true;
}

int progress_step(void *user, int64_t done, int64_t total, const char *subject)
{
    progress *p = user;
    if (p->drawn <= 0) p->first = done;
    p->done = done;
    const double t = clock_seconds();
    if (p->drawn <= 0 || t - p->drawn > 1.0 / REDRAW_PER_SECOND || done == total) {
        p->drawn = t;
        if (p->shown) draw(p, total);
    }
    return interrupt_wanted();
}

void progress_end(progress *p)
{
    if (p->shown) progress_wipe();
}
