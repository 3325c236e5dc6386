/* SPDX-License-Identifier: Apache-2.0
 * verify.c - simile_library_verify: is the catalogue whole, and do the pictures still have the bytes that were indexed?
 *
 * Files are read first, as that takes long and can be cancelled; what is wrong with them is noted and then told
 * together with what the catalogue's own check finds, in order of id. Both look at the same moment of the catalogue. */
#include "base/file.h"
#include "base/mem.h"
#include "engine/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

typedef struct {
    int64_t id;
    char *path; /* owned */
    const char *problem;
} file_problem;

typedef struct {
    simile_problem_fn problem;
    simile_progress_fn progress;
    void *user;
    simile_verify_report *report;
    char *block; /* [BLOCK_BYTES] */
    file_problem *found;
    size_t n, capacity, told; /* told: of `found`, already passed on */
    int64_t done, total;
    simile_status status;
    simile_error *err;
} verifier;

enum { BLOCK_BYTES = 1 << 20 };

/* ---- files ---- */

static bool hash_descriptor(int fd, char *block, uint8_t out[DIGEST_SIZE])
{
    digest d;
    digest_init(&d);
    for (;;) {
        const ssize_t n = read(fd, block, BLOCK_BYTES);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        if (n == 0) break;
        digest_add(&d, block, (size_t)n);
    }
    digest_end(&d, out);
    return true;
}

static const char *look_at_file(const verifier *v, const catalog_item *item)
{
    file_facts facts;
    uint8_t hash[DIGEST_SIZE];
    const simile_status status = file_stat(item->path, &facts, NULL);
    if (status == SIMILE_E_NOT_FOUND) return "its file is gone";
    if (status || !facts.is_regular) return "its file cannot be read";
    if (!item->has_hash) return NULL; /* it never could be read */
    const int fd = open(item->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const bool read = fd >= 0 && hash_descriptor(fd, v->block, hash);
    if (fd >= 0) close(fd);
    if (!read) return "its file cannot be read";
    return memcmp(hash, item->hash, DIGEST_SIZE) ? "its file changed since it was indexed" : NULL;
}

static simile_status note(verifier *v, const catalog_item *item, const char *problem)
{
    if (v->n == v->capacity) {
        const size_t capacity = v->capacity ? v->capacity * 2 : 16;
        file_problem *found = mem_grow(v->found, capacity, sizeof *found);
        if (!found) return err_nomem(v->err);
        v->found = found;
        v->capacity = capacity;
    }
    char *path = mem_strdup(item->path);
    if (!path) return err_nomem(v->err);
    v->found[v->n++] = (file_problem){.id = item->id, .path = path, .problem = problem};
    return SIMILE_OK;
}

static int check_file(void *user, const catalog_item *item)
{
    verifier *v = user;
    const char *problem = item->path ? look_at_file(v, item) : NULL;
    if (problem) v->status = note(v, item, problem);
    v->done++;
    if (!v->status && v->progress && v->progress(v->user, v->done, v->total, item->path ? item->path : item->text))
        v->status = err_set(v->err, SIMILE_E_CANCELLED, "cancelled");
    return v->status != SIMILE_OK;
}

/* A damaged row ends the reading of files early; the catalogue's own check names it. */
static simile_status check_files(verifier *v, catalog *c, simile_error *err)
{
    catalog_counts counts;
    simile_error why = {0};
    RETURN_IF_ERROR(catalog_count(c, &counts, err));
    v->total = counts.images + counts.texts + counts.quarantined;
    const simile_status status = catalog_each(c, check_file, v, &why);
    if (v->status) return v->status;
    if (status && status != SIMILE_E_CORRUPT && err) *err = why;
    return status == SIMILE_E_CORRUPT ? SIMILE_OK : status;
}

/* ---- telling ---- */

static void tell(verifier *v, int64_t id, const char *path, const char *problem)
{
    v->report->problems++;
    if (v->problem) v->problem(v->user, id, path, problem);
}

static void tell_files_before(verifier *v, int64_t id)
{
    for (; v->told < v->n && v->found[v->told].id < id; v->told++)
        tell(v, v->found[v->told].id, v->found[v->told].path, v->found[v->told].problem);
}

static void tell_problem(void *user, int64_t id, const char *path, const char *problem)
{
    verifier *v = user;
    tell_files_before(v, id);
    tell(v, id, path, problem);
}

static simile_status run(verifier *v, catalog *c, bool with_files, simile_error *err)
{
    RETURN_IF_ERROR(catalog_read_begin(c, err));
    v->block = with_files ? mem_alloc(BLOCK_BYTES) : NULL;
    if (with_files && !v->block) return err_nomem(err);
    if (v->progress && v->progress(v->user, 0, 0, "")) return err_set(err, SIMILE_E_CANCELLED, "cancelled");
    if (with_files) RETURN_IF_ERROR(check_files(v, c, err));
    RETURN_IF_ERROR(catalog_check(c, tell_problem, v, &v->report->items, err));
    tell_files_before(v, INT64_MAX);
    return SIMILE_OK;
}

simile_status simile_library_verify(simile_library *library, int with_files, simile_problem_fn problem,
                                    simile_progress_fn progress, void *user, simile_verify_report *report,
                                    simile_error *err)
{
    simile_verify_report own = {0};
    catalog *c;
    if (report) *report = own;
    if (!library) return err_set(err, SIMILE_E_ARG, "no catalogue was given");
    verifier v = {.problem = problem, .progress = progress, .user = user, .report = report ? report : &own, .err = err};
    RETURN_IF_ERROR(reader_take(library, &c, err));
    simile_status status = run(&v, c, with_files != 0, err);
    catalog_read_end(c);
    reader_give(library, c, !status);
    if (!status) status = thumbnails_verify(library, tell_problem, &v, err);
    for (size_t i = 0; i < v.n; i++) mem_free(v.found[i].path);
    mem_free(v.found);
    mem_free(v.block);
    return status;
}
