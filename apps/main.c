/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c - the program: the table of commands, the options before the command, help and version.
 *
 * The command line is an outside program: it knows simile.h and the room base, nothing else. Each command is a file of
 * its own, cmd_<name>.c, with its help text, its option table and its two outputs: one for people, one for programs
 * (docs/json.md). */
#include "app.h"
#include "progress.h"
#include "waiting.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const command *const commands[] = {
    &command_add,
    &command_search,
    &command_compare,
    &command_classify,
    &command_embed,
    &command_info,
    &command_tokenize,
    &command_segment,
    &command_translate,
    &command_preprocess,
    &command_remove,
    &command_verify,
    &command_duplicates,
    &command_pull,
    &command_models,
    &command_languages,
    &command_convert,
    &command_rm,
    &command_pair,
    &command_eval,
    &command_quantize_report,
    &command_serve,
    &command_demo,
    &command_help,
    &command_version,
    NULL,
};

static const char *command_name_at(const void *list, size_t i)
{
    const command *const *table = list;
    return table[i] ? table[i]->name : NULL;
}

static const command *find_command(app *a, const char *name)
{
    for (size_t i = 0; commands[i]; i++) {
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    }
    const char *guess = suggestion(name, command_name_at, commands);
    a->status = app_usage(a, "unknown command '%s'%s%s%s", name, guess ? "; did you mean '" : "", guess ? guess : "",
                          guess ? "'?" : "");
    return NULL;
}

/* ---- help and version ---- */

void app_overview(FILE *out)
{
    fputs("usage: simile COMMAND [options]\n\n"
          "simile finds pictures by words, words by pictures, and each by its like, on this machine alone.\n\n",
          out);
    for (size_t i = 0; commands[i]; i++) fprintf(out, "  %-15s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\nTo begin:\n"
          "  simile demo\n"
          "  simile add ~/Pictures\n"
          "  simile search \"two dogs in the snow\"\n\n"
          "'simile COMMAND --help' tells more about a command.\n",
          out);
}

static int run_version(app *a, int argc, char **argv)
{
    const option options[] = {{0}};
    words rest;
    if (!options_parse(a, options, argc, argv, &rest)) return a->status;
    const size_t extra = rest.count;
    words_release(&rest);
    if (extra) return app_usage(a, "'version' takes no words");
    if (a->json)
        printf("{\"version\":\"%s\"}\n", SIMILE_VERSION_STRING);
    else
        printf("simile %s\n", SIMILE_VERSION_STRING);
    return EXIT_OK;
}

const command command_version = {"version", "", "the version", NULL, run_version};

static int run_help(app *a, int argc, char **argv)
{
    const option options[] = {{0}};
    words rest;
    if (!options_parse(a, options, argc, argv, &rest)) return a->status;
    int status = EXIT_OK;
    if (rest.count == 0) {
        app_overview(stdout);
    } else {
        const command *c = find_command(a, rest.items[0]);
        char *help[] = {"--help"};
        a->command = c;
        status = c ? c->run(a, 1, help) : a->status;
    }
    words_release(&rest);
    return status;
}

const command command_help = {"help", "[COMMAND]", "help about a command", NULL, run_help};

/* ---- the words before and after the command ---- */

typedef struct {
    const char *command; /* the first word */
} first_word;

enum { FOUND_COMMAND = -1 }; /* ends the walk over argv at the first word */

static int take_command(void *user, const char *word)
{
    ((first_word *)user)->command = word;
    return FOUND_COMMAND;
}

static int run(app *a, int argc, char **argv)
{
    bool version = false;
    first_word first = {0};
    const option options[] = {{'V', "version", NULL, "the version", OPTION_FLAG, &version}, {0}};
    const bool done = options_parse_each(a, options, argc - 1, argv + 1, take_command, &first);
    if (!done && a->status != FOUND_COMMAND) return a->status;
    if (version) return command_version.run(a, 0, NULL);
    if (!first.command) {
        app_overview(stderr);
        return EXIT_USAGE;
    }
    int at = 1;
    while (argv[at] != first.command) at++;
    a->command = find_command(a, first.command);
    if (a->command == &command_serve || a->command == &command_add) waiting_by_sleeping(argv);
    return a->command ? a->command->run(a, argc - at - 1, argv + at + 1) : a->status;
}

/* Errors come back as statuses; the log carries what a status cannot: warnings about work that went on. */
static void on_log(void *user, int level, const char *message)
{
    const app *a = user;
    if (level <= 1 && !a->quiet) app_warn("%s", message);
}

static const char *from_environment(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

int main(int argc, char **argv)
{
    app a = {.program = argc ? argv[0] : "simile",
             .model_name = from_environment("SIMILE_MODEL", "simile-scenes"),
             .text_model_name = from_environment("SIMILE_TEXT_MODEL", NULL),
             .catalog = from_environment("SIMILE_CATALOG", NULL)};
    signal(SIGPIPE, SIG_IGN);
    simile_set_log(on_log, &a);
    const char *dtype = from_environment("SIMILE_DTYPE", "auto");
    const bool known = app_compute(dtype, &a.compute);
    const int status = known
                           ? run(&a, argc, argv)
                           : app_failf("'%s' is no value for $SIMILE_DTYPE: auto, f32, bf16 or int8 is needed", dtype);
    progress_wipe();
    app_close(&a);
    return app_finish(status);
}
