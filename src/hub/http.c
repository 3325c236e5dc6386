/* SPDX-License-Identifier: Apache-2.0
 * http.c - see http.h. One libcurl easy handle a session, one request at a time; the caller's thread alone.
 *
 * A proxy: which one is taken for a URL is decided here, by the environment variables that libcurl itself reads,
 * because the address check has to know. Through a proxy we connect to the proxy, whose address may well be private,
 * and names are resolved by it: then only what the URL itself says can be checked. */
#include "hub/http.h"

#include "base/buf.h"
#include "base/mem.h"
#include "hub/curl.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

enum {
    MAX_REDIRECTS = 10,
    MAX_HEADER_BYTES = 256 << 10,
    MAX_ERROR_BODY = 64 << 10,
    MAX_WAIT_SECONDS = 120,
    CONNECT_SECONDS = 30,
    PROGRESS_RENEWS = 1 << 20 /* an attempt that brought as much does not count as one */,
    TIMER_SLACK_MS = 100
};

struct http {
    http_options options;
    char *origin;
    char *token;
    CURL *curl;
    bool endpoint_private; /* the endpoint itself was found at a private address */
    bool answered;         /* at least one response came in this session */
    /* of the request under way */
    const http_ask *ask;
    http_head *head;
    bool own, trusted, proxied, refused, begun, again;
    int64_t deadline_ms; /* of a guarded session */
    size_t header_bytes, dropped;
    int64_t received;
    simile_status status;
    simile_error *err;
    char detail[CURL_ERROR_SIZE];
};

/* ---- the library behind it ---- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool ready;

static void init_once(void)
{
    ready = curl_load() && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

static bool is_ready(void)
{
    pthread_once(&once, init_once);
    return ready;
}

/* ---- URLs ---- */

typedef struct {
    char *scheme, *host, *port, *whole;
} url_parts;

static char *url_part(CURLU *u, CURLUPart part, unsigned flags)
{
    char *text = NULL;
    if (curl_url_get(u, part, &text, flags)) return NULL;
    char *copy = mem_strdup(text);
    curl_free(text);
    return copy;
}

static void url_release(url_parts *p)
{
    mem_free(p->scheme);
    mem_free(p->host);
    mem_free(p->port);
    mem_free(p->whole);
}

typedef enum { URL_GOOD, URL_BAD, URL_NO_MEMORY } url_verdict;

static bool is_web(const char *scheme)
{
    return strcmp(scheme, "https") == 0 || strcmp(scheme, "http") == 0;
}

/* The parts of what was parsed; a URL of the web has all of them. */
static url_verdict url_take(CURLU *u, url_parts *out)
{
    curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
    out->scheme = url_part(u, CURLUPART_SCHEME, 0);
    if (!out->scheme) return URL_NO_MEMORY;
    if (!is_web(out->scheme)) return URL_BAD;
    out->host = url_part(u, CURLUPART_HOST, 0);
    out->port = url_part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    out->whole = url_part(u, CURLUPART_URL, 0);
    return out->host && out->port && out->whole ? URL_GOOD : URL_NO_MEMORY;
}

/* reference may be NULL. *out is empty unless it is good. */
static url_verdict url_split(const char *base, const char *reference, url_parts *out)
{
    *out = (url_parts){0};
    CURLU *u = is_ready() ? curl_url() : NULL;
    if (!u) return URL_NO_MEMORY;
    const bool parsed =
        !curl_url_set(u, CURLUPART_URL, base, CURLU_DISALLOW_USER) &&
        (!reference || !curl_url_set(u, CURLUPART_URL, reference, CURLU_DISALLOW_USER | CURLU_URLENCODE));
    const url_verdict verdict = parsed ? url_take(u, out) : URL_BAD;
    curl_url_cleanup(u);
    if (verdict != URL_GOOD) {
        url_release(out);
        *out = (url_parts){0};
    }
    return verdict;
}

