/* Landscapes and rooms: everything behind the subject of a scene. */
#include "stage.h"
#include "things.h"

#include <math.h>

void stage_put(struct pen *p, draw_fn *draw, double x, double y, double height, struct rgb colour, bool mirror)
{
    struct pen local = *p;

    cairo_save(p->cr);
    cairo_translate(p->cr, x, y);
    cairo_scale(p->cr, mirror ? -height : height, height);
    local.main = colour;
    /* Small things keep an outline that survives the reduction. */
    local.line = fmax(0.022, 0.0035 / height);
    draw(&local);
    cairo_restore(p->cr);
}

double stage_x(struct pen *p, const struct frame *f)
{
    return rng_range(p->rng, f->x0, f->x1);
}

static void cloud(struct pen *p, double x, double y, double r, double alpha)
{
    for (int i = 0; i < 4; i++) {
        pen_ellipse(p, x + (i - 1.5) * r * 0.8, y + rng_range(p->rng, -0.25, 0.1) * r, r * 0.75, r * 0.45);
    }
    pen_alpha(p, RGB(1, 1, 1), alpha);
}

static void night_sky(struct pen *p, const struct frame *f, double horizon)
{
    struct rgb top = rgb_jitter(p->rng, RGB(0.03, 0.04, 0.13), 0.02);
    struct rgb low = rgb_jitter(p->rng, RGB(0.13, 0.15, 0.33), 0.04);

    p->tone = RGB(1, 1, 1);
    cairo_rectangle(p->cr, f->x0, f->y0, f->x1 - f->x0, horizon - f->y0);
    pen_vertical(p, top, low, f->y0, horizon);
    cairo_fill(p->cr);
    for (int i = 0; i < 46; i++) {
        pen_ellipse(p, stage_x(p, f), rng_range(p->rng, f->y0, horizon * 0.95), 0.0035, 0.0035);
        pen_alpha(p, RGB(1, 1, 0.9), rng_range(p->rng, 0.4, 1));
    }
}

void stage_sky(struct pen *p, const struct frame *f, double horizon)
{
    static const struct rgb skies[][2] = {
        {{0.35, 0.62, 0.92}, {0.78, 0.9, 0.98}}, {{0.45, 0.75, 0.95}, {0.88, 0.95, 0.98}},
        {{0.55, 0.68, 0.82}, {0.86, 0.88, 0.9}}, {{0.4, 0.6, 0.88}, {0.98, 0.86, 0.72}},
        {{0.3, 0.7, 0.9}, {0.75, 0.92, 0.9}},
    };
    int which = rng_below(p->rng, 5);
    int clouds = rng_below(p->rng, 4);

    if (p->night) {
        struct rgb tone = p->tone;

        night_sky(p, f, horizon + 0.02);
        p->tone = tone;
        return;
    }
    cairo_rectangle(p->cr, f->x0, f->y0, f->x1 - f->x0, horizon + 0.02 - f->y0);
    pen_vertical(p, rgb_jitter(p->rng, skies[which][0], 0.04), rgb_jitter(p->rng, skies[which][1], 0.03), f->y0,
                 horizon);
    cairo_fill(p->cr);
    for (int i = 0; i < clouds; i++) {
        cloud(p, stage_x(p, f), rng_range(p->rng, 0.06, horizon * 0.7), rng_range(p->rng, 0.05, 0.1),
              rng_range(p->rng, 0.5, 0.9));
    }
}

void stage_ground(struct pen *p, const struct frame *f, double y, struct rgb top, struct rgb bottom)
{
    double bump = rng_range(p->rng, -0.015, 0.015);

    cairo_move_to(p->cr, f->x0, f->y1);
    cairo_line_to(p->cr, f->x0, y);
    cairo_curve_to(p->cr, f->x0 + (f->x1 - f->x0) * 0.3, y - bump, f->x0 + (f->x1 - f->x0) * 0.7, y + bump, f->x1, y);
    cairo_line_to(p->cr, f->x1, f->y1);
    cairo_close_path(p->cr);
    pen_vertical(p, rgb_jitter(p->rng, top, 0.04), rgb_jitter(p->rng, bottom, 0.04), y, f->y1);
    cairo_fill(p->cr);
}

