/* SPDX-License-Identifier: Apache-2.0
 *
 * api.c - the routes of the server's own interface, version 1. docs/openapi.json describes each. */
#include "serve/api.h"

const route routes_own[] = {
    {"POST", "/v1/search", api_search, ROUTE_UPLOAD},
    {"GET", "/v1/search", api_search_words, 0},
    {"GET", "/v1/items", api_items, 0},
    {"GET", "/v1/items/*", api_item, 0},
    {"DELETE", "/v1/items/*", api_forget, ROUTE_CHANGES},
    {"GET", "/v1/items/*/thumbnail", api_thumbnail, 0},
    {"GET", "/v1/items/*/original", api_original, 0},
    {"GET", "/v1/items/*/similar", api_similar, 0},
    {"GET", "/v1/facets", api_facets, 0},
    {"GET", "/v1/duplicates", api_duplicates, 0},
    {"POST", "/v1/classify", api_classify, ROUTE_UPLOAD},
    {"POST", "/v1/compare", api_compare, ROUTE_UPLOAD},
    {"GET", "/v1/folders", api_folders, 0},
    {"POST", "/v1/scan", api_scan, 0},
    {"GET", "/v1/jobs", api_jobs, 0},
    {"POST", "/v1/jobs", api_job_start, ROUTE_CHANGES},
    {"GET", "/v1/jobs/*", api_job, 0},
    {"POST", "/v1/jobs/*/pause", api_job_pause, ROUTE_CHANGES},
    {"POST", "/v1/jobs/*/resume", api_job_resume, ROUTE_CHANGES},
    {"POST", "/v1/jobs/*/cancel", api_job_cancel, ROUTE_CHANGES},
    {"GET", "/v1/events", api_events, 0},
    {"GET", "/v1/stats", api_stats, 0},
    {"GET", "/v1/openapi.json", api_description, ROUTE_PUBLIC | ROUTE_ANY_ORIGIN},
    {0},
};
