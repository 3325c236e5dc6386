"""Captions in forty languages, from one file a language (languages/CODE.toml).

A file gives words and how they agree; this program knows no language. What a
scene says is a list of facts: subjects (kind, colour or None, count or None),
a place or None, a time or None. say() turns facts into a sentence of one
language; the same facts give the English caption that it is a translation of.

    python3 grammar.py check                 # every file is complete
    python3 grammar.py show de 20            # twenty sentences and their English
    python3 grammar.py table                 # the same three sentences in all
    python3 grammar.py pairs de labels.jsonl # "file<TAB>caption" of drawn scenes

A language file, with the words that stand in it for everyone:

    code, name, native        "de", "German", "Deutsch"
    counted                   a noun phrase with a number: {n} number word,
                              {c} colour, {x} noun, {m} the noun's class (where
                              that is a classifier); e.g. "{n} {c} {x}"
    counted_one               the same for one thing, where that differs
    bare                      the same without a number
    joined                    two noun phrases: "{a} und {b}"
    sentence                  orders of the parts, the usual one first:
                              {s} what is seen, {p} place, {t} time; a part that
                              is not said vanishes with its spaces and commas
    orders                    {sp = [...], st = [...], pt = [...], spt = [...]}:
                              the same for what is said together, where the
                              general ones do not do; may be left out
    fix                       [[REGEX, REPLACEMENT], ...], done last: "a" before
                              a vowel is "an"; may be left out
    [classes]                 CLASS = PARENT: where a class has no word of its
                              own, its parent's is taken (Italian "ms" -> "m")
    [count]                   1, 2, 3, 4 = [FORM, WORD]: the form that noun and
                              colour take, and the number word: one for all, or
                              {CLASS = WORD, ...}
    [nouns]                   forms = [FORM, ...]; then for each kind
                              [CLASS, word in each form]; or several of these,
                              the usual one first. CLASS is gender or classifier
                              or "" and the first form is that of one thing.
    [unique]                  sun, moon: as they are said where there is one
    [colours]                 agree = [KEY, ...]: "FORM.CLASS", "FORM", "CLASS"
                              or ""; then for each colour a word for each key,
                              or several such lists, the usual one first
    [places]                  for each place two lists: what follows a subject
                              ("in the snow"), what stands alone ("snow")
    [times]                   for each time a list of phrases
"""

import glob
import json
import os
import random
import re
import sys
import tomllib

KINDS = """dog cat horse rabbit elephant turtle bird duck penguin fish butterfly
car bus bicycle boat airplane train truck tree flower mushroom cactus chair
table lamp sofa house castle windmill tent lighthouse balloon umbrella ball cup
kite snowman star rainbow""".split()
UNIQUE = ["sun", "moon"]
COLOURS = """red orange yellow green blue purple pink brown black white
grey""".split()
PLACES = ["snow", "beach", "meadow", "desert", "city", "sea", "room", "forest",
          "mountains", "lake", "table", "road", "london", "paris", "new york",
          "egypt", "underwater"]
TIMES = ["day", "night", "evening"]
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "languages")


class Language:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = tomllib.load(file)
        self.code = self.data["code"]
        self.name = self.data["name"]
        self.native = self.data["native"]
        self.parents = self.data.get("classes", {})
        self.forms = self.data["nouns"]["forms"]
        self.agree = self.data["colours"]["agree"]

    def line(self, gender):
        """A class and its parents."""
        while gender:
            yield gender
            gender = self.parents.get(gender, "")
        yield ""

    def nouns(self, kind):
        entry = self.data["nouns"][kind]
        return entry if isinstance(entry[0], list) else [entry]

    def number(self, count, gender):
        word = self.data["count"][str(count)][1]
        if isinstance(word, str):
            return word
        for name in self.line(gender):
            if name in word:
                return word[name]
        raise KeyError(f"{self.code}: no number {count} for class {gender!r}")

    def colour(self, colour, form, gender, choose=lambda options: options[0]):
        words = self.data["colours"][colour]
        if isinstance(words[0], list):
            words = choose(words)
        for name in self.line(gender):
            for key in (f"{form}.{name}", name if name else form):
                if key in self.agree:
                    return words[self.agree.index(key)]
        for key in (form, ""):
            if key in self.agree:
                return words[self.agree.index(key)]
        raise KeyError(f"{self.code}: no colour for {form}.{gender}")

    def thing(self, subject, choose):
        """One noun phrase. choose(list) picks a variant."""
        kind, colour, count = subject
        if kind in UNIQUE:
            return self.data["unique"][kind]
        gender, *words = choose(self.nouns(kind))
        form = self.forms[0] if count is None else self.data["count"][
            str(count)][0]
        parts = {"m": gender, "n": "" if count is None else self.number(count, gender),
                 "c": self.colour(colour, form, gender, choose) if colour else "",
                 "x": words[self.forms.index(form)]}
        pattern = self.data["bare" if count is None else "counted"]
        if count == 1:
            pattern = self.data.get("counted_one", pattern)
        return tidy(pattern.format(**parts))

    def say(self, facts, choose=lambda options: options[0]):
        subjects, place, time = facts
        things = [self.thing(s, choose) for s in subjects]
        if len(things) == 2:
            things = [self.data["joined"].format(a=things[0], b=things[1])]
        where = ""
        if place:
            where = choose(self.data["places"][place][0 if things else 1])
        when = choose(self.data["times"][time]) if time else ""
        said = ("s" if things else "") + ("p" if where else "") + (
            "t" if when else "")
        orders = self.data.get("orders", {}).get(said, self.data["sentence"])
        text = tidy(choose(orders).format(
            s=things[0] if things else "", p=where, t=when))
        for pattern, replacement in self.data.get("fix", []):
            text = re.sub(pattern, replacement, text)
        return text


