#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sets simile's tokenizers beside Hugging Face's tokenizers library: same texts, equal ids, one thread.

    ninja -C build bench/bench_text
    python3 tools/rivals/tokens.py --data DATA [--rounds 5] [--out FILE.json]

DATA holds vocab/bpe_simple_vocab_16e6.txt.gz, vocab/bert_base_multilingual_cased_vocab.txt and captions/xtd10/*.txt
(tools/rivals/README.md). The library keeps every text's ids that it has seen in a cache of its own, so each round has
texts that no round before had: the first half of one caption and the second half of another. It is measured as a batch
(encode_batch_fast) and text by text (encode), and the faster of the two in each round counts.
"""
import glob
import json
import os
import shutil
import sys

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # before the library: one thread
os.environ["RAYON_NUM_THREADS"] = "1"

import common  # noqa: E402

CONTEXT = 4096


def captions(data, pattern):
    lines = []
    for name in sorted(glob.glob(os.path.join(data, "captions", "xtd10", pattern))):
        with open(name, encoding="utf-8") as f:
            lines += [" ".join(line.split()) for line in f if line.strip()]
    return lines


def cut(line):
    words = line.split(" ")
    if len(words) < 4:
        return line[:len(line) // 2], line[len(line) // 2:]
    return " ".join(words[:len(words) // 2]), " " + " ".join(words[len(words) // 2:])


def crossed(lines, step, least=5000):
    """At least so many texts, all different."""
    halves = [cut(line) for line in lines]
    shifts = [step + 401 * k for k in range(-(-least // len(lines)))]
    return [halves[i][0] + halves[(i + shift) % len(halves)][1] for shift in shifts for i in range(len(halves))]


def clip(report, folder):
    import text_fixtures as tf

    path = tf.openai_vocabulary(report.options.data, folder)
    return path, tf.clip_fast(path)


def wordpiece(report, folder):
    import kinds_fixtures as kf

    source = os.path.join(report.options.data, "vocab", "bert_base_multilingual_cased_vocab.txt")
    shutil.copyfile(source, os.path.join(folder, "vocab.txt"))
    with open(os.path.join(folder, "tokenizer_config.json"), "w", encoding="utf-8") as f:
        json.dump({"do_lower_case": False}, f)
    return folder, kf.bert(source, do_lower_case=False)


def from_json(content, folder):
    import tokenizers

    path = os.path.join(folder, "tokenizer.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(content, f, ensure_ascii=False)
    return folder, tokenizers.Tokenizer.from_file(path)


def unigram(report, folder):
    import kinds_fixtures as kf

    model = os.path.join(common.ROOT, "models", "simile-languages", "sentencepiece.bpe.model")
    return from_json(kf.unigram_json(model, 0), folder)


def gemma(report, folder):
    import kinds_fixtures as kf
    import sentencepiece

    files = ",".join(sorted(glob.glob(os.path.join(report.options.data, "captions", "xtd10", "*"))))
    prefix = os.path.join(folder, "trained")
    if not os.path.exists(prefix + ".model"):
        sentencepiece.SentencePieceTrainer.train(input=files, model_prefix=prefix, vocab_size=8000, **kf.GEMMA)
    return from_json(kf.gemma_json(prefix + ".model", True), folder)


KINDS = {"CLIP BPE": clip, "WordPiece, multilingual BERT": wordpiece, "unigram, XLM-R's form": unigram,
         "SentencePiece BPE, Gemma's form": gemma}


class Work:
    """Texts that nobody has seen, anew for each round; both sides get the same ones."""

    def __init__(self, lines, folder):
        self.lines, self.step = lines, 0
        self.path, self.ids = os.path.join(folder, "lines.txt"), os.path.join(folder, "ids.txt")
        self.seen = {"simile": 0, "tokenizers": 0}
        self.texts = None

    def next(self, who):
        self.seen[who] += 1
        if self.seen[who] > self.step:
            self.step += 1
            self.texts = crossed(self.lines, 1 + 7 * self.step)
            with open(self.path, "w", encoding="utf-8") as f:
                f.write("\n".join(self.texts) + "\n")
        return self.texts


def equal(peer, tokenizer, work):
    texts = work.next("simile")
    peer.ask(work.path, work.ids)
    with open(work.ids, encoding="utf-8") as f:
        ours = [[int(i) for i in line.split()] for line in f]
    work.next("tokenizers")
    theirs = [e.ids for e in tokenizer.encode_batch(texts)]
    return sum(a != b for a, b in zip(ours, theirs)) + abs(len(ours) - len(theirs))


def compare(report, kind, name, lines, version):
    folder = report.folder("tokens-" + "".join(c for c in kind.lower() if c.isalpha()))
    path, tokenizer = KINDS[kind](report, folder)
    peer = common.Peer(report.program("bench/bench_text"), path, "--peer", "--context", str(CONTEXT))
    work = Work(lines, folder)
    differ = equal(peer, tokenizer, work)

    def ours():
        work.next("simile")
        return float(peer.ask(work.path, "-"))

    def theirs():
        texts, again = work.next("tokenizers"), crossed(lines, 3 + 7 * work.step)
        batch = common.timed(lambda: tokenizer.encode_batch_fast(texts))()
        return min(batch, common.timed(lambda: [tokenizer.encode(t) for t in again])())

    sides = common.alternate(report, [common.side("simile", ours, **{"texts with other ids": differ}),
                                      common.side(f"tokenizers {version}", theirs)])
    peer.close()
    report.entry(f"{kind}, {name}", 1, len(work.texts), "lines", sides, {"any": 3.0})


def main():
    report = common.Report("tokens", __doc__, data={"default": os.environ.get("SIMILE_RIVALS_DATA", "")})
    report.options.threads = [1]
    if not report.module("tokenizers") or not report.module("transformers"):
        sys.exit(3)
    common.fixtures()
    texts = {"English captions": captions(report.options.data, "*_en*"),
             "captions in 11 languages": captions(report.options.data, "*")}
    if not texts["English captions"]:
        report.skip("tokens", f"no captions under '{report.options.data}' (--data)")
        report.write()
        sys.exit(3)
    for kind in KINDS:
        for name, lines in texts.items():
            try:
                compare(report, kind, name, lines, report.versions["tokenizers"])
            except Exception as e:
                report.skip(f"{kind}, {name}", repr(e))
    report.write()


if __name__ == "__main__":
    main()
