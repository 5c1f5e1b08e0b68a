"""In: learned words. Out: safetensors that others read too; and back.

Plain vectors are written as Textual Inversion's users exchange them: one file, one key, the
placeholder; diffusers' `load_textual_inversion` and A1111 read it. A mapper is its state dict with
its settings beside it. The attractor has a file of its own, since those readers refuse two keys.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from pdst.diffusion.mapper import Mapper, MapperSettings
from pdst.diffusion.tokens import ATTRACTOR, PLACEHOLDER
from pdst.diffusion.words import MappedWord, PlainWord, Word
from pdst.errors import StoreError
from pdst.methods.tensors import read_tensors, write_tensors

FILES = {
    PLACEHOLDER: ("learned_embeds.safetensors", "mapper.safetensors"),
    ATTRACTOR: ("attractor_embeds.safetensors", "attractor_mapper.safetensors"),
}
"""Of each placeholder: the file of plain vectors, and of a mapper."""


def save_words(folder: Path, words: Mapping[str, Word]) -> None:
    """Write words, each whole or not at all.

    Args:
        folder: made if missing.
        words: by placeholder.
    """
    for placeholder, word in words.items():
        plain, mapped = FILES[placeholder]
        if isinstance(word, MappedWord):
            tensors = word.mapper.state_dict()
            facts = {"settings": json.dumps(asdict(word.mapper.settings))}
            write_tensors(folder / mapped, tensors, facts)
        else:
            assert isinstance(word, PlainWord)
            write_tensors(folder / plain, {placeholder: word.vectors.detach()}, {})


def load_words(folder: Path) -> dict[str, Word]:
    """Read the words of a checkpoint, by placeholder; on the CPU.

    Raises:
        StoreError: if there is no word of a subject, or a file is damaged.
    """
    found: dict[str, Word] = {}
    for placeholder, (plain, mapped) in FILES.items():
        if (folder / plain).exists():
            tensors, _ = read_tensors(folder / plain)
            if set(tensors) != {placeholder} or tensors[placeholder].ndim != 2:
                raise StoreError(
                    f"{folder / plain} holds {sorted(tensors)}, wanted one (n, D) tensor named "
                    f"{placeholder}. Give a folder that pdst-eval or pdst wrote."
                )
            found[placeholder] = PlainWord(tensors[placeholder])
        elif (folder / mapped).exists():
            tensors, facts = read_tensors(folder / mapped)
            try:
                mapper = Mapper(MapperSettings(**json.loads(facts["settings"])), seed=0)
                mapper.load_state_dict(tensors)
            except (KeyError, TypeError, ValueError, RuntimeError) as error:
                raise StoreError(
                    f"{folder / mapped} is no mapper of this version ({error}). Train it anew."
                ) from error
            found[placeholder] = MappedWord(mapper)
    if PLACEHOLDER not in found:
        raise StoreError(
            f"{folder} holds no learned word, wanted {' or '.join(FILES[PLACEHOLDER])}."
        )
    return found
