/* SPDX-License-Identifier: Apache-2.0
 * utf8.h - reading and writing UTF-8 by hand; tables of Unicode's properties are utf8proc's. */
#ifndef SIMILE_BASE_UTF8_H
#define SIMILE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The code point at *at, which moves behind it. Ill-formed input gives U+FFFD for each maximal part of a sequence, as
 * the Unicode standard (3.9, "substitution of maximal subparts") and Python's errors="replace" do. *at < len. */
uint32_t utf8_next(const char *text, size_t len, size_t *at);

/* Writes the code point (surrogates and values above U+10FFFF as U+FFFD); returns 1 to 4. */
size_t utf8_put(char out[4], uint32_t c);

bool utf8_valid(const char *text, size_t len);

#endif
