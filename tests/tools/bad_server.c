/* SPDX-License-Identifier: Apache-2.0
 *
 * bad_server.c - a small HTTP/1.1 server on the loopback that plays the Hugging Face Hub and misbehaves on request.
 *
 *     bad_server PORT_FILE LOG_FILE FOLDER
 *
 * It writes its port into PORT_FILE and each request with the headers that matter into LOG_FILE, and runs until it is
 * killed. A repository is called t/<case>; the case says what goes wrong (see the tables below). Its weights are
 * numbers that are made while they are sent, so that 200 MB cost nothing. Files of FOLDER lie below /clip/. An absolute
 * URL in the request line, as a proxy gets it, is taken for its path. One thread a connection, one request a
 * connection. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST = 16384, BLOCK = 1 << 16, SMALL = 3000000, BIG = 200000000, MAX_CASES = 128 };

static const char commit[] = "0123456789abcdef0123456789abcdef01234567";
static const char config[] = "{\"model_type\": \"clip\"}\n";
static FILE *log_file;
static const char *folder;
static int port;
static char host_name[256]; /* of this machine: where it leads to a loopback address, a name for one */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

typedef struct {
    int fd;
    char path[2048], range[64], if_range[128], authorization[128], host[128];
    char name[64]; /* the case */
    int64_t from;  /* of the range, -1: none */
    int visit;     /* how often the weights of this case were asked for, from 1 */
} request;

/* ---- content ---- */

static int64_t size_of(const char *name)
{
    return strncmp(name, "big", 3) == 0 && strcmp(name, "biglist") != 0 ? BIG : SMALL;
}

static void fill(uint8_t *out, int64_t from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint64_t at = (uint64_t)from + i;
        out[i] = (uint8_t)((at * 2654435761u >> 13) ^ (at >> 20));
    }
}

static void hex_of(const uint8_t *sum, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++) snprintf(out + 2 * i, 3, "%02x", sum[i]);
}

/* SHA-256 of the weights. */
static void sum_of(int64_t size, char out[65])
{
    static uint8_t block[BLOCK];
    static char known[2][65];
    char *own = known[size == BIG];
    pthread_mutex_lock(&lock);
    if (!own[0]) {
        struct sha256_ctx c;
        uint8_t sum[32];
        sha256_init(&c);
        for (int64_t at = 0; at < size; at += BLOCK) {
            const size_t n = size - at < BLOCK ? (size_t)(size - at) : BLOCK;
            fill(block, at, n);
            sha256_update(&c, n, block);
        }
        sha256_digest(&c, 32, sum);
        hex_of(sum, 32, own);
    }
    memcpy(out, own, 65);
    pthread_mutex_unlock(&lock);
}

static void blob_id(const char *text, char out[41])
{
    char head[32];
    uint8_t sum[20];
    struct sha1_ctx c;
    const int n = snprintf(head, sizeof head, "blob %zu", strlen(text));
    sha1_init(&c);
    sha1_update(&c, (size_t)n + 1, (const uint8_t *)head);
    sha1_update(&c, strlen(text), (const uint8_t *)text);
    sha1_digest(&c, 20, sum);
    hex_of(sum, 20, out);
}

/* ---- sending ---- */

static bool send_all(int fd, const void *bytes, size_t n)
{
    const char *p = bytes;
    while (n) {
        const ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        p += sent;
        n -= (size_t)sent;
    }
    return true;
}

static void answer(const request *r, const char *status, const char *headers, const char *type, const char *body)
{
    char head[8192];
    snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%sConnection: close\r\n\r\n",
             status, type, strlen(body), headers);
    send_all(r->fd, head, strlen(head));
    send_all(r->fd, body, strlen(body));
}

static void answer_json(const request *r, const char *body)
{
    answer(r, "200 OK", "", "application/json", body);
}

/* The file of the folder that has the name of the path; false when there is none. */
static bool send_file(const request *r)
{
    char path[4096], head[256];
    static uint8_t bytes[1 << 20];
    snprintf(path, sizeof path, "%s%s", folder, strrchr(r->path, '/'));
    FILE *f = strncmp(r->path, "/clip/", 6) == 0 ? fopen(path, "rb") : NULL;
    if (!f) return false;
    pthread_mutex_lock(&lock);
    const size_t n = fread(bytes, 1, sizeof bytes, f);
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", n);
    send_all(r->fd, head, strlen(head));
    send_all(r->fd, bytes, n);
    pthread_mutex_unlock(&lock);
    fclose(f);
    return true;
}

