/* SPDX-License-Identifier: Apache-2.0
 * source.c - what a pull is about: the name, the environment, and the list of files, from the server or from the cache
 * that the Hugging Face libraries keep (huggingface_hub: refs/, snapshots/<commit>/, blobs/<checksum>).
 *
 * The revision is turned into a commit first, so that everything that follows is of one state of the repository. */
#include "base/file.h"
#include "base/mem.h"
#include "hub/parts.h"

#include <stdio.h>
#include <strings.h>
#include <unistd.h>

enum { MAX_JSON = 16 << 20, MAX_PAGES = 32, MAX_TOKEN = 4096, PATH_SIZE = 4096 };

/* ---- the environment ---- */

static const char *set_variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static bool is_yes(const char *value)
{
    return value && (strcmp(value, "1") == 0 || strcasecmp(value, "true") == 0 || strcasecmp(value, "yes") == 0 ||
                     strcasecmp(value, "on") == 0);
}

/* The folder of the Hugging Face libraries; *out stays NULL when there can be none. */
static simile_status hf_home(char **out, simile_error *err)
{
    const char *home = set_variable("HOME"), *cache = set_variable("XDG_CACHE_HOME"), *own = set_variable("HF_HOME");
    *out = NULL;
    if (own)
        *out = mem_strdup(own);
    else if (cache)
        *out = path_join(cache, "huggingface");
    else if (home)
        *out = path_join(home, ".cache/huggingface");
    return *out || (!own && !cache && !home) ? SIMILE_OK : err_nomem(err);
}

/* Without the white space around it; anything but printable ASCII could not stand in a header. */
static simile_status take_token(const char *text, const char *where, char **out, simile_error *err)
{
    text += strspn(text, " \t\r\n");
    size_t n = strlen(text);
    while (n && strchr(" \t\r\n", text[n - 1])) n--;
    if (!n) return SIMILE_OK;
    for (size_t i = 0; i < n; i++)
        if (text[i] <= 0x20 || text[i] > 0x7e) return err_set(err, SIMILE_E_ARG, "the token in %s is none", where);
    *out = mem_strndup(text, n);
    return *out ? SIMILE_OK : err_nomem(err);
}

static simile_status find_token(const char *home, char **out, simile_error *err)
{
    const char *text = set_variable("HF_TOKEN"), *named = set_variable("HF_TOKEN_PATH");
    if (text) return take_token(text, "HF_TOKEN", out, err);
    if (!named && !home) return SIMILE_OK;
    char *path = named ? mem_strdup(named) : path_join(home, "token"), *content = NULL;
    size_t len;
    if (!path) return err_nomem(err);
    simile_status status = SIMILE_OK;
    if (file_exists(path)) status = file_read(path, MAX_TOKEN, &content, &len, err);
    if (!status && content) status = take_token(content, path, out, err);
    if (content) explicit_bzero(content, strlen(content));
    mem_free(content);
    mem_free(path);
    return status;
}

static simile_status find_cache(pull *p, const char *home, simile_error *err)
{
    const char *own = set_variable("HF_HUB_CACHE");
    if (!p->repo || (!own && !home)) return SIMILE_OK;
    char *hub = own ? mem_strdup(own) : path_join(home, "hub");
    const char *slash = strchr(p->repo, '/');
    p->cache = hub ? mem_printf("%s/models--%.*s--%s", hub, (int)(slash - p->repo), p->repo, slash + 1) : NULL;
    mem_free(hub);
    return p->cache ? SIMILE_OK : err_nomem(err);
}

static simile_status read_environment(pull *p, simile_error *err)
{
    char *home;
    const char *endpoint = set_variable("HF_ENDPOINT");
    p->offline = is_yes(getenv("HF_HUB_OFFLINE"));
    RETURN_IF_ERROR(hf_home(&home, err));
    simile_status status = p->repo ? find_token(home, &p->token, err) : SIMILE_OK;
    if (!status) status = find_cache(p, home, err);
    mem_free(home);
    RETURN_IF_ERROR(status);
    p->endpoint = mem_strdup(endpoint ? endpoint : "https://huggingface.co");
    if (!p->endpoint) return err_nomem(err);
    for (size_t n = strlen(p->endpoint); n && p->endpoint[n - 1] == '/';) p->endpoint[--n] = 0;
    return SIMILE_OK;
}

/* ---- names ---- */

static bool is_word(const char *text, size_t n)
{
    if (!n || n > 96 || *text == '.' || *text == '-') return false;
    for (size_t i = 0; i < n; i++) {
        const char c = text[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
              c == '-'))
            return false;
    }
    return true;
}

