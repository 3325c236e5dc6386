/* Puts the subjects of a scene into a place. */
#include "scene.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_ITEMS = MAX_SUBJECTS * MAX_COUNT };

/* One thing to draw. */
struct item {
    const struct kind *kind;
    struct rgb rgb;
    enum layer layer;
    double x, y, height;
};

static enum layer pick_layer(struct rng *rng, const struct kind *kind, enum place place)
{
    bool water = place == PLACE_SEA || place == PLACE_LAKE || place == PLACE_UNDERWATER;

    if ((kind->layers & ON_WATER) != 0 && (water || (kind->layers & ON_GROUND) == 0)) {
        return ON_WATER;
    }
    if ((kind->layers & IN_AIR) != 0 &&
        ((kind->layers & ON_GROUND) == 0 || place == PLACE_SEA || (place != PLACE_TABLE && rng_chance(rng, 0.45)))) {
        return IN_AIR;
    }
    return ON_GROUND;
}

static int list_items(struct rng *rng, const struct scene *scene, struct item *items)
{
    int n = 0;

    for (int i = 0; i < scene->subjects; i++) {
        const struct subject *s = &scene->subject[i];
        const struct kind *kind = &kinds[s->kind];
        enum layer layer = pick_layer(rng, kind, scene->place);
        struct rgb rgb = s->colour == NO_COLOUR ? RGB(0.5, 0.5, 0.5) : colours[s->colour].rgb;

        rgb = rgb_jitter(rng, rgb, 0.04);
        for (int j = 0; j < s->count; j++) {
            items[n++] = (struct item){kind, rgb, layer, 0, 0, 0};
        }
    }
    return n;
}

/* Subjects of one scene change places, or the first would always be left. */
static void maybe_reverse(struct rng *rng, struct item *items, int n)
{
    if (!rng_chance(rng, 0.5)) {
        return;
    }
    for (int i = 0; i < n / 2; i++) {
        struct item swap = items[i];

        items[i] = items[n - 1 - i];
        items[n - 1 - i] = swap;
    }
}

/* Place k items side by side between two heights. */
static void place_row(struct rng *rng, struct item **row, int k, double y0, double y1, double tallest, double growth)
{
    double left = k == 1 ? 0.2 : 0.02;
    double cell = (1 - 2 * left) / k;

    for (int i = 0; i < k; i++) {
        struct item *it = row[i];
        double room = (k == 1 ? 0.88 : cell * 0.98) / it->kind->aspect;
        double want = tallest * it->kind->scale;

        it->height = fmin(room, want) * growth * rng_range(rng, 0.86, 1.0);
        it->x = left + cell * (i + 0.5 + rng_range(rng, -0.06, 0.06));
        if (k == 1) {
            double half = it->height * it->kind->aspect / 2;

            it->x = rng_range(rng, fmin(half + 0.03, 0.5), fmax(1 - half - 0.03, 0.5));
        }
        it->y = rng_range(rng, y0, y1);
    }
}

static void place_ground(struct rng *rng, struct item **row, int n, double y0, double y1)
{
    double growth = rng_range(rng, 0.75, 1.05);
    double depth = y1 - y0;

    if (n >= 3 && depth > 0.14 && rng_chance(rng, n == 3 ? 0.55 : 0.8)) {
        int back = n / 2 + (n % 2 == 1 && rng_chance(rng, 0.5) ? 1 : 0);

        place_row(rng, row, back, y0, y0 + depth * 0.1, fmin(0.3, depth), growth);
        place_row(rng, row + back, n - back, y1 - depth * 0.1, y1, fmin(0.34, depth * 1.2), growth);
        return;
    }
    place_row(rng, row, n, n == 1 ? y0 + depth * 0.3 : y0 + depth * 0.25, n == 1 ? y1 : y0 + depth * 0.85,
              n == 1 ? 0.52 : 0.46, growth);
}