/* Bytes from..to of the weights; `flip`: one of them is wrong. */
static void send_weights(const request *r, int64_t from, int64_t to, bool flip)
{
    uint8_t *block = malloc(BLOCK);
    for (int64_t at = from; block && at < to; at += BLOCK) {
        const size_t n = to - at < BLOCK ? (size_t)(to - at) : BLOCK;
        fill(block, at, n);
        if (flip && at == from) block[0] ^= 1;
        if (!send_all(r->fd, block, n)) break;
    }
    free(block);
}

static void wait_for_end(int fd)
{
    char byte;
    while (recv(fd, &byte, 1, 0) > 0) continue;
}

/* ---- the weights ---- */

/* What may go wrong with them. All lengths are bytes behind the place where the piece begins. */
typedef struct {
    const char *name;
    int64_t cut; /* the connection ends there; 0: never */
    int times;   /* on so many visits; 0: always */
    bool ignores_range, wrong_start, wrong_length, flips, stalls, new_etag, keeps_range, html, refuses_range, chunked;
} fault;

static const fault faults[] = {
    {.name = "truncated", .cut = 1200000},
    {.name = "truncated-once", .cut = 1000000, .times = 1},
    {.name = "nothing", .cut = 1},
    {.name = "no-range", .cut = 1000000, .times = 1, .ignores_range = true},
    {.name = "wrong-range", .cut = 1000000, .times = 1, .wrong_start = true},
    {.name = "refused-range", .cut = 1000000, .times = 1, .refuses_range = true},
    {.name = "wrong-length", .wrong_length = true},
    {.name = "wrong-hash", .flips = true},
    {.name = "stalled", .cut = 1000000, .times = 1, .stalls = true},
    {.name = "stalled-always", .cut = 1000000, .stalls = true},
    {.name = "etag", .cut = 1000000, .times = 1, .new_etag = true},
    {.name = "etag-ignored", .cut = 1000000, .times = 1, .new_etag = true, .keeps_range = true},
    {.name = "html", .html = true},
    {.name = "chunked", .chunked = true},
    {.name = "big", .cut = 80000000, .times = 1, .stalls = true},
};

static const fault *find_fault(const char *name)
{
    static const fault none;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        if (strcmp(faults[i].name, name) == 0) return &faults[i];
    return &none;
}

/* The range counts if it is asked for unconditionally, or of this very ETag. */
static bool wants_piece(const request *r, const fault *f, const char *etag)
{
    if (r->from < 0 || f->ignores_range) return false;
    return f->keeps_range || !r->if_range[0] || strcmp(r->if_range, etag) == 0;
}

static void serve_weights(const request *r)
{
    const fault *f = find_fault(r->name);
    const int64_t size = size_of(r->name);
    char etag[32], head[512];
    if (f->html) {
        answer(r, "200 OK", "", "text/html; charset=utf-8", "<!doctype html><title>Log in</title>");
        return;
    }
    if (f->refuses_range && r->from >= 0) {
        answer(r, "416 Range Not Satisfiable", "Content-Range: bytes */3000000\r\n", "text/plain", "");
        return;
    }
    snprintf(etag, sizeof etag, "\"v%d\"", f->new_etag ? r->visit : 1);
    const bool piece = wants_piece(r, f, etag);
    const int64_t from = piece ? r->from : 0;
    int n = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nETag: %s\r\nContent-Type: application/octet-stream\r\n",
                     piece ? "206 Partial Content" : "200 OK", etag);
    if (piece)
        n += snprintf(head + n, sizeof head - (size_t)n, "Content-Range: bytes %lld-%lld/%lld\r\n",
                      (long long)(from + f->wrong_start), (long long)size - 1, (long long)size);
    if (!f->chunked)
        n += snprintf(head + n, sizeof head - (size_t)n, "Content-Length: %lld\r\n",
                      (long long)(size - from + (f->wrong_length ? 1 : 0)));
    n += snprintf(head + n, sizeof head - (size_t)n, "Connection: close\r\n\r\n"); /* chunked: until the end */
    send_all(r->fd, head, (size_t)n);
    const bool cut = f->cut && (!f->times || r->visit <= f->times) && from + f->cut < size;
    send_weights(r, from, cut ? from + f->cut : size - (f->chunked ? 1 : 0), f->flips);
    if (cut && f->stalls) wait_for_end(r->fd);
}

