/* Random labels, and which combinations are kept out of training. */
#include "scene.h"

#include <string.h>

int find_kind(const char *name)
{
    for (int i = 0; i < kind_count; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

int find_colour(const char *name)
{
    for (int i = 0; i < colour_count; i++) {
        if (strcmp(colours[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

int find_place(const char *name)
{
    for (int i = 0; i < PLACE_COUNT; i++) {
        if (strcmp(place_names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

static int random_colour(struct rng *rng, const struct kind *kind)
{
    int colour;

    if (kind->colours == 0) {
        return NO_COLOUR;
    }
    do {
        colour = rng_below(rng, colour_count);
    } while ((kind->colours >> colour & 1) == 0);
    return colour;
}

static int random_count(struct rng *rng, int most)
{
    double u = rng_unit(rng);
    int count = u < 0.37 ? 1 : u < 0.63 ? 2 : u < 0.83 ? 3 : 4;

    return count > most ? 1 + rng_below(rng, most) : count;
}

static bool fits(const struct kind *kind, const struct scene *scene)
{
    if ((kind->places >> scene->place & 1) == 0) {
        return false;
    }
    return kind->hours == ANY_TIME || (kind->hours == BY_NIGHT) == scene->night;
}

static bool add_subject(struct rng *rng, struct scene *scene, int most)
{
    struct subject *s = &scene->subject[scene->subjects];

    s->kind = rng_below(rng, kind_count);
    if (!fits(&kinds[s->kind], scene) || (scene->subjects > 0 && scene->subject[0].kind == s->kind)) {
        return false;
    }
    s->colour = random_colour(rng, &kinds[s->kind]);
    s->count = random_count(rng, most < kinds[s->kind].most ? most : kinds[s->kind].most);
    scene->subjects++;
    return true;
}

/* Half of the scenes choose the place first and half the kind, so that neither
 * rare places nor rare kinds starve. */
void scene_random(struct rng *rng, struct scene *scene)
{
    double u = rng_unit(rng);
    int wanted = u < 0.06 ? 0 : u < 0.74 ? 1 : 2;
    bool place_first = wanted == 0 || rng_chance(rng, 0.5);

    memset(scene, 0, sizeof(*scene));
    do {
        scene->place = (enum place)rng_below(rng, PLACE_COUNT);
        /* A bare table would be a picture of a table, not of a place. */
    } while (wanted == 0 && scene->place == PLACE_TABLE);
    scene->night = rng_chance(rng, 0.4);
    while (scene->subjects < wanted) {
        int most = wanted == 1 ? MAX_COUNT : scene->subjects == 0 ? 2 : 1;

        if (!add_subject(rng, scene, most) && !place_first && scene->subjects == 0) {
            scene->place = (enum place)rng_below(rng, PLACE_COUNT);
            scene->night = rng_chance(rng, 0.4);
        }
    }
}

/* FNV-1a of the names, so that the choice survives changes of the tables. */
static uint32_t name_hash(const char *a, const char *b, int number)
{
    uint32_t hash = 2166136261u;

    for (; *a != '\0'; a++) {
        hash = (hash ^ (uint32_t)(unsigned char)*a) * 16777619u;
    }
    for (; *b != '\0'; b++) {
        hash = (hash ^ (uint32_t)(unsigned char)*b) * 16777619u;
    }
    hash = (hash ^ (uint32_t)number) * 16777619u;
    hash ^= hash >> 15;
    return hash * 2246822519u >> 8;
}

static bool subject_held_out(const struct scene *scene, const struct subject *s)
{
    const char *name = kinds[s->kind].name;

    if (strcmp(name, "dog") == 0 && s->count == 2 && scene->place == PLACE_SNOW) {
        return true;
    }
    if (strcmp(name, "cat") == 0 && scene->place == PLACE_TABLE) {
        return true;
    }
    if (name_hash(name, place_names[scene->place], 0) % 100 < 8) {
        return true;
    }
    return s->colour != NO_COLOUR &&
           kinds[s->kind].colours != (kinds[s->kind].colours & (0u - kinds[s->kind].colours)) &&
           name_hash(name, colours[s->colour].name, s->count) % 100 < 8;
}

bool scene_held_out(const struct scene *scene)
{
    if (scene->place == PLACE_LONDON && scene->night) {
        return true;
    }
    for (int i = 0; i < scene->subjects; i++) {
        if (subject_held_out(scene, &scene->subject[i])) {
            return true;
        }
    }
    return false;
}

static bool same_subject(const struct subject *a, const struct subject *b)
{
    return a->kind == b->kind && a->colour == b->colour && a->count == b->count;
}

bool scene_same(const struct scene *a, const struct scene *b)
{
    const struct subject *x = a->subject;
    const struct subject *y = b->subject;

    if (a->place != b->place || a->night != b->night || a->subjects != b->subjects) {
        return false;
    }
    switch (a->subjects) {
    case 0: return true;
    case 1: return same_subject(&x[0], &y[0]);
    default:
        return (same_subject(&x[0], &y[0]) && same_subject(&x[1], &y[1])) ||
               (same_subject(&x[0], &y[1]) && same_subject(&x[1], &y[0]));
    }
}

void scene_print(FILE *out, const struct scene *scene, const char *file)
{
    fprintf(out, "{");
    if (file != NULL) {
        fprintf(out, "\"file\":\"%s\",", file);
    }
    fprintf(out, "\"place\":\"%s\",\"time\":\"%s\",\"subjects\":[", place_names[scene->place],
            scene->night ? "night" : "day");
    for (int i = 0; i < scene->subjects; i++) {
        const struct subject *s = &scene->subject[i];

        fprintf(out, "%s{\"kind\":\"%s\",\"colour\":", i > 0 ? "," : "", kinds[s->kind].name);
        if (s->colour == NO_COLOUR) {
            fprintf(out, "null");
        } else {
            fprintf(out, "\"%s\"", colours[s->colour].name);
        }
        fprintf(out, ",\"count\":%d}", s->count);
    }
    fprintf(out, "],\"held_out\":%s}\n", scene_held_out(scene) ? "true" : "false");
}
