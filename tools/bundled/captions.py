"""English captions from the labels that simile-scenes writes.

A caption may leave attributes out ("two dogs in the snow" says nothing about
colour or time), so every caption comes with the list of what it does say; the
training loss uses that to know which other pictures it describes as well.
"""

import json
import random

KINDS = {
    "dog": ["dog", "dog", "dog", "puppy/puppies", "hound"],
    "cat": ["cat", "cat", "cat", "kitten", "kitty/kitties"],
    "horse": ["horse", "horse", "pony/ponies"],
    "rabbit": ["rabbit", "rabbit", "bunny/bunnies", "hare"],
    "elephant": ["elephant"],
    "turtle": ["turtle", "turtle", "tortoise"],
    "bird": ["bird", "bird", "little bird"],
    "duck": ["duck", "duck", "duckling"],
    "penguin": ["penguin"],
    "fish": ["fish/fish", "fish/fish", "fish/fishes"],
    "butterfly": ["butterfly/butterflies"],
    "car": ["car", "car", "automobile", "motorcar"],
    "bus": ["bus/buses", "bus/buses", "coach/coaches"],
    "bicycle": ["bicycle", "bike", "bicycle", "cycle"],
    "boat": ["boat", "boat", "ship"],
    "airplane": ["airplane", "plane", "aeroplane", "aircraft/aircraft", "jet"],
    "train": ["train", "train", "steam train", "locomotive"],
    "truck": ["truck", "truck", "lorry/lorries"],
    "tree": ["tree"],
    "flower": ["flower", "flower", "blossom", "bloom"],
    "mushroom": ["mushroom", "mushroom", "toadstool"],
    "cactus": ["cactus/cacti", "cactus/cactuses"],
    "chair": ["chair", "chair", "wooden chair"],
    "table": ["table", "table", "wooden table"],
    "lamp": ["lamp", "lamp", "light"],
    "sofa": ["sofa", "couch/couches", "settee"],
    "house": ["house", "house", "home", "cottage"],
    "castle": ["castle", "castle", "fortress/fortresses"],
    "windmill": ["windmill", "windmill", "mill"],
    "tent": ["tent", "tent", "camping tent"],
    "lighthouse": ["lighthouse"],
    "balloon": ["balloon"],
    "umbrella": ["umbrella", "umbrella", "parasol"],
    "ball": ["ball", "ball", "beach ball"],
    "cup": ["cup", "cup", "mug", "cup of coffee/cups of coffee",
            "coffee cup"],
    "kite": ["kite"],
    "snowman": ["snowman/snowmen"],
    "sun": ["sun"],
    "moon": ["moon"],
    "star": ["star"],
    "rainbow": ["rainbow"],
}

COLOURS = {
    "red": ["red", "red", "red", "crimson"],
    "orange": ["orange", "orange", "orange", "ginger"],
    "yellow": ["yellow", "yellow", "yellow", "golden"],
    "green": ["green"],
    "blue": ["blue"],
    "purple": ["purple", "purple", "violet"],
    "pink": ["pink"],
    "brown": ["brown"],
    "black": ["black"],
    "white": ["white"],
    "grey": ["grey", "gray"],
}

COUNTS = {
    1: ["a", "a", "a", "one", "1", "a single"],
    2: ["two", "two", "two", "2", "a pair of", "a couple of"],
    3: ["three", "three", "three", "3"],
    4: ["four", "four", "four", "4"],
}

