/* Cities and their landmarks. */
#include "stage.h"
#include "things.h"

#include <math.h>

static const struct rgb STONE = {0.84, 0.74, 0.54};

static void window_grid(struct pen *p, double x, double y, double w, double h, int columns, int rows)
{
    double step_x = w / columns;
    double step_y = h / rows;

    for (int i = 0; i < columns; i++) {
        for (int j = 0; j < rows; j++) {
            pen_window(p, x + step_x * (i + 0.25), y + step_y * (j + 0.25), step_x * 0.5, step_y * 0.55);
        }
    }
}

static void block(struct pen *p, double x, double base, double w, double h, struct rgb c)
{
    cairo_rectangle(p->cr, x, base - h, w, h);
    pen_soft(p, c);
    window_grid(p, x, base - h, w, h, w > 0.1 ? 4 : 3, (int)fmax(2, h / 0.055));
}

static void pavement(struct pen *p, const struct frame *f, double y)
{
    cairo_rectangle(p->cr, f->x0, y, f->x1 - f->x0, f->y1 - y);
    pen_vertical(p, RGB(0.7, 0.69, 0.67), RGB(0.56, 0.55, 0.54), y, f->y1);
    cairo_fill(p->cr);
    pen_line(p, RGB(0.45, 0.45, 0.46), 0.012, f->x0, y, f->x1, y);
    for (int i = 0; i < 9; i++) {
        double x = f->x0 + (f->x1 - f->x0) * i / 8;

        pen_line(p, RGB(0.5, 0.5, 0.5), 0.004, 0.5 + (x - 0.5) * 0.8, y, 0.5 + (x - 0.5) * 1.3, f->y1);
    }
}

static void street_lamp(struct pen *p, double x, double base, double h)
{
    pen_line(p, RGB(0.22, 0.23, 0.26), 0.012, x, base, x, base - h);
    pen_ellipse(p, x, base - h, 0.016, 0.02);
    pen_flat(p, p->night ? RGB(2, 1.8, 1) : RGB(0.93, 0.92, 0.85));
    if (p->night) {
        pen_glow(p, RGB(1, 0.88, 0.5), x, base - h, 0.11, 0.7);
    }
}

static void town_bounds(struct frame *f, double ground)
{
    f->far_y = ground + 0.1;
    f->near_y = 0.96;
    f->air_y0 = 0.04;
    f->air_y1 = ground - 0.12;
    f->water_y0 = f->far_y;
    f->water_y1 = f->near_y;
}

/* Any town: blocks of flats, shops with awnings, no landmark. */
void place_city(struct pen *p, struct frame *f)
{
    static const struct rgb paints[6] = {{0.72, 0.45, 0.36}, {0.8, 0.72, 0.6},  {0.6, 0.62, 0.66},
                                         {0.66, 0.56, 0.48}, {0.5, 0.58, 0.68}, {0.82, 0.76, 0.72}};
    double ground = rng_range(p->rng, 0.62, 0.7);
    double x = f->x0 - rng_range(p->rng, 0, 0.1);

    town_bounds(f, ground);
    stage_sky(p, f, ground);
    while (x < f->x1) {
        double w = rng_range(p->rng, 0.15, 0.24);
        double h = rng_range(p->rng, 0.26, 0.5);
        struct rgb c = rgb_jitter(p->rng, paints[rng_below(p->rng, 6)], 0.05);

        block(p, x, ground, w, h, c);
        cairo_rectangle(p->cr, x - 0.005, ground - h - 0.012, w + 0.01, 0.02);
        pen_flat(p, rgb_dark(c, 0.3));
        if (rng_chance(p->rng, 0.5)) {
            cairo_rectangle(p->cr, x + 0.01, ground - 0.075, w - 0.02, 0.025);
            pen_soft(p, rgb_jitter(p->rng, RGB(0.6, 0.5, 0.45), 0.25));
        }
        x += w;
    }
    pavement(p, f, ground);
    street_lamp(p, rng_range(p->rng, 0.0, 0.12), ground + 0.06, 0.3);
    street_lamp(p, rng_range(p->rng, 0.88, 1.0), ground + 0.06, 0.3);
}

