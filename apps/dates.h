/* SPDX-License-Identifier: Apache-2.0
 * dates.h - moments as people write them, and as programs do. Everything is UTC unless an offset says otherwise. */
#ifndef SIMILE_APPS_DATES_H
#define SIMILE_APPS_DATES_H

#include <stdbool.h>
#include <stdint.h>

enum { DATE_TEXT = 24 };

/* A year, a month or a day, as its first second: "2023", "2023-05", "2023-05-17". */
bool date_parse(const char *text, int64_t *out);
/* That, a moment in ISO 8601 ("2023-05-17T12:00", with ":30.5", "Z" or "+02:00" behind it where wanted; what is less
 * than a second is dropped), or seconds since 1970: digits alone, other than four of them. */
bool moment_parse(const char *text, int64_t *out);
/* "2023-05-17T12:00:00Z". False: the year has not four digits. */
bool moment_text(int64_t seconds, char out[DATE_TEXT]);
/* From year 0 to year 9999: what the functions above give and take. */
bool moment_in_range(int64_t seconds);

#endif
