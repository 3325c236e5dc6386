/* SPDX-License-Identifier: Apache-2.0
 * space.c - reading, asking and writing simile.json: see space.h.
 *
 * The claims have a fixed size, so that whoever holds them has nothing to give back. One thread writes a file at a
 * time: what two write at once is whole, but one of the two. */
#include "base/space.h"

#include "base/digest.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdio.h>
#include <unistd.h>

#define SPACE_KEY "embedding_space"

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("._/+@-", c));
}

bool space_is_name(const char *text)
{
    size_t n = 0;
    while (n < SPACE_WORD && is_name_character(text[n])) n++;
    return n && n < SPACE_WORD && !text[n] && !digest_is_hex(text);
}

/* ---- claims ---- */

static size_t find(const space_claims *claims, const char *word)
{
    size_t i = 0;
    while (i < claims->n && strcmp(claims->beside[i], word) != 0) i++;
    return i;
}

bool space_holds(const space_claims *claims, const char *word)
{
    return *word && find(claims, word) < claims->n;
}

bool space_belongs(const space_claims *claims, const char *digest_text, const char *name)
{
    return (*name && !strcmp(claims->name, name)) || space_holds(claims, name) || space_holds(claims, digest_text);
}

simile_status space_add(space_claims *claims, const char *word, const char *subject, simile_error *err)
{
    if (!space_is_name(word) && !digest_is_hex(word))
        return err_set(err, SIMILE_E_ARG, "'%.80s' is neither a digest nor a name for a space", word);
    if (space_holds(claims, word)) return SIMILE_OK;
    if (claims->n == SPACE_MAX_CLAIMS)
        return err_set(err, SIMILE_E_LIMIT, "'%s' names %d spaces already", subject, SPACE_MAX_CLAIMS);
    snprintf(claims->beside[claims->n++], SPACE_WORD, "%s", word);
    return SIMILE_OK;
}

bool space_remove(space_claims *claims, const char *word)
{
    const size_t i = find(claims, word);
    if (i == claims->n) return false;
    claims->n--;
    memmove(claims->beside[i], claims->beside[i + 1], (claims->n - i) * SPACE_WORD);
    return true;
}

/* ---- reading ---- */

static simile_status check_keys(json_from from, simile_error *err)
{
    /* jansson iterates over objects that are not const alone */
    for (void *at = json_object_iter((json_t *)(uintptr_t)from.object); at;
         at = json_object_iter_next((json_t *)(uintptr_t)from.object, at)) {
        const char *key = json_object_iter_key(at);
        if (strcmp(key, "name") != 0 && strcmp(key, "compatible_with") != 0)
            return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': \"%.40s\" is no part of a space", from.subject,
                           key);
    }
    return SIMILE_OK;
}

static simile_status read_beside(json_from from, space_claims *out, simile_error *err)
{
    const json_t *list = json_object_get(from.object, "compatible_with"), *item;
    size_t i;
    if (!list) return SIMILE_OK;
    if (!json_is_array(list))
        return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': \"compatible_with\" is not a list", from.subject);
    if (json_array_size(list) > SPACE_MAX_CLAIMS)
        return err_set(err, SIMILE_E_LIMIT, "cannot read '%s': it names more than %d spaces", from.subject,
                       SPACE_MAX_CLAIMS);
    json_array_foreach(list, i, item)
    {
        const char *word = json_string_value(item);
        if (!word || (!space_is_name(word) && !digest_is_hex(word)))
            return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': what it is compatible with is no name or digest",
                           from.subject);
        RETURN_IF_ERROR(space_add(out, word, from.subject, err));
    }
    return SIMILE_OK;
}

static simile_status read_claims(json_from root, space_claims *out, simile_error *err)
{
    json_from from = {.subject = root.subject};
    const char *name = NULL;
    *out = (space_claims){0};
    RETURN_IF_ERROR(json_get_object(root, SPACE_KEY, &from.object, err));
    if (!from.object) return SIMILE_OK;
    RETURN_IF_ERROR(check_keys(from, err));
    RETURN_IF_ERROR(json_get_string(from, "name", &name, err));
    if (name && !space_is_name(name))
        return err_set(err, SIMILE_E_FORMAT, "cannot read '%s': '%.40s' cannot be the name of a space", from.subject,
                       name);
    if (name) snprintf(out->name, sizeof out->name, "%s", name);
    return read_beside(from, out, err);
}