void stage_hills(struct pen *p, const struct frame *f, double y, double height, struct rgb c)
{
    double span = f->x1 - f->x0;
    int humps = 2 + rng_below(p->rng, 3);

    cairo_move_to(p->cr, f->x0 - 0.2, y + 0.02);
    for (int i = 0; i < humps; i++) {
        double x0 = f->x0 - 0.2 + (span + 0.4) * i / humps;
        double x1 = f->x0 - 0.2 + (span + 0.4) * (i + 1) / humps;
        double top = y - height * rng_range(p->rng, 0.5, 1.2);

        cairo_curve_to(p->cr, x0 + (x1 - x0) * 0.3, top, x0 + (x1 - x0) * 0.7, top, x1, y - height * 0.2);
    }
    cairo_line_to(p->cr, f->x1 + 0.2, y + 0.02);
    cairo_close_path(p->cr);
    pen_soft(p, rgb_jitter(p->rng, c, 0.05));
}

void stage_specks(struct pen *p, const struct frame *f, double y0, struct rgb c, int n, double size)
{
    for (int i = 0; i < n; i++) {
        double y = rng_range(p->rng, y0, f->y1);
        double near = 0.4 + (y - y0) / (f->y1 - y0);

        pen_ellipse(p, stage_x(p, f), y, size * near * 1.6, size * near * 0.7);
        pen_alpha(p, rgb_jitter(p->rng, c, 0.06), 0.6);
    }
}

void stage_waves(struct pen *p, const struct frame *f, double y0, double y1, struct rgb c, int n)
{
    for (int i = 0; i < n; i++) {
        double y = rng_range(p->rng, y0, y1);
        double w = 0.03 + 0.06 * (y - y0) / (y1 - y0 + 0.01);
        double x = stage_x(p, f);

        pen_curve(p, PTS(x - w, y, x - w / 2, y - w * 0.16, x, y, x + w / 2, y - w * 0.16, x + w, y));
        pen_source(p, c, 0.65);
        cairo_set_line_width(p->cr, 0.006);
        cairo_stroke(p->cr);
    }
}

static void grass_tufts(struct pen *p, const struct frame *f, double y0, struct rgb c, int n)
{
    for (int i = 0; i < n; i++) {
        double x = stage_x(p, f);
        double y = rng_range(p->rng, y0, f->y1);
        double h = 0.012 + 0.03 * (y - y0) / (f->y1 - y0);

        for (int blade = -1; blade <= 1; blade++) {
            cairo_move_to(p->cr, x + blade * 0.006, y);
            cairo_line_to(p->cr, x + blade * 0.013, y - h);
        }
        pen_stroke(p, c, 0.005);
    }
}

static void small_stones(struct pen *p, const struct frame *f, double y0)
{
    int n = rng_below(p->rng, 4);

    for (int i = 0; i < n; i++) {
        double x = stage_x(p, f);
        double y = rng_range(p->rng, y0 + 0.05, f->y1);
        double r = rng_range(p->rng, 0.012, 0.03);

        pen_ellipse(p, x, y, r * 1.4, r);
        pen_soft(p, rgb_jitter(p->rng, RGB(0.58, 0.57, 0.56), 0.08));
    }
}

/* Three strokes far away in the sky: too small to count as birds. */
static void far_gulls(struct pen *p, const struct frame *f, double horizon)
{
    int n = rng_chance(p->rng, 0.35) ? 2 + rng_below(p->rng, 3) : 0;

    for (int i = 0; i < n; i++) {
        double x = stage_x(p, f);
        double y = rng_range(p->rng, 0.05, horizon * 0.6);

        pen_curve(p, PTS(x - 0.02, y - 0.006, x - 0.01, y - 0.01, x, y, x + 0.01, y - 0.01, x + 0.02, y - 0.006));
        pen_stroke(p, RGB(0.35, 0.38, 0.45), 0.005);
    }
}

static double open_land(struct pen *p, struct frame *f)
{
    double horizon = rng_range(p->rng, 0.4, 0.56);

    f->far_y = horizon + 0.14;
    f->near_y = 0.95;
    f->air_y0 = 0.05;
    f->air_y1 = horizon;
    f->water_y0 = f->far_y;
    f->water_y1 = f->near_y;
    stage_sky(p, f, horizon);
    return horizon;
}

