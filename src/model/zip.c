/* SPDX-License-Identifier: Apache-2.0
 * zip.c - see zip.h. Reads the central directory at the end of the file; the local headers, which a writer of streams
 * leaves without sizes, only say where the bytes begin.
 *
 *     end record        50 4b 05 06, 22 bytes and a comment up to the end of the file
 *     ZIP64 locator     50 4b 06 07, 20 bytes right before it, when there is one; points to the ZIP64 end record
 *     central entry     50 4b 01 02, 46 bytes, name, extra fields (id 1: the sizes that 32 bits cannot hold), comment
 *     local header      50 4b 03 04, 30 bytes, name, extra fields, bytes
 *
 * An entry may be compressed, as TorchScript's code is, but is not unpacked. Refused: encryption, several disks,
 * entries that overlap one another or the directory, names that stand twice, that climb ("..") or begin at the root,
 * links, a second folder at the top. Reference: PKWARE, APPNOTE.TXT 6.3.10; pytorch,
 * caffe2/serialize/inline_container.cc.
 *
 * The bytes are hostile. Memory: one zip_entry for each central entry, which has at least 46 bytes in the file. */
#include "model/zip.h"

#include "base/mem.h"

enum { END_SIZE = 22, LOCATOR_SIZE = 20, END64_SIZE = 56, CENTRAL_SIZE = 46, LOCAL_SIZE = 30, MAX_ENTRIES = 200000 };

typedef struct {
    const uint8_t *data;
    size_t len;
    const char *subject;
    simile_error *err;
} reader;

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) | (uint32_t)get16(p + 2) << 16;
}

static uint64_t get64(const uint8_t *p)
{
    return (uint64_t)get32(p) | (uint64_t)get32(p + 4) << 32;
}

static simile_status corrupt(const reader *r, const char *why)
{
    return err_set(r->err, SIMILE_E_CORRUPT, "cannot read '%s': %s", r->subject, why);
}

static simile_status bad_entry(const reader *r, const zip_entry *e, const char *why)
{
    return err_set(r->err, SIMILE_E_CORRUPT, "cannot read '%s': the archive's entry '%.*s' %s", r->subject,
                   (int)(e->name_len < 100 ? e->name_len : 100), e->name, why);
}

/* ---- the directory ---- */

typedef struct {
    uint64_t n, size, begin, end; /* end: nothing of an entry may lie behind it */
} directory;

static simile_status read_end64(const reader *r, size_t locator, directory *d)
{
    const uint64_t at = get64(r->data + locator + 8);
    if (get32(r->data + locator + 4) != 0 || get32(r->data + locator + 16) > 1)
        return corrupt(r, "the archive is spread over several disks");
    if (at > locator || locator - at < END64_SIZE || get32(r->data + at) != 0x06064b50)
        return corrupt(r, "the archive's ZIP64 record is not where its locator says");
    const uint8_t *end = r->data + at;
    if (get64(end + 24) != get64(end + 32)) return corrupt(r, "the archive is spread over several disks");
    *d = (directory){.n = get64(end + 32), .size = get64(end + 40), .begin = get64(end + 48), .end = at};
    return SIMILE_OK;
}

static simile_status find_directory(const reader *r, directory *d)
{
    size_t at = r->len >= END_SIZE ? r->len - END_SIZE : 0;
    const size_t last = at > 65535 ? at - 65535 : 0;
    if (r->len < END_SIZE) return corrupt(r, "the archive is cut short");
    while (get32(r->data + at) != 0x06054b50 || get16(r->data + at + 20) != r->len - at - END_SIZE) {
        if (at == last) return corrupt(r, "the archive is cut short: its directory is missing");
        at--;
    }
    const uint8_t *end = r->data + at;
    if (at >= LOCATOR_SIZE && get32(end - LOCATOR_SIZE) == 0x07064b50) {
        RETURN_IF_ERROR(read_end64(r, at - LOCATOR_SIZE, d));
    } else {
        if (get16(end + 4) != 0 || get16(end + 6) != 0 || get16(end + 8) != get16(end + 10))
            return corrupt(r, "the archive is spread over several disks");
        *d = (directory){.n = get16(end + 10), .size = get32(end + 12), .begin = get32(end + 16), .end = at};
    }
    if (d->begin > d->end || d->size > d->end - d->begin)
        return corrupt(r, "the archive's directory lies beyond the end of the file");
    if (d->n > d->size / CENTRAL_SIZE) return corrupt(r, "the archive's directory is shorter than its entries");
    if (d->n > MAX_ENTRIES)
        return err_set(r->err, SIMILE_E_LIMIT, "cannot read '%s': more than %d entries in the archive", r->subject,
                       MAX_ENTRIES);
    return SIMILE_OK;
}

