/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_languages.c - `simile languages [MODEL]`: which text tower reads which of forty languages.
 *
 * Two things are told apart: languages in which a tower was trained, and languages that only the language model below
 * it had read. What nobody published is a question mark, never a no. A row of the table ends with the language's own
 * name, because terminals do not agree how wide that is. */
#include "app.h"
#include "base/mem.h"
#include "term.h"

enum { NAME_WIDTH = 22, TEXT_WIDTH = 100 };

/* One letter for what the two claims say together. */
static char mark(int32_t reads)
{
    if (reads & SIMILE_READS_TAUGHT) return reads & (SIMILE_READS_ENCODER | SIMILE_READS_ENCODER_UNKNOWN) ? 'x' : 'o';
    if (reads & SIMILE_READS_ENCODER) return 'e';
    return reads & (SIMILE_READS_TAUGHT_UNKNOWN | SIMILE_READS_ENCODER_UNKNOWN) ? '?' : '.';
}

static int count(const simile_text_tower *t, int32_t bit)
{
    const simile_language *l;
    int n = 0;
    for (size_t i = 0; (l = simile_language_at(i)); i++) n += (simile_text_tower_reads(t, l->code) & bit) != 0;
    return n;
}

/* ---- the table of all ---- */

static void print_language(const simile_language *l, buf *out)
{
    const simile_text_tower *t;
    buf_printf(out, "%-6s %-*s", l->code, NAME_WIDTH, l->name);
    for (size_t i = 0; (t = simile_text_tower_at(i)); i++)
        buf_printf(out, "  %c", mark(simile_text_tower_reads(t, l->code)));
    buf_printf(out, "   %s\n", l->native);
}

static void print_counts(const char *title, int32_t bit, int32_t unknown, buf *out)
{
    const simile_text_tower *t;
    buf_printf(out, "       %-*s", NAME_WIDTH, title);
    for (size_t i = 0; (t = simile_text_tower_at(i)); i++) {
        if (count(t, unknown))
            buf_text(out, "  ?");
        else
            buf_printf(out, "%3d", count(t, bit));
    }
    buf_byte(out, '\n');
}

/* One of several words with ", " between them, on a new line where the width is used up; *at: the column. */
static void print_item(const char *text, size_t len, size_t indent, size_t *at, buf *out)
{
    if (*at > indent) buf_text(out, ","), ++*at;
    if (*at > indent && *at + 1 + len > TEXT_WIDTH) {
        buf_printf(out, "\n%*s", (int)indent, "");
        *at = indent;
    } else if (*at > indent) {
        buf_byte(out, ' '), ++*at;
    }
    buf_append(out, text, len);
    *at += len;
}

static void print_models(const simile_text_tower *t, size_t indent, buf *out)
{
    size_t at = indent;
    for (const char *list = t->models; *list;) {
        const size_t n = strcspn(list, " ");
        print_item(list, n, indent, &at, out);
        list += n + (list[n] == ' ');
    }
    buf_byte(out, '\n');
}

static void print_claims(const simile_text_tower *t, const char *indent, buf *out)
{
    buf_printf(out, "%ssource: %s\n", indent, t->source);
    if (t->remark) buf_printf(out, "%sremark: %s\n", indent, t->remark);
}

static void print_table(buf *out)
{
    const simile_language *l;
    const simile_text_tower *t;
    buf_printf(out, "%-*s", 7 + NAME_WIDTH, "");
    for (size_t i = 0; simile_text_tower_at(i); i++) buf_printf(out, "%3zu", i + 1);
    buf_byte(out, '\n');
    for (size_t i = 0; (l = simile_language_at(i)); i++) print_language(l, out);
    print_counts("trained in", SIMILE_READS_TAUGHT, SIMILE_READS_TAUGHT_UNKNOWN, out);
    print_counts("read by the encoder", SIMILE_READS_ENCODER, SIMILE_READS_ENCODER_UNKNOWN, out);
    buf_text(out, "\nx  the tower was trained in it           o  the same, but its encoder had not read it before\n"
                  "e  its encoder had read it               .  neither               ?  nobody published it\n\n");
    for (size_t i = 0; (t = simile_text_tower_at(i)); i++) {
        buf_printf(out, "%2zu ", i + 1);
        print_models(t, 3, out);
        print_claims(t, "   ", out);
    }
}

/* ---- one model ---- */

/* Names with this mark, below a title; nothing where there are none. */
static void print_marked(const simile_text_tower *t, char wanted, const char *title, buf *out)
{
    enum { INDENT = 2 };
    const simile_language *l;
    char text[64];
    size_t at = 0;
    for (size_t i = 0; (l = simile_language_at(i)); i++) {
        if (mark(simile_text_tower_reads(t, l->code)) != wanted) continue;
        if (!at) buf_printf(out, "%s:\n%*s", title, INDENT, "");
        if (!at) at = INDENT;
        print_item(text, (size_t)snprintf(text, sizeof text, "%s %s", l->code, l->name), INDENT, &at, out);
    }
    if (at) buf_byte(out, '\n');
}