static void place_snow(struct pen *p, struct frame *f)
{
    double horizon = open_land(p, f);
    int trees = rng_below(p->rng, 5);

    stage_hills(p, f, horizon, 0.12, RGB(0.8, 0.87, 0.95));
    for (int i = 0; i < trees; i++) {
        double h = rng_range(p->rng, 0.1, 0.2);

        stage_put(p, draw_pine, stage_x(p, f), horizon + 0.03, h, rgb_mix(RGB(0.3, 0.48, 0.4), RGB(0.95, 0.97, 1), 0.5),
                  false);
    }
    stage_ground(p, f, horizon, RGB(0.92, 0.95, 0.99), RGB(0.97, 0.98, 1.0));
    for (int i = 0; i < 4; i++) {
        double y = rng_range(p->rng, horizon + 0.05, f->y1);

        pen_ellipse(p, stage_x(p, f), y, 0.22, 0.022);
        pen_alpha(p, RGB(0.76, 0.84, 0.94), 0.55);
    }
    if (rng_chance(p->rng, 0.7)) {
        for (int i = 0; i < 60; i++) {
            double r = rng_range(p->rng, 0.003, 0.008);

            pen_ellipse(p, stage_x(p, f), rng_range(p->rng, f->y0, f->y1), r, r);
            pen_alpha(p, RGB(1, 1, 1), 0.9);
        }
    }
}

static void place_beach(struct pen *p, struct frame *f)
{
    double horizon = open_land(p, f);
    double shore = horizon + rng_range(p->rng, 0.1, 0.17);

    far_gulls(p, f, horizon);
    stage_ground(p, f, horizon, RGB(0.16, 0.5, 0.75), RGB(0.35, 0.75, 0.85));
    stage_waves(p, f, horizon + 0.02, shore, RGB(0.9, 0.97, 1), 14);
    stage_ground(p, f, shore - 0.012, RGB(0.97, 0.98, 1), RGB(1, 1, 1));
    stage_ground(p, f, shore, RGB(0.93, 0.83, 0.6), RGB(0.96, 0.88, 0.68));
    stage_specks(p, f, shore + 0.02, RGB(0.82, 0.7, 0.48), 50, 0.005);
    small_stones(p, f, shore);
    f->far_y = shore + 0.1;
    if (rng_chance(p->rng, 0.45)) {
        double x = rng_chance(p->rng, 0.5) ? f->x0 + 0.08 : f->x1 - 0.08;

        stage_put(p, draw_palm, x, shore + 0.06, 0.5, RGB(0.3, 0.6, 0.2), false);
    }
    if (rng_chance(p->rng, 0.3)) {
        pen_ellipse(p, stage_x(p, f), rng_range(p->rng, shore + 0.08, 1), 0.022, 0.018);
        pen_soft(p, RGB(0.97, 0.7, 0.6));
    }
}

static void place_meadow(struct pen *p, struct frame *f)
{
    double horizon = open_land(p, f);

    far_gulls(p, f, horizon);
    stage_hills(p, f, horizon, 0.12, RGB(0.5, 0.72, 0.45));
    stage_ground(p, f, horizon, RGB(0.5, 0.76, 0.33), RGB(0.38, 0.68, 0.26));
    grass_tufts(p, f, horizon + 0.03, RGB(0.24, 0.52, 0.18), 60);
    for (int i = 0; i < 26; i++) {
        static const struct rgb petals[3] = {{0.99, 0.97, 0.95}, {0.99, 0.87, 0.3}, {0.95, 0.6, 0.75}};
        double y = rng_range(p->rng, horizon + 0.05, f->y1);
        double r = 0.004 + 0.006 * (y - horizon);

        pen_ellipse(p, stage_x(p, f), y, r, r);
        pen_flat(p, petals[rng_below(p->rng, 3)]);
    }
    small_stones(p, f, horizon);
}