/* Landmarks are lit by lamps at night. */
static struct rgb floodlit(const struct pen *p)
{
    return p->night ? RGB(0.95, 0.8, 0.58) : p->tone;
}

static void clock_tower(struct pen *p, double x, double base, double h)
{
    double w = h * 0.17;
    struct rgb gold = RGB(0.87, 0.7, 0.3);
    struct rgb tone = p->tone;

    p->tone = floodlit(p);
    cairo_rectangle(p->cr, x - w / 2, base - h * 0.68, w, h * 0.68);
    pen_fill(p, STONE);
    for (int i = -1; i <= 1; i++) {
        pen_line(p, rgb_dark(STONE, 0.25), h * 0.012, x + i * w * 0.26, base - h * 0.6, x + i * w * 0.26, base);
    }
    cairo_rectangle(p->cr, x - w * 0.62, base - h * 0.82, w * 1.24, h * 0.2);
    pen_fill(p, rgb_light(STONE, 0.15));
    pen_ellipse(p, x, base - h * 0.72, w * 0.44, w * 0.44);
    if (p->night) {
        cairo_set_source_rgb(p->cr, 1, 0.95, 0.7);
        cairo_fill(p->cr);
        pen_glow(p, RGB(1, 0.92, 0.6), x, base - h * 0.72, w * 1.4, 0.6);
    } else {
        pen_fill(p, RGB(0.98, 0.97, 0.92));
    }
    pen_line(p, RGB(0.12, 0.12, 0.14), h * 0.012, x, base - h * 0.72, x, base - h * 0.72 - w * 0.36);
    pen_line(p, RGB(0.12, 0.12, 0.14), h * 0.012, x, base - h * 0.72, x + w * 0.24, base - h * 0.71);
    pen_poly(p, PTS(x - w * 0.62, base - h * 0.82, x - w * 0.3, base - h * 0.89, x + w * 0.3, base - h * 0.89,
                    x + w * 0.62, base - h * 0.82));
    pen_fill(p, RGB(0.32, 0.38, 0.42));
    pen_poly(p, PTS(x - w * 0.3, base - h * 0.9, x, base - h, x + w * 0.3, base - h * 0.9));
    pen_fill(p, RGB(0.32, 0.38, 0.42));
    pen_line(p, gold, h * 0.012, x, base - h, x, base - h * 1.04);
    p->tone = tone;
}

static void parliament(struct pen *p, double x, double base, double w, double h)
{
    int spires = (int)(w / 0.06);

    cairo_rectangle(p->cr, x, base - h, w, h);
    pen_fill(p, rgb_dark(STONE, 0.08));
    window_grid(p, x, base - h, w, h, (int)(w / 0.035), 2);
    for (int i = 0; i <= spires; i++) {
        double at = x + w * i / spires;

        pen_poly(p, PTS(at - 0.01, base - h, at, base - h - 0.045, at + 0.01, base - h));
        pen_soft(p, rgb_dark(STONE, 0.2));
    }
}

static void big_wheel(struct pen *p, double x, double base, double r)
{
    double y = base - r * 1.08;
    double turn = rng_range(p->rng, 0, 1);
    struct rgb steel = RGB(0.88, 0.9, 0.95);

    pen_line(p, steel, 0.012, x, y, x - r * 0.5, base);
    pen_line(p, steel, 0.012, x, y, x + r * 0.5, base);
    for (int i = 0; i < 14; i++) {
        double a = turn + i * 0.4488;

        pen_line(p, steel, 0.004, x, y, x + r * cos(a), y + r * sin(a));
    }
    pen_ellipse(p, x, y, r, r);
    pen_stroke(p, p->night ? RGB(1.1, 1.3, 1.5) : RGB(0.55, 0.6, 0.68), 0.012);
    for (int i = 0; i < 14; i++) {
        double a = turn + i * 0.4488;

        pen_ellipse(p, x + r * cos(a), y + r * sin(a), 0.014, 0.014);
        if (p->night) {
            cairo_set_source_rgb(p->cr, 0.75, 0.85, 1);
            cairo_fill(p->cr);
        } else {
            pen_flat(p, RGB(0.4, 0.55, 0.72));
        }
    }
}

