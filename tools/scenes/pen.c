#include "pen.h"

#include <math.h>

static const double PI = 3.14159265358979323846;

/* splitmix64: small, and the same on every machine. */
uint64_t rng_next(struct rng *rng)
{
    uint64_t z = (rng->state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

void rng_seed(struct rng *rng, uint64_t seed, uint64_t stream)
{
    rng->state = seed * UINT64_C(0xD1342543DE82EF95) + 1;
    rng->state ^= rng_next(rng) + stream * UINT64_C(0x9E3779B97F4A7C15);
    rng_next(rng);
}

double rng_unit(struct rng *rng)
{
    return (double)(rng_next(rng) >> 11) * (1.0 / 9007199254740992.0);
}

double rng_range(struct rng *rng, double low, double high)
{
    return low + (high - low) * rng_unit(rng);
}

int rng_below(struct rng *rng, int limit)
{
    return (int)(rng_unit(rng) * limit);
}

bool rng_chance(struct rng *rng, double probability)
{
    return rng_unit(rng) < probability;
}

struct rgb rgb_mix(struct rgb a, struct rgb b, double t)
{
    return RGB(a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t);
}

struct rgb rgb_light(struct rgb c, double t)
{
    return rgb_mix(c, RGB(1, 1, 1), t);
}

struct rgb rgb_dark(struct rgb c, double t)
{
    return rgb_mix(c, RGB(0.02, 0.02, 0.05), t);
}

struct rgb rgb_jitter(struct rng *rng, struct rgb c, double amount)
{
    double all = rng_range(rng, -amount, amount);

    c.r += all + rng_range(rng, -amount, amount) * 0.5;
    c.g += all + rng_range(rng, -amount, amount) * 0.5;
    c.b += all + rng_range(rng, -amount, amount) * 0.5;
    c.r = fmin(fmax(c.r, 0), 1);
    c.g = fmin(fmax(c.g, 0), 1);
    c.b = fmin(fmax(c.b, 0), 1);
    return c;
}

double rgb_luma(struct rgb c)
{
    return 0.3 * c.r + 0.59 * c.g + 0.11 * c.b;
}

void pen_source(struct pen *p, struct rgb c, double alpha)
{
    cairo_set_source_rgba(p->cr, c.r * p->tone.r, c.g * p->tone.g, c.b * p->tone.b, alpha);
}

void pen_vertical(struct pen *p, struct rgb top, struct rgb bottom, double y0, double y1)
{
    cairo_pattern_t *shade = cairo_pattern_create_linear(0, y0, 0, y1);

    cairo_pattern_add_color_stop_rgb(shade, 0, top.r * p->tone.r, top.g * p->tone.g, top.b * p->tone.b);
    cairo_pattern_add_color_stop_rgb(shade, 1, bottom.r * p->tone.r, bottom.g * p->tone.g, bottom.b * p->tone.b);
    cairo_set_source(p->cr, shade);
    cairo_pattern_destroy(shade);
}

/* Light comes from above, so every body is a little lighter at its top. */
static void shade_path(struct pen *p, struct rgb c)
{
    double x0, y0, x1, y1;

    cairo_path_extents(p->cr, &x0, &y0, &x1, &y1);
    pen_vertical(p, rgb_light(c, 0.16), rgb_dark(c, 0.16), y0, y1);
}

/* Dark things get a light outline, or nobody would see them at night. */
static struct rgb outline_of(struct rgb c)
{
    if (rgb_luma(c) < 0.22) {
        return rgb_light(c, 0.32);
    }
    return rgb_dark(c, 0.62);
}

void pen_fill(struct pen *p, struct rgb c)
{
    shade_path(p, c);
    cairo_fill_preserve(p->cr);
    pen_stroke(p, outline_of(c), p->line);
}

void pen_soft(struct pen *p, struct rgb c)
{
    shade_path(p, c);
    cairo_fill(p->cr);
}

void pen_flat(struct pen *p, struct rgb c)
{
    pen_alpha(p, c, 1);
}

void pen_alpha(struct pen *p, struct rgb c, double alpha)
{
    pen_source(p, c, alpha);
    cairo_fill(p->cr);
}

void pen_stroke(struct pen *p, struct rgb c, double width)
{
    pen_source(p, c, 1);
    cairo_set_line_width(p->cr, width);
    cairo_stroke(p->cr);
}

void pen_ellipse(struct pen *p, double cx, double cy, double rx, double ry)
{
    cairo_new_sub_path(p->cr);
    cairo_save(p->cr);
    cairo_translate(p->cr, cx, cy);
    cairo_scale(p->cr, rx, ry);
    cairo_arc(p->cr, 0, 0, 1, 0, 2 * PI);
    cairo_restore(p->cr);
    cairo_close_path(p->cr);
}

void pen_round(struct pen *p, double x, double y, double w, double h, double r)
{
    cairo_new_sub_path(p->cr);
    cairo_arc(p->cr, x + w - r, y + r, r, -PI / 2, 0);
    cairo_arc(p->cr, x + w - r, y + h - r, r, 0, PI / 2);
    cairo_arc(p->cr, x + r, y + h - r, r, PI / 2, PI);
    cairo_arc(p->cr, x + r, y + r, r, PI, 3 * PI / 2);
    cairo_close_path(p->cr);
}

void pen_poly(struct pen *p, const double *xy, int n)
{
    cairo_new_sub_path(p->cr);
    for (int i = 0; i < n; i++) {
        cairo_line_to(p->cr, xy[2 * i], xy[2 * i + 1]);
    }
    cairo_close_path(p->cr);
}

/* One Catmull-Rom piece from b to c, as a Bezier curve. */
static void spline_piece(cairo_t *cr, const double *a, const double *b, const double *c, const double *d)
{
    cairo_curve_to(cr, b[0] + (c[0] - a[0]) / 6, b[1] + (c[1] - a[1]) / 6, c[0] - (d[0] - b[0]) / 6,
                   c[1] - (d[1] - b[1]) / 6, c[0], c[1]);
}

void pen_blob(struct pen *p, const double *xy, int n)
{
    cairo_new_sub_path(p->cr);
    cairo_move_to(p->cr, xy[0], xy[1]);
    for (int i = 0; i < n; i++) {
        spline_piece(p->cr, xy + 2 * ((i + n - 1) % n), xy + 2 * i, xy + 2 * ((i + 1) % n), xy + 2 * ((i + 2) % n));
    }
    cairo_close_path(p->cr);
}

void pen_curve(struct pen *p, const double *xy, int n)
{
    cairo_move_to(p->cr, xy[0], xy[1]);
    for (int i = 0; i + 1 < n; i++) {
        int before = i > 0 ? i - 1 : 0;
        int after = i + 2 < n ? i + 2 : n - 1;

        spline_piece(p->cr, xy + 2 * before, xy + 2 * i, xy + 2 * (i + 1), xy + 2 * after);
    }
}

void pen_line(struct pen *p, struct rgb c, double w, double x0, double y0, double x1, double y1)
{
    cairo_move_to(p->cr, x0, y0);
    cairo_line_to(p->cr, x1, y1);
    pen_stroke(p, c, w);
}

void pen_limb(struct pen *p, struct rgb c, double w, const double *xy, int n)
{
    pen_curve(p, xy, n);
    pen_stroke(p, outline_of(c), w + p->line);
    pen_curve(p, xy, n);
    pen_stroke(p, c, w - p->line);
}

void pen_eye(struct pen *p, double x, double y, double r)
{
    pen_ellipse(p, x, y, r * 1.35, r * 1.35);
    pen_flat(p, RGB(0.97, 0.97, 0.95));
    pen_ellipse(p, x, y, r, r);
    pen_flat(p, RGB(0.05, 0.04, 0.06));
    pen_ellipse(p, x + r * 0.3, y - r * 0.35, r * 0.32, r * 0.32);
    pen_flat(p, RGB(1, 1, 1));
}

void pen_wheel(struct pen *p, double x, double y, double r)
{
    pen_ellipse(p, x, y, r, r);
    pen_fill(p, RGB(0.16, 0.16, 0.18));
    pen_ellipse(p, x, y, r * 0.55, r * 0.55);
    pen_flat(p, RGB(0.75, 0.76, 0.8));
    pen_ellipse(p, x, y, r * 0.2, r * 0.2);
    pen_flat(p, RGB(0.35, 0.35, 0.4));
}

/* Windows shine after dark: the only colour that night does not dim. */
void pen_window(struct pen *p, double x, double y, double w, double h)
{
    cairo_rectangle(p->cr, x, y, w, h);
    if (!p->night) {
        pen_vertical(p, RGB(0.75, 0.88, 0.97), RGB(0.45, 0.63, 0.8), y, y + h);
        cairo_fill(p->cr);
        return;
    }
    if (rng_chance(p->rng, 0.75)) {
        cairo_set_source_rgb(p->cr, 1.0, rng_range(p->rng, 0.78, 0.92), 0.42);
    } else {
        cairo_set_source_rgb(p->cr, 0.16, 0.18, 0.3);
    }
    cairo_fill(p->cr);
}

void pen_glow(struct pen *p, struct rgb c, double x, double y, double r, double alpha)
{
    cairo_pattern_t *glow = cairo_pattern_create_radial(x, y, 0, x, y, r);

    cairo_pattern_add_color_stop_rgba(glow, 0, c.r, c.g, c.b, alpha);
    cairo_pattern_add_color_stop_rgba(glow, 1, c.r, c.g, c.b, 0);
    cairo_set_source(p->cr, glow);
    cairo_arc(p->cr, x, y, r, 0, 2 * PI);
    cairo_fill(p->cr);
    cairo_pattern_destroy(glow);
}

void pen_shadow(struct pen *p, double x, double rx)
{
    pen_ellipse(p, x, 0, rx, 0.045);
    cairo_set_source_rgba(p->cr, 0.03, 0.03, 0.1, 0.25);
    cairo_fill(p->cr);
}