/* ---- one entry ---- */

typedef struct {
    uint64_t packed, size, header;
} sizes;

/* The extra field 1 holds, in this order, those numbers that are all ones in the entry itself. */
static bool widen_sizes(const uint8_t *extra, size_t len, sizes *s)
{
    uint64_t *const wanted[] = {&s->size, &s->packed, &s->header};
    for (size_t at = 0; at + 4 <= len;) {
        const size_t field = get16(extra + at + 2);
        if (field > len - at - 4) return false;
        if (get16(extra + at) == 1) {
            size_t used = 0;
            for (int i = 0; i < 3; i++) {
                if (*wanted[i] != UINT32_MAX) continue;
                if (field - used < 8) return false;
                *wanted[i] = get64(extra + at + 4 + used);
                used += 8;
            }
            return true;
        }
        at += 4 + field;
    }
    return s->size != UINT32_MAX && s->packed != UINT32_MAX && s->header != UINT32_MAX;
}

static bool climbs(const char *name, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t part = 0;
        while (at + part < len && name[at + part] != '/') part++;
        if (part == 2 && name[at] == '.' && name[at + 1] == '.') return true;
        at += part + 1;
    }
    return name[0] == '/' || memchr(name, '\\', len) || memchr(name, 0, len);
}

static simile_status check_entry(const reader *r, const uint8_t *central, const zip_entry *e)
{
    enum { UNIX = 3, LINK = 0xa000, KIND = 0xf000 };
    if (e->name_len == 0) return corrupt(r, "an entry of the archive has no name");
    if (climbs(e->name, e->name_len)) return bad_entry(r, e, "has a name that leaves the archive");
    if (get16(central + 8) & 0x2041) return bad_entry(r, e, "is encrypted");
    if (central[5] == UNIX && (get32(central + 38) >> 16 & KIND) == LINK) return bad_entry(r, e, "is a link");
    return SIMILE_OK;
}

/* Where the bytes are: behind the local header, whose extra fields are of another length than the directory's. */
static simile_status place_entry(const reader *r, const directory *d, const sizes *s, zip_entry *e)
{
    if (!e->packed && s->size != s->packed) return bad_entry(r, e, "has two sizes");
    if (s->header > d->begin || d->begin - s->header < LOCAL_SIZE)
        return bad_entry(r, e, "begins beyond the end of the data");
    const uint8_t *local = r->data + s->header;
    if (get32(local) != 0x04034b50) return bad_entry(r, e, "has no header where the directory says");
    const uint64_t room = d->begin - s->header - LOCAL_SIZE, names = (uint64_t)get16(local + 26) + get16(local + 28);
    if (names > room || get16(local + 26) != e->name_len || memcmp(local + LOCAL_SIZE, e->name, e->name_len))
        return bad_entry(r, e, "has another name in its header");
    if (s->packed > room - names) return bad_entry(r, e, "is larger than the file");
    e->header = s->header;
    e->begin = s->header + LOCAL_SIZE + names;
    e->end = e->begin + s->packed;
    return SIMILE_OK;
}