static void tower_bridge(struct pen *p, double x, double base, double h)
{
    struct rgb blue = RGB(0.3, 0.55, 0.75);
    struct rgb tone = p->tone;

    p->tone = floodlit(p);
    for (int side = -1; side <= 1; side += 2) {
        double t = x + side * h * 0.38;

        pen_curve(p, PTS(t + side * h * 0.08, base - h * 0.7, t + side * h * 0.3, base - h * 0.4, t + side * h * 0.62,
                         base - h * 0.24));
        pen_stroke(p, blue, 0.01);
        cairo_rectangle(p->cr, t - h * 0.11, base - h * 0.78, h * 0.22, h * 0.78);
        pen_fill(p, RGB(0.72, 0.68, 0.6));
        window_grid(p, t - h * 0.1, base - h * 0.76, h * 0.2, h * 0.5, 2, 3);
        pen_poly(p, PTS(t - h * 0.12, base - h * 0.78, t, base - h * 1.02, t + h * 0.12, base - h * 0.78));
        pen_fill(p, RGB(0.4, 0.45, 0.52));
    }
    pen_line(p, blue, 0.014, x - h * 0.3, base - h * 0.66, x + h * 0.3, base - h * 0.66);
    pen_line(p, RGB(0.5, 0.52, 0.56), 0.02, x - h, base - h * 0.22, x + h, base - h * 0.22);
    pen_line(p, blue, 0.008, x - h, base - h * 0.25, x + h, base - h * 0.25);
    p->tone = tone;
}

static void phone_box(struct pen *p, double x, double base, double h)
{
    double w = h * 0.42;
    struct rgb red = RGB(0.82, 0.1, 0.12);
    struct rgb tone = p->tone;

    p->tone = floodlit(p);
    pen_round(p, x - w / 2, base - h, w, h, w * 0.14);
    pen_fill(p, red);
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 4; j++) {
            pen_window(p, x - w * 0.34 + i * w * 0.36, base - h * 0.82 + j * h * 0.18, w * 0.3, h * 0.14);
        }
    }
    cairo_rectangle(p->cr, x - w * 0.36, base - h * 0.94, w * 0.72, h * 0.07);
    pen_flat(p, RGB(0.97, 0.96, 0.92));
    p->tone = tone;
}

/* The red bus with two decks, as part of the view. */
static void double_decker(struct pen *p, double x, double base, double h)
{
    double w = h * 1.35;
    struct rgb red = RGB(0.86, 0.1, 0.12);
    struct rgb tone = p->tone;

    p->tone = floodlit(p);
    pen_round(p, x - w / 2, base - h, w, h * 0.9, h * 0.08);
    pen_fill(p, red);
    window_grid(p, x - w * 0.46, base - h * 0.94, w * 0.92, h * 0.36, 5, 1);
    window_grid(p, x - w * 0.46, base - h * 0.56, w * 0.92, h * 0.36, 5, 1);
    pen_wheel(p, x - w * 0.28, base - h * 0.1, h * 0.12);
    pen_wheel(p, x + w * 0.28, base - h * 0.1, h * 0.12);
    p->tone = tone;
}

