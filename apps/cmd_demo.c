/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_demo.c - `simile demo`: a tour with the bundled model and pictures.
 *
 * Each step is a command line that anybody could type: it is printed, and then run by the command's own code. The
 * catalogue lives in a temporary folder, which is gone afterwards, unless --catalog names one to keep. */
#include "app.h"
#include "base/file.h"
#include "base/mem.h"
#include "ingest.h"
#include "query.h"
#include "sentences.h"
#include "term.h"

#include <stdio.h>
#include <unistd.h>

enum { STEP_WORDS = 16 };

typedef struct {
    app *a;
    char *gallery;
    char *temporary; /* the folder, or NULL when the catalogue is the user's */
    char *catalog;
    char *picture; /* the best answer to the first sentence */
} demo;

static const char first_sentence[] = "two dogs in the snow";

/* ---- where things are ---- */

static char *find_gallery(void)
{
    static const char *const places[] = {"../gallery", "../share/simile/gallery"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *path = app_beside(places[i]);
        if (path && file_is_folder(path)) return path;
        mem_free(path);
    }
    return NULL;
}

static simile_status make_temporary(demo *d, simile_error *err)
{
    const char *base = getenv("TMPDIR");
    d->temporary = path_join(base && *base ? base : "/tmp", "simile-demo.XXXXXX");
    if (!d->temporary) return err_nomem(err);
    if (!mkdtemp(d->temporary)) {
        const simile_status status = err_errno(err, "cannot make the folder '%s'", d->temporary);
        mem_free(d->temporary);
        d->temporary = NULL;
        return status;
    }
    d->catalog = path_join(d->temporary, "demo.simile");
    return d->catalog ? SIMILE_OK : err_nomem(err);
}

static void remove_temporary(const demo *d)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; d->catalog && i < sizeof endings / sizeof *endings; i++) {
        char *path = mem_printf("%s%s", d->catalog, endings[i]);
        if (path) unlink(path);
        mem_free(path);
    }
    if (d->temporary) rmdir(d->temporary);
}

/* ---- steps ---- */

static void headline(const app *a, const char *text)
{
    buf out;
    if (a->json) return;
    buf_init(&out, OUTPUT_MAX);
    buf_byte(&out, '\n');
    term_colour(&out, COLOUR_BOLD, text);
    buf_byte(&out, '\n');
    app_write(&out);
    buf_release(&out);
}

static bool needs_quotes(const char *word)
{
    return !*word || strpbrk(word, " \t*?'$\"\\(){}[]<>|&;#~") != NULL;
}

/* Prints the command line and runs it. argv ends with NULL. */
static int step(demo *d, const command *c, const char *const *words_of)
{
    app *a = d->a;
    char *argv[STEP_WORDS] = {0};
    int argc = 0;
    buf out;
    buf_init(&out, OUTPUT_MAX);
    buf_printf(&out, "$ simile %s", c->name);
    for (; words_of[argc]; argc++) {
        argv[argc] = (char *)(uintptr_t)words_of[argc];
        buf_printf(&out, needs_quotes(argv[argc]) ? " \"%s\"" : " %s", argv[argc]);
    }
    buf_byte(&out, '\n');
    if (!a->json) app_write(&out);
    buf_release(&out);
    const command *own = a->command;
    a->command = c;
    const int status = c->run(a, argc, argv);
    a->command = own;
    fflush(stdout);
    return status;
}

static simile_status index_gallery(demo *d, simile_error *err)
{
    const simile_add_options options = {.struct_size = sizeof options, .no_thumbnails = d->temporary != NULL};
    const char *path = d->gallery;
    const words paths = {&path, 1};
    const text_list no_texts = {0};
    ingest done = {0};
    if (!d->a->json) printf("$ simile add %s\n", d->gallery);
    fflush(stdout);
    RETURN_IF_ERROR(ingest_run(d->a, &options, &paths, &no_texts, &done, err));
    ingest_report(d->a, &done);
    return SIMILE_OK;
}

static simile_status find_picture(demo *d, simile_error *err)
{
    query q;
    simile_results *results = NULL;
    query_init(&q, d->a);
    q.options.limit = 1;
    simile_status status = query_text(&q, first_sentence, 1, err);
    if (!status) status = query_run(&q, &results, err);
    const simile_hit *best = status ? NULL : simile_results_at(results, 0);
    if (!status && !best) status = err_set(err, SIMILE_E_NOT_FOUND, "cannot go on: '%s' holds no picture", d->gallery);
    if (best) {
        d->picture = mem_strdup(best->path);
        if (!d->picture) status = err_nomem(err);
    }
    simile_results_free(results);
    query_release(&q);
    return status;
}

static int search_each(demo *d, const char *title, const char *const sentences[][6])
{
    int status = EXIT_OK;
    headline(d->a, title);
    for (size_t i = 0; !status && i < 3; i++) status = step(d, &command_search, sentences[i]);
    return status;
}

static int ask(demo *d)
{
    static const char *const english[3][6] = {
        {first_sentence, "-k", "3", NULL}, {"a cat on a table", "-k", "3", NULL}, {"London at night", "-k", "3", NULL}};
    static const char *const translated[3][6] = {{"在雪地里有两条狗", "--via", "translate", "-k", "3", NULL},
                                                 {"一只猫在桌子上", "--via", "translate", "-k", "3", NULL},
                                                 {"夜晚的伦敦", "--via", "translate", "-k", "3", NULL}};
    static const char *const as_it_is[3][6] = {{"在雪地里有两条狗", "--via", "multilingual", "-k", "3", NULL},
                                               {"一只猫在桌子上", "--via", "multilingual", "-k", "3", NULL},
                                               {"夜晚的伦敦", "--via", "multilingual", "-k", "3", NULL}};
    int status = search_each(d, "Pictures by words", english);
    if (!status)
        status = search_each(d, "In Chinese: cut into words, translated, and the best candidate read", translated);
    if (!status) status = search_each(d, "In Chinese, read as it is by a text tower for many languages", as_it_is);
    return status;
}