static simile_status read_entries(const reader *r, const directory *d, zip_archive *out)
{
    const uint8_t *at = r->data + d->begin;
    uint64_t left = d->size;
    for (uint64_t i = 0; i < d->n; i++) {
        zip_entry *e = &out->entries[out->n];
        if (left < CENTRAL_SIZE || get32(at) != 0x02014b50) return corrupt(r, "the archive's directory is damaged");
        const size_t name = get16(at + 28), extra = get16(at + 30), comment = get16(at + 32);
        if (name + extra + comment > left - CENTRAL_SIZE) return corrupt(r, "the archive's directory is cut short");
        *e = (zip_entry){.name = (const char *)at + CENTRAL_SIZE, .name_len = name, .packed = get16(at + 10) != 0};
        sizes s = {get32(at + 20), get32(at + 24), get32(at + 42)};
        RETURN_IF_ERROR(check_entry(r, at, e));
        if (!widen_sizes(at + CENTRAL_SIZE + name, extra, &s)) return bad_entry(r, e, "has damaged ZIP64 sizes");
        RETURN_IF_ERROR(place_entry(r, d, &s, e));
        if (e->begin < e->end || e->name[name - 1] != '/') out->n++; /* a folder is no entry of its own */
        at += CENTRAL_SIZE + name + extra + comment;
        left -= CENTRAL_SIZE + name + extra + comment;
    }
    return left ? corrupt(r, "the archive's directory has bytes behind its last entry") : SIMILE_OK;
}

/* ---- all of them ---- */

static int by_header(const void *a, const void *b)
{
    const zip_entry *x = a, *y = b;
    return x->header < y->header ? -1 : x->header > y->header;
}

static int compare_names(const char *a, size_t a_len, const char *b, size_t b_len)
{
    const int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order ? order : a_len < b_len ? -1 : a_len > b_len;
}

static int by_name(const void *a, const void *b)
{
    const zip_entry *x = a, *y = b;
    return compare_names(x->name, x->name_len, y->name, y->name_len);
}

static simile_status strip_folder(const reader *r, zip_archive *out)
{
    const zip_entry first = out->entries[0];
    const char *slash = memchr(first.name, '/', first.name_len);
    const size_t folder = slash ? (size_t)(slash - first.name) + 1 : 0;
    if (!folder) return bad_entry(r, &first, "lies in no folder: not an archive of torch");
    for (size_t i = 0; i < out->n; i++) {
        zip_entry *e = &out->entries[i];
        if (e->name_len <= folder || memcmp(e->name, first.name, folder))
            return bad_entry(r, e, "lies in another folder than the first");
        e->name += folder;
        e->name_len -= folder;
    }
    return SIMILE_OK;
}

static simile_status check_all(const reader *r, zip_archive *out)
{
    if (out->n == 0) return corrupt(r, "the archive is empty");
    qsort(out->entries, out->n, sizeof *out->entries, by_header);
    for (size_t i = 1; i < out->n; i++) {
        if (out->entries[i].header < out->entries[i - 1].end)
            return bad_entry(r, &out->entries[i], "overlaps the one before it");
    }
    RETURN_IF_ERROR(strip_folder(r, out));
    qsort(out->entries, out->n, sizeof *out->entries, by_name);
    for (size_t i = 1; i < out->n; i++) {
        if (by_name(&out->entries[i - 1], &out->entries[i]) == 0) return bad_entry(r, &out->entries[i], "stands twice");
    }
    return SIMILE_OK;
}

simile_status zip_read(const uint8_t *data, size_t len, const char *subject, zip_archive *out, simile_error *err)
{
    const reader r = {data, len, subject, err};
    directory d = {0};
    *out = (zip_archive){0};
    RETURN_IF_ERROR(find_directory(&r, &d));
    out->entries = mem_zero_array((size_t)d.n + 1, sizeof *out->entries);
    if (!out->entries) return err_nomem(err);
    simile_status status = read_entries(&r, &d, out);
    if (!status) status = check_all(&r, out);
    if (status) zip_release(out);
    return status;
}

const zip_entry *zip_find(const zip_archive *zip, const char *name, size_t len)
{
    const zip_entry key = {.name = name, .name_len = len};
    return zip->n ? bsearch(&key, zip->entries, zip->n, sizeof key, by_name) : NULL;
}

void zip_release(zip_archive *zip)
{
    mem_free(zip->entries);
    *zip = (zip_archive){0};
}
