"""In: a mapper of NeTI's released code. Out: a checkpoint that `pdst draw` and `trained` take.

What photos it has learned from is not in such a file; the checkpoint says that it was imported.
"""

from pathlib import Path
from typing import Any

from pdst.diffusion.training import RECORD, read_record
from pdst.digest import Json
from pdst.errors import SettingsError
from pdst.files import write_json
from pdst.methods.inversions import NeTI
from pdst.methods.neti_official import convert, read_official
from pdst.types import Subject


def import_neti(
    path: Path, folder: Path, *, base: str, subject: Subject, allow_pickle: bool
) -> None:
    """Write a released mapper as a finished checkpoint of NeTI.

    Args:
        path: `mapper-steps-*.pt`.
        folder: of the checkpoint, named after the subject.
        base: the base model that the mapper was trained on, as `load_backbone` takes it.
        subject: who was learned; its photos are not looked at.
        allow_pickle: as `pdst.methods.neti_official.read_official`.

    Raises:
        BackboneError: if the base model cannot be opened.
        SettingsError: if the mapper is not for this base model, or the folder holds a training.
        StoreError: as `read_official`.
    """
    if read_record(folder) is not None:
        raise SettingsError(f"{folder} holds a training. Give another folder.")
    found = read_official(path, allow_pickle=allow_pickle)
    own = found.mapper.settings
    shape: dict[str, Any] = {
        "bypass": own.bypass,
        "norm_mode": own.norm_mode,
        "nested_dropout": own.dropout,
        "hidden": own.hidden,
        "frequencies": own.frequencies,
        "sigma_t": own.sigma_t,
        "sigma_l": own.sigma_l,
    }
    method = NeTI(base, preset="reference", **shape)
    width = int(method.backbone.text_encoder.config.hidden_size)
    if own.width != width:
        raise SettingsError(
            f"{path} gives vectors of {own.width} numbers, the text encoder of "
            f"{base} takes {width}. Give the base model that it was trained on: {found.base}."
        )
    convert(path, folder, allow_pickle=allow_pickle)
    facts: dict[str, Json] = {
        "imported": {"file": path.name, "sha256": found.sha256},
        "training": shape,  # no more of it is in such a file
        "finished": True,
    }
    write_json(folder / RECORD, {**method.record(subject), **facts})
