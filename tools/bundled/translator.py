"""Trains the bundled translator from Chinese to English.

    python translator.py --out models/simile-zh-en --minutes 20
    python translator.py --out models/simile-zh-en --evaluate 1000

Sentences come from grammar.py: Chinese, simplified and traditional, in its many
ways to say a thing, English in one. A Chinese sentence is cut into words by jieba's algorithm (precise, no
hidden Markov model) with the dictionary written here, and words into pieces by
byte-pair encoding, where "@@" ends a piece that its word goes on after ("Neural
Machine Translation of Rare Words with Subword Units", arXiv 1508.07909). The
network has the layout of Marian models in transformers. --out becomes:

    config.json, model.safetensors, vocab.json     as for any Marian model
    dict.txt                                       words for the segmentation
    bpe.codes                                      merges, the first first
    tokenizer_config.json                          says that these two are used
"""

import argparse
import collections
import hashlib
import json
import logging
import math
import os
import random
import time

import jieba
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import MarianConfig, MarianMTModel

import grammar

MERGES = 900
LONGEST = 48
NUMBERS = "一二两兩三四五六七八九十"
# Words that people use around the things that the pictures show.
COMMON = """的 和 与 跟 在 有 是 了 着 里 上 下 中 前 后 边 旁 外 内 里面 上面 下面 前面
后面 旁边 附近 这 那 这里 那里 一个 一些 几个 许多 很多 照片 图片 图画 画 一张 一幅 看
看见 看到 站 坐 跑 飞 游 停 漂 开 走 站着 坐着 停着 飞着 跑着 早上 早晨 中午 下午 今天
夜 日 天空 空中 地上 街上 街道 海边 河边 河 水 山上 山下 山坡 屋子 家里 客厅 地板 窗
人 男人 女人 孩子 小 大 老 新 美丽 漂亮 可爱 彩色 颜色 深 浅 金色 银色
與 著 裡 後 邊 內 裡面 後面 旁邊 這 這裡 那裡 一個 幾個 許多 圖片 圖畫 畫 一張 看見
飛 遊 開 站著 坐著 停著 飛著 跑著 海邊 河邊 家裡 客廳 美麗 可愛 顏色 淺 銀色
""".split()
CHINESE = "zh-cn", "zh-tw"
BEGINNINGS = {"zh-cn": ["一张照片：", "图片里有", "这是", "看"],
              "zh-tw": ["一張照片：", "圖片裡有", "這是", "看"]}


# ---- words ----

def chinese_words(languages):
    """Everything that the grammar says, as dictionary words."""
    words = collections.Counter()
    for language in languages:
        words |= words_of(language)
    for word in COMMON:
        words[word] += 3000 if len(word) == 1 else 300
    return words


def words_of(language):
    words = collections.Counter()
    classifiers = set()
    for kind in grammar.KINDS:
        for gender, noun in language.nouns(kind):
            words[noun] += 400
            classifiers.add(gender)
    for gender in classifiers:
        words[gender] += 300
        for number in NUMBERS:
            words[number + gender] += 500
    for number in NUMBERS:
        words[number] += 500
    for name in grammar.UNIQUE:
        words[language.data["unique"][name]] += 400
    for colour in grammar.COLOURS:
        options = language.data["colours"][colour]
        for option in options if isinstance(options[0], list) else [options]:
            words[option[0].removesuffix("的")] += 500
    for follow, alone in language.data["places"].values():
        for phrase in alone:
            words[phrase] += 400
        for phrase in follow:
            place = phrase.rstrip("里裡上下中前边邊")
            words[place if len(place) > 1 else phrase] += 400
    for phrases in language.data["times"].values():
        for phrase in phrases:
            words[phrase] += 400
    return words


def write_dictionary(words, path):
    with open(path, "w", encoding="utf-8") as file:
        for word in sorted(words):
            file.write(f"{word} {words[word]}\n")


class Segmenter:
    def __init__(self, path):
        jieba.setLogLevel(logging.ERROR)
        self.jieba = jieba.Tokenizer(dictionary=path)
        self.jieba.cache_file = os.path.basename(path) + f".{os.getpid()}"

    def words(self, text):
        return [w for w in self.jieba.cut(text, HMM=False) if w.strip()]


# ---- pieces ----

def learn_merges(words, count):
    """Merges over words with frequencies; "</w>" marks the end of a word."""
    split = {tuple(w[:-1]) + (w[-1] + "</w>",): n for w, n in words.items()}
    merges = []
    while len(merges) < count:
        pairs = collections.Counter()
        for pieces, n in split.items():
            for pair in zip(pieces, pieces[1:]):
                pairs[pair] += n
        if not pairs:
            break
        best = max(sorted(pairs), key=lambda p: pairs[p])
        merges.append(best)
        split = {apply_merge(p, best): n for p, n in split.items()}
    return merges