/* ---- the list ---- */

static int tree_entry(char *out, size_t size, const char *path, const char *text)
{
    char id[41];
    blob_id(text, id);
    return snprintf(out, size, "{\"type\":\"file\",\"oid\":\"%s\",\"size\":%zu,\"path\":\"%s\"},", id, strlen(text),
                    path);
}

static int weights_entry(char *out, size_t size, const char *path, int64_t bytes)
{
    char sum[65];
    sum_of(bytes == BIG ? BIG : SMALL, sum);
    return snprintf(
        out, size,
        "{\"type\":\"file\",\"oid\":\"%.40s\",\"size\":%lld,\"path\":\"%s\",\"lfs\":{\"oid\":\"%s\",\"size\":%lld,"
        "\"pointerSize\":134}},",
        sum, (long long)bytes, path, sum, (long long)bytes);
}

/* Files that a case has besides or instead of the usual. */
typedef struct {
    const char *name, *files[8]; /* "config.json" small, the others weights */
} special;

static const special specials[] = {
    {"dotdot", {"config.json", "model.safetensors", "../evil"}},
    {"absolute", {"config.json", "/etc/evil"}},
    {"control", {"config.json", "a\\u001b[2Jb"}},
    {"nul", {"config.json", "a\\u0000b"}},
    {"backslash", {"config.json", "..\\\\evil"}},
    {"no-weights", {"config.json"}},
    {"several", {"config.json", "a.gguf", "b.gguf"}},
    {"odd", {"config.json", "model.safetensors", "r\xc3\xa9sum\xc3\xa9.png", ".gitattributes", "flax_model.msgpack"}},
    {"shards",
     {"config.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors",
      "model-00002-of-00002.safetensors", "pytorch_model.bin"}},
    {"modules",
     {"modules.json", "0_CLIPModel/config.json", "0_CLIPModel/model.safetensors", "1_Dense/config.json",
      "onnx/model.onnx", "0_CLIPModel/pytorch_model.bin"}},
};

static bool is_small_file(const char *path)
{
    const size_t n = strlen(path);
    return n > 5 && strcmp(path + n - 5, ".json") == 0;
}

static void list_special(const request *r, const special *s)
{
    char body[8192] = "[";
    size_t n = 1;
    for (size_t i = 0; i < 8 && s->files[i]; i++)
        n += (size_t)(is_small_file(s->files[i]) ? tree_entry(body + n, sizeof body - n, s->files[i], config)
                                                 : weights_entry(body + n, sizeof body - n, s->files[i], SMALL));
    body[n - 1] = ']';
    answer_json(r, body);
}

static void list_many(const request *r)
{
    const size_t room = 20 << 20;
    char *body = malloc(room);
    size_t n = 1;
    if (!body) return;
    body[0] = '[';
    for (int i = 0; i < 20100; i++) {
        char name[32];
        snprintf(name, sizeof name, "file%d.json", i);
        n += (size_t)tree_entry(body + n, room - n, name, "{}");
    }
    body[n - 1] = ']';
    body[n] = 0;
    answer_json(r, body);
    free(body);
}

static void list_usual(const request *r)
{
    char body[2048] = "[{\"type\":\"directory\",\"oid\":\"x\",\"size\":0,\"path\":\"sub\"},", headers[4096] = "";
    size_t n = strlen(body);
    n += (size_t)tree_entry(body + n, sizeof body - n, "config.json", config);
    const int64_t size = strcmp(r->name, "huge") == 0    ? (int64_t)1 << 40
                         : strcmp(r->name, "huger") == 0 ? ((int64_t)1 << 40) + 1
                                                         : size_of(r->name);
    n += (size_t)weights_entry(body + n, sizeof body - n, "model.safetensors", size);
    body[n - 1] = ']';
    if (strcmp(r->name, "endless") == 0) snprintf(headers, sizeof headers, "Link: <%s>; rel=\"next\"\r\n", r->path);
    if (strcmp(r->name, "elsewhere") == 0)
        snprintf(headers, sizeof headers, "Link: <http://localhost:%d/next>; rel=\"next\"\r\n", port);
    if (strcmp(r->name, "cut-list") == 0) body[n / 2] = 0;
    answer(r, "200 OK", headers, "application/json", body);
}

