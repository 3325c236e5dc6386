/* SPDX-License-Identifier: Apache-2.0
 * compare_image.c - compare_image DIR: decodes and prepares every picture of a set that image_fixtures.py --full made,
 * and counts by kind of file what equals Pillow and transformers. Exit 1 when a picture that must be equal is not. */
#include "manifest.h"

#include "base/mem.h"

#include <stdio.h>

enum { MAX_KINDS = 64 };

typedef struct {
    char name[16];
    int files, equal, tensors, unread, max_difference;
    double mean_sum;
    double worst_mean;
    int measured;
} kind_count;

typedef struct {
    kind_count kinds[MAX_KINDS];
    int n, failures;
} counts;

static kind_count *kind_of(counts *c, const manifest_line *line)
{
    const char *dot = strrchr(line->file, '.');
    char name[16];
    snprintf(name, sizeof name, "%.7s %.6s", dot ? dot + 1 : "?", line->kind);
    for (int i = 0; i < c->n; i++)
        if (!strcmp(c->kinds[i].name, name)) return c->kinds + i;
    if (c->n == MAX_KINDS) return c->kinds;
    kind_count *new = c->kinds + c->n++;
    memcpy(new->name, name, sizeof name);
    return new;
}

static void count(void *user, const manifest_line *line, const manifest_result *r)
{
    counts *c = user;
    kind_count *k = kind_of(c, line);
    const bool equal = r->facts && r->upright && r->stored, tensors = r->clip && r->squash;
    k->files++;
    k->equal += equal;
    k->tensors += tensors;
    k->unread += r->problem[0] != 0;
    if (r->near && r->max_difference >= 0) {
        if (r->max_difference > k->max_difference) k->max_difference = r->max_difference;
        if (r->mean_difference > k->worst_mean) k->worst_mean = r->mean_difference;
        k->mean_sum += r->mean_difference;
        k->measured++;
    }
    if (r->problem[0] || (!r->near && !(equal && tensors))) {
        c->failures++;
        printf("%s: facts %d, upright %d, stored %d, tensors %d %d %s\n", line->file, r->facts, r->upright, r->stored,
               r->clip, r->squash, r->problem);
    }
}

int main(int argc, char **argv)
{
    static counts c;
    if (argc != 2) {
        fprintf(stderr, "usage: compare_image DIR\n");
        return 2;
    }
    const int n = manifest_each(argv[1], count, &c);
    if (n < 1) {
        fprintf(stderr, "no manifest in %s\n", argv[1]);
        return 2;
    }
    printf("%-12s %6s %6s %8s %6s %9s %10s %10s\n", "kind", "files", "equal", "tensors", "unread", "max diff",
           "mean diff", "worst mean");
    for (int i = 0; i < c.n; i++) {
        const kind_count *k = c.kinds + i;
        printf("%-12s %6d %6d %8d %6d %9d %10.4f %10.4f\n", k->name, k->files, k->equal, k->tensors, k->unread,
               k->max_difference, k->measured ? k->mean_sum / k->measured : 0, k->worst_mean);
    }
    printf("%d pictures, %d that should be equal and are not\n", n, c.failures);
    return c.failures != 0;
}
