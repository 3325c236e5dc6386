/* SPDX-License-Identifier: Apache-2.0
 * model_api.c - simile_model: finding a model by name, its facts, its identity, its tokens.
 *
 * A name without a slash is looked for in the caller's search path, $SIMILE_MODELS, the user's data folder and the
 * folder of the installation, in this order; a name with a slash is a path. */
#include "base/file.h"
#include "base/mem.h"
#include "engine/internal.h"

#ifndef SIMILE_DATADIR
#define SIMILE_DATADIR "/usr/local/share/simile"
#endif

/* Looks in each of the folders of a list with ':' between them. *out stays NULL when it is in none. */
static simile_status find_in_list(const char *list, const char *name, char **out, simile_error *err)
{
    while (list && *list && !*out) {
        const size_t len = strcspn(list, ":");
        char *path = len ? mem_printf("%.*s/%s", (int)len, list, name) : NULL;
        if (len && !path) return err_nomem(err);
        if (path && file_is_folder(path))
            *out = path;
        else
            mem_free(path);
        list += len + (list[len] == ':');
    }
    return SIMILE_OK;
}

/* The user's own models. */
static simile_status find_in_data_home(const char *name, char **out, simile_error *err)
{
    char *home = path_data_home();
    if (!home) return SIMILE_OK;
    char *path = mem_printf("%s/models/%s", home, name);
    mem_free(home);
    if (!path) return err_nomem(err);
    if (file_is_folder(path))
        *out = path;
    else
        mem_free(path);
    return SIMILE_OK;
}

simile_status find_model(const char *name, const char *search_path, char **out, simile_error *err)
{
    *out = NULL;
    if (!*name) return err_set(err, SIMILE_E_ARG, "the name of the model is empty");
    if (strchr(name, '/')) {
        *out = mem_strdup(name);
        return *out ? SIMILE_OK : err_nomem(err);
    }
    RETURN_IF_ERROR(find_in_list(search_path, name, out, err));
    if (!*out) RETURN_IF_ERROR(find_in_list(getenv("SIMILE_MODELS"), name, out, err));
    if (!*out) RETURN_IF_ERROR(find_in_data_home(name, out, err));
    if (!*out) RETURN_IF_ERROR(find_in_list(SIMILE_DATADIR "/models", name, out, err));
    if (*out) return SIMILE_OK;
    return err_set(err, SIMILE_E_NOT_FOUND, "cannot find the model '%s' in %s%s$SIMILE_MODELS, the data folder or '%s'",
                   name, search_path && *search_path ? search_path : "", search_path && *search_path ? ", " : "",
                   SIMILE_DATADIR "/models");
}

const char *simile_compute_name(int32_t compute)
{
    static const char *const names[] = {[SIMILE_COMPUTE_AUTO] = "auto",
                                        [SIMILE_COMPUTE_F32] = "f32",
                                        [SIMILE_COMPUTE_BF16] = "bf16",
                                        [SIMILE_COMPUTE_INT8] = "int8"};
    return compute >= SIMILE_COMPUTE_AUTO && compute <= SIMILE_COMPUTE_INT8 ? names[compute] : NULL;
}

static simile_status open_one(const char *name, const char *search_path, const model_options *how, simile_model **out,
                              simile_error *err)
{
    char *directory;
    *out = NULL;
    RETURN_IF_ERROR(find_model(name, search_path, &directory, err));
    simile_model *handle = mem_new(simile_model);
    simile_status status = handle ? SIMILE_OK : err_nomem(err);
    if (handle) pthread_mutex_init(&handle->lock, NULL);
    if (!status) status = model_open(directory, how, &handle->m, err);
    if (!status) status = claims_read(handle, err);
    if (!status) handle->digest_place = digest_place(handle->m);
    if (!status && !recall_model_digest(handle->m, handle->digest_place, handle->digest)) handle->digest[0] = 0;
    mem_free(directory);
    if (status)
        simile_model_close(handle);
    else
        *out = handle;
    return status;
}