static void river(struct pen *p, const struct frame *f, double y0, double y1)
{
    cairo_rectangle(p->cr, f->x0, y0, f->x1 - f->x0, y1 - y0 + 0.01);
    pen_vertical(p, RGB(0.38, 0.52, 0.62), RGB(0.3, 0.44, 0.56), y0, y1);
    cairo_fill(p->cr);
    stage_waves(p, f, y0 + 0.01, y1, RGB(0.72, 0.82, 0.9), 12);
    for (int i = 0; p->night && i < 16; i++) {
        double x = stage_x(p, f);
        double y = rng_range(p->rng, y0, y1);

        cairo_rectangle(p->cr, x, y, 0.008, 0.03);
        cairo_set_source_rgba(p->cr, 1, 0.85, 0.45, 0.5);
        cairo_fill(p->cr);
    }
}

void place_london(struct pen *p, struct frame *f)
{
    double bank = rng_range(p->rng, 0.56, 0.62);
    double ground = bank + rng_range(p->rng, 0.09, 0.13);
    bool left = rng_chance(p->rng, 0.5);
    double ben = left ? rng_range(p->rng, 0.1, 0.24) : rng_range(p->rng, 0.76, 0.9);
    double other = left ? rng_range(p->rng, 0.62, 0.76) : rng_range(p->rng, 0.24, 0.38);

    town_bounds(f, ground);
    stage_sky(p, f, bank);
    for (double x = f->x0; x < f->x1; x += 0.11) {
        block(p, x, bank, 0.1, rng_range(p->rng, 0.05, 0.14), rgb_jitter(p->rng, RGB(0.6, 0.58, 0.6), 0.06));
    }
    parliament(p, left ? ben : ben - 0.3, bank, 0.3, 0.13);
    if (rng_chance(p->rng, 0.55)) {
        big_wheel(p, other, bank, rng_range(p->rng, 0.15, 0.19));
        river(p, f, bank, ground);
    } else {
        river(p, f, bank, ground);
        tower_bridge(p, other, bank + 0.05, rng_range(p->rng, 0.24, 0.3));
    }
    clock_tower(p, ben, bank + 0.01, rng_range(p->rng, 0.42, 0.52));
    pavement(p, f, ground);
    if (rng_chance(p->rng, 0.75)) {
        double_decker(p, left ? rng_range(p->rng, 0.75, 0.9) : rng_range(p->rng, 0.1, 0.25), ground + 0.03,
                      rng_range(p->rng, 0.12, 0.16));
    }
    if (rng_chance(p->rng, 0.6)) {
        phone_box(p, left ? rng_range(p->rng, 0.03, 0.1) : rng_range(p->rng, 0.9, 0.97), ground + 0.08, 0.17);
    }
    street_lamp(p, rng_range(p->rng, 0.45, 0.55), ground + 0.03, 0.2);
}

/* Four bent legs, three decks, crossed iron in between. */
static void iron_tower(struct pen *p, double x, double base, double h)
{
    struct rgb iron = p->night ? RGB(1.9, 1.35, 0.6) : RGB(0.46, 0.34, 0.26);

    for (int side = -1; side <= 1; side += 2) {
        pen_curve(p, PTS(x + side * h * 0.27, base, x + side * h * 0.16, base - h * 0.25, x + side * h * 0.065,
                         base - h * 0.55, x + side * h * 0.018, base - h * 0.95));
        pen_stroke(p, iron, h * 0.045);
        pen_curve(p, PTS(x + side * h * 0.15, base, x + side * h * 0.1, base - h * 0.18, x, base - h * 0.24));
        pen_stroke(p, iron, h * 0.025);
    }
    for (int i = 0; i < 7; i++) {
        double y0 = base - h * (0.28 + 0.08 * i);
        double w = h * (0.13 - 0.0165 * i);

        pen_line(p, iron, h * 0.012, x - w, y0, x + w * 0.86, y0 - h * 0.08);
        pen_line(p, iron, h * 0.012, x + w, y0, x - w * 0.86, y0 - h * 0.08);
    }
    pen_line(p, iron, h * 0.035, x - h * 0.18, base - h * 0.26, x + h * 0.18, base - h * 0.26);
    pen_line(p, iron, h * 0.03, x - h * 0.1, base - h * 0.5, x + h * 0.1, base - h * 0.5);
    pen_line(p, iron, h * 0.04, x, base - h * 0.9, x, base - h * 1.04);
    if (p->night) {
        pen_glow(p, RGB(1, 0.85, 0.45), x, base - h * 0.5, h * 0.5, 0.35);
    }
}

