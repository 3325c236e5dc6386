/* SPDX-License-Identifier: Apache-2.0
 *
 * dates.c - see dates.h. The grammar is that part of ISO 8601 which RFC 3339 and people use; strptime is not asked,
 * because it takes blanks and signs where none belong. Threads: all functions are pure. */
#include "dates.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const int64_t first_moment = -62167219200, last_moment = 253402300799;

/* n digits; *at moves behind them. */
static bool digits(const char **at, int n, int *out)
{
    *out = 0;
    for (int i = 0; i < n; i++, (*at)++) {
        if (**at < '0' || **at > '9') return false;
        *out = *out * 10 + (**at - '0');
    }
    return true;
}

/* A sign and n digits: "-05". */
static bool signed_digits(const char **at, char sign, int n, int *out)
{
    return *(*at)++ == sign && digits(at, n, out);
}

/* The longest of year, year-month and year-month-day that stands at *at. *parts: how many of the three. */
static bool take_day(const char **at, int64_t *out, int *parts)
{
    int year, month = 1, day = 1;
    *parts = 1;
    if (!digits(at, 4, &year)) return false;
    if (**at == '-') {
        if (!signed_digits(at, '-', 2, &month)) return false;
        ++*parts;
    }
    if (*parts == 2 && **at == '-') {
        if (!signed_digits(at, '-', 2, &day)) return false;
        ++*parts;
    }
    struct tm date = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
    *out = timegm(&date);
    /* timegm carries a 31st of February over into March */
    return date.tm_year == year - 1900 && date.tm_mon == month - 1 && date.tm_mday == day;
}

/* hh:mm, with :ss and a fraction where they stand. */
static bool take_time(const char **at, int64_t *out)
{
    int hour, minute, second = 0;
    if (!digits(at, 2, &hour) || !signed_digits(at, ':', 2, &minute)) return false;
    if (**at == ':') {
        if (!signed_digits(at, ':', 2, &second)) return false;
        if (**at == '.' || **at == ',') {
            const size_t n = strspn(*at + 1, "0123456789");
            if (!n) return false;
            *at += 1 + n;
        }
    }
    *out = hour * 3600 + minute * 60 + second;
    return hour < 24 && minute < 60 && second <= 60; /* a leap second is the next one */
}

/* "Z", "+02:00", "+0200" or nothing: seconds that the clock there is ahead. */
static bool take_offset(const char **at, int64_t *out)
{
    int hour, minute;
    *out = 0;
    if (**at == 'Z' || **at == 'z') {
        ++*at;
        return true;
    }
    if (**at != '+' && **at != '-') return true;
    const int64_t sign = *(*at)++ == '-' ? -1 : 1;
    if (!digits(at, 2, &hour)) return false;
    if (**at == ':') ++*at;
    if (!digits(at, 2, &minute)) return false;
    *out = sign * (hour * 3600 + minute * 60);
    return hour < 24 && minute < 60;
}

bool moment_in_range(int64_t seconds)
{
    return seconds >= first_moment && seconds <= last_moment;
}

bool date_parse(const char *text, int64_t *out)
{
    int parts;
    return take_day(&text, out, &parts) && !*text;
}

static bool parse_seconds(const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    *out = value;
    return !errno && !*end && moment_in_range(value);
}

bool moment_parse(const char *text, int64_t *out)
{
    const char *first = text + (*text == '-');
    const size_t n = strspn(first, "0123456789");
    int64_t day, time, offset;
    int parts;
    if (n && !first[n] && (n != 4 || first != text)) return parse_seconds(text, out);
    if (!take_day(&text, &day, &parts)) return false;
    *out = day;
    if (!*text) return true;
    if (parts < 3 || !strchr("Tt ", *text)) return false;
    text++;
    if (!take_time(&text, &time) || !take_offset(&text, &offset) || *text) return false;
    *out = day + time - offset;
    return moment_in_range(*out);
}

bool moment_text(int64_t seconds, char out[DATE_TEXT])
{
    const time_t t = (time_t)seconds;
    struct tm parts;
    *out = 0;
    if (!moment_in_range(seconds) || !gmtime_r(&t, &parts)) return false;
    char text[80];
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
             parts.tm_hour, parts.tm_min, parts.tm_sec);
    memcpy(out, text, DATE_TEXT - 1);
    out[DATE_TEXT - 1] = 0;
    return true;
}