static void place_desert(struct pen *p, struct frame *f)
{
    double horizon = open_land(p, f);
    struct rgb sand = RGB(0.9, 0.66, 0.36);

    if (rng_chance(p->rng, 0.5)) {
        double x = stage_x(p, f);

        pen_poly(p, PTS(x - 0.17, horizon + 0.01, x - 0.14, horizon - 0.14, x + 0.1, horizon - 0.15, x + 0.15,
                        horizon + 0.01));
        pen_soft(p, RGB(0.78, 0.42, 0.25));
    }
    stage_hills(p, f, horizon, 0.1, RGB(0.88, 0.6, 0.32));
    stage_ground(p, f, horizon, sand, RGB(0.95, 0.75, 0.45));
    for (int i = 0; i < 3; i++) {
        double y = horizon + 0.06 + 0.14 * i;

        stage_hills(p, f, y, 0.05, rgb_dark(sand, 0.03 * i));
        stage_ground(p, f, y, sand, RGB(0.95, 0.75, 0.45));
    }
    stage_waves(p, f, horizon + 0.08, f->y1, RGB(0.75, 0.5, 0.25), 18);
    small_stones(p, f, horizon);
}

static void place_sea(struct pen *p, struct frame *f)
{
    double horizon = open_land(p, f);

    far_gulls(p, f, horizon);
    stage_ground(p, f, horizon, RGB(0.12, 0.42, 0.7), RGB(0.1, 0.32, 0.58));
    for (int i = 0; i < 5; i++) {
        double y = horizon + 0.05 + i * (1 - horizon) / 5;

        pen_ellipse(p, stage_x(p, f), y, 0.4, 0.02);
        pen_alpha(p, RGB(0.3, 0.62, 0.82), 0.5);
    }
    stage_waves(p, f, horizon + 0.02, f->y1, RGB(0.8, 0.92, 1), 44);
    f->water_y0 = horizon + 0.1;
}

static void place_lake(struct pen *p, struct frame *f)
{
    double horizon = open_land(p, f);
    double shore = rng_range(p->rng, 0.76, 0.84);

    stage_hills(p, f, horizon, 0.14, RGB(0.36, 0.58, 0.42));
    for (int i = 0; i < 7; i++) {
        double h = rng_range(p->rng, 0.07, 0.13);

        stage_put(p, draw_pine, stage_x(p, f), horizon + 0.015, h, RGB(0.2, 0.45, 0.28), false);
    }
    stage_ground(p, f, horizon, RGB(0.4, 0.66, 0.72), RGB(0.55, 0.8, 0.86));
    for (int i = 0; i < 5; i++) {
        pen_ellipse(p, stage_x(p, f), rng_range(p->rng, horizon + 0.01, horizon + 0.08), 0.15, 0.01);
        pen_alpha(p, RGB(0.25, 0.5, 0.42), 0.6);
    }
    stage_waves(p, f, horizon + 0.06, shore, RGB(0.88, 0.97, 0.98), 14);
    stage_ground(p, f, shore, RGB(0.45, 0.66, 0.28), RGB(0.36, 0.58, 0.22));
    grass_tufts(p, f, shore, RGB(0.25, 0.48, 0.16), 40);
    for (int i = 0; i < 6; i++) {
        double x = rng_chance(p->rng, 0.5) ? rng_range(p->rng, f->x0, 0.1) : rng_range(p->rng, 0.9, f->x1);

        pen_line(p, RGB(0.35, 0.55, 0.2), 0.008, x, shore + 0.02, x + 0.01, shore - 0.12);
        pen_line(p, RGB(0.45, 0.28, 0.14), 0.018, x + 0.009, shore - 0.1, x + 0.012, shore - 0.15);
    }
    f->far_y = shore + 0.04;
    f->water_y0 = horizon + 0.12;
    f->water_y1 = shore - 0.02;
}

static void place_forest(struct pen *p, struct frame *f)
{
    double horizon = open_land(p, f);

    stage_hills(p, f, horizon, 0.3, RGB(0.3, 0.5, 0.34));
    for (int i = 0; i < 14; i++) {
        double x = f->x0 + (f->x1 - f->x0) * (i + 0.5) / 14;

        stage_put(p, draw_pine, x, horizon + 0.03, rng_range(p->rng, 0.34, 0.55),
                  rgb_jitter(p->rng, RGB(0.2, 0.42, 0.27), 0.05), false);
    }
    stage_ground(p, f, horizon + 0.01, RGB(0.38, 0.44, 0.22), RGB(0.34, 0.36, 0.18));
    stage_specks(p, f, horizon + 0.03, RGB(0.5, 0.36, 0.18), 50, 0.008);
    grass_tufts(p, f, horizon + 0.03, RGB(0.22, 0.38, 0.14), 30);
    for (int side = 0; side < 2; side++) {
        double x = side == 0 ? rng_range(p->rng, f->x0, 0.04) : rng_range(p->rng, 0.96, f->x1);

        if (rng_chance(p->rng, 0.7)) {
            stage_put(p, draw_pine, x, rng_range(p->rng, 0.6, 0.75), 0.75, RGB(0.16, 0.38, 0.22), false);
        }
    }
}

