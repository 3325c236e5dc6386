/* SPDX-License-Identifier: Apache-2.0
 * mapped.c - rows and codes in a file: see mapped.h.
 *
 *     head       a page: what the file is, and two slots that say how far it is filled
 *     frame      mean [dim], basis [HEAD_MOST, dim]
 *     sums       of each block of BLOCK rows: 8 bytes over what each search reads of it (`near`)
 *     near       ids, bfloat16 layers, heads, signs
 *     far        second bits, high, low, rows
 *
 * Each part begins at a page and has room for `capacity` rows, so that appending moves nothing. Numbers are as this
 * machine has them; one that has them otherwise sees another mark and refuses.
 *
 * A commit writes rows and codes, syncs, then writes the slot that is not in force, syncs. A crash leaves the other
 * slot in force and rows behind its last one that nobody looks at. The sum of the last block, which is not full, is in
 * the slot. What near holds is compared with its sums when a file is opened, which costs less than the first search
 * over it. Far is not: it is as large as the vectors. `simile verify` checks the truth, not this; to be rid of a file
 * that a broken disk damaged, delete it.
 *
 * A mapped file must not become shorter under its readers: nothing here ever cuts one. Room on the disk is reserved
 * before it is written to through a mapping.
 *
 * Threads: a mapped belongs to one thread; its rows and codes may be read by any. */
#include "index/mapped.h"

#include "base/file.h"
#include "base/mem.h"
#include "index/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, BLOCK = 1024, VERSION = 2, ATTEMPTS = 10 };

static const char MAGIC[8] = "SIMILEv";
static const uint32_t MARK = 0x01020304;

typedef struct {
    uint64_t sequence;
    int64_t generation, rewrites, last_id;
    uint64_t n, last_sum, sum; /* last_sum: of the block that is not full; sum: of the slot */
} slot;

typedef struct {
    char magic[8];
    uint32_t mark, version;
    int32_t kind, dim;
    uint64_t capacity, head;
    char owner[MAPPED_OWNER];
    uint64_t sum; /* of all above, and of the frame */
    slot slots[2];
} header;

enum { PARTS = 3 + CODES_LAYERS };

struct mapped {
    uint8_t *at;
    size_t len, capacity, stride, head;
    size_t offsets[PARTS]; /* sums, ids, layers in order, rows */
    mapped_facts facts;
    codes *c;
    int fd;           /* of a file that is written, with the lock; else -1 */
    char *path;       /* of that */
    bool fresh, owns; /* not in its place yet; the mapping is ours */
};

enum { PART_SUMS, PART_IDS, PART_LAYERS, PART_ROWS = PART_LAYERS + CODES_LAYERS };

/* ---- checksums ---- */

/* Four lanes of multiplications, for bytes by the megabyte. No defence against a forger: who can write this file can
 * write the catalogue. */
static uint64_t sum_bytes(const void *bytes, size_t len, uint64_t seed)
{
    static const uint64_t K = UINT64_C(0x9E3779B97F4A7C15);
    uint64_t lanes[4] = {seed ^ K, seed + K, seed ^ len, ~seed};
    const uint8_t *p = bytes;
    for (; len >= 32; len -= 32, p += 32)
        for (int i = 0; i < 4; i++) {
            uint64_t word;
            memcpy(&word, p + 8 * i, 8);
            lanes[i] = (lanes[i] ^ word) * K;
            lanes[i] ^= lanes[i] >> 29;
        }
    for (; len; len--, p++) lanes[len % 4] = (lanes[len % 4] ^ *p) * K + 1;
    uint64_t sum = 0;
    for (int i = 0; i < 4; i++) sum = (sum ^ lanes[i] ^ lanes[i] >> 32) * K;
    return sum ^ sum >> 29;
}

/* ---- where things lie ---- */

static size_t row_bytes(size_t part, size_t dim, size_t stride)
{
    if (part == PART_IDS) return sizeof(int64_t);
    if (part == PART_ROWS) return stride * sizeof(float);
    return codes_layer_bytes(part - PART_LAYERS, dim, HEAD_MOST);
}

/* The parts in the order of the file: near ones first. */
static size_t part_at(size_t place)
{
    static const uint8_t order[PARTS] = {PART_SUMS,
                                         PART_IDS,
                                         PART_LAYERS + LAYER_HEAD_SCALE,
                                         PART_LAYERS + LAYER_HEAD_ERROR,
                                         PART_LAYERS + LAYER_LENGTH,
                                         PART_LAYERS + LAYER_SIGN_ERROR,
                                         PART_LAYERS + LAYER_SECOND_ERROR,
                                         PART_LAYERS + LAYER_SCALE,
                                         PART_LAYERS + LAYER_ERROR_4,
                                         PART_LAYERS + LAYER_ERROR_8,
                                         PART_LAYERS + LAYER_HEAD,
                                         PART_LAYERS + LAYER_SIGNS,
                                         PART_LAYERS + LAYER_SECOND,
                                         PART_LAYERS + LAYER_HIGH,
                                         PART_LAYERS + LAYER_LOW,
                                         PART_ROWS};
    return order[place];
}