# place: phrases that follow the subject, phrases that stand alone
PLACES = {
    "snow": (["in the snow", "in the snow", "in the snow", "on the snow",
              "in snow", "on a snowy field", "in a snowy landscape",
              "in winter"],
             ["snow", "a snowy landscape", "a winter landscape",
              "a snowy field", "the snow"]),
    "beach": (["on the beach", "on the beach", "on a beach", "at the beach",
               "at the seaside", "on the sand by the sea", "by the sea shore"],
              ["a beach", "the beach", "the seaside", "a sandy beach"]),
    "meadow": (["in a meadow", "in the meadow", "in a meadow", "on the grass",
                "in a green field", "in the grass", "on a lawn"],
               ["a meadow", "a green meadow", "a green field", "grass",
                "the meadow"]),
    "desert": (["in the desert", "in the desert", "in a desert",
                "among the sand dunes", "on a sand dune"],
               ["a desert", "the desert", "sand dunes"]),
    "city": (["in the city", "in a city", "in the city", "in town",
              "on a city street", "in the street", "downtown"],
             ["a city", "the city", "a city street", "a town", "a street"]),
    "sea": (["on the sea", "at sea", "in the sea", "on the ocean",
             "in the ocean", "over the sea", "on the water at sea"],
            ["the sea", "the ocean", "the open sea"]),
    "room": (["in a room", "in the room", "in a room", "indoors",
              "in the living room", "inside a house",
              "on the floor of a room"],
             ["a room", "the living room", "an empty room", "a room indoors"]),
    "forest": (["in the forest", "in a forest", "in the forest",
                "in the woods", "among the trees", "in a pine forest"],
               ["a forest", "the forest", "the woods", "a pine forest"]),
    "mountains": (["in the mountains", "in the mountains",
                   "in front of mountains", "near the mountains",
                   "under snowy peaks", "below the mountains"],
                  ["mountains", "the mountains", "a mountain landscape",
                   "snowy peaks"]),
    "lake": (["at a lake", "by the lake", "by a lake", "on a lake",
              "at the lake", "on the lake", "beside a lake"],
             ["a lake", "the lake", "a lake with hills"]),
    "table": (["on a table", "on the table", "on a table", "on a table",
               "on top of a table", "on a wooden table",
                "standing on a table"],
              ["a table"]),
    "road": (["on the road", "on a road", "on the road", "on a country road",
              "on the highway", "by the road", "along the road"],
             ["a road", "the road", "a country road", "a highway"]),
    "london": (["in London", "in London", "in London", "in front of Big Ben",
                "in London, England"],
               ["London", "London", "the city of London",
                "Big Ben in London"]),
    "paris": (["in Paris", "in Paris", "in Paris",
               "in front of the Eiffel Tower", "by the Eiffel Tower"],
              ["Paris", "Paris", "the city of Paris", "the Eiffel Tower",
               "the Eiffel Tower in Paris"]),
    "new york": (["in New York", "in New York", "in New York",
                  "in New York City", "in Manhattan",
                  "in front of skyscrapers"],
                 ["New York", "New York", "the New York skyline", "Manhattan",
                  "skyscrapers"]),
    "egypt": (["in Egypt", "in Egypt", "by the pyramids", "at the pyramids",
               "in front of the pyramids", "near the pyramids of Egypt"],
              ["Egypt", "the pyramids", "the pyramids of Egypt", "pyramids"]),
    "underwater": (["underwater", "underwater", "under the water",
                    "at the bottom of the sea", "under the sea"],
                   ["an underwater scene", "the bottom of the sea",
                    "under the sea", "under the water"]),
}

TIMES = {
    "day": ["by day", "during the day", "in the daytime", "in daylight",
            "on a bright day"],
    "night": ["at night", "at night", "at night", "by night", "in the dark",
              "at night time", "under the night sky"],
    # never drawn: train.py dims daylight pictures
    "evening": ["in the evening", "in the evening", "at dusk", "at sunset",
                "in the evening light", "at twilight"],
}

OPENINGS = ["a picture of", "a photo of", "an image of", "a drawing of",
            "an illustration of", "a picture showing", "picture of",
            "photo of", "this is", "here is", "a view of", "a cartoon of",
            "a painting of", "we see", "i see", "look at", "find"]

KIND_NAMES = list(KINDS)
COLOUR_NAMES = list(COLOURS)
PLACE_NAMES = list(PLACES)
TIME_NAMES = list(TIMES)
UNSAID = -1


def plural(word):
    if "/" in word:
        return word.split("/")[1]
    return word + "s"


def singular(word):
    return word.split("/")[0]


def article(text):
    return "an" if text[0] in "aeiou" else "a"


def noun_phrase(rng, subject, say_colour, say_count, plain=False):
    """Returns the words and (kind, colour, count) as far as they are said."""
    word = KINDS[subject["kind"]][0] if plain else rng.choice(
        KINDS[subject["kind"]])
    count = subject["count"]
    colour = subject["colour"] if say_colour else None
    colour_word = ""
    if colour:
        options = COLOURS[colour]
        colour_word = (options[0] if plain else rng.choice(options)) + " "
    body = colour_word + (singular(word) if count == 1 else plural(word))
    said = (KIND_NAMES.index(subject["kind"]),
            COLOUR_NAMES.index(colour) if colour else UNSAID,
            count if say_count else UNSAID)
    if not say_count:
        if count == 1 or rng.random() < 0.7:
            return body, said
        return rng.choice(["some ", "several ", "many "]) + body, said
    if subject["kind"] in ("sun", "moon"):
        return rng.choice(["the ", "the ", ""]) + body, said
    counts = COUNTS[count]
    number = counts[0] if plain else rng.choice(counts)
    if number == "a":
        # "a dog" also fits four words such as "dog": one picture, no article
        if not plain and rng.random() < 0.12:
            return body, said
        number = article(body)
    return number + " " + body, said