static char *origin_of(const url_parts *p)
{
    char *origin = mem_printf("%s://%s:%s", p->scheme, p->host, p->port);
    for (char *c = origin; c && *c; c++)
        if (*c >= 'A' && *c <= 'Z') *c = (char)(*c - 'A' + 'a');
    return origin;
}

char *http_resolve(const char *base, const char *reference)
{
    url_parts parts;
    if (url_split(base, reference, &parts) != URL_GOOD) return NULL;
    char *whole = parts.whole;
    parts.whole = NULL;
    url_release(&parts);
    return whole;
}

bool http_same_origin(http *h, const char *url)
{
    url_parts parts;
    if (url_split(url, NULL, &parts) != URL_GOOD) return false;
    char *origin = origin_of(&parts);
    url_release(&parts);
    const bool same = origin && strcmp(origin, h->origin) == 0;
    mem_free(origin);
    return same;
}

/* ---- proxies ---- */

static const char *first_set(const char *const *names)
{
    for (; *names; names++) {
        const char *value = getenv(*names);
        if (value && *value) return value;
    }
    return NULL;
}

/* no_proxy: names with commas or blanks between them, each of which also stands for all that ends in it. */
static bool without_proxy(const char *host)
{
    static const char *const names[] = {"no_proxy", "NO_PROXY", NULL};
    const char *list = first_set(names);
    const size_t n = strlen(host);
    if (list && strcmp(list, "*") == 0) return true;
    while (list && *list) {
        list += strspn(list, ", ");
        const size_t len = strcspn(list, ", ");
        const char *name = list + (*list == '.');
        const size_t size = len - (*list == '.');
        if (size && size <= n && strncasecmp(host + n - size, name, size) == 0 &&
            (size == n || host[n - size - 1] == '.'))
            return true;
        list += len;
    }
    return false;
}

