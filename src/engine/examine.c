/* SPDX-License-Identifier: Apache-2.0
 * examine.c - one file of simile_library_add: bytes and their hash, pixels for the network, a thumbnail.
 *
 * A file is read once and decoded once: the hash, the EXIF facts, the network's tensor and the thumbnail all come from
 * that. What cannot be read gets a reason.
 *
 * Threads: any; a job belongs to one at a time. */
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/ingest.h"

#include <errno.h>
#include <stdio.h>

#define MAX_FILE ((size_t)1 << 30) /* bytes; more is no picture that anybody looks at whole */

/* Adds the time since *from to a stage, and begins the next one. */
static void lap(double *seconds, int stage, double *from)
{
    const double now = clock_seconds();
    seconds[stage] += now - *from;
    *from = now;
}

void quarantine(job *j, const char *reason)
{
    j->outcome = OUTCOME_BAD;
    snprintf(j->reason, sizeof j->reason, "%s", reason);
}

/* The decoder's reason without its "cannot read 'picture': ". */
static const char decode_subject[] = "picture";

static void quarantine_undecodable(job *j, const simile_error *why)
{
    char prefix[64];
    const int len = snprintf(prefix, sizeof prefix, "cannot read '%s': ", decode_subject);
    const bool cut = !strncmp(why->message, prefix, (size_t)len);
    quarantine(j, cut ? why->message + len : why->message);
}

/* Without the path, which is in the item anyway and would leave no room for the cause if it is long. */
static void quarantine_unreadable(job *j, const simile_error *why)
{
    simile_error said = {0};
    errno = why->sys_errno;
    if (why->sys_errno) err_errno(&said, "it cannot be read");
    quarantine(j, why->sys_errno ? said.message : "it is not a regular file");
}

void examine_forget(job *j)
{
    mem_free(j->bytes);
    mem_free(j->thumbnail.bytes);
    j->bytes = NULL;
    j->thumbnail = (thumbnail){0};
}

/* ---- reading ---- */

static void read_bytes(const ingest *in, job *j)
{
    simile_error why = {0};
    const simile_status status = file_read(j->file->path, MAX_FILE, &j->bytes, &j->len, &why);
    if (status) j->bytes = NULL;
    if (!status) {
        digest_bytes(j->bytes, j->len, j->item.hash);
        j->item.has_hash = true;
        j->item.size = (int64_t)j->len;
        j->pixel_cost = image_cost(j->bytes, j->len, &in->decoding);
    } else if (status == SIMILE_E_NOMEM) {
        j->outcome = OUTCOME_NO_MEMORY;
    } else if (status == SIMILE_E_NOT_FOUND) {
        j->outcome = OUTCOME_GONE;
    } else if (status == SIMILE_E_LIMIT) {
        quarantine(j, "larger than 1 GiB");
    } else {
        quarantine_unreadable(j, &why);
    }
}

void examine_read(const ingest *in, job *j, double *seconds)
{
    file_facts facts;
    simile_error why = {0};
    double from = clock_seconds();
    j->outcome = OUTCOME_NONE;
    j->item = (catalog_item){.path = j->file->path, .taken = CATALOG_NO_DATE};
    /* The facts are taken before the bytes: a file that changes between the two looks changed next time. */
    const simile_status status = file_stat(j->file->path, &facts, &why);
    j->item.size = facts.size;
    j->item.mtime_ns = facts.mtime_ns;
    if (status == SIMILE_E_NOT_FOUND)
        j->outcome = OUTCOME_GONE;
    else if (status)
        quarantine_unreadable(j, &why);
    else
        read_bytes(in, j);
    lap(seconds, SIMILE_STAGE_READ, &from);
}

/* ---- decoding ---- */

/* One that cannot be made now is made when somebody asks for it. Pictures that are left as stored may lie on their
 * side, as no thumbnail does. */
static void make_thumbnail(const ingest *in, job *j, const image *picture)
{
    simile_error why;
    if (in->options.no_thumbnails || in->options.ignore_orientation) return;
    if (thumbnail_make(picture, j->item.hash, &j->thumbnail, &why))
        log_message(LOG_DETAIL, "no thumbnail of '%s': %s", j->file->path, why.message);
}

static simile_status decode(const ingest *in, job *j, double *seconds, simile_error *why)
{
    image picture;
    double from = clock_seconds();
    simile_status status = image_decode(j->bytes, j->len, decode_subject, &in->decoding, &picture, why);
    mem_free(j->bytes);
    j->bytes = NULL;
    lap(seconds, SIMILE_STAGE_DECODE, &from);
    if (status) return status;
    j->item.width = picture.full_width;
    j->item.height = picture.full_height;
    j->item.taken = picture.taken;
    status = image_prepare(&picture, in->spec, j->pixels, why);
    lap(seconds, SIMILE_STAGE_RESIZE, &from);
    if (!status) make_thumbnail(in, j, &picture);
    image_release(&picture);
    lap(seconds, SIMILE_STAGE_THUMBNAIL, &from);
    return status;
}

void examine_decode(const ingest *in, job *j, double *seconds)
{
    simile_error why = {0};
    const simile_status status = decode(in, j, seconds, &why);
    j->outcome = OUTCOME_PIXELS;
    if (status == SIMILE_E_NOMEM)
        j->outcome = OUTCOME_NO_MEMORY;
    else if (status)
        quarantine_undecodable(j, &why);
}
