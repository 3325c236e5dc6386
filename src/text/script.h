/* SPDX-License-Identifier: Apache-2.0
 * script.h - in which script a text is written: the letters alone tell, no model. */
#ifndef SIMILE_TEXT_SCRIPT_H
#define SIMILE_TEXT_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

/* The public numbers are these (simile.h, SIMILE_SCRIPT_...). */
typedef enum {
    SCRIPT_NONE, /* no letter */
    SCRIPT_LATIN,
    SCRIPT_HAN,
    SCRIPT_KANA,
    SCRIPT_HANGUL,
    SCRIPT_CYRILLIC,
    SCRIPT_ARABIC,
    SCRIPT_GREEK,
    SCRIPT_HEBREW,
    SCRIPT_ARMENIAN,
    SCRIPT_GEORGIAN,
    SCRIPT_ETHIOPIC,
    SCRIPT_DEVANAGARI,
    SCRIPT_BENGALI,
    SCRIPT_THAI,
    SCRIPT_OTHER, /* letters of another script */
    SCRIPTS
} script;

/* Of one character; SCRIPT_NONE for what is no letter. */
script script_of(uint32_t c);
/* The one that dominates a text. A character of Han, Kana or Hangul weighs as much as two letters of the others, which
 * spell with more of them; of equals the one that comes first in the list wins. Han beside Kana is Japanese: KANA. */
script script_of_text(const char *text, size_t len);
/* "latin"; never NULL. */
const char *script_name(script s);
/* The one language that is written so, ISO 639-1, as far as the script alone can tell ("zh" for Han); else NULL. */
const char *script_language(script s);

#endif
