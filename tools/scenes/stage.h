/* A scene is drawn in a square of side 1 (x and y from 0 to 1) in the middle of
 * the picture; the frame tells how far the picture reaches beyond it. */
#ifndef SIMILE_SCENES_STAGE_H
#define SIMILE_SCENES_STAGE_H

#include "pen.h"

struct frame {
    double x0, y0, x1, y1;     /* the whole picture */
    double far_y, near_y;      /* where feet may stand */
    double air_y0, air_y1;     /* where a flying thing may be */
    double water_y0, water_y1; /* where a floating thing may be */
};

enum place {
    PLACE_SNOW,
    PLACE_BEACH,
    PLACE_MEADOW,
    PLACE_DESERT,
    PLACE_CITY,
    PLACE_SEA,
    PLACE_ROOM,
    PLACE_FOREST,
    PLACE_MOUNTAINS,
    PLACE_LAKE,
    PLACE_TABLE,
    PLACE_ROAD,
    PLACE_LONDON,
    PLACE_PARIS,
    PLACE_NEW_YORK,
    PLACE_EGYPT,
    PLACE_UNDERWATER,
    PLACE_COUNT
};

typedef void draw_fn(struct pen *p);

/* Draw a thing with its feet at (x, y); a negative width mirrors it. */
void stage_put(struct pen *p, draw_fn *draw, double x, double y, double height, struct rgb colour, bool mirror);
void stage_place(struct pen *p, struct frame *f, enum place place);

/* Pieces that places.c and cities.c share. */
void stage_sky(struct pen *p, const struct frame *f, double horizon);
void stage_ground(struct pen *p, const struct frame *f, double y, struct rgb top, struct rgb bottom);
void stage_hills(struct pen *p, const struct frame *f, double y, double height, struct rgb c);
void stage_specks(struct pen *p, const struct frame *f, double y0, struct rgb c, int n, double size);
void stage_waves(struct pen *p, const struct frame *f, double y0, double y1, struct rgb c, int n);
double stage_x(struct pen *p, const struct frame *f);

/* cities.c */
void place_city(struct pen *p, struct frame *f);
void place_london(struct pen *p, struct frame *f);
void place_paris(struct pen *p, struct frame *f);
void place_new_york(struct pen *p, struct frame *f);
void place_egypt(struct pen *p, struct frame *f);

#endif
