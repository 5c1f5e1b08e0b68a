"""Captions in; a small vocabulary out, in the files of CLIP's tokenizer.

512 symbols spell any text byte by byte, as CLIP's do; the merges make one token of every word of
the miniature's captions and of the commonest words of our captions of real photos.
"""

import json
import random
import re
from collections import Counter
from itertools import islice, pairwise
from pathlib import Path

from builders.sources import dreambooth30
from builders.sources.miniature.captions import captions, training_captions
from builders.sources.miniature.scenes import training_scenes

SIZE = 2048
"""Symbols, both end marks included."""
START, END = "<|startoftext|>", "<|endoftext|>"
CONTEXT = 77


def write_tokenizer(folder: Path, extra: list[str]) -> None:
    """Write `vocab.json`, `merges.txt` and the settings of a `CLIPTokenizer`.

    Args:
        folder: made if need be.
        extra: English sentences whose commonest words get tokens of their own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    counted = Counter(_words(_own_captions()))
    own = set(counted)
    for word in _words(extra):
        counted[word] += 1
    symbols = _byte_symbols()
    merges = _merges(counted, own, SIZE - 2 * len(symbols) - 2)
    tokens = [*symbols, *(f"{s}</w>" for s in symbols), *(a + b for a, b in merges), START, END]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    assert len(vocabulary) == len(tokens)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), "utf-8")
    lines = ["#version: 0.2", *(f"{a} {b}" for a, b in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", "utf-8")
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": CONTEXT,
        "bos_token": START,
        "eos_token": END,
        "unk_token": END,
        "pad_token": END,
        "do_lower_case": True,
        "errors": "replace",
        "add_prefix_space": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    special = {key: settings[key] for key in ("bos_token", "eos_token", "unk_token", "pad_token")}
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2) + "\n")


def real_captions() -> list[str]:
    """Our captions of real photos, without their subjects: the nearest general English."""
    folder = Path(dreambooth30.__file__).parent / "captions"
    return [
        caption.replace("{}", "")
        for path in sorted(folder.glob("*.json"))
        for told in json.loads(path.read_text("utf-8")).values()
        for caption in told
    ]


def _own_captions() -> list[str]:
    rng = random.Random("words")
    told: list[str] = []
    for scene in islice(training_scenes(0, "generator"), 4000):
        told.extend(islice(training_captions(scene, rng), 2))
        told.extend(caption.replace("{}", "") for caption in captions(scene, 2))
    return told


def _words(sentences: list[str]) -> list[str]:
    return re.findall(r"[a-z]+|[0-9]|[^\sa-z0-9]+", " ".join(sentences).lower())


def _byte_symbols() -> list[str]:
    """The 256 printable stand-ins for bytes that GPT-2 and CLIP use, in their order."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    named = {byte: chr(byte) for byte in plain}
    named |= {byte: chr(256 + number) for number, byte in enumerate(others)}
    return [named[byte] for byte in (*plain, *others)]


def _merges(counted: Counter[str], own: set[str], count: int) -> list[tuple[str, str]]:
    """Byte-pair merges, most frequent pair first; our own words weigh a thousandfold.

    So all words of the captions become whole before a word of the others costs a merge.
    """
    spelt = {word: [*word[:-1], f"{word[-1]}</w>"] for word in counted if word.isascii() and word}
    weights = {word: counted[word] * (1000 if word in own else 1) for word in spelt}
    merges: list[tuple[str, str]] = []
    while len(merges) < count:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, symbols in spelt.items():
            for pair in pairwise(symbols):
                pairs[pair] += weights[word]
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        for word, symbols in spelt.items():
            spelt[word] = _merged(symbols, best)
    return merges


def _merged(symbols: list[str], pair: tuple[str, str]) -> list[str]:
    made: list[str] = []
    at = 0
    while at < len(symbols):
        if at + 1 < len(symbols) and (symbols[at], symbols[at + 1]) == pair:
            made.append(symbols[at] + symbols[at + 1])
            at += 2
        else:
            made.append(symbols[at])
            at += 1
    return made
