/* SPDX-License-Identifier: Apache-2.0
 * space.c - which vectors may stand beside which: pairs of models, declarations, a model and a catalogue.
 *
 * Names are compared first: they cost nothing, while a model's digest reads all of its weights when it is asked for the
 * first time. Only a folder can declare: beside a single file there may lie others that have nothing to do with it.
 *
 * What a folder declares is meant of the model as it was trained. Opened at another size of pictures it sees a little
 * differently, and has another digest: to a catalogue that digest alone counts. Its texts are the same, so that for a
 * pair the names hold. */
#include "base/file.h"
#include "base/mem.h"
#include "engine/internal.h"

_Static_assert((int)SPACE_WORD == (int)SIMILE_SPACE_NAME, "the interface gives room for the longest name");

static bool is_folder(const simile_model *handle)
{
    return file_is_folder(model_info(handle->m)->directory);
}

simile_status claims_read(simile_model *handle, simile_error *err)
{
    return is_folder(handle) ? space_read(model_info(handle->m)->directory, &handle->claims, err) : SIMILE_OK;
}

/* ---- two models ---- */

/* Does the reader declare, or is it, what the image model is? Digests of both are computed only where names and claims
 * do not tell. */
static simile_status declared(const simile_model *sees, const simile_model *reader, bool *yes, simile_error *err)
{
    char own[DIGEST_HEX], other[DIGEST_HEX];
    *yes = space_belongs(&reader->claims, "", sees->claims.name);
    if (*yes) return SIMILE_OK;
    RETURN_IF_ERROR(simile_model_digest(sees, own, err));
    *yes = space_holds(&reader->claims, own);
    if (*yes) return SIMILE_OK;
    RETURN_IF_ERROR(simile_model_digest(reader, other, err));
    *yes = !strcmp(own, other);
    return SIMILE_OK;
}

static simile_status check_declared(const simile_model *sees, const simile_model *reader, simile_error *err)
{
    bool yes = false;
    RETURN_IF_ERROR(declared(sees, reader, &yes, err));
    if (yes) return SIMILE_OK;
    return err_set(err, SIMILE_E_VERSION,
                   "'%.45s' is not declared to read texts for '%.45s': its " SPACE_FILE
                   " does not name that model's space ('simile pair' adds it, --force-pairing goes without)",
                   model_info(reader->m)->name, model_info(sees->m)->name);
}

simile_status reader_fits(const simile_model *sees, const simile_model *reader, bool forced, simile_error *err)
{
    RETURN_IF_ERROR(model_can_pair(sees->m, reader->m, err));
    return forced ? SIMILE_OK : check_declared(sees, reader, err);
}

simile_status pair_models(simile_model *sees, simile_model *reader, bool forced, simile_error *err)
{
    simile_status status = reader_fits(sees, reader, forced, err);
    if (!status) {
        status = model_pair(sees->m, reader->m, err);
        reader->m = NULL; /* it belongs to the pair */
    }
    simile_model_close(reader);
    return status;
}

/* ---- a model and a catalogue ---- */

simile_status model_standing(const simile_model *handle, const catalog_model *there, standing *out, simile_error *err)
{
    char hex[DIGEST_HEX];
    *out = SPACE_OTHER;
    if (there->dim != model_info(handle->m)->dim) return SIMILE_OK;
    if (!handle->resized && space_belongs(&handle->claims, there->digest, there->space)) {
        *out = SPACE_DECLARED;
        return SIMILE_OK;
    }
    RETURN_IF_ERROR(simile_model_digest(handle, hex, err));
    if (!strcmp(hex, there->digest)) *out = SPACE_SAME;
    return SIMILE_OK;
}

/* ---- the public calls ---- */

const char *simile_model_space_name(const simile_model *handle)
{
    return handle && *handle->claims.name ? handle->claims.name : NULL;
}

const char *simile_model_compatible_at(const simile_model *handle, size_t i)
{
    return handle && i < handle->claims.n ? handle->claims.beside[i] : NULL;
}

static simile_status change_claims(space_claims *claims, const char *word, bool undo, bool *changed, simile_error *err)
{
    if (!*word) return SIMILE_OK;
    const bool there = space_holds(claims, word);
    *changed |= there == undo;
    if (!undo) return space_add(claims, word, SPACE_FILE, err);
    space_remove(claims, word);
    return SIMILE_OK;
}

static simile_status check_declarable(const simile_model *handle, const simile_model *other, simile_error *err)
{
    const char *name = model_info(handle->m)->name;
    if (model_info(handle->m)->text_name || model_info(other->m)->text_name)
        return err_set(err, SIMILE_E_ARG, "a pair of models declares nothing, only a single one does");
    RETURN_IF_ERROR(model_can_pair(other->m, handle->m, err));
    if (is_folder(handle)) return SIMILE_OK;
    return err_set(err, SIMILE_E_UNSUPPORTED,
                   "cannot declare a space for the model '%s': it is a single file, and only a folder can hold a '%s'",
                   name, SPACE_FILE);
}

simile_status simile_model_declare(const simile_model *handle, const simile_model *other, int32_t undo,
                                   int32_t *changed, simile_error *err)
{
    char hex[DIGEST_HEX];
    space_claims claims; /* as they are now: another program may have written since the model was opened */
    bool differs = false;
    if (changed) *changed = 0;
    if (!handle || !other) return err_set(err, SIMILE_E_ARG, "no models were given");
    RETURN_IF_ERROR(check_declarable(handle, other, err));
    RETURN_IF_ERROR(simile_model_digest(other, hex, err));
    const char *folder = model_info(handle->m)->directory;
    RETURN_IF_ERROR(space_read(folder, &claims, err));
    RETURN_IF_ERROR(change_claims(&claims, hex, undo != 0, &differs, err));
    RETURN_IF_ERROR(change_claims(&claims, other->claims.name, undo != 0, &differs, err));
    if (differs) RETURN_IF_ERROR(space_write(folder, &claims, err));
    if (changed) *changed = differs;
    return SIMILE_OK;
}
