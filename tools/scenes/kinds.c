/* The tables: kinds, colours and places. */
#include "scene.h"
#include "things.h"

#define AT(p)  (1u << PLACE_##p)
#define TOWNS  (AT(CITY) | AT(LONDON) | AT(PARIS) | AT(NEW_YORK) | AT(EGYPT))
#define WILD   (AT(SNOW) | AT(BEACH) | AT(MEADOW) | AT(DESERT) | AT(FOREST) | AT(MOUNTAINS) | AT(LAKE))
#define LAND   (WILD | TOWNS | AT(ROAD))
#define INSIDE (AT(ROOM) | AT(TABLE))

enum {
    RED = 1 << 0,
    ORANGE = 1 << 1,
    YELLOW = 1 << 2,
    GREEN = 1 << 3,
    BLUE = 1 << 4,
    PURPLE = 1 << 5,
    PINK = 1 << 6,
    BROWN = 1 << 7,
    BLACK = 1 << 8,
    WHITE = 1 << 9,
    GREY = 1 << 10,
    BRIGHT = RED | ORANGE | YELLOW | GREEN | BLUE | PURPLE | PINK,
    FUR = BROWN | BLACK | WHITE | GREY,
    PAINT = RED | YELLOW | GREEN | BLUE | PURPLE | WHITE | BLACK | ORANGE
};

const struct colour colours[] = {
    {"red", {0.87, 0.13, 0.13}},   {"orange", {0.97, 0.53, 0.1}}, {"yellow", {0.98, 0.85, 0.15}},
    {"green", {0.2, 0.65, 0.25}},  {"blue", {0.16, 0.38, 0.85}},  {"purple", {0.52, 0.22, 0.7}},
    {"pink", {0.98, 0.55, 0.72}},  {"brown", {0.5, 0.3, 0.15}},   {"black", {0.12, 0.12, 0.13}},
    {"white", {0.97, 0.97, 0.96}}, {"grey", {0.58, 0.59, 0.61}},
};
const int colour_count = sizeof(colours) / sizeof(colours[0]);

const char *const place_names[PLACE_COUNT] = {
    [PLACE_SNOW] = "snow",
    [PLACE_BEACH] = "beach",
    [PLACE_MEADOW] = "meadow",
    [PLACE_DESERT] = "desert",
    [PLACE_CITY] = "city",
    [PLACE_SEA] = "sea",
    [PLACE_ROOM] = "room",
    [PLACE_FOREST] = "forest",
    [PLACE_MOUNTAINS] = "mountains",
    [PLACE_LAKE] = "lake",
    [PLACE_TABLE] = "table",
    [PLACE_ROAD] = "road",
    [PLACE_LONDON] = "london",
    [PLACE_PARIS] = "paris",
    [PLACE_NEW_YORK] = "new york",
    [PLACE_EGYPT] = "egypt",
    [PLACE_UNDERWATER] = "underwater",
};

/* A tree in a forest, or snow without cold, would make labels ambiguous: the
 * sets of places leave such pairs out. */