static const char *name_of_language(const char *code)
{
    const simile_language *language;
    for (size_t i = 0; (language = simile_language_at(i)) != NULL; i++)
        if (strcmp(language->code, code) == 0) return language->name;
    return code;
}

/* One line of the best picture, or a search's JSON. */
static simile_status ask_in(const demo *d, query *q, const demo_sentence *sentence, simile_error *err)
{
    simile_results *results;
    buf out;
    query_clear(q);
    RETURN_IF_ERROR(query_text(q, sentence->text, 1, err));
    RETURN_IF_ERROR(query_run(q, &results, err));
    const simile_hit *hit = simile_results_at(results, 0);
    buf_init(&out, OUTPUT_MAX);
    if (d->a->json) {
        query_print_json(q, results, &out);
    } else if (hit) {
        const char *name = strrchr(hit->path, '/');
        buf_printf(&out, "%-22s %6.2f%%  ", name_of_language(sentence->code), (double)hit->similarity);
        term_text(&out, name ? name + 1 : hit->path);
        buf_text(&out, "  ");
        term_text(&out, sentence->text);
        buf_byte(&out, '\n');
    }
    app_write(&out);
    buf_release(&out);
    simile_results_free(results);
    return SIMILE_OK;
}

static int ask_in_all_languages(demo *d)
{
    simile_error err;
    simile_status status = SIMILE_OK;
    query q;
    query_init(&q, d->a);
    q.options.limit = 1;
    q.how.options.via = SIMILE_VIA_MULTILINGUAL;
    headline(d->a, "The same sentence in forty languages, in the same catalogue");
    if (!d->a->json) printf("$ simile search \"...\" --via multilingual -k 1\n");
    for (size_t i = 0; demo_sentences[i].text && !status; i++) status = ask_in(d, &q, &demo_sentences[i], &err);
    query_release(&q);
    return status ? app_fail(&err) : EXIT_OK;
}

static int show_more(demo *d)
{
    const char *const like[] = {"--image", d->picture, "--others", "-k", "3", NULL};
    const char *const mixed[] = {"--image", d->picture, "a beach", "--weight", "1.5", "--not",
                                 "snow",    "--others", "-k",      "3",        NULL};
    const char *const labels[] = {d->picture,       "--label", "two dogs", "--label", "a cat",     "--label",
                                  "three cups",     "--label", "a house",  "--label", "a snowman", "--template",
                                  "{} in the snow", "--top",   "3",        NULL};
    headline(d->a, "Pictures like a picture");
    int status = step(d, &command_search, like);
    if (!status) headline(d->a, "Words and pictures together, and something to stay away from");
    if (!status) status = step(d, &command_search, mixed);
    if (!status) headline(d->a, "Which of these labels fits the picture?");
    if (!status) status = step(d, &command_classify, labels);
    return status;
}

static void tell_more(const app *a)
{
    if (a->json) return;
    headline(a, "Now your own");
    printf("  %s add ~/Pictures\n"
           "  %s search \"a red boat\"\n\n"
           "The bundled model was trained on drawn scenes and knows little else. For photographs fetch a published "
           "one:\n\n"
           "  %s pull clip-vit-base-patch32\n"
           "  export SIMILE_MODEL=clip-vit-base-patch32\n"
           "  %s --catalog photos.simile add ~/Pictures\n",
           a->program, a->program, a->program, a->program);
}

static int tour(demo *d)
{
    simile_error err;
    if (!d->gallery) return app_failf("cannot find the bundled pictures beside the program");
    if (!d->a->catalog && make_temporary(d, &err)) return app_fail(&err);
    if (d->catalog) d->a->catalog = d->catalog;
    headline(d->a, "Indexing the bundled pictures");
    if (index_gallery(d, &err) || find_picture(d, &err)) return app_fail(&err);
    int status = ask(d);
    if (!status) status = ask_in_all_languages(d);
    if (!status) status = show_more(d);
    if (!status) tell_more(d->a);
    return status;
}

static int run(app *a, int argc, char **argv)
{
    const char *gallery = NULL;
    const option options[] = {
        {0, "gallery", "DIR", "show it with these pictures instead of the bundled ones", OPTION_STRING, &gallery},
        {0},
    };
    words rest;
    if (!options_parse(a, options, argc, argv, &rest)) return a->status;
    const size_t extra = rest.count;
    words_release(&rest);
    if (extra) return app_usage(a, "'demo' takes no words");
    demo d = {.a = a, .gallery = gallery ? path_absolute(gallery) : find_gallery()};
    const int status = tour(&d);
    simile_library_close(a->library);
    a->library = NULL;
    remove_temporary(&d);
    if (d.catalog) a->catalog = NULL;
    mem_free(d.gallery);
    mem_free(d.temporary);
    mem_free(d.catalog);
    mem_free(d.picture);
    return status;
}

const command command_demo = {"demo", "", "a tour with the bundled pictures",
                              "Indexes the bundled gallery into a temporary catalogue and asks it things in English, "
                              "Chinese and forty languages,\n"
                              "showing each command line.\n",
                              run};