/* "owner/name" or "owner/name@revision" */
static simile_status take_repo(pull *p, const char *what, simile_error *err)
{
    const char *slash = strchr(what, '/'), *at = strchr(what, '@');
    const size_t len = at ? (size_t)(at - what) : strlen(what);
    const char *revision = at ? at + 1 : "main";
    if (!slash || (size_t)(slash - what) >= len || !is_word(what, (size_t)(slash - what)) ||
        !is_word(slash + 1, len - (size_t)(slash + 1 - what)) || !hub_path_is_safe(revision))
        return err_set(err, SIMILE_E_ARG, "'%s' is neither owner/name nor owner/name@revision", what);
    p->repo = mem_strndup(what, len);
    p->revision = mem_strdup(revision);
    p->subject = mem_strndup(what, len);
    return p->repo && p->revision && p->subject ? SIMILE_OK : err_nomem(err);
}

/* ".../<SHA-256>/<file>"; false when a URL is not of that form. */
static bool split_url(const char *url, char sum[HUB_OID], const char **file)
{
    const char *slash = strrchr(url, '/');
    const size_t before = slash ? (size_t)(slash - url) : 0;
    if (before < 66 || url[before - 65] != '/') return false;
    memcpy(sum, url + before - 64, 64);
    sum[64] = 0;
    *file = slash + 1;
    return hub_is_hex(sum, 64);
}

/* OpenAI's weights lie at .../clip/models/<SHA-256>/<name>.pt, their tokenizer somewhere else. $SIMILE_CLIP_BPE may
 * name another place for it, and another file if that place has a checksum in it. */
static simile_status take_words(pull *p, simile_error *err)
{
    static const char models[] = "/clip/models";
    const size_t n = sizeof models - 1, end = strlen(p->url) - strlen(p->url_file) - HUB_OID - 1;
    const char *own = set_variable("SIMILE_CLIP_BPE"), *ending = strrchr(p->url_file, '.'), *file;
    if (end < n || strncmp(p->url + end - n, models, n) != 0 || !ending || strcmp(ending, ".pt") != 0) return SIMILE_OK;
    if (!own || !split_url(own, p->words_sum, &file)) memcpy(p->words_sum, hub_words_sum, sizeof p->words_sum);
    p->words_url = mem_strdup(own ? own : hub_words_url);
    return p->words_url ? SIMILE_OK : err_nomem(err);
}

static simile_status take_url(pull *p, const char *what, simile_error *err)
{
    const char *file;
    if (strlen(what) >= sizeof p->report->source || strpbrk(what, "?# \\") || !split_url(what, p->commit, &file) ||
        !hub_name_is_safe(file))
        return err_set(err, SIMILE_E_ARG, "'%.120s' is no URL that ends in the file's SHA-256 and its name", what);
    p->url = mem_strdup(what);
    p->url_file = mem_strdup(file);
    p->subject = mem_strdup(file);
    return p->url && p->url_file && p->subject ? take_words(p, err) : err_nomem(err);
}

const char *pull_url_of(const pull *p, const char *file)
{
    return strcmp(file, p->url_file) == 0 ? p->url : p->words_url;
}

static const simile_known_model *find_known(const char *name)
{
    const simile_known_model *known;
    for (size_t i = 0; (known = hub_known_at(i)); i++)
        if (strcasecmp(known->name, name) == 0) return known;
    return NULL;
}

/* The one that comes from there: not from another revision, which may hold other weights. */
static const simile_known_model *find_source(const char *source)
{
    const simile_known_model *known;
    for (size_t i = 0; (known = hub_known_at(i)); i++)
        if (strcmp(known->source, source) == 0) return known;
    return NULL;
}

/* The last part of the repository, or the file's name without its ending. */
static char *default_name(const pull *p)
{
    const char *slash = strrchr(p->subject, '/');
    const char *name = slash ? slash + 1 : p->subject, *dot = p->url ? strrchr(name, '.') : NULL;
    return dot && dot > name ? mem_strndup(name, (size_t)(dot - name)) : mem_strdup(name);
}

static simile_status take_name(pull *p, const simile_known_model *known, simile_error *err)
{
    const char *wanted = p->options->name ? p->options->name : known ? known->name : NULL;
    p->name = wanted ? mem_strdup(wanted) : default_name(p);
    if (!p->name) return err_nomem(err);
    if (!hub_name_is_safe(p->name))
        return err_set(err, SIMILE_E_ARG, "'%.80s' cannot be the name of a model here", p->name);
    return SIMILE_OK;
}

