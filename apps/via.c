/* SPDX-License-Identifier: Apache-2.0
 *
 * via.c - see via.h. Texts in Latin script that nobody says to be foreign go straight to the encoder, as if there were
 * no translators in the world; what the others need is opened when the first of them comes. */
#include "via.h"

#include "show.h"
#include "term.h"

#include <stdlib.h>
#include <string.h>

void via_init(via *v, app *a)
{
    *v = (via){.a = a, .options = {.struct_size = sizeof v->options}};
}

void via_release(via *v)
{
    simile_reader_free(v->reader);
    v->reader = NULL;
}

/* ---- options ---- */

static int take(const via *v, const char *const *names, const char *option_name, const char *value, int32_t *to)
{
    for (int32_t i = 0; i < READING_CHOICES; i++) {
        if (strcmp(value, names[i]) == 0) {
            *to = i;
            return EXIT_OK;
        }
    }
    return app_usage(v->a, "'%s' is no value for --%s: %s, %s, %s or %s is needed", value, option_name, names[0],
                     names[1], names[2], names[3]);
}

int via_take_way(void *to, const char *value)
{
    via *v = to;
    return take(v, reading_ways, "via", value, &v->options.via);
}

int via_take_fuse(void *to, const char *value)
{
    via *v = to;
    return take(v, reading_fusions, "fuse", value, &v->options.fuse);
}

/* ---- reading ---- */

static simile_status need_reader(via *v, simile_error *err)
{
    if (v->reader) return SIMILE_OK;
    RETURN_IF_ERROR(app_encoder(v->a, err));
    const char *named = v->options.language ? NULL : getenv("SIMILE_TRANSLATOR");
    const simile_reader_options options = {.struct_size = sizeof options,
                                           .search_path = v->a->model_path,
                                           .translator = v->translator ? v->translator : named,
                                           .force_pairing = v->a->force_pairing,
                                           .threads = v->a->threads};
    return simile_reader_new(v->a->encoder, &options, &v->reader, err);
}

simile_status via_read(via *v, const char *const *texts, size_t n, simile_readings **out, simile_error *err)
{
    *out = NULL;
    RETURN_IF_ERROR(need_reader(v, err));
    return simile_read(v->reader, texts, n, &v->options, out, err);
}

void via_warn_truncated(const via *v, const simile_reading *reading)
{
    if (!reading->truncated || v->a->quiet) return;
    if (reading->via == SIMILE_VIA_DIRECT)
        app_warn_truncated(v->a, reading->text);
    else
        app_warn("'%.40s%s' was cut to the tokens that '%s' reads", reading->text,
                 strlen(reading->text) > 40 ? "..." : "", reading->text_model);
}

/* ---- telling ---- */

void via_print(const simile_reading *reading, buf *out)
{
    const simile_translation *t = reading->translation;
    if (!t) return;
    buf_text(out, "Tokens: ");
    show_texts(out, t->tokens, t->n_tokens);
    buf_byte(out, '\n');
    term_text(out, reading->text);
    buf_text(out, ":\n[");
    for (size_t i = 0; i < t->n_candidates; i++) {
        if (i) buf_text(out, ", ");
        term_text(out, t->candidates[i].text);
    }
    buf_text(out, "]\n\n");
}