/* A model that is to read its own texts needs no second copy of itself. */
static simile_status open_reader(simile_model *sees, const simile_model_options *opt, simile_error *err)
{
    simile_model *reader;
    const model_options how = {.compute = opt->compute};
    RETURN_IF_ERROR(open_one(opt->text_model, opt->search_path, &how, &reader, err));
    if (strcmp(model_info(sees->m)->directory, model_info(reader->m)->directory) != 0)
        return pair_models(sees, reader, opt->force_pairing != 0, err);
    simile_model_close(reader);
    return SIMILE_OK;
}

simile_status simile_model_open(const char *name, const simile_model_options *options, simile_model **out,
                                simile_error *err)
{
    if (!out) return err_set(err, SIMILE_E_ARG, "no place for the model was given");
    *out = NULL;
    simile_model_options opt;
    if (!name) return err_set(err, SIMILE_E_ARG, "no model was named");
    RETURN_IF_ERROR(options_copy(&opt, sizeof opt, options, err));
    if (opt.image_size < 0) return err_set(err, SIMILE_E_ARG, "the size of pictures is negative");
    if (!simile_compute_name(opt.compute)) return err_set(err, SIMILE_E_ARG, "no such type to compute in");
    const model_options how = {.image_size = opt.image_size, .compute = opt.compute};
    simile_model *handle;
    RETURN_IF_ERROR(open_one(name, opt.search_path, &how, &handle, err));
    handle->resized = opt.image_size != 0;
    handle->compute = opt.compute;
    const simile_status status = opt.text_model && *opt.text_model ? open_reader(handle, &opt, err) : SIMILE_OK;
    if (status)
        simile_model_close(handle);
    else
        *out = handle;
    return status;
}

void simile_model_close(simile_model *handle)
{
    if (!handle) return;
    model_close(handle->m);
    pthread_mutex_destroy(&handle->lock);
    mem_free(handle->digest_place);
    mem_free(handle);
}

int64_t simile_model_packed_bytes(const simile_model *handle)
{
    return handle ? model_packed_bytes(handle->m) : 0;
}

const simile_model_info *simile_model_get_info(const simile_model *handle)
{
    return handle ? model_info(handle->m) : NULL;
}

/* The digest is a cache inside an otherwise immutable handle. */
static simile_model *unlocked(const simile_model *handle)
{
    return (simile_model *)(uintptr_t)handle;
}

simile_status simile_model_digest(const simile_model *handle, char out[65], simile_error *err)
{
    if (!handle || !out) return err_set(err, SIMILE_E_ARG, "no model was given");
    simile_model *own = unlocked(handle);
    simile_status status = SIMILE_OK;
    char digest_text[DIGEST_HEX];
    out[0] = 0;
    pthread_mutex_lock(&own->lock);
    if (!own->digest[0]) {
        status = cached_model_digest(own->m, own->digest_place, digest_text, err);
        if (!status) memcpy(own->digest, digest_text, sizeof digest_text);
    }
    if (!status) memcpy(out, own->digest, sizeof own->digest);
    pthread_mutex_unlock(&own->lock);
    return status;
}

simile_status simile_tokenize(const simile_model *handle, const char *text, size_t len, int32_t *ids, size_t cap,
                              size_t *n, int *truncated, simile_error *err)
{
    if (!handle || (!text && len) || (!ids && cap) || !n)
        return err_set(err, SIMILE_E_ARG, "no model, text or place for the tokens was given");
    *n = 0;
    if (truncated) *truncated = 0;
    const simile_model_info *info = model_info(handle->m);
    const tokenizer *t = model_tokenizer(handle->m);
    if (!t) return err_set(err, SIMILE_E_UNSUPPORTED, "the model '%s' has no text tower", info->name);
    token_list list = {0};
    RETURN_IF_ERROR(tokenizer_encode(t, text ? text : "", len, (size_t)info->context, &list, err));
    *n = list.n;
    if (truncated) *truncated = list.truncated;
    if (list.n && cap) memcpy(ids, list.ids, (list.n < cap ? list.n : cap) * sizeof *ids);
    mem_free(list.ids);
    return SIMILE_OK;
}