def full_caption(label):
    """The one caption that says everything; used for the evaluation."""
    rng = random.Random(0)
    names = [noun_phrase(rng, s, True, True, plain=True)[0]
             for s in label["subjects"]]
    names = [n.replace("the the", "the") for n in names]
    when = {"day": "during the day", "night": "at night"}[label["time"]]
    if not names:
        alone = PLACES[label["place"]][1][0]
        return f"{alone} {when}"
    return f"{' and '.join(names)} {PLACES[label['place']][0][0]} {when}"


def join_names(rng, names):
    if len(names) == 1:
        return names[0]
    return names[0] + rng.choice(
        [" and ", " and ", " and ", " with ", " next to ", " beside ",
         ", "]) + names[1]


def finish(rng, text):
    style = rng.random()
    if style < 0.18:
        text = text[0].upper() + text[1:]
    elif style < 0.21:
        text = text.upper()
    if rng.random() < 0.12:
        text += rng.choice([".", ".", "!", " ."])
    return text


def put_together(rng, names, place, when, alone):
    """Order the parts into a sentence."""
    style = rng.random()
    if names:
        things = join_names(rng, names)
        if place and style < 0.1:
            text = f"{alone} with {things}" + (f" {when}" if when else "")
        elif place and style < 0.16:
            text = f"{things}, {alone}" + (f", {when}" if when else "")
        elif when and style < 0.24:
            text = f"{when}, {things}" + (f" {place}" if place else "")
        elif when and place and style < 0.32:
            text = f"{things} {when} {place}"
        else:
            text = " ".join(x for x in (things, place, when) if x)
    else:
        text = " ".join(x for x in (alone, when) if x)
    if rng.random() < 0.22:
        text = rng.choice(OPENINGS) + " " + text
    elif names and rng.random() < 0.06:
        text = rng.choice(["there is ", "there are "]) + text
    return text


def short_caption(rng, label):
    """What people type into a search box: "dogs", "red car", "snow"."""
    if not label["subjects"] or rng.random() < 0.25:
        # "A table" alone would rather ask for the piece of furniture.
        alone = label["place"] != "table" and rng.random() < 0.6
        text = rng.choice(PLACES[label["place"]][alone])
        return (finish(rng, text), PLACE_NAMES.index(label["place"]), UNSAID,
                [])
    text, said = noun_phrase(rng, rng.choice(label["subjects"]),
                             rng.random() < 0.4, rng.random() < 0.6)
    if rng.random() < 0.4:
        text = rng.choice(OPENINGS) + " " + text
    return finish(rng, text), UNSAID, UNSAID, [said]


def caption(rng, label):
    """A random caption: (text, place, time, [(kind, colour, count), ...])."""
    if rng.random() < 0.2:
        return short_caption(rng, label)
    subjects = list(label["subjects"])
    rng.shuffle(subjects)
    if len(subjects) == 2 and rng.random() < 0.12:
        subjects = subjects[:1]
    say_place = rng.random() < (0.86 if subjects else 1)
    say_time = rng.random() < (0.55 if label["time"] == "day" else 0.85)
    say_colour = rng.random() < 0.78
    said = []
    names = []
    for subject in subjects:
        name, what = noun_phrase(rng, subject, say_colour, rng.random() < 0.94)
        names.append(name)
        said.append(what)
    follow, alone = PLACES[label["place"]]
    text = put_together(
        rng, names, rng.choice(follow) if say_place else "",
        rng.choice(TIMES[label["time"]]) if say_time else "",
        rng.choice(alone))
    place = PLACE_NAMES.index(label["place"]) if say_place else UNSAID
    time = TIME_NAMES.index(label["time"]) if say_time else UNSAID
    return finish(rng, text), place, time, said


def read_labels(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


if __name__ == "__main__":
    import sys

    demo = random.Random(1)
    for item in read_labels(sys.argv[1])[:20]:
        print(full_caption(item), "|", caption(demo, item))
