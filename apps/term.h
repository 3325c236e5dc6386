/* SPDX-License-Identifier: Apache-2.0
 * term.h - what a terminal can do, and what must never reach one. */
#ifndef SIMILE_APPS_TERM_H
#define SIMILE_APPS_TERM_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { COLOUR_NONE = 0, COLOUR_BOLD = 1, COLOUR_DIM = 2, COLOUR_GREEN = 32, COLOUR_CYAN = 36 };

bool term_colours(void);  /* stdout is a terminal, it is not "dumb", and NO_COLOR is unset or empty */
int term_width(int fd);   /* columns; 80 where nobody knows */
bool term_pictures(void); /* can stdout show pictures in line? */

/* Text in a colour, if term_colours(). */
void term_colour(buf *out, int colour, const char *text);
/* Foreign text for people: on a terminal control characters and invalid UTF-8 become '?', elsewhere it stays as it is.
 */
void term_text(buf *out, const char *text);
/* The picture file itself, for the terminal to draw, at most `rows` lines high. False: the file could not be read. */
bool term_picture(buf *out, const char *path, int rows);

void term_count(char out[32], int64_t n); /* 12345 as "12,345" */

#endif