static void mansard(struct pen *p, double x, double base, double w, double h)
{
    struct rgb cream = rgb_jitter(p->rng, RGB(0.9, 0.85, 0.74), 0.04);

    cairo_rectangle(p->cr, x, base - h, w, h);
    pen_soft(p, cream);
    pen_poly(p, PTS(x - 0.004, base - h, x + 0.014, base - h - 0.05, x + w - 0.014, base - h - 0.05, x + w + 0.004,
                    base - h));
    pen_soft(p, RGB(0.42, 0.47, 0.56));
    window_grid(p, x, base - h, w, h, 3, 3);
    cairo_rectangle(p->cr, x + w * 0.7, base - h - 0.08, 0.022, 0.04);
    pen_soft(p, RGB(0.7, 0.42, 0.32));
}

void place_paris(struct pen *p, struct frame *f)
{
    double ground = rng_range(p->rng, 0.6, 0.68);
    double at = rng_chance(p->rng, 0.5) ? rng_range(p->rng, 0.18, 0.36) : rng_range(p->rng, 0.64, 0.82);

    town_bounds(f, ground);
    stage_sky(p, f, ground);
    for (double x = f->x0 - 0.05; x < f->x1; x += 0.14) {
        if (fabs(x + 0.07 - at) > 0.17) {
            mansard(p, x, ground, 0.138, rng_range(p->rng, 0.13, 0.22));
        }
    }
    iron_tower(p, at, ground, rng_range(p->rng, 0.5, 0.56));
    pavement(p, f, ground);
    for (int i = 0; i < 8; i++) {
        double x = stage_x(p, f);

        pen_ellipse(p, x, ground - 0.006, 0.05, 0.03);
        pen_soft(p, rgb_jitter(p->rng, RGB(0.3, 0.5, 0.26), 0.05));
    }
    street_lamp(p, rng_range(p->rng, 0.02, 0.12), ground + 0.05, 0.24);
}

static void statue(struct pen *p, double x, double base, double h)
{
    struct rgb green = RGB(0.45, 0.72, 0.62);
    struct rgb tone = p->tone;

    p->tone = floodlit(p);
    cairo_rectangle(p->cr, x - h * 0.12, base - h * 0.3, h * 0.24, h * 0.3);
    pen_fill(p, RGB(0.75, 0.68, 0.58));
    pen_poly(p, PTS(x - h * 0.1, base - h * 0.3, x - h * 0.06, base - h * 0.7, x + h * 0.06, base - h * 0.7,
                    x + h * 0.11, base - h * 0.3));
    pen_fill(p, green);
    pen_limb(p, green, h * 0.05, PTS(x + h * 0.05, base - h * 0.66, x + h * 0.13, base - h * 0.92));
    pen_ellipse(p, x + h * 0.135, base - h * 0.96, h * 0.04, h * 0.05);
    pen_flat(p, p->night ? RGB(2, 1.7, 0.8) : RGB(0.98, 0.75, 0.25));
    pen_ellipse(p, x, base - h * 0.75, h * 0.05, h * 0.06);
    pen_fill(p, green);
    for (int i = -2; i <= 2; i++) {
        pen_line(p, green, h * 0.015, x, base - h * 0.78, x + i * h * 0.04, base - h * 0.87);
    }
    p->tone = tone;
}