enum { NEAR_PARTS = PARTS - 1 - 4 }; /* places 1 to NEAR_PARTS */

static bool add_pages(size_t *at, size_t bytes)
{
    return mem_add(*at, bytes, at) && mem_add(*at, PAGE - 1, at) && (*at = *at / PAGE * PAGE, true);
}

/* False: that is more than there are addresses. */
static bool lay_out(mapped *m, size_t capacity, size_t dim)
{
    size_t at = PAGE, bytes;
    m->capacity = capacity;
    m->stride = (dim + 15) / 16 * 16;
    if (!add_pages(&at, (1 + HEAD_MOST) * dim * sizeof(float))) return false;
    for (size_t place = 0; place < PARTS; place++) {
        const size_t part = part_at(place);
        const size_t each = part == PART_SUMS ? sizeof(uint64_t) : row_bytes(part, dim, m->stride);
        m->offsets[part] = at;
        if (!mem_mul(part == PART_SUMS ? capacity / BLOCK + 1 : capacity + SIGN_ROWS - 1, each, &bytes) ||
            !add_pages(&at, bytes))
            return false;
    }
    m->len = at;
    return at < SIZE_MAX / 2;
}

static header *header_of(const mapped *m)
{
    return (header *)(void *)m->at;
}

static float *frame_of(const mapped *m)
{
    return (float *)(void *)(m->at + PAGE);
}

static void *part_of(const mapped *m, size_t part)
{
    return m->at + m->offsets[part];
}

static uint64_t sum_header(const mapped *m)
{
    const header *h = header_of(m);
    const uint64_t sum = sum_bytes(h, offsetof(header, sum), 1);
    return sum_bytes(frame_of(m), (1 + (size_t)h->head) * (size_t)h->dim * sizeof(float), sum);
}

static uint64_t sum_slot(const slot *s)
{
    return sum_bytes(s, offsetof(slot, sum), 2);
}

static size_t near_row_bytes(const mapped *m, size_t part)
{
    if (part == PART_IDS) return sizeof(int64_t);
    return codes_layer_bytes(part - PART_LAYERS, (size_t)m->facts.dim, m->head);
}

/* Of blocks of rows; of the last one only the rows that are there. */
static uint64_t sum_signs(const mapped *m, size_t first, size_t end, size_t each, uint64_t sum)
{
    const uint8_t *signs = part_of(m, PART_LAYERS + LAYER_SIGNS);
    const size_t whole = end / SIGN_ROWS * SIGN_ROWS;
    sum = sum_bytes(signs + first * each, (whole - first) * each, sum);
    for (size_t j = 0; whole < end && j < each; j++)
        sum = sum_bytes(signs + whole * each + j * SIGN_ROWS, end - whole, sum);
    return sum;
}

static uint64_t sum_block(const mapped *m, size_t first, size_t end)
{
    uint64_t sum = first;
    for (size_t place = 1; place <= NEAR_PARTS; place++) {
        const size_t part = part_at(place), each = near_row_bytes(m, part);
        if (part == PART_LAYERS + LAYER_SIGNS) {
            sum = sum_signs(m, first, end, each, sum);
            continue;
        }
        sum = sum_bytes((uint8_t *)part_of(m, part) + first * each, (end - first) * each, sum);
    }
    return sum;
}

/* ---- reading ---- */

static simile_status doubt(const char *why, simile_error *err)
{
    return err_set(err, SIMILE_E_FORMAT, "the file of vectors is of no use: %s", why);
}

static bool ids_ascend(const int64_t *ids, size_t n, int64_t last)
{
    for (size_t i = 1; i < n; i++)
        if (ids[i] <= ids[i - 1]) return false;
    return !n || (ids[0] > 0 && ids[n - 1] == last);
}

static bool near_is_whole(const mapped *m, uint64_t last_sum, bool summed)
{
    const uint64_t *sums = part_of(m, PART_SUMS);
    for (size_t first = 0; summed && first < m->facts.n; first += BLOCK) {
        const bool full = m->facts.n - first >= BLOCK;
        const size_t end = full ? first + BLOCK : m->facts.n;
        if (sum_block(m, first, end) != (full ? sums[first / BLOCK] : last_sum)) return false;
    }
    return ids_ascend(part_of(m, PART_IDS), m->facts.n, m->facts.last_id);
}

