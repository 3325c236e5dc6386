/* SPDX-License-Identifier: Apache-2.0
 * convert.c - a model, whatever files it came in, as a folder of safetensors that opens as the same model.
 *
 * Each weight file of the source becomes a model.safetensors in the folder where it lay, with the parameters that the
 * network asked for and nothing else; a last layer in a pickle of numpy goes into that of the model itself. The
 * documents that describe the network, its preprocessing and its tokenizer are copied as they are; a family whose
 * weights describe themselves writes them, and a tokenizer that lies in the weights becomes files. The result is opened
 * and its identity compared before anybody sees it. Three passes over the parameters: reading (the source's identity),
 * writing, checking (the result's identity). One thread. */
#include "model/convert.h"

#include "base/documents.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/space.h"
#include "model/config.h"
#include "model/quantised.h"

#include <stdio.h>

enum { SPARE_BYTES = 16 << 20, PASSES = 3, MAX_DOCUMENT = 1 << 20, MAX_TOKENIZER = 1 << 28 };
#define WEIGHTS_NAME "model.safetensors"

typedef struct {
    const model *m;
    model_inside in;
    const simile_convert_options *options;
    simile_convert_report *report;
    simile_error *err;
    staging out;
    quantised_list integers;
    tensor_plan plans[MAX_WEIGHTS];
    char *folders[MAX_WEIGHTS]; /* of each weight file, relative to the model's; "": its own */
    int n_plans;
    bool described;    /* by its weights alone */
    bool writes_words; /* the tokenizer does not go along as it lies */
    uint64_t bytes;    /* of all tensors in the result */
    int64_t parameters, passed;
    const char *doing;
    nn_narrowing worst;
} conversion;

static bool go_on(void *user, int64_t parameters)
{
    conversion *c = user;
    const simile_convert_options *o = c->options;
    c->passed += parameters;
    const double part = (double)c->passed / ((double)c->parameters * PASSES);
    return !o->progress || !o->progress(o->user, (int64_t)(part * (double)c->bytes), (int64_t)c->bytes, c->doing);
}

static simile_status refused(const conversion *c, simile_status status, const char *why)
{
    return err_set(c->err, status, "cannot convert the model '%s': %s", c->in.name, why);
}

/* ---- what there is to write ---- */

/* The folder of a weight file below that of the model: "", or the name of one there. NULL: another place. */
static const char *below(const char *folder, const char *inner)
{
    const size_t n = strlen(folder);
    if (!strcmp(folder, inner)) return "";
    if (strncmp(folder, inner, n) != 0 || inner[n] != '/' || !inner[n + 1]) return NULL;
    return strchr(inner + n + 1, '/') || inner[n + 1] == '.' ? NULL : inner + n + 1;
}

/* A last layer that was put beside the model or into "heads" of it; a module's lies in its own folder. */
static bool is_layer(const conversion *c, const weights *w)
{
    const char *folder = below(c->in.source->folder, weights_directory(w));
    return weights_kind(w) == WEIGHTS_NUMPY && folder && (!*folder || !strcmp(folder, "heads"));
}

/* layer: goes into the same file; NULL: none. */
static simile_status plan_file(conversion *c, const weights *from, const weights *layer)
{
    const char *folder = below(c->in.source->folder, weights_directory(from));
    tensor_plan *p = &c->plans[c->n_plans];
    if (!folder) return refused(c, SIMILE_E_UNSUPPORTED, "its weights do not lie in one folder");
    c->folders[c->n_plans] = mem_strdup(folder);
    if (!c->folders[c->n_plans++]) return err_nomem(c->err);
    RETURN_IF_ERROR(tensor_plan_make(c->in.params, &c->integers, from, layer, c->options->dtype, p, c->err));
    c->bytes += p->bytes;
    return SIMILE_OK;
}

static simile_status is_beside(const conversion *c, const char *name, bool *there)
{
    char *path = path_join(c->in.source->folder, name);
    if (!path) return err_nomem(c->err);
    *there |= file_exists(path);
    mem_free(path);
    return SIMILE_OK;
}

/* The tokenizer is in the weights, or beside them in OpenAI's own form, which few programs read: it is written anew. */
static simile_status plan_words(conversion *c)
{
    const tokenizer *words = c->in.parts->words;
    bool usual = !words || strcmp(tokenizer_kind(words), "clip-bpe") != 0;
    RETURN_IF_ERROR(is_beside(c, "tokenizer.json", &usual));
    RETURN_IF_ERROR(is_beside(c, "vocab.json", &usual));
    c->writes_words = c->in.parts->words_inside || (c->described && !usual);
    return SIMILE_OK;
}

