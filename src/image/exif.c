/* SPDX-License-Identifier: Apache-2.0
 * exif.c - the orientation and the date out of an EXIF block or a TIFF file.
 *
 * Both are one structure: a header that names the byte order, then directories of 12-byte entries
 *     tag (2)  type (2)  count (4)  value, or its offset when it is longer than 4 bytes (4)
 * Only the first directory and the one that its entry 0x8769 points to are looked at, so there is nothing to loop over
 * and no depth. Read are 0x0112 orientation, 0x0132 DateTime, 0x9003 DateTimeOriginal, 0x0142/0x0143 tile size. A
 * camera without a clock writes blanks or zeros: such a date is absent, not an error. Threads: pure. */
#include "image/parts.h"

#include <string.h>

enum { TAG_ORIENTATION = 0x112, TAG_DATE = 0x132, TAG_TILE_WIDTH = 0x142, TAG_TILE_HEIGHT = 0x143 };
enum { TAG_EXIF = 0x8769, TAG_DATE_ORIGINAL = 0x9003 };
enum { TYPE_ASCII = 2, TYPE_SHORT = 3, TYPE_LONG = 4 };

typedef struct {
    const uint8_t *bytes;
    size_t len;
    bool big_endian;
} tiff_view;

/* 0 when it lies outside. */
static uint32_t get16(const tiff_view *v, size_t at)
{
    if (at > v->len || v->len - at < 2) return 0;
    const uint8_t *p = v->bytes + at;
    return v->big_endian ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}
static uint32_t get32(const tiff_view *v, size_t at)
{
    const uint32_t a = get16(v, at), b = get16(v, at + 2);
    return v->big_endian ? a << 16 | b : b << 16 | a;
}

static bool view_open(const uint8_t *bytes, size_t len, tiff_view *v)
{
    if (len >= 6 && !memcmp(bytes, "Exif\0", 5)) {
        bytes += 6;
        len -= 6;
    }
    if (len < 8) return false;
    *v = (tiff_view){bytes, len, bytes[0] == 'M'};
    return (!memcmp(bytes, "II", 2) || !memcmp(bytes, "MM", 2)) && get16(v, 2) == 42;
}

/* The offset of the entry of a tag in the directory at `at`, 0 when there is none. */
static size_t find_entry(const tiff_view *v, size_t at, uint32_t tag)
{
    const uint32_t n = get16(v, at);
    for (uint32_t i = 0; i < n; i++) {
        const size_t entry = at + 2 + (size_t)i * 12;
        if (entry > v->len || v->len - entry < 12) return 0;
        if (get16(v, entry) == tag) return entry;
    }
    return 0;
}

static uint32_t entry_number(const tiff_view *v, size_t entry)
{
    if (!entry) return 0;
    const uint32_t type = get16(v, entry + 2);
    if (type == TYPE_SHORT) return get16(v, entry + 8);
    return type == TYPE_LONG ? get32(v, entry + 8) : 0;
}

static int64_t entry_date(const tiff_view *v, size_t entry)
{
    if (!entry || get16(v, entry + 2) != TYPE_ASCII) return INT64_MIN;
    const size_t size = get32(v, entry + 4), at = get32(v, entry + 8);
    if (size < 5 || at > v->len || v->len - at < size) return INT64_MIN;
    return exif_date((const char *)v->bytes + at, size);
}

static int digits(const char *text, size_t n)
{
    int value = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9') return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

/* Days from 1970-01-01 in the Gregorian calendar; the year begins in March, so that the leap day is its last. */
static int64_t days_of(int year, int month, int day)
{
    const int y = year - (month <= 2), m = (month + 9) % 12;
    return 365LL * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static int month_days(int year, int month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

int64_t exif_date(const char *text, size_t len)
{
    if (len < 19) return INT64_MIN;
    const int year = digits(text, 4), month = digits(text + 5, 2), day = digits(text + 8, 2);
    const int hour = digits(text + 11, 2), minute = digits(text + 14, 2), second = digits(text + 17, 2);
    if (!strchr(":-/.", text[4]) || text[7] != text[4] || !text[4]) return INT64_MIN;
    if ((text[10] != ' ' && text[10] != 'T') || text[13] != ':' || text[16] != ':') return INT64_MIN;
    if (year < 1800 || month < 1 || month > 12 || day < 1 || day > month_days(year, month)) return INT64_MIN;
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return INT64_MIN;
    return days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
}

exif_facts exif_read(const uint8_t *bytes, size_t len)
{
    exif_facts facts = {1, INT64_MIN};
    tiff_view v;
    if (!view_open(bytes, len, &v)) return facts;
    const size_t first = get32(&v, 4);
    const uint32_t orientation = entry_number(&v, find_entry(&v, first, TAG_ORIENTATION));
    if (orientation >= 1 && orientation <= 8) facts.orientation = (int32_t)orientation;
    const size_t inner = entry_number(&v, find_entry(&v, first, TAG_EXIF));
    if (inner) facts.taken = entry_date(&v, find_entry(&v, inner, TAG_DATE_ORIGINAL));
    if (facts.taken == INT64_MIN) facts.taken = entry_date(&v, find_entry(&v, first, TAG_DATE));
    return facts;
}

uint64_t exif_tile_pixels(const uint8_t *bytes, size_t len)
{
    tiff_view v;
    if (!view_open(bytes, len, &v)) return 0;
    const size_t first = get32(&v, 4);
    return (uint64_t)entry_number(&v, find_entry(&v, first, TAG_TILE_WIDTH)) *
           entry_number(&v, find_entry(&v, first, TAG_TILE_HEIGHT));
}
