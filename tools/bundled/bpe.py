"""Trains the byte-level BPE vocabulary of the bundled model.

    python bpe.py --labels scenes.jsonl --out models/simile-scenes

Writes vocab.json, merges.txt, tokenizer_config.json and
special_tokens_map.json in the layout that CLIP tokenisers read: 256 byte
characters, the same with an end-of-word mark, the merges, two special tokens.
"""

import argparse
import collections
import json
import os
import random

import regex

import captions

PATTERN = regex.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    regex.IGNORECASE)
START, END = "<|startoftext|>", "<|endoftext|>"

# Words that the captions do not use but that people type; they keep the
# vocabulary from falling apart into letters.
GENERAL = """
about above across after again against all along also always among an and
animal animals another any apple are around art as at autumn away baby back
bad bag bath be bear beautiful because bed before behind below best better
between big bird birthday book both bottle bowl box boy bread bridge bright
brother building built but by cake camera can candle child children christmas
church clean climb clock close clothes cloud clouds coast coat cold colour
color come computer cook cool corn cow crowd cry cute dance dark daughter day
deep deer dinner dirty dish do door down draw dream dress drink drive dry each
early earth east eat egg end evening every eye eyes face fall family far farm
fast father feet fence few fire first flag floor fly food foot football for
forest friend friends frog from fruit full fun funny game garden girl give
glass go goat gold good grandmother grandfather great ground group guitar hair
half hand hands happy hard hat have he head heart heavy her hill hills his
holiday hot hour how hungry ice in inside into is island it its jump just keep
kid kids kitchen knife know land large last late laugh leaf leaves left leg
letter life like line lion listen little live long look loud love low lunch
make man many map market me meat men milk mirror money monkey month more
morning most mother mountain mouse mouth move much museum music my name near
new next nice night no nobody noise north not nothing now number of off office
old on one only open or other our out outside over paint paper parent park
party path people person pet phone photo piano picture pictures piece pig
place plant plate play please pocket police pool poor portrait potato pretty
quick quiet rain read rice ride right ring river rock roof rope rose round run
sad sand school sea season see sell shadow she sheep shelf shine shirt shoe
shoes shop short show side sign silver sing sister sit sitting sky sleep
sleeping slow small smile snake snow soft someone something son song soup
south spoon sport spring square stairs stand standing station statue stone
stop store storm story street strong student summer sunny sunrise sunset swim
swimming table take talk tall tea teacher team than that the their them then
these they thing things think this those tiger time tired to today together
tomorrow too top tower town toy toys travel under up us vacation valley
vegetable very view village visit wait walk walking wall want warm wash watch
water wave we wear weather wedding week west wet what wheel when where which
who why wide wild wind window winter with without woman women wood word work
world write year yellow yesterday you young your zebra zoo animal vehicle
plant furniture building person cat dog image photo
""".split()


def byte_characters():
    """The printable stand-in for every byte, in vocabulary order."""
    plain = (list(range(0x21, 0x7F)) + list(range(0xA1, 0xAD)) +
             list(range(0xAE, 0x100)))
    order = plain + [b for b in range(256) if b not in plain]
    extra = iter(range(256))
    return {b: chr(b) if b in plain else chr(256 + next(extra))
            for b in order}


def word_counts(label_files, samples):
    rng = random.Random(7)
    labels = [x for path in label_files for x in captions.read_labels(path)]
    counts = collections.Counter()
    for _ in range(samples):
        text = captions.caption(rng, rng.choice(labels))[0].lower()
        counts.update(PATTERN.findall(text))
    for word in GENERAL:
        counts[word] += 60
    return counts


def learn_merges(counts, limit, least):
    byte_char = byte_characters()
    words = []
    for word, n in counts.items():
        parts = [byte_char[b] for b in word.encode("utf-8")]
        parts[-1] += "</w>"
        words.append([parts, n])
    merges = []
    while len(merges) < limit:
        pairs = collections.Counter()
        for parts, n in words:
            for pair in zip(parts, parts[1:]):
                pairs[pair] += n
        if not pairs:
            break
        best = max(pairs, key=lambda p: (pairs[p], p))
        if pairs[best] < least:
            break
        merges.append(best)
        for entry in words:
            entry[0] = merge_parts(entry[0], best)
    return merges


def merge_parts(parts, pair):
    out = []
    i = 0
    while i < len(parts):
        if i + 1 < len(parts) and (parts[i], parts[i + 1]) == pair:
            out.append(parts[i] + parts[i + 1])
            i += 2
        else:
            out.append(parts[i])
            i += 1
    return out


def write_files(folder, merges):
    characters = list(byte_characters().values())
    tokens = characters + [c + "</w>" for c in characters]
    tokens += ["".join(pair) for pair in merges] + [START, END]
    assert len(set(tokens)) == len(tokens)
    os.makedirs(folder, exist_ok=True)

    def path(name):
        return os.path.join(folder, name)

    with open(path("vocab.json"), "w", encoding="utf-8") as file:
        json.dump({t: i for i, t in enumerate(tokens)}, file,
                  ensure_ascii=False)
        file.write("\n")
    with open(path("merges.txt"), "w", encoding="utf-8") as file:
        file.write("#version: 0.2\n")
        file.writelines(f"{a} {b}\n" for a, b in merges)
    special = {"bos_token": START, "eos_token": END, "unk_token": END,
               "pad_token": END}
    with open(path("special_tokens_map.json"), "w", encoding="utf-8") as file:
        json.dump(special, file, indent=2)
        file.write("\n")
    with open(path("tokenizer_config.json"), "w", encoding="utf-8") as file:
        json.dump({**special, "tokenizer_class": "CLIPTokenizer",
                   "do_lower_case": True, "errors": "replace",
                   "add_prefix_space": False, "model_max_length": 32}, file,
                  indent=2)
        file.write("\n")
    return len(tokens)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--labels", nargs="+", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--samples", type=int, default=200000)
    parser.add_argument("--merges", type=int, default=1400)
    parser.add_argument("--least", type=int, default=30)
    args = parser.parse_args()
    counts = word_counts(args.labels, args.samples)
    merges = learn_merges(counts, args.merges, args.least)
    print("tokens:", write_files(args.out, merges), "merges:", len(merges))


if __name__ == "__main__":
    main()
