/* SPDX-License-Identifier: Apache-2.0
 * fuzz_thumbs.c - any bytes as a file of thumbnails: it is opened, read, written to, and thrown away if it is ours. */
#include "base/mem.h"
#include "store/thumbs.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int look_at_hash(void *user, const uint8_t hash[DIGEST_SIZE])
{
    memcpy(user, hash, DIGEST_SIZE);
    return 0;
}

static void read_problem(void *user, const char *problem)
{
    *(size_t *)user += strlen(problem);
}

static void use(thumbs *t)
{
    static const uint8_t picture[16] = "RIFF\x08\0\0\0WEBPVP8";
    uint8_t hash[DIGEST_SIZE] = {0};
    void *bytes;
    size_t len, told = 0;
    thumbs_each(t, look_at_hash, hash, NULL);
    thumbs_check(t, read_problem, &told, NULL);
    if (!thumbs_get(t, hash, &bytes, &len, NULL) && bytes && (len < 16 || len > THUMBS_BYTES_MAX)) abort();
    mem_free(bytes);
    if (thumbs_begin(t, NULL)) return;
    if (!thumbs_put(t, hash, picture, sizeof picture, NULL) && !thumbs_delete(t, hash, NULL)) thumbs_commit(t, NULL);
    thumbs_rollback(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64], journal[80];
    snprintf(path, sizeof path, "%s/simile-fuzz-thumbs-%ld", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm",
             (long)getpid());
    const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
    close(fd);
    thumbs *t;
    for (int read_only = 1; read_only >= 0; read_only--)
        if (!thumbs_open(path, read_only != 0, true, &t, NULL)) {
            use(t);
            thumbs_close(t);
        }
    thumbs_remove_file(path);
    unlink(path);
    snprintf(journal, sizeof journal, "%s-journal", path);
    unlink(journal);
    return 0;
}
