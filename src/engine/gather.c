/* SPDX-License-Identifier: Apache-2.0
 * gather.c - searches that come while another one is at work are made together: see gather.h.
 *
 * A few scan each for themselves. Who comes when there are as many as keep the processors busy queues; when the last of
 * them is done, the first of the queue leads: it has the library's threads, and takes with it all that want the same
 * rows, so that they are read once (index/batch.h). Who comes meanwhile queues, and so on: the more there are at once,
 * the less each of them costs. Nobody waits for others to come.
 *
 * Should the memory for a batch be lacking, its members learn that they have no answer, and go by themselves.
 *
 * Threads: any number. A member that waits needs nothing but its own stack, where its turn lies. */
#include "engine/gather.h"

#include "base/mem.h"

enum { MOST_AT_ONCE = 256, AT_ONCE = 2 }; /* requests of a batch; searches alone, for each thread */

struct scan_turn {
    const snapshot *set;
    batch_request *requests;
    size_t n;
    bool leads, left, answered; /* left: it is in nobody's hands any more; answered: it has its hits */
    scan_turn *next;
};

void gathering_init(gathering *g)
{
    *g = (gathering){.active = 0};
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->news, NULL);
}

void gathering_destroy(gathering *g)
{
    pthread_mutex_destroy(&g->lock);
    pthread_cond_destroy(&g->news);
}

static bool same_rows(const snapshot *a, const snapshot *b)
{
    return a->rows == b->rows && a->n == b->n;
}

static void queue_up(gathering *g, scan_turn *turn)
{
    scan_turn **end = &g->first;
    while (*end) end = &(*end)->next;
    *end = turn;
}

/* With the lock, by who leads: takes those out of the queue that want the same rows. Returns how many requests all have
 * together. */
static size_t take_members(gathering *g, scan_turn *leader)
{
    size_t n = leader->n;
    scan_turn **from = &g->first, **to = &leader->next;
    while (*from) {
        scan_turn *turn = *from;
        if (!same_rows(turn->set, leader->set) || n + turn->n > MOST_AT_ONCE) {
            from = &turn->next;
            continue;
        }
        n += turn->n;
        *from = turn->next;
        turn->next = NULL;
        *to = turn;
        to = &turn->next;
    }
    return n;
}

static void copy_requests(scan_turn *leader, batch_request *all, bool back)
{
    size_t n = 0;
    for (scan_turn *turn = leader; turn; turn = turn->next) {
        if (back)
            memcpy(turn->requests, all + n, turn->n * sizeof *all);
        else
            memcpy(all + n, turn->requests, turn->n * sizeof *all);
        turn->answered = back;
        n += turn->n;
    }
}

static void scan_together(simile_library *library, int32_t kind, scan_turn *leader, size_t n)
{
    batch_request *all = mem_array(n, sizeof *all);
    if (!all) return;
    copy_requests(leader, all, false);
    if (!snapshot_scan_now(library, kind, leader->set, all, n, NULL)) copy_requests(leader, all, true);
    mem_free(all);
}

/* With the lock: lets the members go, and the next one lead. */
static void hand_over(gathering *g, scan_turn *leader)
{
    for (scan_turn *turn = leader->next, *next; turn; turn = next) {
        next = turn->next; /* a turn that left is gone */
        turn->left = true;
        g->together = false;
    }
    if (--g->active == 0 && g->first) {
        scan_turn *next = g->first;
        g->first = next->next;
        next->next = NULL;
        next->leads = true;
        g->active = 1;
    }
    pthread_cond_broadcast(&g->news);
}

simile_status gather_scan(simile_library *library, int32_t kind, const snapshot *s, batch_request *requests, size_t n,
                          simile_error *err)
{
    gathering *g = &library->gathering;
    scan_turn mine = {.set = s, .requests = requests, .n = n};
    pthread_mutex_lock(&g->lock);
    mine.leads = !g->together && !g->first && g->active < AT_ONCE * library->threads;
    if (mine.leads)
        g->active++;
    else
        queue_up(g, &mine);
    while (!mine.leads && !mine.left) pthread_cond_wait(&g->news, &g->lock);
    const size_t together = mine.leads ? take_members(g, &mine) : 0;
    if (mine.leads && mine.next) g->together = true;
    pthread_mutex_unlock(&g->lock);
    if (!mine.leads) return mine.answered ? SIMILE_OK : snapshot_scan_now(library, kind, s, requests, n, err);
    if (mine.next) scan_together(library, kind, &mine, together);
    const simile_status status = mine.answered ? SIMILE_OK : snapshot_scan_now(library, kind, s, requests, n, err);
    pthread_mutex_lock(&g->lock);
    hand_over(g, &mine);
    pthread_mutex_unlock(&g->lock);
    return status;
}