/* HTTP_PROXY in capitals is not read: a server's environment may hold a header of that name. */
static const char *proxy_for(const url_parts *p)
{
    static const char *const for_https[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", NULL};
    static const char *const for_http[] = {"http_proxy", "all_proxy", "ALL_PROXY", NULL};
    const char *proxy = first_set(strcmp(p->scheme, "https") == 0 ? for_https : for_http);
    return proxy && !without_proxy(p->host) ? proxy : NULL;
}

/* ---- addresses ---- */

/* Does the URL itself name a private place? */
static bool host_is_private(const char *host)
{
    const size_t n = strlen(host);
    struct sockaddr_in in4 = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    char text[INET6_ADDRSTRLEN];
    if (strcasecmp(host, "localhost") == 0 || (n > 10 && strcasecmp(host + n - 10, ".localhost") == 0)) return true;
    if (inet_pton(AF_INET, host, &in4.sin_addr) == 1) return http_address_is_private((const struct sockaddr *)&in4);
    if (host[0] != '[') return false;
    const size_t len = strcspn(host + 1, "]%");
    if (len >= sizeof text) return true;
    memcpy(text, host + 1, len);
    text[len] = 0;
    return inet_pton(AF_INET6, text, &in6.sin6_addr) != 1 || http_address_is_private((const struct sockaddr *)&in6);
}

static bool may_connect(http *h, bool is_private)
{
    if (!is_private) return true;
    if (h->options.guard) {
        h->refused = !h->trusted;
        return h->trusted;
    }
    if (h->own) h->endpoint_private = true;
    h->refused = !h->endpoint_private;
    return h->endpoint_private;
}

static curl_socket_t open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *a)
{
    http *h = user;
    if (!h->proxied && !may_connect(h, http_address_is_private(&a->addr))) return CURL_SOCKET_BAD;
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* ---- one exchange ---- */

static size_t on_header(char *line, size_t size, size_t n, void *user)
{
    http *h = user;
    h->header_bytes += n;
    if (h->header_bytes > MAX_HEADER_BYTES) return 0;
    http_head_line(h->head, line, n);
    return n;
}

static bool is_success(const http *h)
{
    return h->head->status == 200 || h->head->status == 206;
}

static simile_status begin_body(http *h)
{
    if (h->begun) return SIMILE_OK;
    h->begun = true;
    return h->ask->begin ? h->ask->begin(h->ask->user, h->head, &h->again, h->err) : SIMILE_OK;
}

static size_t on_data(char *bytes, size_t size, size_t n, void *user)
{
    http *h = user;
    if (!is_success(h)) {
        h->dropped += n;
        return h->dropped > MAX_ERROR_BODY ? 0 : n; /* the page that explains an error is not for us */
    }
    h->status = begin_body(h);
    if (!h->status) h->status = h->ask->data(h->ask->user, bytes, n, h->err);
    if (!h->status) h->received += (int64_t)n;
    return h->status ? 0 : n;
}

static bool wants_stop(const http *h)
{
    return h->options.stop && h->options.stop(h->options.user);
}

static int on_progress(void *user, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up)
{
    return wants_stop(user);
}

static simile_status cancelled(const http *h)
{
    return err_set(h->err, SIMILE_E_CANCELLED, "cannot fetch '%s': cancelled; what came so far is kept",
                   h->ask->subject);
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static simile_status too_slow(http *h)
{
    h->again = false;
    return err_set(h->err, SIMILE_E_LIMIT, "cannot fetch '%s': it takes longer than %d seconds", h->ask->subject,
                   h->options.guard->seconds);
}

/* The sentence for what libcurl could not do. */
static simile_status explain_transport(http *h, CURLcode code)
{
    const char *subject = h->ask->subject;
    simile_error *err = h->err;
    if (h->status) return h->status;
    if (h->refused)
        return err_set(err, SIMILE_E_UNSUPPORTED, "cannot fetch '%s': %s", subject,
                       h->options.guard ? "its address is not a public one" : "the server points to a private address");
    h->again = true;
    switch (code) {
    case CURLE_ABORTED_BY_CALLBACK: h->again = false; return cancelled(h);
    case CURLE_OUT_OF_MEMORY: h->again = false; return err_nomem(err);
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        h->again = h->answered;
        return err_set(err, SIMILE_E_IO, "cannot fetch '%s': the server's name is not known (no network?)", subject);
    case CURLE_COULDNT_CONNECT:
        h->again = h->answered;
        return err_set(err, SIMILE_E_IO, "cannot fetch '%s': no connection to the server", subject);
    case CURLE_OPERATION_TIMEDOUT:
        /* libcurl's clock may be a few milliseconds before ours */
        if (h->options.guard && now_ms() + TIMER_SLACK_MS >= h->deadline_ms) return too_slow(h);
        return err_set(err, SIMILE_E_IO, "cannot fetch '%s': nothing came for %d seconds", subject,
                       h->options.stall_seconds);
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR: return err_set(err, SIMILE_E_IO, "cannot fetch '%s': the connection broke off", subject);
    case CURLE_WRITE_ERROR:
        h->again = false;
        return err_set(err, SIMILE_E_FORMAT, "cannot fetch '%s': the server sends too much", subject);
    case CURLE_PEER_FAILED_VERIFICATION:
        h->again = false;
        return err_set(err, SIMILE_E_IO, "cannot fetch '%s': the server's certificate is not to be trusted", subject);
    default:
        h->again = h->answered;
        return err_set(err, SIMILE_E_IO, "cannot fetch '%s': %s", subject,
                       h->detail[0] ? h->detail : curl_easy_strerror(code));
    }
}

static simile_status explain_missing(const http *h)
{
    const char *subject = h->ask->subject;
    if (strcmp(h->head->code, "RevisionNotFound") == 0)
        return err_set(h->err, SIMILE_E_NOT_FOUND, "cannot fetch '%s': there is no such revision (404)", subject);
    return err_set(h->err, SIMILE_E_NOT_FOUND, "cannot fetch '%s': the server does not have it (404)", subject);
}

/* The sentence for a status that is no success. */
static simile_status explain_status(http *h)
{
    const char *subject = h->ask->subject;
    const long status = h->head->status;
    if (status == 401 && !h->options.guard)
        return err_set(h->err, SIMILE_E_NOT_FOUND,
                       "cannot fetch '%s': there is no such model, or it is private and %s (401)", subject,
                       h->token ? "HF_TOKEN does not open it" : "needs HF_TOKEN");
    if (status == 403 && !h->options.guard)
        return err_set(h->err, SIMILE_E_IO, "cannot fetch '%s': access to it has to be granted first (403)", subject);
    if (status == 404 || status == 410) return explain_missing(h);
    h->again = status == 408 || status == 416 || status == 429 || status >= 500;
    if (status == 429)
        return err_set(h->err, SIMILE_E_BUSY, "cannot fetch '%s': the server wants to be asked less often (429)",
                       subject);
    if (status >= 500)
        return err_set(h->err, SIMILE_E_IO, "cannot fetch '%s': the server fails (%ld)", subject, status);
    return err_set(h->err, SIMILE_E_IO, "cannot fetch '%s': the server answers with status %ld", subject, status);
}

static void set_up(http *h, const url_parts *url, struct curl_slist *headers)
{
    CURL *c = h->curl;
    const char *proxy = h->options.guard ? NULL : proxy_for(url);
    curl_easy_reset(c);
    h->proxied = proxy != NULL;
    h->detail[0] = 0;
    curl_easy_setopt(c, CURLOPT_URL, url->whole);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_PROXY, proxy ? proxy : "");
    curl_easy_setopt(c, CURLOPT_NOPROXY, "");
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "simile/" SIMILE_VERSION_STRING);
    curl_easy_setopt(c, CURLOPT_HTTP_CONTENT_DECODING, 0L);
    curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)h->options.stall_seconds);
    curl_easy_setopt(c, CURLOPT_SERVER_RESPONSE_TIMEOUT, (long)h->options.stall_seconds);
    const int64_t left = h->options.guard ? h->deadline_ms - now_ms() : 0;
    if (h->options.guard) curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, left > 0 ? (long)left : 1L); /* 0 is without end */
    curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 256L << 10);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->detail);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, h);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, h);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, h);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, h);
}

