/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_serve.c - `simile serve`: the catalogue in a browser, and the protocols of other servers, until it is told to
 * end.
 *
 * Signals are blocked before the first thread starts, so that all of them have it so, and waited for here: SIGINT and
 * SIGTERM end the server gently, a second one ends the program. */
#include "app.h"
#include "base/file.h"
#include "base/mem.h"
#include "serve/guard.h"
#include "serve/log.h"
#include "serve/server.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_MAX = 4096, DEFAULT_PORT = 7997, DEFAULT_TTL = 300 };

typedef struct {
    app *a;
    server_setup setup;
    words roots, origins, hosts, aliases;
    const char *key_file, *log;
    int32_t port, workers, ttl;
    bool only_named;
    char *key;
} serve;

/* ---- what the words and the environment say ---- */

/* The first line of the file, or $SIMILE_API_KEY. */
static simile_status read_key(serve *v, simile_error *err)
{
    const char *environment = getenv("SIMILE_API_KEY");
    size_t len;
    if (v->key_file) {
        RETURN_IF_ERROR(file_read(v->key_file, KEY_MAX, &v->key, &len, err));
        v->key[strcspn(v->key, "\r\n")] = 0;
        if (!*v->key) return err_set(err, SIMILE_E_ARG, "'%s' holds no API key", v->key_file);
    } else if (environment && *environment) {
        v->key = mem_strdup(environment);
        if (!v->key) return err_nomem(err);
    }
    for (const char *at = v->key; at && *at; at++) {
        if (!isgraph((unsigned char)*at))
            return err_set(err, SIMILE_E_ARG, "the API key holds what no header can: letters, digits and signs alone");
    }
    return SIMILE_OK;
}

static simile_status read_ttl(serve *v, simile_error *err)
{
    const char *text = getenv("MACHINE_LEARNING_MODEL_TTL");
    char *end;
    if (v->ttl >= 0) return SIMILE_OK;
    v->ttl = DEFAULT_TTL;
    if (!text || !*text) return SIMILE_OK;
    errno = 0;
    const long n = strtol(text, &end, 10);
    if (errno || *end || n > INT32_MAX)
        return err_set(err, SIMILE_E_ARG, "MACHINE_LEARNING_MODEL_TTL is '%s', not a number of seconds", text);
    v->ttl = n < 0 ? 0 : (int32_t)n;
    return SIMILE_OK;
}

static simile_status read_log(serve *v, simile_error *err)
{
    log_form *form = &v->setup.options.log;
    if (!v->log || strcmp(v->log, "text") == 0)
        *form = v->a->quiet ? LOG_FORM_NONE : LOG_FORM_TEXT;
    else if (strcmp(v->log, "json") == 0)
        *form = LOG_FORM_JSON;
    else if (strcmp(v->log, "off") == 0)
        *form = LOG_FORM_NONE;
    else
        return err_set(err, SIMILE_E_ARG, "'%s' is no value for --log: text, json or off is needed", v->log);
    return SIMILE_OK;
}

static simile_status settle(serve *v, simile_error *err)
{
    serve_options *o = &v->setup.options;
    towers_options *t = &v->setup.towers;
    app *a = v->a;
    RETURN_IF_ERROR(read_key(v, err));
    RETURN_IF_ERROR(read_ttl(v, err));
    RETURN_IF_ERROR(read_log(v, err));
    RETURN_IF_ERROR(app_search_path(a, err));
    RETURN_IF_ERROR(app_catalog_path(a, err));
    o->api_key = v->key;
    o->port = v->port, o->workers = v->workers, o->ttl_seconds = v->ttl, o->threads = a->threads;
    o->origins = v->origins.items, o->n_origins = v->origins.count;
    o->hosts = v->hosts.items, o->n_hosts = v->hosts.count;
    o->roots = v->roots.items, o->n_roots = v->roots.count;
    t->search_path = a->model_path;
    t->model = a->model_name, t->text_model = a->text_model_name, t->force_pairing = a->force_pairing;
    t->compute = a->compute;
    t->aliases = v->aliases.items, t->n_aliases = v->aliases.count;
    t->threads = a->threads, t->ttl_seconds = v->ttl, t->any_installed = !v->only_named;
    v->setup.catalog = a->catalog_path;
    return server_inherited(&v->setup.fd, err);
}

/* ---- running ---- */

static void tell_where(const serve *v, int port)
{
    const char *address = v->setup.options.address, *left = "", *right = "";
    if (strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0) address = "localhost";
    if (strchr(address, ':')) left = "[", right = "]";
    if (v->a->json)
        printf("{\"url\":\"http://%s%s%s:%d/\"}\n", left, address, right, port);
    else
        printf("http://%s%s%s:%d/\n", left, address, right, port);
    fflush(stdout);
}