static simile_status plan(conversion *c)
{
    const model_source *s = c->in.source;
    if (c->in.paired) return refused(c, SIMILE_E_UNSUPPORTED, "it is paired with another one");
    if (s->image_size) return refused(c, SIMILE_E_UNSUPPORTED, "it is open at a size of pictures that was asked for");
    if (c->options->dtype == SIMILE_DTYPE_INT8) RETURN_IF_ERROR(quantised_list_make(&c->in, &c->integers, c->err));
    const weights *last = s->n_files > 1 ? s->files[s->n_files - 1] : NULL;
    const weights *layer = last && is_layer(c, last) ? last : NULL;
    for (int i = 0; i < s->n_files; i++) {
        if (s->files[i] != layer) RETURN_IF_ERROR(plan_file(c, s->files[i], i ? NULL : layer));
    }
    for (size_t i = 0; i < c->in.params->n; i++) c->parameters += nn_tensor_count(&c->in.params->items[i].tensor);
    c->described = c->in.family->document != NULL;
    return plan_words(c);
}

/* ---- documents ---- */

typedef simile_status (*document_fn)(conversion *c, const char *folder, const char *name, const char *path,
                                     const file_facts *facts);

static simile_status visit_one(conversion *c, const char *folder, const char *name, document_fn fn)
{
    char *inner = path_join(c->in.source->folder, folder), *path = inner ? path_join(inner, name) : NULL;
    file_facts facts;
    simile_status status = path ? SIMILE_OK : err_nomem(c->err);
    if (path && !file_stat(path, &facts, NULL) && facts.is_regular) status = fn(c, folder, name, path, &facts);
    mem_free(inner);
    mem_free(path);
    return status;
}

/* What lies beside weights that describe themselves may belong to something else, the tokenizer excepted. */
static simile_status visit_folder(conversion *c, const char *folder, document_fn fn)
{
    static const char *const texts[] = {"README.md", "LICENSE", "LICENSE.md", "LICENSE.txt", "NOTICE", "NOTICE.txt"};
    const char *name;
    for (size_t i = 0; (name = document_at(i)); i++) {
        const bool words = document_kind_of(name) == DOCUMENT_TOKENIZER;
        if ((c->described && !words) || (c->writes_words && words)) continue;
        RETURN_IF_ERROR(visit_one(c, folder, name, fn));
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts && !c->in.source->single; i++)
        RETURN_IF_ERROR(visit_one(c, folder, texts[i], fn));
    return SIMILE_OK;
}

static const char *module_folder(const json_t *modules, size_t i)
{
    const char *folder = json_string_value(json_object_get(json_array_get(modules, i), "path"));
    return folder && path_is_plain_name(folder) ? folder : "";
}

/* The folders that modules.json lists, each once. */
static simile_status visit_modules(conversion *c, const json_t *modules, document_fn fn)
{
    for (size_t i = 0; i < json_array_size(modules); i++) {
        const char *folder = module_folder(modules, i);
        bool again = !*folder; /* that of the model itself */
        for (size_t k = 0; k < i && !again; k++) again = !strcmp(module_folder(modules, k), folder);
        if (!again) RETURN_IF_ERROR(visit_folder(c, folder, fn));
    }
    return SIMILE_OK;
}

/* Those of the model, and of its modules where it has some. */
static simile_status visit_documents(conversion *c, document_fn fn)
{
    char *path;
    json_t *modules;
    RETURN_IF_ERROR(visit_folder(c, "", fn));
    if (c->described) return SIMILE_OK;
    simile_status status = source_json_array(c->in.source, "modules.json", &path, &modules, c->err);
    if (!status) status = visit_modules(c, modules, fn);
    json_decref(modules);
    mem_free(path);
    return status;
}

static simile_status count_document(conversion *c, const char *folder, const char *name, const char *path,
                                    const file_facts *facts)
{
    c->bytes += (uint64_t)facts->size;
    return SIMILE_OK;
}

static simile_status copy_document(conversion *c, const char *folder, const char *name, const char *path,
                                   const file_facts *facts)
{
    file_map map;
    RETURN_IF_ERROR(file_map_open(path, &map, c->err));
    const simile_status status = staging_put(&c->out, folder, name, map.data, map.len, c->err);
    file_map_close(&map);
    return status;
}

static simile_status put_text(conversion *c, const char *name, const buf *text)
{
    return buf_ok(text) ? staging_put(&c->out, "", name, text->data, text->len, c->err) : err_nomem(c->err);
}

/* The network and its preprocessing, where the weights describe them. */
static simile_status write_configs(conversion *c)
{
    static const char usual[] = "config.json";
    const char *name = usual;
    buf text;
    if (!c->described) return SIMILE_OK;
    buf_init(&text, MAX_DOCUMENT);
    simile_status status = c->in.family->document(c->in.source, &name, &text, c->err);
    if (!status) status = put_text(c, name, &text);
    buf_clear(&text);
    preprocess_write(&c->in.parts->prepare, &text);
    if (!status && !strcmp(name, usual)) status = put_text(c, "preprocessor_config.json", &text);
    buf_release(&text);
    return status;
}