static void place_mountains(struct pen *p, struct frame *f)
{
    double horizon = open_land(p, f);
    int peaks = 3 + rng_below(p->rng, 2);

    for (int i = 0; i < peaks; i++) {
        double x = f->x0 + (f->x1 - f->x0) * (i + rng_range(p->rng, 0.2, 0.8)) / peaks;
        double h = rng_range(p->rng, 0.24, 0.4);
        double w = h * rng_range(p->rng, 0.7, 0.95);
        double top = horizon - h + 0.02;

        pen_poly(p, PTS(x - w, horizon + 0.02, x, top, x + w, horizon + 0.02));
        pen_soft(p, rgb_jitter(p->rng, RGB(0.46, 0.48, 0.56), 0.05));
        pen_poly(p, PTS(x, top, x + w, horizon + 0.02, x + w * 0.2, horizon + 0.02));
        pen_alpha(p, RGB(0.2, 0.22, 0.3), 0.35);
        pen_poly(p, PTS(x - w * 0.33, top + h * 0.33, x, top, x + w * 0.33, top + h * 0.33, x + w * 0.16,
                        top + h * 0.26, x, top + h * 0.37, x - w * 0.15, top + h * 0.27));
        pen_flat(p, RGB(0.97, 0.98, 1));
    }
    stage_ground(p, f, horizon, RGB(0.45, 0.6, 0.36), RGB(0.4, 0.52, 0.3));
    stage_specks(p, f, horizon + 0.03, RGB(0.5, 0.5, 0.46), 40, 0.008);
    grass_tufts(p, f, horizon + 0.03, RGB(0.28, 0.44, 0.22), 25);
    small_stones(p, f, horizon);
    small_stones(p, f, horizon);
}

static void place_road(struct pen *p, struct frame *f)
{
    double horizon = open_land(p, f);
    double top = rng_range(p->rng, 0.68, 0.74);

    stage_hills(p, f, horizon, 0.1, RGB(0.55, 0.68, 0.4));
    stage_ground(p, f, horizon, RGB(0.62, 0.74, 0.36), RGB(0.5, 0.66, 0.3));
    for (int i = 0; i < 5; i++) {
        double x = f->x0 + (f->x1 - f->x0) * (i + 0.2) / 5;

        pen_line(p, RGB(0.75, 0.66, 0.52), 0.012, x, top - 0.1, x, top - 0.02);
        pen_line(p, RGB(0.75, 0.66, 0.52), 0.008, x, top - 0.075, x + 0.4, top - 0.075);
    }
    cairo_rectangle(p->cr, f->x0, top, f->x1 - f->x0, f->y1 - top);
    pen_vertical(p, RGB(0.4, 0.4, 0.43), RGB(0.3, 0.3, 0.33), top, f->y1);
    cairo_fill(p->cr);
    pen_line(p, RGB(0.85, 0.85, 0.82), 0.01, f->x0, top + 0.02, f->x1, top + 0.02);
    for (int i = 0; i < 10; i++) {
        double x = f->x0 + i * 0.26;

        pen_line(p, RGB(0.97, 0.93, 0.7), 0.02, x, (top + 1.02) / 2, x + 0.14, (top + 1.02) / 2);
    }
    f->far_y = top + 0.08;
}

static void room_window(struct pen *p, double x, double y)
{
    struct rgb frame = RGB(0.96, 0.94, 0.9);

    cairo_rectangle(p->cr, x, y, 0.22, 0.2);
    if (p->night) {
        cairo_set_source_rgb(p->cr, 0.05, 0.06, 0.2);
    } else {
        pen_vertical(p, RGB(0.5, 0.75, 0.95), RGB(0.85, 0.94, 0.98), y, y + 0.2);
    }
    cairo_fill(p->cr);
    for (int i = 0; p->night && i < 6; i++) {
        pen_ellipse(p, x + rng_range(p->rng, 0.02, 0.2), y + rng_range(p->rng, 0.02, 0.18), 0.005, 0.005);
        cairo_set_source_rgb(p->cr, 1, 1, 0.85);
        cairo_fill(p->cr);
    }
    cairo_rectangle(p->cr, x, y, 0.22, 0.2);
    pen_stroke(p, frame, 0.016);
    pen_line(p, frame, 0.01, x + 0.11, y, x + 0.11, y + 0.2);
    pen_line(p, frame, 0.01, x, y + 0.1, x + 0.22, y + 0.1);
}

