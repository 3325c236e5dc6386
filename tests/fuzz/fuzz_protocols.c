/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_protocols.c - the bodies of the protocols of others, and bodies and query strings of the server's own interface.
 * The first byte chooses the handler, the rest is the body or the query string.
 *
 * The handlers are those of the server, the towers are not: they take what they are given and answer with ones, so that
 * what is fuzzed is the reading of requests and the writing of answers. The answer has to be JSON. */
#include "serve/exchange.h"
#include "serve/folders.h"
#include "serve/metrics.h"
#include "serve/towers.h"

#include "base/mem.h"

#include <jansson.h>
#include <unistd.h>

static simile_model *model;
static simile_library *library;
static server s;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* ---- towers that do nothing ---- */

tower *towers_main(towers *t)
{
    return (tower *)(void *)&s;
}

tower *towers_find(towers *t, const char *name)
{
    return name[0] == 'x' ? NULL : towers_main(t);
}

void towers_each(towers *t, tower_fn fn, void *user)
{
    fn(user, "simile-scenes", towers_main(t), true);
}

simile_status tower_hold(tower *t, simile_error *err)
{
    return SIMILE_OK;
}

void tower_release(tower *t) {}
void tower_release_unused(tower *t) {}

const simile_model *tower_model(tower *t)
{
    return model;
}

static void ones(float *out, size_t n)
{
    const size_t dim = (size_t)simile_model_get_info(model)->dim;
    for (size_t i = 0; i < n * dim; i++) out[i] = 1;
}

simile_status tower_texts(tower *t, const char *const *texts, size_t n, float *out, uint8_t *truncated,
                          simile_error *err)
{
    ones(out, n);
    return SIMILE_OK;
}

simile_status tower_images(tower *t, const simile_image *const *images, size_t n, float *out, simile_error *err)
{
    ones(out, n);
    return SIMILE_OK;
}

simile_status tower_read(tower *t, const char *const *texts, size_t n, const simile_read_options *options,
                         simile_readings **out, simile_error *err)
{
    *out = NULL;
    return err_set(err, SIMILE_E_UNSUPPORTED, "there is no tower for many languages");
}

simile_status tower_own_encoder(tower *t, simile_encoder **out, simile_error *err)
{
    *out = NULL;
    return err_set(err, SIMILE_E_UNSUPPORTED, "there is no encoder");
}

simile_status towers_new(const towers_options *options, metrics *m, towers **out, simile_error *err)
{
    *out = NULL;
    return SIMILE_OK;
}

void towers_free(towers *t) {}

/* ---- the target ---- */

static simile_status fill(simile_error *err)
{
    static const char *const texts[] = {"a red car", "a forest"};
    char path[] = "/tmp/simile-fuzz.XXXXXX";
    simile_encoder *encoder;
    const int fd = mkstemp(path);
    if (fd < 0) return err_errno(err, "cannot make a file");
    close(fd);
    unlink(path);
    RETURN_IF_ERROR(simile_library_open(path, model, NULL, &library, err));
    RETURN_IF_ERROR(simile_encoder_new(model, NULL, &encoder, err));
    const simile_status status = simile_library_add_texts(library, encoder, texts, 2, NULL, NULL, err);
    simile_encoder_free(encoder);
    unlink(path);
    return status;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    simile_error err;
    const simile_model_options o = {.struct_size = sizeof o, .search_path = SIMILE_MODELS_FOLDER};
    if (simile_model_open("simile-scenes", &o, &model, &err) || fill(&err) || metrics_new(&s.metrics, &err)) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    s.library = library;
    if (folders_new(NULL, 0, &s.folders, &err)) abort();
    return 0;
}

static const struct {
    const route *table;
    const char *path, *type; /* type NULL: GET with a query string */
} handlers[] = {
    {routes_immich, "/predict", "multipart/form-data; boundary=b"},
    {routes_openai, "/v1/embeddings", "application/json"},
    {routes_openai, "/v1/embeddings_image", ""},
    {routes_clip_retrieval, "/knn-service", ""},
    {routes_clip_retrieval, "/metadata", ""},
    {routes_clip_as_service, "/post", "application/json"},
    {routes_own, "/v1/search", "application/json"},
    {routes_own, "/v1/search", "multipart/form-data; boundary=b"},
    {routes_own, "/v1/classify", "application/json"},
    {routes_own, "/v1/compare", "application/json"},
    {routes_own, "/v1/scan", "application/json"},
    {routes_own, "/v1/search", NULL},
    {routes_own, "/v1/items", NULL},
    {routes_own, "/v1/facets", NULL},
};

static const route *route_of(size_t which)
{
    const route *r = handlers[which].table;
    const char *method = handlers[which].type ? "POST" : "GET";
    /* some protocols take the same path by both methods */
    while (strcmp(r->path, handlers[which].path) != 0 || (r->path[1] == 'v' && strcmp(r->method, method) != 0)) r++;
    return r;
}

static void answer(size_t which, char *body, size_t len)
{
    reply r;
    exchange inside = {0};
    const bool words = !handlers[which].type;
    if (words && query_string_read(body, &inside.query, NULL)) inside.query.count = 0;
    const request q = {.method = words ? "GET" : "POST",
                       .path = handlers[which].path,
                       .body = words ? "" : body,
                       .body_len = words ? 0 : len,
                       .content_type = words ? "" : handlers[which].type,
                       .inside = &inside};
    reply_init(&r);
    route_of(which)->run(&s, &q, &r);
    json_t *root = json_loadb(r.body.data ? r.body.data : "", r.body.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (!root) abort();
    json_decref(root);
    reply_release(&r);
    query_string_release(&inside.query);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    const size_t which = data[0] % (sizeof handlers / sizeof *handlers);
    char *body = mem_alloc(size);
    if (body) {
        memcpy(body, data + 1, size - 1);
        body[size - 1] = 0;
        answer(which, body, size - 1);
    }
    mem_free(body);
    return 0;
}