def tidy(text):
    """Takes away what surrounded a part that is not there."""
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"\s+([,،、，])", r"\1", text)
    text = re.sub(r"([,،、，])(\s*[,،、，])+", r"\1", text)
    return text.strip(" ,،、，")


def languages(folder=FOLDER):
    """All languages by code, English first."""
    found = [Language(path) for path in sorted(glob.glob(f"{folder}/*.toml"))]
    found.sort(key=lambda l: (l.code != "en", l.code))
    return {language.code: language for language in found}


def check_language(language):
    """Complains about what is missing; returns how often."""
    bad = []
    data = language.data
    for name, keys in (("nouns", KINDS), ("colours", COLOURS),
                       ("places", PLACES), ("times", TIMES),
                       ("unique", UNIQUE)):
        extra = set(data[name]) - set(keys) - {"forms", "agree"}
        bad += [f"[{name}] lacks {k}" for k in keys if k not in data[name]]
        bad += [f"[{name}] has {k}, which nobody knows" for k in extra]
    if bad:
        return bad
    for kind in KINDS:
        for entry in language.nouns(kind):
            if len(entry) != 1 + len(language.forms):
                bad.append(f"{kind}: {len(entry) - 1} forms")
                continue
            for count in (1, 2, 3, 4):
                try:
                    language.number(count, entry[0])
                    for colour in COLOURS:
                        language.colour(colour, data["count"][str(count)][0],
                                        entry[0])
                except (KeyError, IndexError) as error:
                    bad.append(f"{kind} x {count}: {error}")
    for colour in COLOURS:
        words = data["colours"][colour]
        for some in words if isinstance(words[0], list) else [words]:
            if len(some) != len(language.agree):
                bad.append(f"colour {colour}: {len(some)} words")
    for place in PLACES:
        if len(data["places"][place]) != 2 or not all(data["places"][place]):
            bad.append(f"place {place}: not two lists")
    for pattern, letters in (("counted", "ncx"), ("bare", "cx"),
                             ("joined", "ab")):
        bad += [f"{pattern} lacks {{{x}}}" for x in letters
                if "{" + x + "}" not in data[pattern]]
    for pattern in data["sentence"]:
        bad += [f"sentence lacks {{{x}}}" for x in "spt"
                if "{" + x + "}" not in pattern]
    return bad


def random_facts(rng):
    """What somebody might say of a scene."""
    def subject():
        kind = rng.choice(KINDS * 3 + UNIQUE)
        if kind in UNIQUE:
            return kind, None, 1
        return (kind, rng.choice(COLOURS) if rng.random() < 0.6 else None,
                rng.choice((1, 1, 1, 2, 2, 3, 4)) if rng.random() < 0.9
                else None)

    amount = rng.choice((0, 1, 1, 1, 1, 1, 1, 2, 2, 2))
    subjects = [subject() for _ in range(amount)]
    if amount == 2 and subjects[0][0] == subjects[1][0]:
        subjects.pop()
    place = rng.choice(PLACES) if rng.random() < 0.8 or not subjects else None
    time = rng.choice(TIMES) if rng.random() < 0.55 else None
    return subjects, place, time


def facts_of(label):
    """All that simile-scenes says of a scene."""
    subjects = [(s["kind"], None if s["kind"] in UNIQUE else s["colour"],
                 1 if s["kind"] in UNIQUE else s["count"])
                for s in label["subjects"]]
    return subjects, label["place"], label["time"]


def main():
    every = languages()
    command = sys.argv[1] if len(sys.argv) > 1 else "check"
    if command == "check":
        bad = {c: check_language(l) for c, l in every.items()}
        for code, complaints in bad.items():
            for complaint in complaints:
                print(f"{code}: {complaint}")
        print(f"{len(every)} languages, {sum(map(len, bad.values()))} faults")
        return 1 if any(bad.values()) else 0
    if command == "show":
        rng = random.Random(int(sys.argv[4]) if len(sys.argv) > 4 else 1)
        for _ in range(int(sys.argv[3]) if len(sys.argv) > 3 else 20):
            facts = random_facts(rng)
            print(every[sys.argv[2]].say(facts, rng.choice), "|",
                  every["en"].say(facts))
        return 0
    if command == "pairs":
        with open(sys.argv[3], encoding="utf-8") as file:
            for line in file:
                label = json.loads(line)
                print(label["file"], every[sys.argv[2]].say(facts_of(label)),
                      sep="\t")
        return 0
    samples = [([("dog", None, 2)], "snow", None),
               ([("cat", "black", 1)], "table", None),
               ([], "london", "night")]
    for code, language in every.items():
        print(code, " | ".join(language.say(f) for f in samples))
    return 0


if __name__ == "__main__":
    sys.exit(main())
