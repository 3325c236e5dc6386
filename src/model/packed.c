/* SPDX-License-Identifier: Apache-2.0
 * packed.c - see packed.h, which draws the file.
 *
 * A writer needs the memory of one block beside the tower. The blocks are written first and the head at the end, the
 * file is given its time, what was written reaches the disk, and only then is it renamed: what has a head is whole.
 * Full disks and folders that cannot be written to are for the caller to shrug off.
 *
 * Threads: everything here is pure but for the file system; a packed is read-only once it is open. */
#include "model/packed.h"

#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    TOWER_NAME = 16,
    HEAD = 160, /* without the table */
    MAX_BLOCKS = 1 << 16,
    ALIGNMENT = 64,    /* of blocks */
    FIRST_BLOCK = 4096 /* is at a multiple of it */
};
static const char magic[] = "simile packed 1\n";
static const int64_t day_ns = INT64_C(86400000000000), hour_ns = INT64_C(3600000000000);

/* As it lies in the file. */
typedef struct {
    char magic[16];
    uint64_t length, packing;
    uint32_t precision, n;
    int64_t written_ns;
    uint8_t content[DIGEST_SIZE];
    char model[DIGEST_HEX - 1], tower[TOWER_NAME];
} packed_head;
_Static_assert(sizeof(packed_head) == HEAD, "the head is without gaps");

typedef struct {
    uint64_t at, bytes;
} place;

struct packed {
    const uint8_t *data;
    size_t len;
    const place *table;
    size_t n;
};

char *packed_path(const char *folder, const packed_key *key)
{
    return mem_printf("%s/%s-%s-%s-%016llx", folder, key->model, key->tower, nn_precision_name(key->precision),
                      (unsigned long long)key->packing);
}

static uint64_t rounded(uint64_t at, uint64_t to)
{
    return (at + to - 1) / to * to;
}

static uint64_t blocks_begin(size_t n)
{
    return rounded(HEAD + n * sizeof(place) + DIGEST_SIZE, FIRST_BLOCK);
}

/* ---- checking ---- */

static simile_status damaged(const char *subject, simile_error *err)
{
    return err_set(err, SIMILE_E_CORRUPT, "cannot read '%s': damaged", subject);
}

static simile_status check_key(const packed_head *h, const packed_key *key, const char *subject, simile_error *err)
{
    char tower[TOWER_NAME] = {0};
    memcpy(tower, key->tower, strnlen(key->tower, TOWER_NAME - 1));
    if (!memcmp(h->model, key->model, sizeof h->model) && !memcmp(h->tower, tower, sizeof tower) &&
        h->precision == (uint32_t)key->precision && h->packing == key->packing)
        return SIMILE_OK;
    return err_set(err, SIMILE_E_VERSION, "cannot use '%s': it was made for something else", subject);
}

/* Blocks lie one behind the other, with no more than the gaps that their alignment makes. */
static bool table_fits(const place *table, size_t n, uint64_t len)
{
    uint64_t at = blocks_begin(n);
    for (size_t i = 0; i < n; i++) {
        if (table[i].at != at || at > len || table[i].bytes > len - at) return false;
        at = rounded(at + table[i].bytes, ALIGNMENT);
    }
    return at == len;
}

simile_status packed_check(const void *bytes, size_t len, const packed_key *key, const char *subject, simile_error *err)
{
    packed_head h;
    uint8_t sum[DIGEST_SIZE];
    const uint8_t *const data = bytes;
    if (len < sizeof h) return damaged(subject, err);
    memcpy(&h, data, sizeof h);
    if (memcmp(h.magic, magic, sizeof h.magic) != 0 || h.length != len || h.n > MAX_BLOCKS)
        return damaged(subject, err);
    const size_t end = HEAD + h.n * sizeof(place);
    if (blocks_begin(h.n) > len) return damaged(subject, err);
    digest_bytes(data, end, sum);
    if (memcmp(data + end, sum, sizeof sum) != 0) return damaged(subject, err);
    RETURN_IF_ERROR(check_key(&h, key, subject, err));
    return table_fits((const place *)(const void *)(data + HEAD), h.n, len) ? SIMILE_OK : damaged(subject, err);
}