static void on_message(void *user, int level, const char *text)
{
    const serve *v = user;
    if (level <= LOG_WARNING) log_write_message(v->setup.options.log, level, text);
}

static void wait_for_signal(void)
{
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    while (sigwaitinfo(&ends, NULL) < 0 && errno == EINTR) {
    }
    pthread_sigmask(SIG_UNBLOCK, &ends, NULL); /* the next one is not waited for */
}

static int run_server(serve *v)
{
    sigset_t ends;
    running *r;
    simile_error err;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    if (v->setup.options.log == LOG_FORM_JSON) simile_set_log(on_message, v);
    if (server_start(&v->setup, &r, &err)) return app_fail(&err);
    if (v->setup.options.open && !v->key && !guard_is_loopback(v->setup.options.address) && !v->a->quiet)
        app_warn("whoever reaches %s may ask everything: there is no API key", v->setup.options.address);
    tell_where(v, server_port(r));
    server_notify("READY=1");
    wait_for_signal();
    server_notify("STOPPING=1");
    server_stop(r);
    return EXIT_OK;
}

static void release(serve *v)
{
    words_release(&v->roots);
    words_release(&v->origins);
    words_release(&v->hosts);
    words_release(&v->aliases);
    if (v->key) memset(v->key, 0, strlen(v->key));
    mem_free(v->key);
}

static int run(app *a, int argc, char **argv)
{
    serve v = {.a = a, .port = DEFAULT_PORT, .workers = LIMIT_WORKERS, .ttl = -1};
    serve_options *o = &v.setup.options;
    o->address = "127.0.0.1";
    const option options[] = {
        {0, "address", "ADDRESS", "IP address to listen at (default 127.0.0.1)", OPTION_STRING, &o->address},
        {'p', "port", "N", "port to listen at (default 7997); 0: any that is free", OPTION_INT, &v.port, .min = 0,
         .max = 65535},
        {0, "root", "DIR", "a folder that the page may index; may be repeated (default: the pictures folder)",
         OPTION_WORDS, &v.roots},
        {0, "api-key-file", "FILE", "ask for the key in this file ($SIMILE_API_KEY)", OPTION_STRING, &v.key_file},
        {0, "open", NULL, "let everybody ask who reaches the address", OPTION_FLAG, &o->open},
        {0, "host", "NAME", "another name of this server; may be repeated", OPTION_WORDS, &v.hosts},
        {0, "origin", "URL", "let pages of this origin ask; may be repeated", OPTION_WORDS, &v.origins},
        {0, "alias", "NAME=MODEL", "another name for a model, or MODEL+TEXT_MODEL; may be repeated", OPTION_WORDS,
         &v.aliases},
        {0, "only-named", NULL, "clients may name no model but --model and --alias", OPTION_FLAG, &v.only_named},
        {0, "ttl", "SECONDS", "unload models that are idle for so long (default 300; 0: never)", OPTION_INT, &v.ttl,
         .min = 0, .max = 1e9},
        {0, "remote-images", NULL, "fetch pictures whose http(s) URL clients send", OPTION_FLAG, &o->remote_images},
        {0, "read-only", NULL, "change nothing: no indexing, no forgetting", OPTION_FLAG, &o->read_only},
        {0, "workers", "N", "requests worked on at once (default 8)", OPTION_INT, &v.workers, .min = 1, .max = 256},
        {0, "log", "FORM", "of requests, on stderr: text, json or off", OPTION_STRING, &v.log},
        {0},
    };
    simile_error err;
    words rest;
    int status = EXIT_FAILED;
    if (!options_parse(a, options, argc, argv, &rest))
        status = a->status;
    else if (rest.count)
        status = app_usage(a, "'serve' takes no words");
    else
        status = settle(&v, &err) ? app_fail(&err) : run_server(&v);
    words_release(&rest);
    release(&v);
    return status;
}

const command command_serve = {
    "serve", "", "the catalogue in a browser, and an HTTP server for other programs",
    "Prints the URL of the page and runs until Ctrl-C. It answers its own interface (/v1/openapi.json describes it) "
    "and\n"
    "those of Immich's machine learning, OpenAI's embeddings, clip-retrieval and clip-as-service. Nobody but this\n"
    "machine reaches it unless --address says so, which needs a key or --open. docs/server.md tells the rest.\n\n"
    "  simile serve\n"
    "  simile serve --root ~/Pictures --root /srv/photos\n"
    "  simile serve --address 0.0.0.0 --api-key-file key --host photos.example\n"
    "  simile serve --address 0.0.0.0 --open --port 3003 --alias ViT-B-32__openai=clip-vit-base-patch32\n",
    run};
