/* SPDX-License-Identifier: Apache-2.0
 * record.c - what becomes of an examined file in the catalogue.
 *
 * Bytes that are known already are not decoded again: the vector is copied, or, when the file that it belonged to is
 * gone, the item itself moves to the new path. Known is what the catalogue has and what a job before has; both are
 * decided in the order of the files, so that which pictures are encoded, and beside which others, does not depend on
 * who was quicker. An item whose own file changed counts for nothing here, whether that was written already or not.
 *
 * Batches are written in their order, one transaction each. A run that was killed and is started again forms the same
 * batches as one that was not, and both give the same items the same ids. Meanwhile others may have deleted items
 * (library.c, lending), so items are looked up again by their paths.
 *
 * Threads: record_decide() any, one at a time, on the reading connection; the rest the calling one. */
#include "base/mem.h"
#include "engine/ingest.h"

#include <stdio.h>

/* ---- deciding ---- */

typedef struct {
    const ingest *in;
    job *j;
    catalog *c;
    int64_t own;              /* the job's item, no twin of itself */
    const int64_t *rewritten; /* items that do not count */
    size_t n_rewritten;
    bool found, quarantined;
    catalog_item facts; /* numbers only */
    simile_status status;
    simile_error why;
} twin_search;

static bool counts_for_nothing(const twin_search *t, int64_t id)
{
    if (id == t->own) return true;
    for (size_t i = 0; i < t->n_rewritten; i++)
        if (t->rewritten[i] == id) return true;
    return false;
}

/* Takes the first item with the same bytes that has a vector; failing that, the reason of one that could not be read.
 */
static int try_twin(void *user, const catalog_item *item)
{
    twin_search *t = user;
    if (counts_for_nothing(t, item->id)) return 0;
    if (item->status != SIMILE_ITEM_OK) {
        if (!t->quarantined) snprintf(t->j->reason, sizeof t->j->reason, "%s", item->reason ? item->reason : "");
        t->quarantined = true;
        return 0;
    }
    t->status = catalog_get_vector(t->c, item->id, t->j->vector, t->in->dim, &t->why);
    t->found = !t->status;
    t->facts = *item;
    return 1;
}

/* Copies the vector and facts of an item with the same bytes, if there is one. */
static simile_status find_twin(twin_search *t, simile_error *err)
{
    job *j = t->j;
    RETURN_IF_ERROR(catalog_each_hash(t->c, j->item.hash, try_twin, t, err));
    if (t->found) {
        j->item.width = t->facts.width;
        j->item.height = t->facts.height;
        j->item.taken = t->facts.taken;
    }
    /* A damaged vector is no reason to stop: the picture is simply encoded again. */
    if (!t->status || t->status == SIMILE_E_CORRUPT || t->status == SIMILE_E_NOT_FOUND) return SIMILE_OK;
    if (err) *err = t->why;
    return t->status;
}

/* Jobs before this one that are not in the catalogue yet: is one of the same bytes, and whose items count no more? */
static bool look_before(ingest *in, int64_t number, twin_search *t)
{
    bool same = false;
    pthread_mutex_lock(&in->lock);
    for (int64_t i = in->stored; i < number && !same; i++) {
        const job *before = job_at(in, i);
        if (!before->rewrites) continue;
        if (before->id) in->rewritten[t->n_rewritten++] = before->id;
        same = before->item.has_hash && !memcmp(before->item.hash, t->j->item.hash, DIGEST_SIZE);
    }
    pthread_mutex_unlock(&in->lock);
    return same;
}

simile_status record_decide(ingest *in, int64_t number, simile_error *err)
{
    job *j = job_at(in, number);
    twin_search t = {.in = in, .j = j, .c = in->reader, .own = j->id, .rewritten = in->rewritten};
    j->rewrites = j->outcome != OUTCOME_GONE;
    if (j->outcome != OUTCOME_NONE) return SIMILE_OK;
    const bool same = j->had_hash && !memcmp(j->item.hash, j->old_hash, DIGEST_SIZE);
    if (same && (j->was_ok || !in->options.retry_quarantined)) {
        j->rewrites = false;
        j->outcome = OUTCOME_SAME;
    } else if (look_before(in, number, &t)) {
        j->outcome = OUTCOME_TWIN;
    } else {
        RETURN_IF_ERROR(find_twin(&t, err));
        if (t.found) j->outcome = OUTCOME_KNOWN;
    }
    return SIMILE_OK;
}

/* ---- writing ---- */

typedef struct {
    int64_t id;
    bool ok;
} mover;

static int try_mover(void *user, const catalog_item *item)
{
    mover *m = user;
    if (!file_is_gone(item->path)) return 0;
    m->id = item->id;
    m->ok = item->status == SIMILE_ITEM_OK;
    return 1;
}

