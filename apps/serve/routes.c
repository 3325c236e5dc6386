/* SPDX-License-Identifier: Apache-2.0
 *
 * routes.c - the tables of all protocols, and how a path finds its handler.
 *
 * Of several routes that fit, the one with the fewest stars counts: "/v1/items/recent" before "/v1/items/ *". A few
 * dozen rows are compared one by one. Threads: any; nothing changes. */
#include "serve/exchange.h"
#include "serve/listen.h"

#include <stdio.h>
#include <string.h>

const route *const route_tables[] = {
    routes_health,          routes_own,  routes_immich, routes_openai, routes_clip_retrieval,
    routes_clip_as_service, routes_page, NULL,
};

/* The number of stars when the path fits, -1 when not. */
static int stars_in(const char *pattern, const char *path)
{
    int n = 0;
    for (;;) {
        if (*pattern == '*') {
            const size_t len = strcspn(path, "/");
            if (!len) return -1;
            path += len;
            pattern++;
            n++;
        } else if (*pattern != *path) {
            return -1;
        } else if (!*pattern) {
            return n;
        } else {
            pattern++;
            path++;
        }
    }
}

static void cut(const char *pattern, char *path, const char *out[ROUTE_STARS])
{
    for (int n = 0; *pattern; pattern++) {
        if (*pattern != '*') {
            path++;
            continue;
        }
        if (n < ROUTE_STARS) out[n++] = path;
        path += strcspn(path, "/");
        if (*path) *path++ = 0, pattern++;
    }
}

static bool answers(const route *r, const char *method)
{
    return strcmp(r->method, method) == 0 || (strcmp(method, "HEAD") == 0 && strcmp(r->method, "GET") == 0);
}

static void allow_add(char allow[ALLOW_MAX], const char *method)
{
    const size_t len = strlen(allow);
    if (!strstr(allow, method)) snprintf(allow + len, ALLOW_MAX - len, "%s%s", len ? ", " : "", method);
}

const route *route_find(const route *const *tables, const char *method, const char *path, char *stars,
                        const char *out[ROUTE_STARS], char allow[ALLOW_MAX])
{
    const route *best = NULL;
    int fewest = ROUTE_STARS + 1;
    allow[0] = 0;
    for (; *tables; tables++) {
        for (const route *r = *tables; r->path; r++) {
            const int n = stars_in(r->path, path);
            if (n < 0) continue;
            allow_add(allow, r->method);
            if (strcmp(r->method, "GET") == 0) allow_add(allow, "HEAD");
            if (n >= fewest || !answers(r, method)) continue;
            best = r;
            fewest = n;
        }
    }
    if (best) cut(best->path, stars, out);
    return best;
}