static int64_t time_ns(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

/* A file that has another time than it was given is read once, and believed again if nothing in it has changed. */
static simile_status check_content(const packed *p, int fd, const struct stat *st, const char *path, simile_error *err)
{
    packed_head h;
    uint8_t sum[DIGEST_SIZE];
    const size_t begin = blocks_begin(p->n);
    memcpy(&h, p->data, sizeof h);
    if (time_ns(st->st_mtim) == h.written_ns) return SIMILE_OK;
    digest_bytes(p->data + begin, p->len - begin, sum);
    if (memcmp(sum, h.content, sizeof sum) != 0) return damaged(path, err);
    futimens(fd, (struct timespec[2]){{.tv_nsec = UTIME_NOW}, timespec_of(h.written_ns)});
    return SIMILE_OK;
}

/* ---- opening ---- */

/* The superuser may do as he likes anyway. */
static simile_status check_owner(const struct stat *st, const char *path, simile_error *err)
{
    if (!S_ISREG(st->st_mode)) return err_set(err, SIMILE_E_IO, "cannot read '%s': not a regular file", path);
    if ((st->st_uid != geteuid() && st->st_uid != 0) || (st->st_mode & (S_IWGRP | S_IWOTH)))
        return err_set(err, SIMILE_E_IO, "cannot use '%s': others may write to it", path);
    return SIMILE_OK;
}

/* Which files were not used for long is known by the time of reading; many systems do not keep it up. */
static void mark_used(int fd, const struct stat *st)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (time_ns(now) - time_ns(st->st_atim) > day_ns)
        futimens(fd, (struct timespec[2]){{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}});
}

static simile_status map(packed *p, int fd, const struct stat *st, const char *path, simile_error *err)
{
    p->len = (size_t)st->st_size;
    if (p->len < HEAD) return damaged(path, err);
    if (mem_fault_now()) return err_nomem(err);
    void *const data = mmap(NULL, p->len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) return err_errno(err, "cannot map '%s'", path);
    /* All of it will be read, soon and in order. From a disk that is a stream, not a page at a time. */
    (void)madvise(data, p->len, MADV_WILLNEED);
    p->data = data;
    return SIMILE_OK;
}

static simile_status open_fd(packed *p, int fd, const char *path, const packed_key *key, simile_error *err)
{
    struct stat st;
    if (fstat(fd, &st)) return err_errno(err, "cannot read '%s'", path);
    RETURN_IF_ERROR(check_owner(&st, path, err));
    RETURN_IF_ERROR(map(p, fd, &st, path, err));
    RETURN_IF_ERROR(packed_check(p->data, p->len, key, path, err));
    packed_head h;
    memcpy(&h, p->data, sizeof h);
    p->n = h.n;
    p->table = (const place *)(const void *)(p->data + HEAD);
    RETURN_IF_ERROR(check_content(p, fd, &st, path, err));
    mark_used(fd, &st);
    return SIMILE_OK;
}

simile_status packed_open(const char *path, const packed_key *key, packed **out, simile_error *err)
{
    *out = NULL;
    packed *p = mem_new(packed);
    if (!p) return err_nomem(err);
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const simile_status status = fd < 0 ? err_errno(err, "cannot read '%s'", path) : open_fd(p, fd, path, key, err);
    if (fd >= 0) close(fd);
    if (status)
        packed_close(p);
    else
        *out = p;
    return status;
}

void packed_close(packed *p)
{
    if (!p) return;
    if (p->data) munmap((void *)(uintptr_t)p->data, p->len);
    mem_free(p);
}

size_t packed_count(const packed *p)
{
    return p->n;
}

const void *packed_block(const packed *p, size_t i, size_t *bytes)
{
    *bytes = (size_t)p->table[i].bytes;
    return p->data + p->table[i].at;
}

/* ---- the folder ---- */

typedef struct {
    char *path;
    uint64_t bytes;
    int64_t used_ns;
} cached;

typedef struct {
    const char *model; /* only of this one; NULL: all */
    cached *items;
    size_t n, capacity;
    uint64_t bytes;
    int64_t now_ns;
    bool keeps_list;
} listing;

