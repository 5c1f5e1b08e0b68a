"""In: a CLIP folder's text configuration. Out: its tokenizer, from text to ids of any number."""

import gzip
import hashlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from open_clip.tokenizer import SimpleTokenizer, default_bpe, get_clean_fn

from pdst.digest import Json, digest_bytes, digest_json
from pdst.errors import EncoderError

SIMPLE_OPTIONS = frozenset({"bpe_path", "additional_special_tokens", "clean", "context_length"})
HF_OPTIONS = frozenset({"clean", "context_length"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokenizer:
    """How texts become ids.

    Attributes:
        name: kind and digest ("clip-bpe-362257d4"); two of one name give the same ids.
        encode: text to ids, begin and end mark included, however long.
        end: id of the end mark, the last of every text.
        pad: id that fills up shorter texts of a batch.
        size: number of ids.
    """

    name: str
    encode: Callable[[str], list[int]]
    end: int
    pad: int
    size: int


def cut(ids: Sequence[int], context: int) -> list[int]:
    """Ids of a text, cut to `context` *keeping* the end mark."""
    return list(ids) if len(ids) <= context else [*ids[: context - 1], ids[-1]]


def default_tokenizer() -> Tokenizer:
    """OpenAI's byte-pair encoding, as open_clip ships it: lower-cased, 49,408 ids."""
    return _byte_pairs(Path(default_bpe()), clean="lower", special=())


def folder_tokenizer(text_cfg: Mapping[str, Json], folder: Path) -> Tokenizer:
    """The tokenizer that a folder's `text_cfg` asks for.

    Without `hf_tokenizer_name`: OpenAI's byte-pair encoding, over the merges file that
    `tokenizer_kwargs.bpe_path` names in the folder, if it does. With it: the transformers tokenizer
    in the folder.

    Raises:
        EncoderError: for options that PDST does not know, a missing file, or without transformers.
    """
    options = text_cfg.get("tokenizer_kwargs") or {}
    if not isinstance(options, dict):
        raise EncoderError(f"{folder.name}: tokenizer_kwargs is {options!r}, wanted an object.")
    from_hub = bool(text_cfg.get("hf_tokenizer_name"))
    unknown = sorted(set(options) - (HF_OPTIONS if from_hub else SIMPLE_OPTIONS))
    if unknown or text_cfg.get("tokenizer_mode"):
        # Among them trust_remote_code (runs code) and reduction_mask (drops words at random).
        raise EncoderError(
            f"{folder.name}: tokenizer options {unknown or ['tokenizer_mode']} are not supported. "
            f"Known: {', '.join(sorted(HF_OPTIONS if from_hub else SIMPLE_OPTIONS))}."
        )
    clean = str(options.get("clean", "whitespace" if from_hub else "lower"))
    if clean not in {"lower", "whitespace", "canonicalize"}:
        raise EncoderError(
            f"{folder.name}: tokenizer option clean is {clean!r}, "
            "wanted lower, whitespace or canonicalize."
        )
    if from_hub:
        return _transformers(folder, clean)
    special = options.get("additional_special_tokens") or []
    if not isinstance(special, list):
        raise EncoderError(f"{folder.name}: additional_special_tokens wants a list, got {special}.")
    bpe = Path(default_bpe())
    if "bpe_path" in options:
        bpe = folder / Path(str(options["bpe_path"])).name
        if not bpe.is_file():
            raise EncoderError(
                f"{folder.name} lacks {bpe.name}, its tokenizer's merges (bpe_path). "
                "Copy the file into the folder."
            )
    return _byte_pairs(bpe, clean=clean, special=tuple(str(token) for token in special))


def _byte_pairs(bpe: Path, *, clean: str, special: tuple[str, ...]) -> Tokenizer:
    try:
        merges = digest_bytes(gzip.decompress(bpe.read_bytes()))
    except (OSError, EOFError, zlib.error) as error:
        raise EncoderError(
            f"{bpe.name} is no gzip file of merges ({error}). Copy it into the folder anew."
        ) from error
    tokenizer = SimpleTokenizer(
        str(bpe), additional_special_tokens=list(special) or None, clean=clean
    )
    # Of the merges, not of the file: gzip writes the time into it.
    identity = digest_json([merges, clean, list(special)])

    def encode(text: str) -> list[int]:
        return [tokenizer.sot_token_id, *tokenizer.encode(text), tokenizer.eot_token_id]

    return Tokenizer(
        name=f"clip-bpe-{identity[:8]}",
        encode=encode,
        end=tokenizer.eot_token_id,
        pad=0,
        size=tokenizer.vocab_size,
    )


def _transformers(folder: Path, clean: str) -> Tokenizer:
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise EncoderError(
            f"{folder.name} brings a transformers tokenizer. Run: pip install transformers"
        ) from error
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise EncoderError(
            f"{folder.name}: its tokenizer cannot be loaded ({str(error).splitlines()[0]}). "
            "Save it there with tokenizer.save_pretrained(FOLDER)."
        ) from error
    normalize = get_clean_fn(clean)

    def encode(text: str) -> list[int]:
        return [int(i) for i in tokenizer(normalize(text), verbose=False)["input_ids"]]

    end = tokenizer.eos_token_id
    if end is None or encode("a")[-1] != end:
        raise EncoderError(
            f"{folder.name}: its tokenizer ends no text with an end mark ({end}), which CLIP's "
            "text tower is read at. Use one with an eos_token and a post-processor that adds it."
        )
    backend = getattr(tokenizer, "backend_tokenizer", None)
    state = backend.to_str() if backend is not None else repr(sorted(tokenizer.get_vocab().items()))
    identity = hashlib.sha256(f"{clean}\n{state}".encode()).hexdigest()
    return Tokenizer(
        name=f"transformers-{identity[:8]}",
        encode=encode,
        end=int(end),
        pad=int(tokenizer.pad_token_id or 0),
        size=len(tokenizer),
    )
