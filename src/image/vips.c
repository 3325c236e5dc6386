/* SPDX-License-Identifier: Apache-2.0
 * vips.c - see vips.h. Called once in a process, by image_init(). */
#define IMAGE_VIPS_OWN_NAMES
#include "image/vips.h"

#include <stdio.h>

vips_calls image_vips;

bool vips_load(void)
{
    static const char *const names[] = {VIPS_CALLS(LATE_NAME)};
    char library[48]; /* libtool's rule for what a library is called where it is loaded */
    snprintf(library, sizeof library, "libvips.so.%d", VIPS_LIBRARY_CURRENT - VIPS_LIBRARY_AGE);
    return late_load(library, names, sizeof names / sizeof *names, &image_vips);
}