/* Appends "name: value"; false when memory is short. */
static bool add_header(struct curl_slist **list, const char *name, const char *value)
{
    char *line = mem_printf("%s: %s", name, value);
    struct curl_slist *longer = line ? curl_slist_append(*list, line) : NULL;
    mem_free(line);
    if (longer) *list = longer;
    return longer != NULL;
}

static bool make_headers(const http *h, int64_t from, const char *etag, struct curl_slist **out)
{
    bool good = true;
    if (h->own && h->token) {
        char *bearer = mem_printf("Bearer %s", h->token);
        good = bearer && add_header(out, "Authorization", bearer);
        mem_free(bearer);
    }
    if (from > 0) {
        char *range = mem_printf("bytes=%lld-", (long long)from);
        good = good && range && add_header(out, "Range", range);
        mem_free(range);
        if (etag && *etag) good = good && add_header(out, "If-Range", etag);
    }
    return good;
}

static simile_status ask_url(http *h, const url_parts *url, int64_t from, const char *etag)
{
    struct curl_slist *headers = NULL;
    CURLcode code = CURLE_OUT_OF_MEMORY;
    http_head_init(h->head);
    h->header_bytes = h->dropped = 0;
    h->refused = h->begun = h->again = false;
    h->status = SIMILE_OK;
    if (make_headers(h, from, etag, &headers)) {
        set_up(h, url, headers);
        if (host_is_private(url->host) && !may_connect(h, true))
            code = CURLE_COULDNT_CONNECT;
        else
            code = curl_easy_perform(h->curl);
    }
    curl_slist_free_all(headers);
    if (h->head->status) h->answered = true;
    /* A page about an error that was cut off for its length is still that error. */
    if (code == CURLE_WRITE_ERROR && !h->status && h->dropped > MAX_ERROR_BODY) code = CURLE_OK;
    return code ? explain_transport(h, code) : SIMILE_OK;
}

