/* SPDX-License-Identifier: Apache-2.0
 * page.h - the files of web/, which tools/embed_page.sh puts into the program. */
#ifndef SIMILE_SERVE_PAGE_H
#define SIMILE_SERVE_PAGE_H

#include "serve/http.h"

typedef struct {
    const char *path; /* "/index.html" */
    const unsigned char *bytes, *end;
    const char *digest; /* SHA-256 of it */
} page_file;

extern const page_file page_files[]; /* ends with a zeroed row */
void page_serve(server *s, const request *q, reply *r);

#endif
