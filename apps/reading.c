/* SPDX-License-Identifier: Apache-2.0
 *
 * reading.c - see reading.h. Only what was done to a text is told: of one that the model read by itself there is
 * nothing to say. Threads: all functions are pure. */
#include "reading.h"

#include "show.h"

#include <inttypes.h>

const char *const reading_ways[READING_CHOICES] = {"auto", "direct", "translate", "multilingual"};
const char *const reading_fusions[READING_CHOICES] = {"first", "mean", "max", "weighted"};

static void translation_json(const simile_reading *reading, int32_t candidate, json_writer *w)
{
    const simile_translation *t = reading->translation;
    jw_key(w, "translator"), jw_string(w, reading->translator);
    jw_key(w, "tokens"), jw_array(w);
    for (size_t i = 0; i < t->n_tokens; i++) jw_string(w, t->tokens[i]);
    jw_array_end(w);
    jw_key(w, "candidates"), jw_array(w);
    for (size_t i = 0; i < t->n_candidates; i++) {
        jw_object(w);
        jw_key(w, "text"), jw_string(w, t->candidates[i].text);
        jw_key(w, "score"), jw_float(w, t->candidates[i].score);
        jw_object_end(w);
    }
    jw_array_end(w);
    jw_key(w, "fuse"), jw_string(w, reading_fusions[reading->fuse]);
    jw_key(w, "candidate");
    if (candidate < 0)
        jw_null(w);
    else
        jw_int(w, candidate);
}

void reading_json(const simile_reading *reading, int32_t candidate, json_writer *w)
{
    if (reading->via == SIMILE_VIA_DIRECT) return;
    jw_key(w, "script"), jw_string(w, simile_script_name(reading->script));
    jw_key(w, "via"), jw_string(w, reading_ways[reading->via]);
    jw_key(w, "read_by"), jw_string(w, reading->text_model);
    if (reading->translation) translation_json(reading, candidate, w);
}

void readings_json(const simile_readings *readings, json_writer *w)
{
    bool any = false;
    for (size_t i = 0; i < simile_readings_count(readings); i++) {
        const simile_reading *r = simile_readings_at(readings, i);
        if (r->via == SIMILE_VIA_DIRECT && !r->truncated) continue;
        if (!any) jw_key(w, "texts"), jw_array(w);
        any = true;
        jw_object(w);
        jw_key(w, "text"), jw_string(w, r->text);
        reading_json(r, r->candidate, w);
        if (r->truncated) jw_key(w, "truncated"), jw_bool(w, true);
        jw_object_end(w);
    }
    if (any) jw_array_end(w);
}

void terms_describe(const simile_term *terms, size_t n, buf *out)
{
    for (size_t i = 0; i < n; i++) {
        const simile_term *t = &terms[i];
        const float size = t->weight < 0 ? -t->weight : t->weight;
        if (t->weight < 0)
            buf_text(out, i ? " - " : "- ");
        else if (i)
            buf_text(out, " + ");
        if (size < 1 || size > 1) {
            show_float(out, size);
            buf_text(out, " x ");
        }
        if (t->kind == SIMILE_TERM_ITEM)
            buf_printf(out, "#%" PRId64, t->id);
        else
            buf_text(out, t->text);
    }
}