static void serve_list(const request *r)
{
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++) {
        if (strcmp(specials[i].name, r->name) != 0) continue;
        list_special(r, &specials[i]);
        return;
    }
    if (strcmp(r->name, "html-list") == 0)
        answer(r, "200 OK", "", "text/html", "<html>Welcome to the airport</html>");
    else if (strcmp(r->name, "biglist") == 0)
        list_many(r);
    else
        list_usual(r);
}

/* ---- answers that are the same for every file of a case ---- */

typedef struct {
    const char *name, *status, *headers;
    int times; /* on so many requests; 0: always */
} refusal;

static const refusal refusals[] = {
    {"401", "401 Unauthorized", "X-Error-Code: RepoNotFound\r\n", 0},
    {"403", "403 Forbidden", "X-Error-Code: GatedRepo\r\n", 0},
    {"404", "404 Not Found", "X-Error-Code: RepoNotFound\r\n", 0},
    {"no-revision", "404 Not Found", "X-Error-Code: RevisionNotFound\r\n", 0},
    {"429", "429 Too Many Requests", "Retry-After: 0\r\n", 2},
    {"429-late", "429 Too Many Requests", "Retry-After: 86400\r\n", 0},
    {"500", "500 Internal Server Error", "", 0},
    {"503-once", "503 Service Unavailable", "", 1},
    {"ftp", "302 Found", "Location: ftp://127.0.0.1/x\r\n", 0},
    {"https", "302 Found", "Location: https://127.0.0.1/x\r\n", 0},
    {"file", "302 Found", "Location: file:///etc/passwd\r\n", 0},
    {"loop", "302 Found", "Location: \r\n", 0},
    {"private", "302 Found", "Location: http://127.0.0.1:%d/never\r\n", 0},
    {"private-10", "302 Found", "Location: http://10.1.2.3/never\r\n", 0},
    {"private-name", "302 Found", "Location: http://%h:%d/never\r\n", 0},
    {"no-place", "302 Found", "", 0},
};

/* How often has this been asked for? */
static int count_visit(const char *key)
{
    static char keys[MAX_CASES][160];
    static int counts[MAX_CASES];
    int visit = 0;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MAX_CASES && !visit; i++) {
        if (!keys[i][0]) snprintf(keys[i], sizeof keys[i], "%s", key);
        if (strcmp(keys[i], key) == 0) visit = ++counts[i];
    }
    pthread_mutex_unlock(&lock);
    return visit;
}

static bool refuse(const request *r)
{
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const refusal *f = &refusals[i];
        char headers[4096], key[100];
        if (strcmp(f->name, r->name) != 0) continue;
        snprintf(key, sizeof key, "refusal %s", r->name);
        if (f->times && count_visit(key) > f->times) return false;
        const char *number = strstr(f->headers, "%d");
        if (strstr(f->headers, "%h"))
            snprintf(headers, sizeof headers, "Location: http://%s:%d/never\r\n", host_name, port);
        else if (number)
            snprintf(headers, sizeof headers, "%.*s%d%s", (int)(number - f->headers), f->headers, port, number + 2);
        else if (strcmp(f->name, "loop") == 0)
            snprintf(headers, sizeof headers, "Location: %s\r\n", r->path);
        else
            snprintf(headers, sizeof headers, "%s", f->headers);
        answer(r, f->status, headers, "text/plain", "no");
        return true;
    }
    return false;
}

/* ---- requests ---- */

/* "/t/<case>/..." behind this beginning; false when the path is another. */
static bool is_under(request *r, const char *beginning)
{
    const size_t n = strlen(beginning);
    if (strncmp(r->path, beginning, n) != 0) return false;
    snprintf(r->name, sizeof r->name, "%.*s", (int)strcspn(r->path + n, "/?."), r->path + n);
    return true;
}

static void serve_file(request *r)
{
    const char *file = strrchr(r->path, '/') + 1;
    if (is_small_file(file)) {
        answer(r, "200 OK", "ETag: \"small\"\r\n", "text/plain", config);
        return;
    }
    if (strcmp(r->name, "redirect") == 0 && strncmp(r->path, "/t/", 3) == 0) {
        char where[4096];
        snprintf(where, sizeof where, "Location: http://localhost:%d/cdn/redirect/%s\r\n", port, file);
        answer(r, "302 Found", where, "text/plain", "");
        return;
    }
    r->visit = count_visit(r->name);
    serve_weights(r);
}