def apply_merge(pieces, pair):
    out, i = [], 0
    while i < len(pieces):
        if pieces[i:i + 2] == pair:
            out.append(pieces[i] + pieces[i + 1])
            i += 2
        else:
            out.append(pieces[i])
            i += 1
    return tuple(out)


class Pieces:
    def __init__(self, merges):
        self.rank = {pair: i for i, pair in enumerate(merges)}
        self.known = {}

    def of_word(self, word):
        if word not in self.known:
            pieces = tuple(word[:-1]) + (word[-1] + "</w>",)
            while len(pieces) > 1:
                pairs = [p for p in zip(pieces, pieces[1:]) if p in self.rank]
                if not pairs:
                    break
                pieces = apply_merge(pieces, min(pairs, key=self.rank.get))
            self.known[word] = [p[:-4] if p.endswith("</w>") else p + "@@"
                                for p in pieces]
        return self.known[word]

    def of(self, words):
        return [p for word in words for p in self.of_word(word)]


def join(pieces):
    return (" ".join(pieces) + " ").replace("@@ ", "").strip()


# ---- sentences ----

def held_out(english):
    return hashlib.sha256(english.encode()).digest()[0] < 26


def sentence_pairs(rng, want_held_out=False):
    every = grammar.languages()
    english = every["en"]
    while True:
        chinese = every[rng.choice(CHINESE)]
        facts = grammar.random_facts(rng)
        target = english.say(facts)
        if held_out(target) != want_held_out:
            continue
        source = chinese.say(facts, rng.choice)
        if rng.random() < 0.1:
            source += "。"
        if facts[0] and rng.random() < 0.06:
            source = rng.choice(BEGINNINGS[chinese.code]) + source
        yield source, target


class Text:
    """From a sentence to ids and back."""

    def __init__(self, folder):
        self.segmenter = Segmenter(f"{folder}/dict.txt")
        with open(f"{folder}/bpe.codes", encoding="utf-8") as file:
            merges = [tuple(line.split()) for line in file
                      if not line.startswith("#")]
        self.pieces = Pieces(merges)
        with open(f"{folder}/vocab.json", encoding="utf-8") as file:
            self.vocabulary = json.load(file)
        self.names = {i: p for p, i in self.vocabulary.items()}
        self.end = self.vocabulary["</s>"]
        self.unknown = self.vocabulary["<unk>"]
        self.pad = self.vocabulary["<pad>"]

    def ids(self, words):
        ids = [self.vocabulary.get(p, self.unknown)
               for p in self.pieces.of(words)]
        return ids[:LONGEST - 1] + [self.end]

    def source(self, text):
        return self.ids(self.segmenter.words(text))

    def target(self, text):
        return self.ids(text.split())

    def read(self, ids):
        names = [self.names[i] for i in ids if i not in (self.end, self.pad)]
        return join(names)


def prepare(out):
    """dict.txt, bpe.codes, vocab.json and the two configurations."""
    os.makedirs(out, exist_ok=True)
    every = grammar.languages()
    words = chinese_words([every[code] for code in CHINESE])
    write_dictionary(words, f"{out}/dict.txt")
    segmenter = Segmenter(f"{out}/dict.txt")
    pairs = sentence_pairs(random.Random(5))
    counts = collections.Counter()
    for _, (source, target) in zip(range(30000), pairs):
        counts.update(segmenter.words(source))
        counts.update(target.split())
    merges = learn_merges(counts, MERGES)
    with open(f"{out}/bpe.codes", "w", encoding="utf-8") as file:
        file.write("#version: 0.2\n")
        file.writelines(f"{a} {b}\n" for a, b in merges)
    letters = sorted({c for w in list(counts) + list(words) for c in w}
                     | set("abcdefghijklmnopqrstuvwxyz"))
    names = collections.Counter(
        p for w in list(counts) + list(words) for p in Pieces(merges).of([w]))
    for letter in letters:
        names.update((letter, letter + "@@"))
    vocabulary = {"</s>": 0, "<unk>": 1}
    for name in sorted(names):
        vocabulary[name] = len(vocabulary)
    vocabulary["<pad>"] = len(vocabulary)
    with open(f"{out}/vocab.json", "w", encoding="utf-8") as file:
        json.dump(vocabulary, file, ensure_ascii=False, indent=0)
        file.write("\n")
    with open(f"{out}/tokenizer_config.json", "w", encoding="utf-8") as file:
        json.dump({"source_lang": "zh", "target_lang": "en",
                   "segmenter": "jieba", "segmenter_mode": "precise",
                   "segmenter_hmm": False, "dictionary": "dict.txt",
                   "subword": "bpe", "codes": "bpe.codes", "separator": "@@",
                   "model_max_length": 64}, file, indent=2)
        file.write("\n")


