/* SPDX-License-Identifier: Apache-2.0
 * scratch.h - a folder for a test, and drawn pictures in it. */
#ifndef SIMILE_TESTS_SCRATCH_H
#define SIMILE_TESTS_SCRATCH_H

extern char scratch[64]; /* /tmp/... */

int scratch_make(void **state); /* cmocka set-up and tear-down of a test */
int scratch_remove(void **state);

/* scratch/NAME; of the last four calls. */
const char *in_scratch(const char *name);
void make_folder(const char *name);             /* in scratch */
void draw(const char *name, unsigned seed);     /* a picture in scratch, PPM */
void draw_many(const char *folder, unsigned n); /* folder/0000.ppm and so on */

#endif
