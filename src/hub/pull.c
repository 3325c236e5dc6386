/* SPDX-License-Identifier: Apache-2.0
 * pull.c - a whole pull: the lock, what an earlier one left, the room on the disk, the files, the final name.
 *
 * The model's folder appears by one rename when every file is there and verified. Until then everything lies in
 * NAME.part, which the next pull goes on with. One thread. */
#include "base/file.h"
#include "base/mem.h"
#include "base/space.h"
#include "hub/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SPARE_BYTES = 16 << 20 };

bool pull_wants_stop(void *user)
{
    const pull *p = user;
    const simile_pull_options *o = p->options;
    return o->progress && o->progress(o->user, p->done + p->have, p->total, p->current ? p->current : p->subject);
}

simile_status pull_cancelled(const pull *p, simile_error *err)
{
    return err_set(err, SIMILE_E_CANCELLED, "cannot pull '%s': cancelled; what came so far is kept", p->subject);
}

char *pull_path(const pull *p, const char *file, const char *ending)
{
    return mem_printf("%s/%s%s", p->staging, file, ending);
}

simile_status pull_save_state(const pull *p, simile_error *err)
{
    char *path = pull_path(p, HUB_STATE, "");
    const simile_status status = path ? hub_record_write(path, &p->record, err) : err_nomem(err);
    mem_free(path);
    return status;
}

/* ---- what an earlier pull left ---- */

static void drop(const pull *p, const char *file)
{
    static const char *const endings[] = {"", ".part"};
    for (size_t i = 0; i < 2; i++) {
        char *path = pull_path(p, file, endings[i]);
        if (path) unlink(path);
        mem_free(path);
    }
}

/* Keeps the files that are wanted still, and drops the others. A file has its final name only once it was verified, but
 * only the record says by which checksum. */
static simile_status take_over(pull *p, const hub_record *old, simile_error *err)
{
    for (size_t i = 0; i < old->files.n; i++)
        if (!hub_files_find(&p->record.files, old->files.items[i].path)) drop(p, old->files.items[i].path);
    for (size_t i = 0; i < p->record.files.n; i++) {
        const hub_file *now = &p->record.files.items[i], *was = hub_files_find(&old->files, now->path);
        if (!was || !now->oid[0] || strcmp(now->oid, was->oid) != 0) drop(p, now->path);
    }
    if (!old->partial || !old->etag) return SIMILE_OK;
    p->record.partial = mem_strdup(old->partial);
    p->record.etag = mem_strdup(old->etag);
    return p->record.partial && p->record.etag ? SIMILE_OK : err_nomem(err);
}

static simile_status open_staging(pull *p, simile_error *err)
{
    hub_record old = {0};
    char *state = pull_path(p, HUB_STATE, "");
    if (!state) return err_nomem(err);
    simile_status status = path_make_folders(p->staging, err);
    if (!status && file_exists(state) && hub_record_read(state, &old, NULL)) old = (hub_record){0}; /* unreadable */
    if (!status) status = take_over(p, &old, err);
    hub_record_release(&old);
    mem_free(state);
    p->record.source = mem_strdup(p->source);
    if (!status && !p->record.source) status = err_nomem(err);
    return status ? status : pull_save_state(p, err);
}

/* ---- the room on the disk ---- */

/* Bytes of a wanted file that are in staging: all of them where it is whole. */
static int64_t bytes_there(const pull *p, const hub_file *f, bool *whole)
{
    static const char *const endings[] = {"", ".part"};
    *whole = false;
    for (int i = 0; i < 2; i++) {
        struct stat st;
        char *path = pull_path(p, f->path, endings[i]);
        const bool there = path && !lstat(path, &st) && S_ISREG(st.st_mode);
        mem_free(path);
        if (!there || (i == 0 && f->size >= 0 && st.st_size != f->size)) continue;
        *whole = i == 0;
        return st.st_size;
    }
    return 0;
}

static simile_status check_room(pull *p, simile_error *err)
{
    uint64_t free_bytes;
    int64_t needed = SPARE_BYTES;
    p->total = 0;
    for (size_t i = 0; i < p->record.files.n; i++) {
        bool whole;
        const hub_file *f = &p->record.files.items[i];
        const int64_t there = bytes_there(p, f, &whole);
        if (f->size < 0) continue;
        p->total += f->size; /* at most 256 files of 2^40 bytes */
        if (there < f->size) needed += f->size - there;
    }
    RETURN_IF_ERROR(file_room(p->staging, &free_bytes, err));
    if ((uint64_t)needed <= free_bytes) return SIMILE_OK;
    return err_set(err, SIMILE_E_LIMIT,
                   "cannot pull '%s': %" PRId64 " MB are needed on the disk, %" PRIu64 " MB are free", p->subject,
                   needed / 1000000, free_bytes / 1000000);
}

/* ---- the files ---- */

/* From now on `endpoint` is the server that the token is for, and whose own address may be private. */
static simile_status connect_to(pull *p, const char *endpoint, simile_error *err)
{
    const simile_pull_options *o = p->options;
    const http_options http_opt = {.endpoint = endpoint,
                                   .token = p->token,
                                   .retries = o->retries < 0 ? 0 : o->retries,
                                   .stall_seconds = o->stall_seconds,
                                   .backoff_ms = o->backoff_ms,
                                   .stop = pull_wants_stop,
                                   .user = p};
    http_close(p->h);
    return http_open(&http_opt, &p->h, err);
}