static void serve(request *r)
{
    char body[128];
    const bool api = is_under(r, "/api/models/t/");
    if (!api && !is_under(r, "/t/") && !is_under(r, "/cdn/")) {
        const char *file = strncmp(r->path, "/clip/models/", 13) == 0 ? strrchr(r->path, '/') + 1 : "";
        snprintf(r->name, sizeof r->name, "%.*s", (int)strcspn(file, "."), file);
    }
    if (send_file(r) || refuse(r)) return;
    if (strcmp(r->name, "long-header") == 0) {
        char *much = malloc(400000);
        if (much) memset(much, 'x', 400000);
        send_all(r->fd, "HTTP/1.1 200 OK\r\nX: ", 20);
        for (int i = 0; much && i < 8; i++) send_all(r->fd, "\r\nX: ", 5), send_all(r->fd, much, 90000);
        free(much);
    } else if (api && strstr(r->path, "/revision/")) {
        snprintf(body, sizeof body, "{\"id\":\"t/x\",\"sha\":\"%s\",\"siblings\":[]}", commit);
        answer_json(r, body);
    } else if (api && strstr(r->path, "/tree/")) {
        serve_list(r);
    } else if (r->name[0]) {
        serve_file(r);
    } else {
        answer(r, "404 Not Found", "", "text/plain", "no");
    }
}

static void header(char *out, size_t size, const char *text, const char *name)
{
    const char *at = strcasestr(text, name);
    out[0] = 0;
    if (!at) return;
    at += strlen(name);
    at += strspn(at, ": ");
    snprintf(out, size, "%.*s", (int)strcspn(at, "\r\n"), at);
}

static bool read_request(int fd, request *r)
{
    char text[REQUEST];
    size_t n = 0;
    while (n < sizeof text - 1) {
        const ssize_t got = recv(fd, text + n, sizeof text - 1 - n, 0);
        if (got <= 0) return false;
        n += (size_t)got;
        text[n] = 0;
        if (strstr(text, "\r\n\r\n")) break;
    }
    const char *path = strchr(text, ' ');
    if (!path) return false;
    const char *absolute = strncmp(path + 1, "http://", 7) == 0 ? strchr(path + 8, '/') : NULL;
    path = absolute ? absolute : path + 1;
    if (!path) return false;
    *r = (request){.fd = fd, .from = -1};
    snprintf(r->path, sizeof r->path, "%.*s", (int)strcspn(path, " "), path);
    header(r->range, sizeof r->range, text, "\r\nRange:");
    header(r->if_range, sizeof r->if_range, text, "\r\nIf-Range:");
    header(r->authorization, sizeof r->authorization, text, "\r\nAuthorization:");
    header(r->host, sizeof r->host, text, "\r\nHost:");
    if (strncmp(r->range, "bytes=", 6) == 0) r->from = strtoll(r->range + 6, NULL, 10);
    return true;
}

static void *connection(void *argument)
{
    const int fd = (int)(intptr_t)argument;
    request *r = malloc(sizeof *r);
    if (r && read_request(fd, r)) {
        pthread_mutex_lock(&lock);
        fprintf(log_file, "%.*s %s range=%s if-range=%s token=%s\n", (int)strcspn(r->host, ":"), r->host, r->path,
                r->range, r->if_range, r->authorization);
        fflush(log_file);
        pthread_mutex_unlock(&lock);
        serve(r);
    }
    free(r);
    shutdown(fd, SHUT_WR);
    close(fd);
    return NULL;
}

int main(int argc, char **argv)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (argc != 4 || !(folder = argv[3]) || !(log_file = fopen(argv[2], "w")) || listener < 0 ||
        bind(listener, (struct sockaddr *)&a, sizeof a) || listen(listener, 64) ||
        getsockname(listener, (struct sockaddr *)&a, &len)) {
        perror("bad_server");
        return 1;
    }
    port = ntohs(a.sin_port);
    signal(SIGPIPE, SIG_IGN);
    gethostname(host_name, sizeof host_name - 1);
    FILE *out = fopen(argv[1], "w");
    if (!out || fprintf(out, "%d\n", port) < 0 || fclose(out)) return 1;
    for (;;) {
        pthread_t thread;
        const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) continue;
        if (pthread_create(&thread, NULL, connection, (void *)(intptr_t)fd))
            close(fd);
        else
            pthread_detach(thread);
    }
}