static void print_model(const char *model, const simile_text_tower *t, buf *out)
{
    size_t all = 0;
    while (simile_language_at(all)) all++;
    term_text(out, model);
    if (!t) {
        buf_text(out, ": nothing is known here of the languages that it reads\n");
        return;
    }
    if (t->taught)
        buf_printf(out, ": trained in %d of %zu languages", count(t, SIMILE_READS_TAUGHT), all);
    else
        buf_text(out, ": nobody published in which languages it was trained");
    if (t->listed > count(t, SIMILE_READS_TAUGHT)) buf_printf(out, " (its publisher lists %d)", t->listed);
    buf_byte(out, '\n');
    print_marked(t, 'x', "trained in", out);
    print_marked(t, 'o', "trained in, though its encoder had not read them", out);
    print_marked(t, 'e', "read by its encoder alone", out);
    print_marked(t, '.', "neither", out);
    print_marked(t, '?', "unknown", out);
    print_claims(t, "", out);
}

/* ---- JSON ---- */

/* "key": the words of a list, null where there is none. */
static void words_json(const char *key, const char *list, json_writer *w)
{
    jw_key(w, key);
    if (!list) {
        jw_null(w);
        return;
    }
    jw_array(w);
    while (*list) {
        const size_t n = strcspn(list, " ");
        jw_string_n(w, list, n);
        list += n + (list[n] == ' ');
    }
    jw_array_end(w);
}

static void tower_json(const simile_text_tower *t, json_writer *w)
{
    jw_object(w);
    words_json("models", t->models, w);
    words_json("trained_in", t->taught, w);
    words_json("encoder_read", t->encoder, w);
    jw_key(w, "listed"), jw_int(w, t->listed);
    jw_key(w, "source"), jw_string(w, t->source);
    jw_key(w, "remark"), t->remark ? jw_string(w, t->remark) : jw_null(w);
    jw_object_end(w);
}

static void languages_json(json_writer *w)
{
    const simile_language *l;
    jw_key(w, "languages"), jw_array(w);
    for (size_t i = 0; (l = simile_language_at(i)); i++) {
        jw_object(w);
        jw_key(w, "code"), jw_string(w, l->code);
        jw_key(w, "name"), jw_string(w, l->name);
        jw_key(w, "native"), jw_string(w, l->native);
        jw_object_end(w);
    }
    jw_array_end(w);
}

/* model: NULL for all towers; `of`: its tower, or NULL. */
static void print_json(const char *model, const simile_text_tower *of, buf *out)
{
    const simile_text_tower *t;
    json_writer w;
    jw_init(&w, out);
    jw_object(&w);
    jw_key(&w, "model"), model ? jw_string(&w, model) : jw_null(&w);
    languages_json(&w);
    jw_key(&w, "towers"), jw_array(&w);
    for (size_t i = 0; !model && (t = simile_text_tower_at(i)); i++) tower_json(t, &w);
    if (of) tower_json(of, &w);
    jw_array_end(&w);
    jw_object_end(&w);
    buf_byte(out, '\n');
}

/* ---- the command ---- */

/* model: NULL for all. */
static int show(app *a, const char *model)
{
    const simile_text_tower *of = NULL;
    simile_error err;
    buf out;
    if (model && app_search_path(a, &err)) return app_fail(&err);
    if (model && simile_text_tower_of(model, a->model_path, &of, &err)) return app_fail(&err);
    buf_init(&out, OUTPUT_MAX);
    if (a->json)
        print_json(model, of, &out);
    else if (model)
        print_model(model, of, &out);
    else
        print_table(&out);
    const bool written = app_write(&out);
    buf_release(&out);
    return written ? EXIT_OK : EXIT_FAILED;
}

static int run(app *a, int argc, char **argv)
{
    const option options[] = {{0}};
    words rest;
    if (!options_parse(a, options, argc, argv, &rest)) return a->status;
    const int status = rest.count > 1 ? app_usage(a, "'languages' takes one model, or none")
                                      : show(a, rest.count ? rest.items[0] : NULL);
    words_release(&rest);
    return status;
}

const command command_languages = {
    "languages", "[MODEL]", "which languages a model reads",
    "A table of forty languages and the text towers of known models; with MODEL (a known name, an installed one, or a\n"
    "path) that model's list. It says what the publishers say: in which languages a tower was trained, and which ones\n"
    "the language model below it had read before.\n\n"
    "  simile languages\n"
    "  simile languages clip-ViT-B-32-multilingual-v1\n",
    run};
