/* SPDX-License-Identifier: Apache-2.0
 * curl.c - see curl.h. Called once in a process, by http.c. */
#define HUB_CURL_OWN_NAMES
#include "hub/curl.h"

curl_calls hub_curl;

bool curl_load(void)
{
    static const char *const names[] = {CURL_CALLS(LATE_NAME)};
    /* The second is Debian's build with GnuTLS. */
    return late_load("libcurl.so.4", names, sizeof names / sizeof *names, &hub_curl) ||
           late_load("libcurl-gnutls.so.4", names, sizeof names / sizeof *names, &hub_curl);
}