/* Names that others gave are left alone. A part that is an hour old has lost its writer. */
static bool is_ours(const char *path, bool *part)
{
    const char *const slash = strrchr(path, '/'), *const name = slash ? slash + 1 : path;
    const size_t digits = strspn(name, "0123456789abcdef");
    *part = strstr(name, ".part-") != NULL;
    return digits == DIGEST_HEX - 1 && name[digits] == '-';
}

static int list_file(void *user, const char *path, const file_facts *facts)
{
    listing *l = user;
    struct stat st;
    bool part;
    const char *const slash = strrchr(path, '/');
    if (!is_ours(path, &part) || stat(path, &st)) return 0;
    if (l->model && strncmp(slash + 1, l->model, DIGEST_HEX - 1) != 0) return 0;
    if (part && l->now_ns - facts->mtime_ns > hour_ns) unlink(path);
    l->bytes += (uint64_t)facts->size;
    if (part || !l->keeps_list) return 0;
    if (l->n == l->capacity) {
        const size_t capacity = l->capacity ? 2 * l->capacity : 64;
        cached *items = mem_grow(l->items, capacity, sizeof *items);
        if (!items) return 0;
        l->items = items;
        l->capacity = capacity;
    }
    char *copy = mem_strdup(path);
    if (copy) l->items[l->n++] = (cached){copy, (uint64_t)facts->size, time_ns(st.st_atim)};
    return 0;
}

static void list(const char *folder, listing *l)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    l->now_ns = time_ns(now);
    file_walk(folder, list_file, NULL, l, NULL);
}

static void listing_release(listing *l)
{
    for (size_t i = 0; i < l->n; i++) mem_free(l->items[i].path);
    mem_free(l->items);
}

static int by_use(const void *x, const void *y)
{
    const cached *a = x, *b = y;
    return (a->used_ns > b->used_ns) - (a->used_ns < b->used_ns);
}

/* Whoever has one of them open keeps what is mapped. */
static void evict(const char *folder, const char *keep, uint64_t limit)
{
    listing l = {.keeps_list = true};
    list(folder, &l);
    if (l.n) qsort(l.items, l.n, sizeof *l.items, by_use);
    for (size_t i = 0; i < l.n && l.bytes > limit; i++)
        if (strcmp(l.items[i].path, keep) != 0 && !unlink(l.items[i].path)) l.bytes -= l.items[i].bytes;
    listing_release(&l);
}

uint64_t packed_size(const char *folder, const char *model)
{
    listing l = {.model = model};
    list(folder, &l);
    return l.bytes;
}

uint64_t packed_remove(const char *folder, const char *model)
{
    uint64_t freed = 0;
    listing l = {.model = model, .keeps_list = true};
    list(folder, &l);
    for (size_t i = 0; i < l.n; i++)
        if (!unlink(l.items[i].path)) freed += l.items[i].bytes;
    listing_release(&l);
    return freed;
}

/* ---- writing ---- */

typedef struct {
    int fd;
    const char *path; /* for messages */
    uint64_t at;
    digest content;
} writer;