/* 0 or 1, and a copy of it, which is what was summed: somebody may be writing the other one, and then this one. -1:
 * none is whole. */
static int slot_in_force(const header *h, bool summed, slot *out)
{
    int best = -1;
    for (int i = 0; i < 2; i++) {
        const slot s = h->slots[i];
        if ((summed && s.sum != sum_slot(&s)) || (best >= 0 && s.sequence <= out->sequence)) continue;
        best = i;
        *out = s;
    }
    return best;
}

static simile_status read_header(mapped *m, size_t len, bool summed, slot *in_force, simile_error *err)
{
    const header *h = header_of(m);
    if (len < PAGE || memcmp(h->magic, MAGIC, sizeof MAGIC) != 0 || h->mark != MARK || h->version != VERSION)
        return doubt("it is another kind of file", err);
    if (h->dim < 1 || h->dim > CODES_MOST_DIM || h->head > HEAD_MOST || h->capacity > SIZE_MAX / 4)
        return doubt("its numbers are out of range", err);
    if (!lay_out(m, (size_t)h->capacity, (size_t)h->dim) || m->len > len) return doubt("it is cut short", err);
    const slot *const s = in_force;
    if (slot_in_force(h, summed, in_force) < 0 || (summed && h->sum != sum_header(m)) || s->n > h->capacity)
        return doubt("its head is damaged", err);
    m->head = (size_t)h->head;
    m->facts = (mapped_facts){.kind = h->kind,
                              .dim = h->dim,
                              .generation = s->generation,
                              .rewrites = s->rewrites,
                              .last_id = s->last_id,
                              .n = (size_t)s->n};
    memcpy(m->facts.owner, h->owner, sizeof h->owner);
    m->facts.owner[MAPPED_OWNER - 1] = 0;
    return SIMILE_OK;
}

static simile_status make_codes(mapped *m, simile_error *err)
{
    void *layers[CODES_LAYERS];
    for (size_t layer = 0; layer < CODES_LAYERS; layer++) layers[layer] = part_of(m, PART_LAYERS + layer);
    const float *mean = frame_of(m);
    m->c = codes_over(mean, mean + m->facts.dim, m->head, (size_t)m->facts.dim, m->capacity, layers);
    return m->c ? SIMILE_OK : doubt("its mean or its directions are none", err);
}

/* What is about to be read, in few calls instead of a fault for every few pages. */
static void ask_for_near(const mapped *m)
{
#ifdef MADV_POPULATE_READ
    for (size_t place = 1; m->owns && place <= NEAR_PARTS; place++) {
        const size_t part = part_at(place), bytes = m->facts.n * near_row_bytes(m, part);
        if (bytes) (void)madvise(part_of(m, part), bytes, MADV_POPULATE_READ);
    }
#endif
}

static simile_status read_all(mapped *m, size_t len, bool summed, simile_error *err)
{
    slot in_force = {0};
    RETURN_IF_ERROR(read_header(m, len, summed, &in_force, err));
    ask_for_near(m);
    if (!near_is_whole(m, in_force.last_sum, summed)) return doubt("its codes are damaged", err);
    return make_codes(m, err);
}

simile_status mapped_read(void *bytes, size_t len, bool summed, mapped **out, simile_error *err)
{
    *out = NULL;
    mapped *m = mem_new(mapped);
    if (!m) return err_nomem(err);
    *m = (mapped){.at = bytes, .fd = -1};
    const simile_status status = read_all(m, len, summed, err);
    if (status)
        mapped_close(m);
    else
        *out = m;
    return status;
}

/* Maps a file of this length, and reads what it holds unless it is new. */
static simile_status map_file(mapped *m, int fd, size_t len, bool shared, simile_error *err)
{
    void *at = MAP_FAILED;
    if (mem_fault_now())
        errno = ENOMEM;
    else
        at = mmap(NULL, len, PROT_READ | PROT_WRITE, shared ? MAP_SHARED : MAP_PRIVATE | MAP_NORESERVE, fd, 0);
    if (at == MAP_FAILED) return err_errno(err, "cannot map a file of vectors");
    m->at = at;
    m->len = len;
    m->owns = true;
    return SIMILE_OK;
}

