"""In: the name of a model that writes. Out: the model, loaded; and draws that a seed decides."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from builders.language.rows import LanguageError
from pdst.encoders.devices import device_named


def load_pretrained(kind: Any, model: str, *, revision: str | None, **options: Any) -> Any:
    """A tokenizer or processor by `kind.from_pretrained`.

    Args:
        kind: a class of transformers.
        model: a name on the Hub, or a folder.
        revision: commit, tag or branch on the Hub.
        options: for `from_pretrained`.

    Raises:
        LanguageError: if it cannot be found or read.
    """
    options |= {"revision": revision} if revision else {}
    try:
        return kind.from_pretrained(model, **options)
    except (OSError, ValueError, KeyError) as error:
        raise LanguageError(
            f"{model} cannot be loaded as {kind.__name__} ({error}). Give a folder with a whole "
            "model, or a name on the Hugging Face Hub and a connection to it."
        ) from error


def load_model(
    kind: Any,
    model: str,
    *,
    revision: str | None,
    device: str | None,
    dtype: torch.dtype | None,
) -> Any:
    """A model in eval mode, from safetensors alone.

    Args:
        kind: a model class of transformers.
        model: a name on the Hub, or a folder.
        revision: commit, tag or branch on the Hub.
        device: None: a GPU if there is one.
        dtype: None: bfloat16 on a GPU, else float32.

    Raises:
        LanguageError: if it cannot be found or read, or there is no such device.
    """
    named = device or ("cuda" if torch.cuda.is_available() else "cpu")
    place = device_named(named, what="the language model", error=LanguageError)
    loaded = load_pretrained(
        kind,
        model,
        revision=revision,
        dtype=dtype or (torch.bfloat16 if place.type == "cuda" else torch.float32),
        use_safetensors=True,
    )
    return loaded.to(place).eval()


def loaded_name(model: str, loaded: Any) -> str:
    """The model's name with the commit that was loaded; a folder has its own name alone."""
    commit = getattr(loaded.config, "_commit_hash", None)
    if commit:
        return f"{model}@{commit[:12]}"
    return Path(model).name if Path(model).exists() else model


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draws within are decided by the seed; torch's random state outside is left alone."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