static simile_status put(writer *w, const void *bytes, size_t len, simile_error *err)
{
    digest_add(&w->content, bytes, len);
    for (size_t done = 0; done < len;) {
        const ssize_t n = pwrite(w->fd, (const char *)bytes + done, len - done, (off_t)(w->at + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return err_errno(err, "cannot write '%s'", w->path);
        done += (size_t)n;
    }
    w->at += len;
    return SIMILE_OK;
}

static simile_status put_blocks(writer *w, const packed_blocks *blocks, const place *table, simile_error *err)
{
    static const uint8_t gap[ALIGNMENT];
    size_t room = 0;
    for (size_t i = 0; i < blocks->n; i++)
        if (table[i].bytes > room) room = (size_t)table[i].bytes;
    void *memory = mem_aligned(room);
    simile_status status = memory ? SIMILE_OK : err_nomem(err);
    for (size_t i = 0; i < blocks->n && !status; i++) {
        const size_t bytes = (size_t)table[i].bytes;
        blocks->make(blocks->user, i, memory);
        status = put(w, memory, bytes, err);
        if (!status) status = put(w, gap, (size_t)(rounded(w->at, ALIGNMENT) - w->at), err);
    }
    mem_free(memory);
    return status;
}

static void fill_head(packed_head *h, const packed_key *key, size_t n, uint64_t length)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *h = (packed_head){.length = length,
                       .packing = key->packing,
                       .precision = (uint32_t)key->precision,
                       .n = (uint32_t)n,
                       .written_ns = time_ns(now) / 1000 * 1000}; /* as exact as any file system */
    memcpy(h->magic, magic, sizeof h->magic);
    memcpy(h->model, key->model, sizeof h->model);
    memcpy(h->tower, key->tower, strnlen(key->tower, TOWER_NAME - 1));
}

/* head: room for [HEAD + the table + its digest]; the table is in it already. */
static simile_status put_all(writer *w, uint8_t *head, const packed_head *facts, const packed_blocks *blocks,
                             simile_error *err)
{
    packed_head h = *facts;
    const size_t end = HEAD + blocks->n * sizeof(place);
    w->at = blocks_begin(blocks->n);
    RETURN_IF_ERROR(put_blocks(w, blocks, (const place *)(const void *)(head + HEAD), err));
    digest_end(&w->content, h.content);
    memcpy(head, &h, sizeof h);
    digest_bytes(head, end, head + end);
    w->at = 0;
    RETURN_IF_ERROR(put(w, head, end + DIGEST_SIZE, err));
    if (ftruncate(w->fd, (off_t)h.length) ||
        futimens(w->fd, (struct timespec[2]){{.tv_nsec = UTIME_NOW}, timespec_of(h.written_ns)}) || fsync(w->fd))
        return err_errno(err, "cannot write '%s'", w->path);
    return SIMILE_OK;
}

/* Beside its place, and then there. */
static simile_status write_file(const char *path, uint8_t *head, const packed_head *facts, const packed_blocks *blocks,
                                simile_error *err)
{
    char *part = mem_printf("%s.part-XXXXXX", path);
    if (!part) return err_nomem(err);
    writer w = {.path = path};
    digest_init(&w.content);
    w.fd = mkostemp(part, O_CLOEXEC); /* nobody else's to read or write */
    simile_status status = w.fd < 0 ? err_errno(err, "cannot write '%s'", path) : put_all(&w, head, facts, blocks, err);
    if (w.fd >= 0) close(w.fd);
    if (!status && rename(part, path)) status = err_errno(err, "cannot write '%s'", path);
    if (status && w.fd >= 0) unlink(part);
    mem_free(part);
    return status;
}

static simile_status check_room(const char *folder, uint64_t bytes, uint64_t limit, simile_error *err)
{
    uint64_t room = 0;
    RETURN_IF_ERROR(file_room(folder, &room, err));
    if (bytes <= limit / 2 && bytes <= room / 2) return SIMILE_OK;
    return err_set(err, SIMILE_E_LIMIT, "%llu bytes are too many for '%s'", (unsigned long long)bytes, folder);
}

simile_status packed_write(const char *path, const packed_key *key, const packed_blocks *blocks, uint64_t limit,
                           simile_error *err)
{
    packed_head h;
    uint64_t at = blocks_begin(blocks->n);
    if (blocks->n > MAX_BLOCKS) return err_set(err, SIMILE_E_LIMIT, "%zu blocks are too many", blocks->n);
    char *folder = path_folder(path);
    uint8_t *head = mem_zero(HEAD + blocks->n * sizeof(place) + DIGEST_SIZE);
    simile_status status = folder && head ? path_make_folders(folder, err) : err_nomem(err);
    if (!status) {
        place *const table = (place *)(void *)(head + HEAD);
        for (size_t i = 0; i < blocks->n; i++) {
            table[i] = (place){at, blocks->bytes(blocks->user, i)};
            at = rounded(at + table[i].bytes, ALIGNMENT);
        }
        fill_head(&h, key, blocks->n, at);
        status = check_room(folder, at, limit, err);
    }
    if (!status) status = write_file(path, head, &h, blocks, err);
    if (!status) evict(folder, path, limit);
    mem_free(head);
    mem_free(folder);
    return status;
}