static simile_status take_folders(pull *p, const char *models, simile_error *err)
{
    p->final = mem_printf("%s/%s", models, p->name);
    p->staging = mem_printf("%s/%s.part", models, p->name);
    if (!p->final || !p->staging) return err_nomem(err);
    if (strlen(p->staging) >= sizeof p->report->directory)
        return err_set(err, SIMILE_E_LIMIT, "the path of the models folder is too long");
    return SIMILE_OK;
}

simile_status pull_source(pull *p, const char *what, const char *models, simile_error *err)
{
    const simile_known_model *known = find_known(what);
    const char *source = known ? known->source : what;
    p->known = known ? known : find_source(what);
    if (strstr(source, "://"))
        RETURN_IF_ERROR(take_url(p, source, err));
    else if (strchr(source, '/'))
        RETURN_IF_ERROR(take_repo(p, source, err));
    else
        return err_set(err, SIMILE_E_NOT_FOUND, "'%.80s' is neither a known model nor owner/name of the hub", what);
    RETURN_IF_ERROR(take_name(p, known, err));
    RETURN_IF_ERROR(take_folders(p, models, err));
    return read_environment(p, err);
}

/* ---- the list of the server ---- */

simile_status refuse_page(const http_head *head, const char *subject, simile_error *err)
{
    if (strcmp(head->type, "text/html") != 0) return SIMILE_OK;
    return err_set(err, SIMILE_E_FORMAT, "cannot fetch '%s': a web page came in its place", subject);
}

typedef struct {
    const char *subject;
    buf text;
} page;

static simile_status page_prepare(void *user, int64_t *from, const char **etag, simile_error *err)
{
    buf_clear(&((page *)user)->text);
    return SIMILE_OK;
}

static simile_status page_begin(void *user, const http_head *head, bool *again, simile_error *err)
{
    return refuse_page(head, ((page *)user)->subject, err);
}

static simile_status page_data(void *user, const void *bytes, size_t len, simile_error *err)
{
    page *pg = user;
    if (pg->text.len + len > MAX_JSON)
        return err_set(err, SIMILE_E_LIMIT, "cannot fetch '%s': its list of files is too long", pg->subject);
    return buf_append(&pg->text, bytes, len) ? SIMILE_OK : err_nomem(err);
}

static simile_status fetch_page(pull *p, const char *url, page *pg, http_head *head, simile_error *err)
{
    const http_ask ask = {
        .subject = p->subject, .user = pg, .prepare = page_prepare, .begin = page_begin, .data = page_data};
    return http_get(p->h, url, &ask, head, err);
}

/* Everything but letters, digits and "._-~" as %XX. */
static char *escaped(const char *text)
{
    buf out;
    buf_init(&out, PATH_SIZE);
    for (const char *c = text; *c; c++) {
        if (is_word((const char[]){'a', *c}, 2))
            buf_byte(&out, *c);
        else
            buf_printf(&out, "%%%02X", (unsigned char)*c);
    }
    return buf_take(&out, NULL);
}

static simile_status fetch_commit(pull *p, page *pg, http_head *head, simile_error *err)
{
    char *revision = escaped(p->revision);
    char *url = revision ? mem_printf("%s/api/models/%s/revision/%s", p->endpoint, p->repo, revision) : NULL;
    mem_free(revision);
    if (!url) return err_nomem(err);
    simile_status status = fetch_page(p, url, pg, head, err);
    mem_free(url);
    if (!status) status = hub_revision_parse(pg->text.data, pg->text.len, p->subject, p->commit, err);
    return status;
}

/* The pages of the list, each of which names the next. */
static simile_status fetch_tree(pull *p, page *pg, http_head *head, hub_files *all, simile_error *err)
{
    char *url = mem_printf("%s/api/models/%s/tree/%s?recursive=true", p->endpoint, p->repo, p->commit);
    if (!url) return err_nomem(err);
    simile_status status = SIMILE_OK;
    for (int n = 0; !status && url; n++) {
        if (n == MAX_PAGES) {
            status = err_set(err, SIMILE_E_LIMIT, "cannot fetch '%s': its list of files has no end", p->subject);
            break;
        }
        status = fetch_page(p, url, pg, head, err);
        if (!status) status = hub_tree_parse(pg->text.data, pg->text.len, p->subject, all, err);
        char *next = !status && head->next[0] ? http_resolve(url, head->next) : NULL;
        if (!status && head->next[0] && !next)
            status = err_set(err, SIMILE_E_UNSUPPORTED,
                             "cannot fetch '%s': its list goes on at what is no URL of the web", p->subject);
        if (next && !http_same_origin(p->h, next))
            status =
                err_set(err, SIMILE_E_UNSUPPORTED, "cannot fetch '%s': its list goes on at another server", p->subject);
        mem_free(url);
        url = next;
    }
    mem_free(url);
    return status;
}