static simile_status write_words(conversion *c)
{
    buf vocab, merges;
    if (!c->writes_words) return SIMILE_OK;
    buf_init(&vocab, MAX_TOKENIZER);
    buf_init(&merges, MAX_TOKENIZER);
    simile_status status = tokenizer_write(c->in.parts->words, &vocab, &merges, c->err);
    if (!status) status = put_text(c, "vocab.json", &vocab);
    if (!status) status = put_text(c, "merges.txt", &merges);
    buf_release(&vocab);
    buf_release(&merges);
    return status;
}

/* ---- the space of its vectors ---- */

/* What was rounded still belongs beside the vectors of the source, and beside whatever that one declares. */
static simile_status declare_space(conversion *c)
{
    const char *folder = c->in.source->single ? NULL : c->in.source->folder;
    space_claims claims = {0};
    char *text = NULL;
    size_t len;
    simile_status status = folder ? space_read(folder, &claims, c->err) : SIMILE_OK;
    if (!status) status = space_add(&claims, c->report->source_digest, SPACE_FILE, c->err);
    if (!status) status = space_text(folder, &claims, &text, &len, c->err);
    if (!status) status = staging_put(&c->out, "", SPACE_FILE, text, len, c->err);
    mem_free(text);
    return status;
}

static simile_status keep_space(conversion *c)
{
    if (c->worst != NN_EXACT) return declare_space(c);
    return c->in.source->single ? SIMILE_OK : visit_one(c, "", SPACE_FILE, copy_document);
}

/* ---- the work ---- */

static simile_status check_room(conversion *c)
{
    uint64_t room, needed = c->bytes + SPARE_BYTES;
    RETURN_IF_ERROR(file_room(c->out.path, &room, c->err));
    if (needed <= room) return SIMILE_OK;
    return err_set(c->err, SIMILE_E_LIMIT,
                   "cannot convert the model '%s': %llu MB are needed on the disk, %llu MB are free", c->in.name,
                   (unsigned long long)needed / 1000000, (unsigned long long)room / 1000000);
}

static simile_status write_weights(conversion *c)
{
    const model_watch watch = {go_on, c};
    for (int i = 0; i < c->n_plans; i++) {
        staged_file f;
        if (c->plans[i].n == 0) continue; /* nothing in it was asked for */
        RETURN_IF_ERROR(staged_open(&c->out, c->folders[i], WEIGHTS_NAME, &f, c->err));
        const simile_status status =
            safetensors_write(&c->plans[i], c->report->source_digest, c->in.name, &f, &watch, &c->worst, c->err);
        RETURN_IF_ERROR(staged_close(&f, status, c->err));
    }
    return SIMILE_OK;
}

/* Opens what was written. Where no number was rounded it has to be the same model. */
static simile_status check_result(conversion *c)
{
    const model_watch watch = {go_on, c};
    model *result;
    simile_status status = model_open(c->out.path, NULL, &result, c->err);
    if (status == SIMILE_E_NOMEM) return status;
    if (status) return err_prefix(c->err, SIMILE_E_INTERNAL, "the result of the conversion does not open");
    status = model_digest_watched(result, &watch, c->report->digest, c->err);
    snprintf(c->report->weights_dtype, sizeof c->report->weights_dtype, "%s", model_info(result)->weights_dtype);
    model_close(result);
    c->report->exact = c->worst == NN_EXACT;
    if (!status && c->report->exact && strcmp(c->report->digest, c->report->source_digest) != 0)
        status = refused(c, SIMILE_E_INTERNAL, "what was written is another model");
    return status;
}

static simile_status work(conversion *c)
{
    const model_watch watch = {go_on, c};
    RETURN_IF_ERROR(check_room(c));
    c->doing = "reading";
    RETURN_IF_ERROR(model_digest_watched(c->m, &watch, c->report->source_digest, c->err));
    c->doing = "writing";
    RETURN_IF_ERROR(visit_documents(c, copy_document));
    RETURN_IF_ERROR(write_configs(c));
    RETURN_IF_ERROR(write_words(c));
    RETURN_IF_ERROR(write_weights(c));
    RETURN_IF_ERROR(keep_space(c));
    c->doing = "checking";
    RETURN_IF_ERROR(check_result(c));
    return staging_finish(&c->out, c->err);
}

simile_status model_convert(const model *m, const char *folder, const simile_convert_options *options,
                            simile_convert_report *report, simile_error *err)
{
    conversion c = {.m = m,
                    .in = model_look_inside(m),
                    .options = options,
                    .report = report,
                    .err = err,
                    .out = {.fd = -1},
                    .worst = NN_EXACT};
    *report = (simile_convert_report){0};
    simile_status status = plan(&c);
    if (!status) status = visit_documents(&c, count_document);
    if (!status) status = staging_open(folder, &c.out, err);
    if (!status) status = work(&c);
    report->files = c.out.files;
    report->bytes = c.out.bytes;
    staging_close(&c.out);
    for (int i = 0; i < c.n_plans; i++) {
        tensor_plan_release(&c.plans[i]);
        mem_free(c.folders[i]);
    }
    quantised_list_release(&c.integers);
    return status;
}