static simile_status fetch_all(pull *p, simile_error *err)
{
    for (size_t i = 0; i < p->record.files.n; i++) {
        bool whole;
        hub_file *f = &p->record.files.items[i];
        const int64_t there = bytes_there(p, f, &whole);
        if (whole) {
            f->size = there;
            p->done += there;
            p->report->resumed += there;
        } else {
            if (p->url) RETURN_IF_ERROR(connect_to(p, pull_url_of(p, f->path), err));
            RETURN_IF_ERROR(pull_file(p, f, err));
        }
        if (pull_wants_stop(p)) return pull_cancelled(p, err);
    }
    p->report->files = (int64_t)p->record.files.n;
    p->report->bytes = p->done;
    return SIMILE_OK;
}

/* ---- the end ---- */

/* Changes the new folder for the old one, which is deleted then. */
static simile_status replace(const pull *p, simile_error *err)
{
    int64_t freed = 0;
    if (!renameat2(AT_FDCWD, p->staging, AT_FDCWD, p->final, RENAME_EXCHANGE))
        return hub_delete(p->staging, &freed, err);
    if (errno != EINVAL && errno != ENOSYS) return err_errno(err, "cannot replace '%s'", p->final);
    RETURN_IF_ERROR(hub_delete(p->final, &freed, err)); /* a file system that cannot exchange */
    return rename(p->staging, p->final) ? err_errno(err, "cannot make '%s'", p->final) : SIMILE_OK;
}

/* What is known of the space of its vectors. */
static simile_status declare_space(const pull *p, simile_error *err)
{
    space_claims claims = {0};
    if (!p->known) return SIMILE_OK;
    const simile_known_model *known = p->known;
    snprintf(claims.name, sizeof claims.name, "%s", known->space ? known->space : known->source);
    if (known->beside) RETURN_IF_ERROR(space_add(&claims, known->beside, SPACE_FILE, err));
    return space_write(p->staging, &claims, err);
}

static simile_status finish(pull *p, const char *models, simile_error *err)
{
    char *record = pull_path(p, HUB_RECORD, ""), *state = pull_path(p, HUB_STATE, "");
    simile_status status = record && state ? SIMILE_OK : err_nomem(err);
    mem_free(p->record.partial);
    mem_free(p->record.etag);
    p->record.partial = p->record.etag = NULL;
    if (!status) status = declare_space(p, err);
    if (!status) status = hub_record_write(record, &p->record, err);
    if (!status && unlink(state)) status = err_errno(err, "cannot delete '%s'", state);
    mem_free(record);
    mem_free(state);
    RETURN_IF_ERROR(status);
    RETURN_IF_ERROR(file_sync_folder(p->staging, err));
    if (file_exists(p->final))
        RETURN_IF_ERROR(replace(p, err));
    else if (rename(p->staging, p->final))
        return err_errno(err, "cannot make '%s'", p->final);
    return file_sync_folder(models, err);
}

/* ---- */

/* Is the name free, or may what has it be replaced? */
static simile_status check_target(const pull *p, simile_error *err)
{
    if (!file_exists(p->final)) return SIMILE_OK;
    if (!p->options->replace)
        return err_set(err, SIMILE_E_EXISTS, "cannot pull '%s': '%s' is there already", p->subject, p->final);
    return hub_check_deletable(p->final, err);
}

static simile_status work(pull *p, const char *models, simile_error *err)
{
    RETURN_IF_ERROR(check_target(p, err));
    if (!p->offline && !p->url) RETURN_IF_ERROR(connect_to(p, p->endpoint, err));
    RETURN_IF_ERROR(pull_list(p, err));
    RETURN_IF_ERROR(open_staging(p, err));
    RETURN_IF_ERROR(check_room(p, err));
    RETURN_IF_ERROR(fetch_all(p, err));
    return finish(p, models, err);
}

static void fill_report(const pull *p)
{
    simile_pull_report *r = p->report;
    if (p->name) snprintf(r->name, sizeof r->name, "%s", p->name);
    if (p->source) snprintf(r->source, sizeof r->source, "%s", p->source);
    if (p->final) snprintf(r->directory, sizeof r->directory, "%s", p->final);
}

static void release(pull *p)
{
    http_close(p->h);
    hub_record_release(&p->record);
    if (p->token) explicit_bzero(p->token, strlen(p->token));
    char *const all[] = {p->name,   p->subject,  p->repo,  p->revision, p->url,   p->url_file, p->words_url,
                         p->source, p->endpoint, p->token, p->cache,    p->final, p->staging};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) mem_free(all[i]);
}

simile_status hub_pull(const char *what, const char *models, const simile_pull_options *options,
                       simile_pull_report *report, simile_error *err)
{
    simile_pull_report unseen;
    pull p = {.options = options, .report = report ? report : &unseen};
    hub_lock lock = {.fd = -1};
    *p.report = (simile_pull_report){0};
    simile_status status = pull_source(&p, what, models, err);
    if (!status) status = path_make_folders(models, err);
    if (!status) status = hub_lock_take(models, p.name, &lock, err);
    if (!status) status = work(&p, models, err);
    fill_report(&p);
    hub_lock_give(&lock);
    release(&p);
    return status;
}