simile_status mapped_open(const char *path, mapped **out, simile_error *err)
{
    size_t len = 0;
    *out = NULL;
    const int fd = file_open_regular(path, &len, err);
    if (fd < 0) return doubt("there is none", err);
    mapped *m = mem_new(mapped);
    simile_status status = m ? SIMILE_OK : err_nomem(err);
    if (m) m->fd = -1;
    if (!status && len < PAGE) status = doubt("it is cut short", err);
    if (!status) status = map_file(m, fd, len, false, err);
    if (!status) status = read_all(m, len, true, err);
    if (m && m->owns) m->len = len;
    close(fd);
    if (status)
        mapped_close(m);
    else
        *out = m;
    return status;
}

/* The new file that was not put in its place. */
static void forget_new(const mapped *m)
{
    char *name = m->path ? mem_printf("%s-new", m->path) : NULL;
    if (name) unlink(name);
    mem_free(name);
}

void mapped_close(mapped *m)
{
    if (!m) return;
    codes_free(m->c);
    if (m->owns) munmap(m->at, m->len);
    if (m->fd >= 0 && m->fresh) forget_new(m);
    if (m->fd >= 0) close(m->fd);
    mem_free(m->path);
    mem_free(m);
}

const mapped_facts *mapped_facts_of(const mapped *m)
{
    return &m->facts;
}

size_t mapped_capacity(const mapped *m)
{
    return m->capacity;
}

size_t mapped_stride(const mapped *m)
{
    return m->stride;
}

float *mapped_rows(mapped *m)
{
    return part_of(m, PART_ROWS);
}

int64_t *mapped_ids(mapped *m)
{
    return part_of(m, PART_IDS);
}

codes *mapped_codes(mapped *m)
{
    return m->c;
}

/* ---- writing ---- */

static bool is_file_of_name(int fd, const char *path)
{
    struct stat held, named;
    return !fstat(fd, &held) && !lstat(path, &named) && held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

/* Opens a file for writing and takes its lock. A file that was renamed in between is tried again. */
static simile_status open_locked(const char *path, int flags, int *fd, simile_error *err)
{
    for (int i = 0; i < ATTEMPTS; i++) {
        *fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags, 0666);
        if (*fd < 0) return err_errno(err, "cannot write '%s'", path);
        struct stat facts;
        if (fstat(*fd, &facts) || !S_ISREG(facts.st_mode)) break;
        if (flock(*fd, LOCK_EX | LOCK_NB)) break;
        if (is_file_of_name(*fd, path)) return SIMILE_OK;
        close(*fd);
    }
    if (*fd >= 0) close(*fd);
    *fd = -1;
    return err_set(err, SIMILE_E_BUSY, "cannot write '%s': somebody else does", path);
}

/* Is there nothing yet, or a file of this kind? */
static bool may_replace(const char *path)
{
    struct stat facts;
    char magic[sizeof MAGIC] = "";
    if (lstat(path, &facts)) return errno == ENOENT;
    if (!S_ISREG(facts.st_mode)) return false;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    const bool read_it = fd >= 0 && read(fd, magic, sizeof magic) == (ssize_t)sizeof magic;
    if (fd >= 0) close(fd);
    return read_it && !memcmp(magic, MAGIC, sizeof magic);
}

static simile_status new_file(mapped *m, const char *path, const mapped_facts *facts, size_t capacity,
                              simile_error *err)
{
    m->path = mem_strdup(path);
    char *name = mem_printf("%s-new", path);
    simile_status status = m->path && name ? SIMILE_OK : err_nomem(err);
    if (!status && !may_replace(path))
        status = err_set(err, SIMILE_E_FORMAT, "cannot write '%s': another file is there", path);
    if (!status && !lay_out(m, capacity, (size_t)facts->dim)) status = err_nomem(err);
    const size_t len = m->len;
    if (!status) status = open_locked(name, O_CREAT, &m->fd, err);
    if (!status && ftruncate(m->fd, 0)) status = err_errno(err, "cannot write '%s'", name);
    if (!status && (errno = posix_fallocate(m->fd, 0, (off_t)len)) != 0)
        status = err_errno(err, "cannot write '%s'", name);
    if (!status) status = map_file(m, m->fd, len, true, err);
    mem_free(name);
    return status;
}

simile_status mapped_create(const char *path, const mapped_facts *facts, size_t capacity, mapped **out,
                            simile_error *err)
{
    *out = NULL;
    if (facts->dim < 1 || facts->dim > CODES_MOST_DIM)
        return err_set(err, SIMILE_E_UNSUPPORTED, "vectors of %d numbers are not coded", facts->dim);
    mapped *m = mem_new(mapped);
    if (!m) return err_nomem(err);
    *m = (mapped){.fd = -1, .fresh = true, .facts = *facts};
    m->facts.n = 0;
    const simile_status status = new_file(m, path, facts, capacity, err);
    if (status)
        mapped_close(m);
    else
        *out = m;
    return status;
}

