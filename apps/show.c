/* SPDX-License-Identifier: Apache-2.0
 * show.c - see show.h. */
#include "show.h"

#include "base/json.h"
#include "simile.h"
#include "term.h"

#include <time.h>

void show_float(buf *out, float value)
{
    char text[32];
    buf_append(out, text, (size_t)float_text(text, value));
}

void show_vector_ends(buf *out, const float *vector, int32_t dim)
{
    buf_byte(out, '[');
    for (int32_t i = 0; i < dim; i++) {
        if (i == 2 && dim > 5) {
            buf_text(out, ", ...");
            i = dim - 2;
        }
        if (i) buf_text(out, ", ");
        show_float(out, vector[i]);
    }
    buf_byte(out, ']');
}

void show_texts(buf *out, const char *const *texts, size_t n)
{
    buf_byte(out, '[');
    for (size_t i = 0; i < n; i++) {
        if (i) buf_text(out, ", ");
        term_text(out, texts[i]);
    }
    buf_byte(out, ']');
}

void show_floats(buf *out, const float *values, size_t n)
{
    buf_byte(out, '[');
    for (size_t i = 0; i < n; i++) {
        if (i) buf_text(out, ", ");
        show_float(out, values[i]);
    }
    buf_byte(out, ']');
}

void show_bytes(buf *out, int64_t n)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB"};
    double x = (double)n / 1000;
    size_t unit = 0;
    if (n < 1000) {
        buf_printf(out, "%d bytes", (int)n);
        return;
    }
    while (x >= 1000 && unit < 3) {
        x /= 1000;
        unit++;
    }
    buf_printf(out, "%.1f %s", x, units[unit]);
}

void show_date(buf *out, int64_t seconds)
{
    const time_t t = (time_t)seconds;
    struct tm parts;
    char text[32];
    if (gmtime_r(&t, &parts) && strftime(text, sizeof text, "%Y-%m-%d", &parts)) buf_text(out, text);
}

const char *show_stage(int32_t stage)
{
    static const char *const names[SIMILE_STAGES] = {
        [SIMILE_STAGE_READ] = "read",           [SIMILE_STAGE_DECODE] = "decode", [SIMILE_STAGE_RESIZE] = "resize",
        [SIMILE_STAGE_THUMBNAIL] = "thumbnail", [SIMILE_STAGE_ENCODE] = "encode", [SIMILE_STAGE_STORE] = "store",
    };
    return stage >= 0 && stage < SIMILE_STAGES ? names[stage] : NULL;
}

const char *show_score(int32_t score)
{
    return score == SIMILE_SCORE_SIGMOID ? "sigmoid" : "softmax";
}