/* The wall, its paper, one window and perhaps a painting. */
static void room_wall(struct pen *p, struct frame *f, double floor)
{
    static const struct rgb papers[6] = {{0.93, 0.86, 0.72}, {0.75, 0.85, 0.82}, {0.9, 0.78, 0.76},
                                         {0.78, 0.82, 0.92}, {0.88, 0.88, 0.86}, {0.86, 0.9, 0.72}};
    struct rgb wall = rgb_jitter(p->rng, papers[rng_below(p->rng, 6)], 0.04);
    bool left = rng_chance(p->rng, 0.5);

    cairo_rectangle(p->cr, f->x0, f->y0, f->x1 - f->x0, f->y1 - f->y0);
    pen_vertical(p, wall, rgb_dark(wall, 0.1), f->y0, floor);
    cairo_fill(p->cr);
    for (int i = 0; rng_chance(p->rng, 0.9) && i < 16; i++) {
        double x = f->x0 + i * 0.13;

        pen_line(p, rgb_dark(wall, 0.06), 0.02, x, f->y0, x, floor);
    }
    room_window(p, left ? rng_range(p->rng, 0.02, 0.12) : rng_range(p->rng, 0.66, 0.76), rng_range(p->rng, 0.06, 0.14));
    if (rng_chance(p->rng, 0.6)) {
        double x = left ? rng_range(p->rng, 0.6, 0.75) : rng_range(p->rng, 0.05, 0.25);

        cairo_rectangle(p->cr, x, 0.1, 0.16, 0.12);
        pen_fill(p, RGB(0.62, 0.45, 0.25));
        cairo_rectangle(p->cr, x + 0.015, 0.115, 0.13, 0.09);
        pen_soft(p, rgb_jitter(p->rng, RGB(0.55, 0.65, 0.6), 0.25));
    }
}

static void place_room(struct pen *p, struct frame *f)
{
    double floor = rng_range(p->rng, 0.56, 0.66);
    struct rgb wood = rgb_jitter(p->rng, RGB(0.68, 0.48, 0.3), 0.06);

    room_wall(p, f, floor);
    cairo_rectangle(p->cr, f->x0, floor, f->x1 - f->x0, f->y1 - floor);
    pen_vertical(p, wood, rgb_light(wood, 0.12), floor, f->y1);
    cairo_fill(p->cr);
    for (int i = 0; i < 5; i++) {
        double y = floor + (f->y1 - floor) * i * i / 22.0;

        pen_line(p, rgb_dark(wood, 0.25), 0.005, f->x0, y, f->x1, y);
    }
    pen_line(p, RGB(0.95, 0.93, 0.88), 0.02, f->x0, floor, f->x1, floor);
    if (rng_chance(p->rng, 0.6)) {
        struct rgb rug = rgb_jitter(p->rng, RGB(0.65, 0.4, 0.42), 0.22);

        pen_ellipse(p, 0.5, 0.86, 0.42, 0.09);
        pen_soft(p, rug);
        pen_ellipse(p, 0.5, 0.86, 0.34, 0.065);
        pen_stroke(p, rgb_light(rug, 0.4), 0.01);
    }
    f->far_y = floor + 0.12;
    f->near_y = 0.96;
    f->air_y0 = 0.06;
    f->air_y1 = floor;
    f->water_y0 = f->far_y;
    f->water_y1 = f->near_y;
}