static void place_air(struct rng *rng, struct item **row, int n, double y0, double y1)
{
    double growth = rng_range(rng, 0.8, 1.0);
    bool two_rows = n >= 3 && y1 - y0 > 0.4 && rng_chance(rng, 0.5);
    double tallest = two_rows ? (y1 - y0) * 0.5 : (y1 - y0) * 0.95;
    int back = two_rows ? n / 2 : n;

    place_row(rng, row, back, y0, y0, fmin(tallest, 0.42), growth);
    if (two_rows) {
        place_row(rng, row + back, n - back, y0, y0, fmin(tallest, 0.42), growth);
    }
    for (int i = 0; i < n; i++) {
        double low = (two_rows && i >= back) ? (y0 + y1) / 2 : y0;
        double high = (two_rows && i < back) ? (y0 + y1) / 2 : y1;
        double h = row[i]->height;

        row[i]->y = rng_range(rng, fmin(low + h, high), high);
    }
}

static int lower_first(const void *a, const void *b)
{
    const struct item *x = a;
    const struct item *y = b;

    return (x->y > y->y) - (x->y < y->y);
}

static void place_items(struct rng *rng, const struct frame *f, struct item *items, int n, enum place place)
{
    static const enum layer order[3] = {ON_GROUND, IN_AIR, ON_WATER};

    for (int l = 0; l < 3; l++) {
        struct item *row[MAX_ITEMS];
        int k = 0;

        for (int i = 0; i < n; i++) {
            if (items[i].layer == order[l]) {
                row[k++] = &items[i];
            }
        }
        if (k == 0) {
            continue;
        }
        if (order[l] == IN_AIR || (place == PLACE_UNDERWATER && order[l] == ON_WATER)) {
            place_air(rng, row, k, f->air_y0, f->air_y1);
        } else if (order[l] == ON_GROUND) {
            place_ground(rng, row, k, f->far_y, f->near_y);
        } else {
            place_ground(rng, row, k, f->water_y0, f->water_y1);
        }
    }
    qsort(items, (size_t)n, sizeof(items[0]), lower_first);
}

/* Water hides the lowest part of what floats in it. */
static void splash(struct pen *p, const struct item *it)
{
    double w = it->height * it->kind->aspect * 0.55;

    pen_ellipse(p, it->x, it->y + 0.008, w, 0.02);
    pen_alpha(p, RGB(0.3, 0.6, 0.78), 0.85);
    for (int i = -1; i <= 1; i++) {
        double x = it->x + i * w * 0.6;

        pen_curve(p, PTS(x - w * 0.3, it->y + 0.006, x, it->y - 0.004, x + w * 0.3, it->y + 0.006));
        pen_stroke(p, RGB(0.92, 0.98, 1), 0.007);
    }
}

static void set_tones(struct pen *p, enum place place, bool subject)
{
    bool inside = place == PLACE_ROOM || place == PLACE_TABLE;

    if (!p->night) {
        p->tone = RGB(1, 1, 1);
    } else if (inside) {
        p->tone = subject ? RGB(0.9, 0.87, 0.88) : RGB(0.5, 0.46, 0.57);
    } else {
        p->tone = subject ? RGB(0.84, 0.85, 0.95) : RGB(0.42, 0.46, 0.64);
    }
}

void scene_draw(cairo_t *cr, struct rng *rng, const struct scene *scene, double width, double height)
{
    double side = fmin(width, height);
    struct frame f = {.x0 = 0.5 - width / side / 2,
                      .x1 = 0.5 + width / side / 2,
                      .y0 = 0.5 - height / side / 2,
                      .y1 = 0.5 + height / side / 2};
    struct pen p = {.cr = cr, .rng = rng, .line = 0.006, .night = scene->night};
    struct item items[MAX_ITEMS];
    int n = list_items(rng, scene, items);
    bool wet = scene->place == PLACE_SEA || scene->place == PLACE_LAKE;

    cairo_save(cr);
    cairo_translate(cr, width / 2, height / 2);
    cairo_scale(cr, side, side);
    cairo_translate(cr, -0.5, -0.5);
    cairo_set_line_cap(cr, CAIRO_LINE_CAP_ROUND);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    set_tones(&p, scene->place, false);
    stage_place(&p, &f, scene->place);
    maybe_reverse(rng, items, n);
    place_items(rng, &f, items, n, scene->place);
    set_tones(&p, scene->place, true);
    for (int i = 0; i < n; i++) {
        stage_put(&p, items[i].kind->draw, items[i].x, items[i].y, items[i].height, items[i].rgb, rng_chance(rng, 0.5));
        if (wet && items[i].layer == ON_WATER) {
            splash(&p, &items[i]);
        }
    }
    cairo_restore(cr);
}