/* Glass and steel, much taller than any other city here. */
void place_new_york(struct pen *p, struct frame *f)
{
    double ground = rng_range(p->rng, 0.66, 0.72);
    double spire = rng_range(p->rng, 0.3, 0.7);
    bool left = rng_chance(p->rng, 0.5);

    town_bounds(f, ground);
    stage_sky(p, f, ground);
    for (double x = f->x0 - 0.04; x < f->x1;) {
        double w = rng_range(p->rng, 0.07, 0.12);
        double h = rng_range(p->rng, 0.34, 0.58);

        block(p, x, ground, w, h, rgb_jitter(p->rng, RGB(0.42, 0.5, 0.62), 0.1));
        x += w + rng_range(p->rng, 0, 0.02);
    }
    block(p, spire - 0.07, ground, 0.14, 0.44, RGB(0.7, 0.66, 0.6));
    block(p, spire - 0.045, ground - 0.42, 0.09, 0.1, RGB(0.7, 0.66, 0.6));
    pen_poly(p, PTS(spire - 0.02, ground - 0.5, spire, ground - 0.66, spire + 0.02, ground - 0.5));
    pen_fill(p, RGB(0.75, 0.75, 0.78));
    if (rng_chance(p->rng, 0.65)) {
        statue(p, left ? rng_range(p->rng, 0.04, 0.14) : rng_range(p->rng, 0.84, 0.94), ground + 0.02, 0.34);
    }
    cairo_rectangle(p->cr, f->x0, ground, f->x1 - f->x0, f->y1 - ground);
    pen_vertical(p, RGB(0.46, 0.46, 0.48), RGB(0.34, 0.34, 0.37), ground, f->y1);
    cairo_fill(p->cr);
    for (int i = 0; i < 9; i++) {
        pen_line(p, RGB(0.95, 0.8, 0.2), 0.014, f->x0 + i * 0.24, ground + 0.05, f->x0 + i * 0.24 + 0.13,
                 ground + 0.05);
    }
}

static void pyramid(struct pen *p, double x, double base, double h)
{
    struct rgb c = rgb_jitter(p->rng, RGB(0.87, 0.7, 0.42), 0.03);
    struct rgb tone = p->tone;

    p->tone = floodlit(p);
    pen_poly(p, PTS(x - h * 0.8, base, x, base - h, x + h * 0.8, base));
    pen_fill(p, c);
    pen_poly(p, PTS(x, base - h, x + h * 0.8, base, x + h * 0.25, base));
    pen_alpha(p, rgb_dark(c, 0.45), 0.75);
    for (int i = 1; i < 6; i++) {
        double y = base - h + h * i / 6;
        double w = h * 0.8 * i / 6;

        pen_line(p, rgb_dark(c, 0.2), 0.004, x - w, y, x + w * 0.3, y);
    }
    p->tone = tone;
}

void place_egypt(struct pen *p, struct frame *f)
{
    double ground = rng_range(p->rng, 0.56, 0.64);
    double x = rng_range(p->rng, 0.15, 0.4);

    town_bounds(f, ground);
    stage_sky(p, f, ground);
    pyramid(p, x + rng_range(p->rng, 0.42, 0.52), ground + 0.01, rng_range(p->rng, 0.2, 0.28));
    pyramid(p, x, ground + 0.02, rng_range(p->rng, 0.32, 0.42));
    if (rng_chance(p->rng, 0.5)) {
        pyramid(p, x + 0.28, ground + 0.03, 0.14);
    }
    stage_ground(p, f, ground, RGB(0.92, 0.78, 0.5), RGB(0.9, 0.74, 0.46));
    stage_specks(p, f, ground + 0.03, RGB(0.75, 0.58, 0.34), 40, 0.006);
    if (rng_chance(p->rng, 0.7)) {
        stage_put(p, draw_palm, rng_chance(p->rng, 0.5) ? 0.05 : 0.94, ground + 0.06, 0.34, RGB(0.3, 0.55, 0.2), false);
    }
}