simile_status space_parse(const char *json, size_t len, const char *subject, space_claims *out, simile_error *err)
{
    json_t *root;
    *out = (space_claims){0};
    RETURN_IF_ERROR(json_parse_object(json, len, subject, &root, err));
    const simile_status status = read_claims((json_from){root, subject}, out, err);
    json_decref(root);
    return status;
}

/* The document of a folder; *root stays NULL where there is none. *path is the caller's. */
static simile_status load(const char *folder, char **path, json_t **root, simile_error *err)
{
    *root = NULL;
    *path = path_join(folder, SPACE_FILE);
    if (!*path) return err_nomem(err);
    return file_exists(*path) ? json_read_object(*path, SPACE_MAX_FILE, root, err) : SIMILE_OK;
}

simile_status space_read(const char *folder, space_claims *out, simile_error *err)
{
    char *path;
    json_t *root;
    *out = (space_claims){0};
    simile_status status = load(folder, &path, &root, err);
    if (!status && root) status = read_claims((json_from){root, path}, out, err);
    json_decref(root);
    mem_free(path);
    return status;
}

/* ---- writing ---- */

/* NULL when memory is short. */
static json_t *to_json(const space_claims *claims)
{
    json_t *space = json_object(), *list = json_array();
    bool good = space && list;
    for (size_t i = 0; i < claims->n && good; i++) good = !json_array_append_new(list, json_string(claims->beside[i]));
    if (good && *claims->name) good = !json_object_set_new(space, "name", json_string(claims->name));
    if (good && claims->n) good = !json_object_set(space, "compatible_with", list);
    json_decref(list);
    if (good) return space;
    json_decref(space);
    return NULL;
}

static simile_status render(const char *path, const json_t *root, char **out, size_t *len, simile_error *err)
{
    *len = json_dumpb(root, NULL, 0, JSON_INDENT(1));
    if (*len >= SPACE_MAX_FILE)
        return err_set(err, SIMILE_E_LIMIT, "cannot write '%s': it would be longer than %d bytes", path,
                       SPACE_MAX_FILE);
    char *text = *len ? mem_alloc(*len + 1) : NULL;
    if (!text || json_dumpb(root, text, *len, JSON_INDENT(1)) != *len) {
        mem_free(text);
        return err_nomem(err);
    }
    text[(*len)++] = '\n';
    *out = text;
    return SIMILE_OK;
}

/* Puts claims into a document, or takes them out of it when there are none. */
static simile_status set_claims(json_t *root, const space_claims *claims, simile_error *err)
{
    if (!*claims->name && !claims->n) {
        json_object_del(root, SPACE_KEY);
        return SIMILE_OK;
    }
    return json_object_set_new(root, SPACE_KEY, to_json(claims)) ? err_nomem(err) : SIMILE_OK;
}

simile_status space_text(const char *folder, const space_claims *claims, char **out, size_t *len, simile_error *err)
{
    char *path = NULL;
    json_t *root = NULL;
    *out = NULL;
    *len = 0;
    simile_status status = folder ? load(folder, &path, &root, err) : SIMILE_OK;
    if (!status && !root && !(root = json_object())) status = err_nomem(err);
    if (!status) status = set_claims(root, claims, err);
    if (!status && json_object_size(root)) status = render(path ? path : SPACE_FILE, root, out, len, err);
    json_decref(root);
    mem_free(path);
    return status;
}

simile_status space_write(const char *folder, const space_claims *claims, simile_error *err)
{
    char *text, *path = path_join(folder, SPACE_FILE);
    size_t len;
    if (!path) return err_nomem(err);
    simile_status status = space_text(folder, claims, &text, &len, err);
    if (!status && text)
        status = file_replace(path, text, len, err);
    else if (!status && file_exists(path) && unlink(path))
        status = err_errno(err, "cannot delete '%s'", path);
    mem_free(text);
    mem_free(path);
    return status;
}
