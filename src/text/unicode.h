/* SPDX-License-Identifier: Apache-2.0
 * unicode.h - the properties of characters that tokenizers ask for, as the Hugging Face tokenizers library sees them.
 */
#ifndef SIMILE_TEXT_UNICODE_H
#define SIMILE_TEXT_UNICODE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The four classes of regular expressions over \p{L}, \p{N} and \s. */
typedef enum { CLASS_OTHER = 0, CLASS_LETTER = 1, CLASS_NUMBER = 2, CLASS_SPACE = 3 } char_class;
char_class unicode_class(uint32_t c);

/* \w: letters, marks, decimal digits, connectors, joiners and the other alphabetic characters. */
bool unicode_is_word(uint32_t c);

/* Lower case of one character, whatever its neighbours: one or two characters; returns how many. */
size_t unicode_lower(uint32_t c, uint32_t out[2]);

/* Whether valid UTF-8 is in normalization form C for certain; false means that unicode_nfc() must look closer. */
bool unicode_is_nfc(const char *text, size_t len);

/* Appends valid UTF-8 in normalization form C; buf_ok(out) tells success. Time is linear in len. */
void unicode_nfc(const char *text, size_t len, buf *out);
/* The same in form D: decomposed, marks in order. */
void unicode_nfd(const char *text, size_t len, buf *out);

/* For BERT's cleaning, in the version of Unicode that the library keeps to for it: what is removed (controls, formats,
 * private use, NUL and U+FFFD), what is a word of its own, category Mn, and ideographs that stand alone. */
bool unicode_is_dropped(uint32_t c);
bool unicode_is_punctuation(uint32_t c);
bool unicode_is_nonspacing(uint32_t c);
bool unicode_is_han(uint32_t c);

#endif