/* The item with these bytes whose file is gone: what was that file is now this one. */
static simile_status find_mover(const ingest *in, const job *j, mover *out, simile_error *err)
{
    *out = (mover){0};
    if (j->item.id || in->options.keep_missing || !j->item.has_hash) return SIMILE_OK;
    return catalog_each_hash(in->c, j->item.hash, try_mover, out, err);
}

static simile_status write_touched(const ingest *in, const job *j, simile_error *err)
{
    catalog_item item;
    bool found;
    RETURN_IF_ERROR(catalog_find_id(in->c, j->item.id, &item, &found, err));
    if (!found) return err_set(err, SIMILE_E_INTERNAL, "item %lld vanished", (long long)j->item.id);
    item.size = j->item.size;
    item.mtime_ns = j->item.mtime_ns;
    return catalog_put(in->c, &item, NULL, in->dim, true, err);
}

static simile_status write_bad(const ingest *in, job *j, const mover *from, simile_error *err)
{
    log_message(LOG_WARNING, "cannot read '%s': %s", j->file->path, j->reason);
    j->item.status = SIMILE_ITEM_QUARANTINED;
    j->item.reason = j->reason;
    j->item.width = j->item.height = 0;
    if (from->id) j->item.id = from->id;
    return catalog_put(in->c, &j->item, NULL, 0, false, err);
}

static simile_status write_good(const ingest *in, job *j, const mover *from, simile_error *err)
{
    if (from->id) j->item.id = from->id;
    /* A moved item keeps its vector, and the copies that searches hold stay right. */
    const bool keep = from->id && from->ok;
    return catalog_put(in->c, &j->item, keep ? NULL : j->vector, in->dim, keep, err);
}

/* The job with the same bytes is in the catalogue now, unless somebody deleted it in this very moment. */
static simile_status resolve_twin(ingest *in, job *j, simile_error *err)
{
    twin_search t = {.in = in, .j = j, .c = in->c, .own = j->item.id};
    RETURN_IF_ERROR(find_twin(&t, err));
    if (t.found) {
        j->outcome = OUTCOME_VECTOR;
        return SIMILE_OK;
    }
    if (t.quarantined) {
        j->outcome = OUTCOME_BAD;
        return SIMILE_OK;
    }
    const int64_t id = j->item.id;
    RETURN_IF_ERROR(stages_work_alone(in, j, err));
    j->item.id = id;
    return SIMILE_OK;
}

/* The item that has this path now. */
static simile_status find_item(const ingest *in, job *j, simile_error *err)
{
    catalog_item there;
    bool found = false;
    if (j->id) RETURN_IF_ERROR(catalog_find_path(in->c, j->file->path, &there, &found, err));
    j->item.id = found ? there.id : 0;
    return SIMILE_OK;
}

static simile_status write_job(ingest *in, job *j, simile_add_report *r, simile_error *err)
{
    mover from;
    RETURN_IF_ERROR(find_item(in, j, err));
    if (j->outcome == OUTCOME_TWIN) RETURN_IF_ERROR(resolve_twin(in, j, err));
    if (j->outcome == OUTCOME_GONE) {
        j->file->gone = true;
        return SIMILE_OK;
    }
    r->bytes += j->item.has_hash ? j->item.size : 0;
    if (j->outcome == OUTCOME_SAME) {
        r->unchanged++;
        return j->item.id ? write_touched(in, j, err) : SIMILE_OK;
    }
    RETURN_IF_ERROR(find_mover(in, j, &from, err));
    if (j->outcome == OUTCOME_BAD) {
        r->quarantined++;
        return write_bad(in, j, &from, err);
    }
    ++*(from.id ? &r->moved : j->item.id ? &r->updated : &r->added);
    return write_good(in, j, &from, err);
}

/* Keeps the thumbnails of what was just written; those that are not kept are made when somebody asks for them. */
static void keep_thumbnails(ingest *in, size_t n)
{
    size_t made = 0;
    thumbnail *list = mem_array(n, sizeof *list);
    for (size_t i = 0; list && i < n; i++) {
        const job *j = job_at(in, in->stored + (int64_t)i);
        if (j->thumbnail.bytes && j->outcome == OUTCOME_VECTOR) list[made++] = j->thumbnail;
    }
    thumbnails_keep(in->library, list, made);
    mem_free(list);
}

/* The report counts what was committed. */
simile_status record_batch(ingest *in, size_t n, simile_error *err)
{
    simile_add_report r = *in->report;
    simile_status status = catalog_begin(in->c, err);
    for (size_t i = 0; i < n && !status; i++) status = write_job(in, job_at(in, in->stored + (int64_t)i), &r, err);
    if (!status) status = catalog_commit(in->c, err);
    if (!status) *in->report = r;
    catalog_rollback(in->c);
    if (!status) keep_thumbnails(in, n);
    return status;
}