static bool is_redirect(long status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* Where the response points to, in *url, which is replaced. */
static simile_status follow(http *h, url_parts *url)
{
    url_parts next = {0};
    const url_verdict verdict = h->head->location[0] ? url_split(url->whole, h->head->location, &next) : URL_BAD;
    if (verdict == URL_NO_MEMORY) return err_nomem(h->err);
    if (verdict == URL_BAD)
        return err_set(h->err, SIMILE_E_UNSUPPORTED,
                       "cannot fetch '%s': the server points to something that is no URL of the web", h->ask->subject);
    if (strcmp(next.scheme, url->scheme) != 0 && !(h->options.guard && strcmp(next.scheme, "https") == 0)) {
        err_set(h->err, SIMILE_E_UNSUPPORTED, "cannot fetch '%s': the server points from %s to %s", h->ask->subject,
                url->scheme, next.scheme);
        url_release(&next);
        return SIMILE_E_UNSUPPORTED;
    }
    url_release(url);
    *url = next;
    return SIMILE_OK;
}

/* Is the origin among those of a list with blanks between? What is no URL there matches nothing. */
static bool is_listed(const char *list, const char *origin)
{
    bool found = false;
    for (const char *at = list; at && *at && !found;) {
        at += strspn(at, " ");
        const size_t n = strcspn(at, " ");
        url_parts parts;
        char *word = mem_strndup(at, n);
        if (word && url_split(word, NULL, &parts) == URL_GOOD) {
            char *one = origin_of(&parts);
            found = one && strcmp(one, origin) == 0;
            mem_free(one);
            url_release(&parts);
        }
        mem_free(word);
        at += n;
    }
    return found;
}

/* Is this the endpoint's own origin? Only there does the token go. */
static simile_status look_whose(http *h, const url_parts *url)
{
    char *origin = origin_of(url);
    if (!origin) return err_nomem(h->err);
    h->own = strcmp(origin, h->origin) == 0;
    h->trusted = h->options.guard && is_listed(h->options.guard->trust, origin);
    mem_free(origin);
    return SIMILE_OK;
}

/* What a guarded session refuses before anything is looked up. */
static simile_status check_hop(http *h, const url_parts *url)
{
    if (!h->options.guard) return SIMILE_OK;
    if (now_ms() >= h->deadline_ms) return too_slow(h);
    if (h->trusted || strcmp(url->port, "80") == 0 || strcmp(url->port, "443") == 0) return SIMILE_OK;
    return err_set(h->err, SIMILE_E_UNSUPPORTED, "cannot fetch '%s': port %s is none of 80 and 443", h->ask->subject,
                   url->port);
}

static simile_status finish_response(http *h)
{
    if (is_success(h)) {
        h->status = begin_body(h); /* of an empty body */
        if (!h->status && h->ask->end) h->status = h->ask->end(h->ask->user, &h->again, h->err);
        return h->status;
    }
    const simile_status status = explain_status(h);
    if (h->head->status == 416 && h->ask->forget) RETURN_IF_ERROR(h->ask->forget(h->ask->user, h->err));
    return status;
}

/* One attempt, redirects included. */
static simile_status attempt(http *h, const char *first, int64_t from, const char *etag)
{
    url_parts url;
    h->again = false;
    const url_verdict verdict = url_split(first, NULL, &url);
    if (verdict == URL_NO_MEMORY) return err_nomem(h->err);
    if (verdict == URL_BAD)
        return err_set(h->err, SIMILE_E_ARG, "cannot fetch '%s': '%s' is no http or https URL", h->ask->subject, first);
    const int redirects = h->options.guard ? h->options.guard->redirects : MAX_REDIRECTS;
    simile_status status = SIMILE_OK;
    for (int hop = 0; !status; hop++) {
        status = look_whose(h, &url);
        if (!status) status = check_hop(h, &url);
        if (!status) status = ask_url(h, &url, from, etag);
        if (status || !is_redirect(h->head->status)) break;
        status = hop < redirects
                     ? follow(h, &url)
                     : err_set(h->err, SIMILE_E_UNSUPPORTED,
                               "cannot fetch '%s': the server points from place to place without end", h->ask->subject);
    }
    url_release(&url);
    return status ? status : finish_response(h);
}

/* ---- attempts ---- */

/* False when the caller asked to stop. */
static bool pause_for(const http *h, int64_t ms)
{
    const struct timespec tenth = {.tv_nsec = 100000000};
    for (; ms > 0; ms -= 100) {
        const struct timespec rest = {.tv_nsec = (long)ms * 1000000};
        if (wants_stop(h)) return false;
        nanosleep(ms < 100 ? &rest : &tenth, NULL);
    }
    return !wants_stop(h);
}

static int64_t pause_before(const http *h, int tries)
{
    const int64_t asked = h->head->retry_after;
    int64_t ms = (int64_t)h->options.backoff_ms << (tries < 6 ? tries : 6);
    if (ms > MAX_WAIT_SECONDS * 1000) ms = MAX_WAIT_SECONDS * 1000;
    return asked >= 0 && asked * 1000 > ms ? asked * 1000 : ms;
}

simile_status http_get(http *h, const char *url, const http_ask *ask, http_head *head, simile_error *err)
{
    simile_error own;
    h->ask = ask;
    h->head = head;
    h->err = err ? err : &own;
    if (h->options.guard) h->deadline_ms = now_ms() + (int64_t)h->options.guard->seconds * 1000;
    for (int tries = 0;;) {
        int64_t from = 0;
        const char *etag = NULL;
        h->received = 0;
        if (wants_stop(h)) return cancelled(h);
        if (ask->prepare) RETURN_IF_ERROR(ask->prepare(ask->user, &from, &etag, h->err));
        const simile_status status = attempt(h, url, from, etag);
        if (!status || !h->again) return status;
        if (h->received > PROGRESS_RENEWS) tries = 0;
        if (tries >= h->options.retries) return status;
        if (head->retry_after > MAX_WAIT_SECONDS)
            return err_set(h->err, SIMILE_E_BUSY, "cannot fetch '%s': the server asks to come back in %lld seconds",
                           ask->subject, (long long)head->retry_after);
        if (!pause_for(h, pause_before(h, tries++))) return cancelled(h);
    }
}

/* ---- sessions ---- */

simile_status http_open(const http_options *options, http **out, simile_error *err)
{
    url_parts parts;
    *out = NULL;
    if (!is_ready()) return err_set(err, SIMILE_E_INTERNAL, "libcurl cannot be initialised");
    const url_verdict verdict = url_split(options->endpoint, NULL, &parts);
    if (verdict == URL_NO_MEMORY) return err_nomem(err);
    if (verdict == URL_BAD) return err_set(err, SIMILE_E_ARG, "'%s' is no http or https URL", options->endpoint);
    http *h = mem_new(http);
    if (h) {
        h->options = *options;
        h->origin = origin_of(&parts);
        h->token = options->token ? mem_strdup(options->token) : NULL;
        h->curl = curl_easy_init();
    }
    url_release(&parts);
    if (!h || !h->origin || !h->curl || (options->token && !h->token)) {
        http_close(h);
        return err_nomem(err);
    }
    *out = h;
    return SIMILE_OK;
}

void http_close(http *h)
{
    if (!h) return;
    if (h->curl) curl_easy_cleanup(h->curl);
    if (h->token) explicit_bzero(h->token, strlen(h->token));
    mem_free(h->token);
    mem_free(h->origin);
    mem_free(h);
}