/* A big table in a room: its top is the ground on which things stand. */
static void place_table(struct pen *p, struct frame *f)
{
    double top = rng_range(p->rng, 0.62, 0.7);
    double half = rng_range(p->rng, 0.44, 0.49);
    struct rgb wood = rgb_jitter(p->rng, RGB(0.6, 0.38, 0.2), 0.08);
    struct rgb front = rgb_dark(wood, 0.25);

    room_wall(p, f, 0.78);
    cairo_rectangle(p->cr, f->x0, 0.8, f->x1 - f->x0, f->y1 - 0.8);
    pen_soft(p, RGB(0.55, 0.5, 0.48));
    for (int side = -1; side <= 1; side += 2) {
        double x = 0.5 + side * (half - 0.06);

        cairo_rectangle(p->cr, x - 0.03, top + 0.1, 0.06, 0.9 - top);
        pen_fill(p, front);
    }
    pen_poly(p, PTS(0.5 - half, top + 0.1, 0.5 - half + 0.07, top - 0.06, 0.5 + half - 0.07, top - 0.06, 0.5 + half,
                    top + 0.1));
    pen_fill(p, rgb_light(wood, 0.12));
    for (int i = 0; i < 4; i++) {
        double x = rng_range(p->rng, 0.15, 0.6);
        double y = top - 0.03 + 0.03 * i;

        pen_line(p, rgb_dark(wood, 0.12), 0.005, x, y, x + 0.22, y);
    }
    cairo_rectangle(p->cr, 0.5 - half, top + 0.1, 2 * half, 0.06);
    pen_fill(p, wood);
    f->far_y = top;
    f->near_y = top + 0.07;
    f->air_y0 = 0.06;
    f->air_y1 = top - 0.1;
    f->water_y0 = f->far_y;
    f->water_y1 = f->near_y;
}

static void place_underwater(struct pen *p, struct frame *f)
{
    double floor = rng_range(p->rng, 0.82, 0.9);

    cairo_rectangle(p->cr, f->x0, f->y0, f->x1 - f->x0, f->y1 - f->y0);
    pen_vertical(p, rgb_jitter(p->rng, RGB(0.25, 0.72, 0.82), 0.04), rgb_jitter(p->rng, RGB(0.05, 0.3, 0.5), 0.04),
                 f->y0, f->y1);
    cairo_fill(p->cr);
    for (int i = 0; i < 3; i++) {
        double x = stage_x(p, f);

        pen_poly(p, PTS(x, f->y0, x + 0.08, f->y0, x + 0.3, 0.85, x + 0.1, 0.85));
        pen_alpha(p, RGB(0.9, 1, 1), 0.14);
    }
    stage_ground(p, f, floor, RGB(0.75, 0.7, 0.5), RGB(0.6, 0.56, 0.4));
    for (int i = 0; i < 9; i++) {
        double x = stage_x(p, f);
        double h = rng_range(p->rng, 0.1, 0.28);
        double s = rng_range(p->rng, 0.01, 0.03);

        pen_curve(p, PTS(x, f->y1, x + s, floor, x - s, floor - h / 2, x + s, floor - h));
        pen_stroke(p, rgb_jitter(p->rng, RGB(0.2, 0.55, 0.32), 0.08), 0.016);
    }
    for (int i = 0; i < 14; i++) {
        double r = rng_range(p->rng, 0.005, 0.014);

        pen_ellipse(p, stage_x(p, f), rng_range(p->rng, 0, 0.8), r, r);
        pen_stroke(p, RGB(0.85, 0.97, 1), 0.004);
    }
    small_stones(p, f, floor);
    f->far_y = 0.8;
    f->near_y = 0.95;
    f->air_y0 = 0.1;
    f->air_y1 = 0.8;
    f->water_y0 = 0.35;
    f->water_y1 = 0.9;
}

void stage_place(struct pen *p, struct frame *f, enum place place)
{
    static void (*const draw[PLACE_COUNT])(struct pen *, struct frame *) = {
        [PLACE_SNOW] = place_snow,
        [PLACE_BEACH] = place_beach,
        [PLACE_MEADOW] = place_meadow,
        [PLACE_DESERT] = place_desert,
        [PLACE_CITY] = place_city,
        [PLACE_SEA] = place_sea,
        [PLACE_ROOM] = place_room,
        [PLACE_FOREST] = place_forest,
        [PLACE_MOUNTAINS] = place_mountains,
        [PLACE_LAKE] = place_lake,
        [PLACE_TABLE] = place_table,
        [PLACE_ROAD] = place_road,
        [PLACE_LONDON] = place_london,
        [PLACE_PARIS] = place_paris,
        [PLACE_NEW_YORK] = place_new_york,
        [PLACE_EGYPT] = place_egypt,
        [PLACE_UNDERWATER] = place_underwater,
    };

    draw[place](p, f);
}