static simile_status list_online(pull *p, hub_files *all, simile_error *err)
{
    page pg = {.subject = p->subject};
    http_head *head = mem_new(http_head);
    buf_init(&pg.text, MAX_JSON + 1);
    simile_status status = head ? fetch_commit(p, &pg, head, err) : err_nomem(err);
    if (!status) status = fetch_tree(p, &pg, head, all, err);
    buf_release(&pg.text);
    mem_free(head);
    return status;
}

/* ---- the list of the cache ---- */

/* The commit that the cache knows for the revision. */
static simile_status cached_commit(pull *p, simile_error *err)
{
    if (hub_is_hex(p->revision, 40)) {
        memcpy(p->commit, p->revision, 41);
        return SIMILE_OK;
    }
    char *path = p->cache ? mem_printf("%s/refs/%s", p->cache, p->revision) : NULL, *text = NULL;
    size_t len;
    if (p->cache && !path) return err_nomem(err);
    simile_status status = SIMILE_OK;
    if (path && file_exists(path)) status = file_read(path, 256, &text, &len, err);
    if (text) {
        text[strcspn(text, "\r\n ")] = 0;
        if (hub_is_hex(text, 40)) memcpy(p->commit, text, 41);
    }
    mem_free(path);
    mem_free(text);
    if (status || p->commit[0]) return status;
    return err_set(err, SIMILE_E_NOT_FOUND, "cannot pull '%s': HF_HUB_OFFLINE is set, and it is not in the cache",
                   p->subject);
}

typedef struct {
    hub_files *all;
    size_t skip; /* of the path: the snapshot's folder */
    simile_status status;
    simile_error *err;
} snapshot_list;

/* A snapshot consists of links to blobs, whose names are the checksums. */
static int add_cached(void *user, const char *path, const file_facts *facts)
{
    snapshot_list *list = user;
    char target[PATH_SIZE];
    const char *name = path + list->skip, *oid = "";
    const ssize_t n = readlink(path, target, sizeof target - 1);
    if (!hub_path_is_safe(name) || list->all->n >= HUB_MAX_FILES) return 0;
    if (n > 0) {
        target[n] = 0;
        const char *slash = strrchr(target, '/');
        const char *blob = slash ? slash + 1 : target;
        if (hub_is_hex(blob, 64) || hub_is_hex(blob, 40)) oid = blob;
    }
    list->status = hub_files_add(list->all, name, facts->size, oid, list->err);
    return list->status != SIMILE_OK;
}

static simile_status list_cached(pull *p, hub_files *all, simile_error *err)
{
    RETURN_IF_ERROR(cached_commit(p, err));
    char *folder = p->cache ? mem_printf("%s/snapshots/%s", p->cache, p->commit) : NULL;
    if (p->cache && !folder) return err_nomem(err);
    snapshot_list list = {.all = all, .skip = folder ? strlen(folder) + 1 : 0, .err = err};
    simile_status status = folder ? file_walk(folder, add_cached, NULL, &list, err) : SIMILE_OK;
    mem_free(folder);
    if (list.status) return err_nomem(err); /* the walk has put its own sentence there */
    if (!status && !all->n)
        status = err_set(err, SIMILE_E_NOT_FOUND, "cannot pull '%s': HF_HUB_OFFLINE is set, and it is not in the cache",
                         p->subject);
    return status;
}

/* ---- */

/* The tokenizer comes first: should it fail, then before hundreds of megabytes. */
static simile_status list_urls(pull *p, simile_error *err)
{
    if (p->offline) return err_set(err, SIMILE_E_NOT_FOUND, "cannot pull '%s': HF_HUB_OFFLINE is set", p->subject);
    p->source = mem_strdup(p->url);
    if (!p->source) return err_nomem(err);
    if (p->words_url) RETURN_IF_ERROR(hub_files_add(&p->record.files, HUB_WORDS, -1, p->words_sum, err));
    return hub_files_add(&p->record.files, p->url_file, -1, p->commit, err);
}

simile_status pull_list(pull *p, simile_error *err)
{
    hub_files all = {0};
    simile_status status;
    if (p->url) return list_urls(p, err);
    status = p->offline ? list_cached(p, &all, err) : list_online(p, &all, err);
    if (!status) status = hub_choose(&all, p->options->file, p->subject, &p->record.files, err);
    if (!status) {
        p->source = mem_printf("%s@%s", p->repo, p->commit);
        if (!p->source) status = err_nomem(err);
    }
    hub_files_release(&all);
    return status;
}