static simile_status extend(mapped *m, const char *path, simile_error *err)
{
    struct stat facts;
    m->path = mem_strdup(path);
    if (!m->path) return err_nomem(err);
    RETURN_IF_ERROR(open_locked(path, 0, &m->fd, err));
    if (fstat(m->fd, &facts) || facts.st_size < PAGE) return doubt("it is cut short", err);
    RETURN_IF_ERROR(map_file(m, m->fd, (size_t)facts.st_size, true, err));
    const simile_status status = read_all(m, (size_t)facts.st_size, true, err);
    m->len = (size_t)facts.st_size;
    RETURN_IF_ERROR(status);
    /* A copy may have holes where nothing is yet; a full disk would kill who writes there through a mapping. */
    errno = posix_fallocate(m->fd, 0, facts.st_size);
    return errno ? err_errno(err, "cannot write '%s'", path) : SIMILE_OK;
}

simile_status mapped_extend(const char *path, mapped **out, simile_error *err)
{
    *out = NULL;
    mapped *m = mem_new(mapped);
    if (!m) return err_nomem(err);
    *m = (mapped){.fd = -1};
    const simile_status status = extend(m, path, err);
    if (status)
        mapped_close(m);
    else
        *out = m;
    return status;
}

simile_status mapped_code(mapped *m, size_t n, pool *threads, simile_error *err)
{
    const size_t dim = (size_t)m->facts.dim;
    codes *model = codes_new(mapped_rows(m), m->stride, n, 0, dim); /* for its mean and its basis */
    if (!model) return err_nomem(err);
    m->head = codes_head(model);
    memcpy(frame_of(m), codes_mean(model), dim * sizeof(float));
    if (m->head) memcpy(frame_of(m) + dim, codes_basis(model), m->head * dim * sizeof(float));
    codes_free(model);
    const simile_status status = make_codes(m, err);
    if (!status) codes_put_rows(m->c, mapped_rows(m), m->stride, 0, n, threads);
    return status;
}

static void write_header(mapped *m)
{
    header *h = header_of(m);
    memset(h, 0, sizeof *h);
    memcpy(h->magic, MAGIC, sizeof MAGIC);
    h->mark = MARK;
    h->version = VERSION;
    h->kind = m->facts.kind;
    h->dim = m->facts.dim;
    h->capacity = m->capacity;
    h->head = m->head;
    memcpy(h->owner, m->facts.owner, sizeof h->owner);
    h->sum = sum_header(m);
}

static void write_sums(mapped *m, size_t from, const mapped_facts *facts, slot *s)
{
    uint64_t *sums = part_of(m, PART_SUMS);
    for (size_t first = from / BLOCK * BLOCK; first < facts->n; first += BLOCK) {
        const bool full = facts->n - first >= BLOCK;
        const uint64_t sum = sum_block(m, first, full ? first + BLOCK : facts->n);
        if (full)
            sums[first / BLOCK] = sum;
        else
            s->last_sum = sum;
    }
}

/* Into the slot that is not in force. */
static void write_slot(mapped *m, const slot *s)
{
    header *h = header_of(m);
    slot before = {0};
    slot *to = &h->slots[slot_in_force(h, true, &before) == 0];
    *to = *s;
    to->sequence = before.sequence + 1;
    to->sum = sum_slot(to);
}

static simile_status put_in_place(mapped *m, simile_error *err)
{
    char *name = mem_printf("%s-new", m->path), *folder = path_folder(m->path);
    simile_status status = name && folder ? SIMILE_OK : err_nomem(err);
    if (!status && rename(name, m->path)) status = err_errno(err, "cannot write '%s'", m->path);
    m->fresh = status != SIMILE_OK;
    if (!status) status = file_sync_folder(folder, err);
    mem_free(name);
    mem_free(folder);
    return status;
}

simile_status mapped_commit(mapped *m, const mapped_facts *facts, simile_error *err)
{
    slot s = {.generation = facts->generation, .rewrites = facts->rewrites, .last_id = facts->last_id, .n = facts->n};
    if (m->fresh) write_header(m);
    write_sums(m, m->facts.n, facts, &s);
    if (msync(m->at, m->len, MS_SYNC)) return err_errno(err, "cannot write '%s'", m->path);
    write_slot(m, &s);
    if (msync(m->at, PAGE, MS_SYNC) || fdatasync(m->fd)) return err_errno(err, "cannot write '%s'", m->path);
    m->facts = *facts;
    return m->fresh ? put_in_place(m, err) : SIMILE_OK;
}