const struct kind kinds[] = {
    {"dog", draw_dog, 1.2, 1, ON_GROUND, LAND | INSIDE, FUR | YELLOW | ORANGE, 4, ANY_TIME},
    {"cat", draw_cat, 1.05, 1, ON_GROUND, LAND | INSIDE, FUR | ORANGE, 4, ANY_TIME},
    {"horse", draw_horse, 1.15, 1.1, ON_GROUND, LAND, FUR, 4, ANY_TIME},
    {"rabbit", draw_rabbit, 0.85, 0.85, ON_GROUND, LAND | INSIDE, FUR, 4, ANY_TIME},
    {"elephant", draw_elephant, 1.35, 1.15, ON_GROUND, LAND, GREY | BLUE | PINK, 4, ANY_TIME},
    {"turtle", draw_turtle, 1.7, 0.9, ON_GROUND | ON_WATER, WILD | INSIDE | AT(ROAD) | AT(UNDERWATER),
     GREEN | BROWN | BLUE | RED, 4, ANY_TIME},
    {"bird", draw_bird, 1.25, 0.85, ON_GROUND | IN_AIR, LAND | INSIDE | AT(SEA), BRIGHT | BLACK | WHITE | BROWN, 4,
     ANY_TIME},
    {"duck", draw_duck, 1.2, 0.85, ON_GROUND | ON_WATER, LAND | INSIDE | AT(SEA), YELLOW | WHITE | BROWN | GREEN, 4,
     ANY_TIME},
    {"penguin", draw_penguin, 0.8, 1, ON_GROUND, LAND | INSIDE, 0, 4, ANY_TIME},
    {"fish", draw_fish, 1.4, 0.9, ON_WATER, AT(SEA) | AT(LAKE) | AT(UNDERWATER) | AT(TABLE), BRIGHT | GREY, 4,
     ANY_TIME},
    {"butterfly", draw_butterfly, 1.1, 0.8, IN_AIR, LAND | INSIDE, BRIGHT | WHITE, 4, ANY_TIME},
    {"car", draw_car, 1.95, 1.1, ON_GROUND, LAND | AT(TABLE), PAINT | GREY, 4, ANY_TIME},
    {"bus", draw_bus, 1.9, 1.2, ON_GROUND, LAND & ~(AT(FOREST) | AT(LAKE)),
     RED | YELLOW | GREEN | BLUE | WHITE | ORANGE, 4, ANY_TIME},
    {"bicycle", draw_bicycle, 1.65, 1.1, ON_GROUND, LAND | AT(ROOM), PAINT, 4, ANY_TIME},
    {"boat", draw_boat, 1.4, 1.15, ON_WATER, AT(SEA) | AT(LAKE), RED | YELLOW | GREEN | BLUE | WHITE | BROWN, 4,
     ANY_TIME},
    {"airplane", draw_airplane, 1.95, 1, IN_AIR, LAND | AT(SEA), RED | YELLOW | BLUE | WHITE | GREY | GREEN, 4,
     ANY_TIME},
    {"train", draw_train, 2.3, 1.25, ON_GROUND, LAND | AT(TABLE), RED | GREEN | BLUE | BLACK | YELLOW, 3, ANY_TIME},
    {"truck", draw_truck, 1.95, 1.15, ON_GROUND, LAND | AT(TABLE), PAINT, 4, ANY_TIME},
    {"tree", draw_tree, 0.75, 1.25, ON_GROUND, LAND & ~AT(FOREST), GREEN | ORANGE | RED | YELLOW | PINK, 4, ANY_TIME},
    {"flower", draw_flower, 0.65, 1, ON_GROUND, LAND | AT(TABLE), RED | ORANGE | YELLOW | BLUE | PURPLE | PINK | WHITE,
     4, ANY_TIME},
    {"mushroom", draw_mushroom, 1, 0.85, ON_GROUND, WILD | AT(TABLE), RED | BROWN | WHITE | PURPLE | ORANGE, 4,
     ANY_TIME},
    {"cactus", draw_cactus, 0.7, 1.05, ON_GROUND, LAND | INSIDE, GREEN, 4, ANY_TIME},
    {"chair", draw_chair, 0.7, 1, ON_GROUND, LAND | AT(ROOM), BROWN | RED | BLUE | GREEN | WHITE | YELLOW | BLACK, 4,
     ANY_TIME},
    {"table", draw_table, 1.7, 1, ON_GROUND, LAND | AT(ROOM), BROWN | WHITE | RED | BLUE | GREEN | BLACK, 3, ANY_TIME},
    {"lamp", draw_lamp, 0.65, 1, ON_GROUND, INSIDE, BRIGHT | WHITE, 4, ANY_TIME},
    {"sofa", draw_sofa, 1.9, 1.1, ON_GROUND, AT(ROOM) | WILD | AT(ROAD) | AT(CITY),
     RED | ORANGE | YELLOW | GREEN | BLUE | PURPLE | PINK | GREY | BROWN, 3, ANY_TIME},
    {"house", draw_house, 1.25, 1.25, ON_GROUND, WILD | AT(ROAD) | AT(EGYPT),
     RED | YELLOW | GREEN | BLUE | PINK | WHITE | ORANGE, 4, ANY_TIME},
    {"castle", draw_castle, 1.35, 1.35, ON_GROUND, WILD | AT(ROAD), GREY | YELLOW | PINK | WHITE | BROWN, 3, ANY_TIME},
    {"windmill", draw_windmill, 0.95, 1.3, ON_GROUND, WILD | AT(ROAD), WHITE | RED | BROWN | YELLOW | BLUE, 4,
     ANY_TIME},
    {"tent", draw_tent, 1.9, 1.1, ON_GROUND, WILD | AT(ROAD) | AT(EGYPT), RED | ORANGE | YELLOW | GREEN | BLUE | PURPLE,
     4, ANY_TIME},
    {"lighthouse", draw_lighthouse, 0.55, 1.35, ON_GROUND, WILD, RED | BLUE | GREEN | BLACK | YELLOW, 3, ANY_TIME},
    {"balloon", draw_balloon, 0.55, 1, ON_GROUND | IN_AIR, LAND | INSIDE | AT(SEA), BRIGHT | WHITE | BLACK, 4,
     ANY_TIME},
    {"umbrella", draw_umbrella, 1.1, 1, ON_GROUND, LAND | INSIDE, BRIGHT | BLACK | WHITE, 4, ANY_TIME},
    {"ball", draw_ball, 0.9, 0.75, ON_GROUND | ON_WATER, LAND | INSIDE | AT(SEA), BRIGHT | BLACK | WHITE, 4, ANY_TIME},
    {"cup", draw_cup, 1, 0.85, ON_GROUND, INSIDE | AT(BEACH) | AT(SNOW), BRIGHT | WHITE | BLACK | BROWN, 4, ANY_TIME},
    {"kite", draw_kite, 0.7, 0.95, IN_AIR, LAND | AT(SEA), BRIGHT, 4, ANY_TIME},
    {"snowman", draw_snowman, 0.85, 1.1, ON_GROUND, LAND, 0, 4, ANY_TIME},
    {"sun", draw_sun, 1.1, 1, IN_AIR, LAND | AT(SEA), 0, 1, BY_DAY},
    {"moon", draw_moon, 1, 1, IN_AIR, LAND | AT(SEA), 0, 1, BY_NIGHT},
    {"star", draw_star, 1, 0.8, IN_AIR, LAND | AT(SEA), 0, 4, BY_NIGHT},
    {"rainbow", draw_rainbow, 1.95, 1.3, IN_AIR, LAND | AT(SEA), 0, 1, BY_DAY},
};
const int kind_count = sizeof(kinds) / sizeof(kinds[0]);
