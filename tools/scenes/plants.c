/* Plants.  The tree's colour is that of its leaves, the flower's that of its
 * petals, the mushroom's that of its cap. */
#include "things.h"

#include <math.h>

static const struct rgb BARK = {0.45, 0.3, 0.18};
static const struct rgb LEAF = {0.3, 0.58, 0.22};

static void trunk(struct pen *p, double w, double top)
{
    pen_blob(p, PTS(-w * 1.4, 0, -w * 0.7, -0.14, -w * 0.6, top, w * 0.6, top, w * 0.7, -0.14, w * 1.4, 0));
    pen_fill(p, BARK);
}

void draw_tree(struct pen *p)
{
    int lumps = 6 + rng_below(p->rng, 3);
    double w = rng_range(p->rng, 0.055, 0.08);

    pen_shadow(p, 0, 0.3);
    trunk(p, w, -0.5);
    pen_limb(p, BARK, w * 0.8, PTS(0, -0.4, 0.12, -0.55));
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < lumps; i++) {
            double a = 6.2832 * i / lumps;
            double shade = 0.12 * (1 + sin(a));

            pen_ellipse(p, 0.2 * cos(a), -0.67 + 0.17 * sin(a), 0.17, 0.15);
            if (pass == 0) {
                pen_stroke(p, rgb_dark(p->main, 0.6), p->line * 2);
            } else {
                pen_flat(p, rgb_dark(p->main, shade));
            }
        }
    }
    pen_ellipse(p, 0, -0.67, 0.22, 0.2);
    pen_flat(p, p->main);
    for (int i = 0; i < 16; i++) {
        double a = rng_range(p->rng, 0, 6.28);
        double r = rng_range(p->rng, 0, 0.28);
        struct rgb c = rng_chance(p->rng, 0.5) ? rgb_light(p->main, 0.25) : rgb_dark(p->main, 0.25);

        pen_ellipse(p, r * cos(a) * 1.1, -0.67 + r * sin(a), 0.03, 0.022);
        pen_flat(p, c);
    }
}

void draw_pine(struct pen *p)
{
    pen_shadow(p, 0, 0.25);
    trunk(p, 0.05, -0.25);
    for (int i = 0; i < 3; i++) {
        double y = -0.12 - i * 0.26;
        double w = 0.32 - i * 0.07;

        pen_poly(p, PTS(-w, y, 0, y - 0.4 + i * 0.02, w, y, w * 0.4, y + 0.03, -w * 0.4, y + 0.03));
        pen_fill(p, p->main);
    }
}

void draw_palm(struct pen *p)
{
    double lean = rng_range(p->rng, -0.18, 0.18);

    pen_shadow(p, 0, 0.2);
    pen_limb(p, RGB(0.58, 0.42, 0.26), 0.075, PTS(0, 0, lean * 0.3, -0.4, lean, -0.78));
    for (int i = 0; i < 7; i++) {
        double a = -3.3 + i * 0.58;
        double dx = cos(a) * 0.36;
        double dy = sin(a) * 0.2;

        pen_blob(p, PTS(lean, -0.8, lean + dx * 0.5, -0.84 + dy * 1.1, lean + dx, -0.7 + dy, lean + dx * 0.55,
                        -0.76 + dy * 0.9));
        pen_fill(p, LEAF);
    }
}

void draw_flower(struct pen *p)
{
    int petals = 5 + rng_below(p->rng, 4);
    double turn = rng_range(p->rng, 0, 1);
    double bend = rng_range(p->rng, -0.08, 0.08);
    struct rgb heart = rgb_luma(p->main) > 0.65 && p->main.b < 0.5 ? RGB(0.55, 0.32, 0.14) : RGB(0.98, 0.82, 0.25);

    pen_limb(p, LEAF, 0.05, PTS(0, 0, bend, -0.3, 0, -0.66));
    pen_blob(p, PTS(bend * 0.7, -0.16, 0.14, -0.32, 0.28, -0.34, 0.2, -0.2));
    pen_fill(p, LEAF);
    pen_blob(p, PTS(bend * 0.7, -0.08, -0.14, -0.22, -0.28, -0.22, -0.18, -0.09));
    pen_fill(p, LEAF);
    cairo_translate(p->cr, 0, -0.69);
    for (int i = 0; i < petals; i++) {
        cairo_save(p->cr);
        cairo_rotate(p->cr, turn + 6.2832 * i / petals);
        pen_ellipse(p, 0, -0.19, 0.72 / petals, 0.13);
        pen_fill(p, p->main);
        cairo_restore(p->cr);
    }
    pen_ellipse(p, 0, 0, 0.11, 0.11);
    pen_fill(p, heart);
}

void draw_mushroom(struct pen *p)
{
    double wide = rng_range(p->rng, 0.42, 0.52);
    struct rgb stem = RGB(0.95, 0.9, 0.8);
    struct rgb dots = rgb_luma(p->main) > 0.7 ? RGB(0.72, 0.5, 0.35) : RGB(0.99, 0.97, 0.93);

    pen_shadow(p, 0, 0.22);
    pen_blob(p, PTS(-0.19, 0, -0.12, -0.3, -0.14, -0.5, 0.14, -0.5, 0.12, -0.3, 0.19, 0, 0, 0.02));
    pen_fill(p, stem);
    pen_ellipse(p, 0, -0.46, wide * 0.85, 0.08);
    pen_fill(p, rgb_dark(stem, 0.15));
    pen_blob(p,
             PTS(-wide, -0.44, -wide * 0.85, -0.7, -0.2, -0.92, 0.2, -0.92, wide * 0.85, -0.7, wide, -0.44, 0, -0.5));
    pen_fill(p, p->main);
    for (int i = 0; i < 5; i++) {
        static const double at[5][2] = {{-0.28, -0.6}, {-0.08, -0.77}, {0.02, -0.58}, {0.2, -0.74}, {0.31, -0.56}};

        pen_ellipse(p, at[i][0] * wide * 2.1, at[i][1], rng_range(p->rng, 0.04, 0.07), 0.05);
        pen_flat(p, dots);
    }
}

static void thorns(struct pen *p, double x, double y0, double y1)
{
    for (int i = 0; i < 5; i++) {
        double y = y0 + (y1 - y0) * i / 4;

        pen_line(p, rgb_light(p->main, 0.6), 0.014, x - 0.03, y - 0.02, x + 0.03, y + 0.01);
    }
}

void draw_cactus(struct pen *p)
{
    double left = rng_range(p->rng, -0.75, -0.6);
    double right = rng_range(p->rng, -0.68, -0.5);

    pen_shadow(p, 0, 0.22);
    pen_limb(p, p->main, 0.13, PTS(-0.02, -0.32, -0.24, -0.34, -0.28, -0.42, -0.28, left));
    pen_limb(p, p->main, 0.12, PTS(0.02, -0.24, 0.22, -0.26, 0.27, -0.34, 0.27, right));
    pen_round(p, -0.12, -0.98, 0.24, 0.99, 0.115);
    pen_fill(p, p->main);
    for (int i = -1; i <= 1; i++) {
        pen_line(p, rgb_dark(p->main, 0.3), 0.014, i * 0.055, -0.9, i * 0.055, -0.03);
    }
    thorns(p, -0.09, -0.85, -0.1);
    thorns(p, 0.09, -0.8, -0.15);
    if (rng_chance(p->rng, 0.4)) {
        pen_ellipse(p, 0, -0.98, 0.06, 0.045);
        pen_fill(p, RGB(0.95, 0.4, 0.6));
    }
}