def network(text):
    size = len(text.vocabulary)
    return MarianMTModel(MarianConfig(
        vocab_size=size, d_model=128, encoder_layers=3, decoder_layers=3,
        encoder_attention_heads=4, decoder_attention_heads=4,
        encoder_ffn_dim=512, decoder_ffn_dim=512,
        max_position_embeddings=64, activation_function="swish",
        scale_embedding=True, static_position_embeddings=True, dropout=0.1,
        attention_dropout=0.0, activation_dropout=0.0,
        pad_token_id=size - 1, decoder_start_token_id=size - 1,
        eos_token_id=text.end, forced_eos_token_id=text.end,
        num_beams=5, max_length=64, bad_words_ids=[[size - 1]]))


def save(model, text, out):
    kept = {k: v.detach().half().contiguous()
            for k, v in model.state_dict().items()
            if k in ("model.shared.weight", "final_logits_bias")
            or ".layers." in k}
    save_file(kept, f"{out}/model.safetensors", metadata={"format": "pt"})
    c = model.config
    names = """d_model encoder_layers decoder_layers encoder_attention_heads
        decoder_attention_heads encoder_ffn_dim decoder_ffn_dim vocab_size
        max_position_embeddings activation_function scale_embedding
        pad_token_id eos_token_id decoder_start_token_id""".split()
    values = {name: getattr(c, name) for name in names}
    values.update(architectures=["MarianMTModel"], model_type="marian",
                  torch_dtype="float16", static_position_embeddings=True,
                  num_beams=5, max_length=64, forced_eos_token_id=text.end,
                  bad_words_ids=[[c.pad_token_id]], normalize_before=False,
                  normalize_embedding=False, add_final_layer_norm=False,
                  share_encoder_decoder_embeddings=True)
    with open(f"{out}/config.json", "w", encoding="utf-8") as file:
        json.dump(values, file, indent=2)
        file.write("\n")


def padded(lists, pad):
    longest = max(map(len, lists))
    return torch.tensor([x + [pad] * (longest - len(x)) for x in lists])


def train(arguments):
    torch.manual_seed(1)
    torch.set_num_threads(arguments.threads)
    out = arguments.out
    prepare(out)
    text = Text(out)
    model = network(text).train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    print(sum(p.numel() for p in parameters), "parameters,",
          len(text.vocabulary), "pieces", flush=True)
    optimiser = torch.optim.AdamW(parameters, lr=1, betas=(0.9, 0.98))
    pairs = sentence_pairs(random.Random(6))
    begin = last = time.time()
    seconds, step = arguments.minutes * 60, 0
    while time.time() - begin < seconds:
        done = (time.time() - begin) / seconds
        rate = 1.5e-3 * min(1, step / 200) * (
            0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        batch = [next(pairs) for _ in range(arguments.batch)]
        source = padded([text.source(s) for s, _ in batch], text.pad)
        target = padded([text.target(t) for _, t in batch], text.pad)
        before = torch.cat([torch.full((len(batch), 1), text.pad),
                            target[:, :-1]], 1)
        logits = model(input_ids=source, attention_mask=source != text.pad,
                       decoder_input_ids=before).logits
        loss = F.cross_entropy(logits.flatten(0, 1), target.flatten(),
                               ignore_index=text.pad, label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        step += 1
        if time.time() - last > 30:
            last = time.time()
            print(f"{(last - begin) / 60:.1f} min, step {step}, loss "
                  f"{loss.item():.4f}", flush=True)
    save(model, text, out)
    evaluate(arguments, model, text, 300)


@torch.no_grad()
def evaluate(arguments, model, text, amount):
    """Exact matches of the best of five beams on sentences never seen."""
    model.eval()
    pairs = sentence_pairs(random.Random(7), True)
    right = 0
    for i in range(amount):
        source, target = next(pairs)
        ids = torch.tensor([text.source(source)])
        answer = model.generate(input_ids=ids, num_beams=5, max_length=64)[0]
        got = text.read(answer.tolist())
        right += got == target
        if got != target and i < 150:
            print(f"{source} -> {got} (not: {target})")
    print(f"exact matches of held-out sentences: {right / amount:.1%}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--batch", type=int, default=192)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--evaluate", type=int, default=0)
    arguments = parser.parse_args()
    if not arguments.evaluate:
        return train(arguments)
    text = Text(arguments.out)
    model = MarianMTModel.from_pretrained(arguments.out).float()
    evaluate(arguments, model, text, arguments.evaluate)


if __name__ == "__main__":
    main()
