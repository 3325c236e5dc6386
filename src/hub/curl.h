/* SPDX-License-Identifier: Apache-2.0
 * curl.h - libcurl, loaded when the network is first needed and not before: it brings thirty other libraries along, and
 * loading them takes 4 ms (base/late.h). */
#ifndef SIMILE_HUB_CURL_H
#define SIMILE_HUB_CURL_H

#include "base/late.h"

#define CURL_DISABLE_TYPECHECK /* it is made of macros with the names of the calls */
#include <curl/curl.h>

#undef curl_easy_setopt /* likewise: they count arguments */

#define CURL_CALLS(CALL)                                                                                               \
    CALL(curl_easy_cleanup)                                                                                            \
    CALL(curl_easy_init)                                                                                               \
    CALL(curl_easy_perform)                                                                                            \
    CALL(curl_easy_reset)                                                                                              \
    CALL(curl_easy_setopt)                                                                                             \
    CALL(curl_easy_strerror)                                                                                           \
    CALL(curl_free)                                                                                                    \
    CALL(curl_global_init)                                                                                             \
    CALL(curl_slist_append)                                                                                            \
    CALL(curl_slist_free_all)                                                                                          \
    CALL(curl_url)                                                                                                     \
    CALL(curl_url_cleanup)                                                                                             \
    CALL(curl_url_get)                                                                                                 \
    CALL(curl_url_set)

typedef struct {
    CURL_CALLS(LATE_MEMBER)
} curl_calls;

/* Filled in by curl_load(). Before that every call in it is NULL. */
extern curl_calls hub_curl;

/* Once in a process. False: libcurl is not there, or lacks one of the calls; the log says which. */
bool curl_load(void);

#ifndef HUB_CURL_OWN_NAMES
#define curl_easy_cleanup   hub_curl.curl_easy_cleanup
#define curl_easy_init      hub_curl.curl_easy_init
#define curl_easy_perform   hub_curl.curl_easy_perform
#define curl_easy_reset     hub_curl.curl_easy_reset
#define curl_easy_setopt    hub_curl.curl_easy_setopt
#define curl_easy_strerror  hub_curl.curl_easy_strerror
#define curl_free           hub_curl.curl_free
#define curl_global_init    hub_curl.curl_global_init
#define curl_slist_append   hub_curl.curl_slist_append
#define curl_slist_free_all hub_curl.curl_slist_free_all
#define curl_url            hub_curl.curl_url
#define curl_url_cleanup    hub_curl.curl_url_cleanup
#define curl_url_get        hub_curl.curl_url_get
#define curl_url_set        hub_curl.curl_url_set
#endif

#endif
