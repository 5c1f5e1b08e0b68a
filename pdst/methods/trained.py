"""In: a folder that `pdst-train` wrote. Out: a generator that draws with what is learned there.

Nothing is trained: the folder's own records say which method, base model and settings it is of.
"""

import re
from pathlib import Path
from typing import Any, cast

from pdst.diffusion.training import RECORD, read_record
from pdst.digest import Json, digest_json
from pdst.errors import StoreError
from pdst.generator import GeneratorInfo, Sampler
from pdst.methods.names import LEARNED, TRAINED, trained_method
from pdst.methods.presets import REFERENCE
from pdst.types import Sampling, Subject


class Trained:
    """Draws with checkpoints."""

    def __init__(
        self,
        folder: str,
        base: str | None = None,
        sampling_steps: int = Sampling().steps,
        guidance: float | None = None,
        images_per_pass: int = 8,
        device: str = "auto",
        dtype: str = "auto",
        only: str | None = None,
    ) -> None:
        """Open the base model that the checkpoints were trained with.

        Args:
            folder: as `pdst-train --out` or `checkpoints=`, with a folder a subject.
            base: where that base model is; None: as its record says, which knows no folders.
            sampling_steps: of DPM-Solver++ 2M.
            guidance: of classifier-free guidance; None: what the base model's folder says, or 7.5.
            images_per_pass: of the UNet; changes nothing but time and memory.
            device: as `pdst.diffusion.backbone.load_backbone`.
            dtype: as there.
            only: one subject; the others may be of other methods and settings.

        Raises:
            BackboneError: if the base model cannot be opened.
            StoreError: if the folder holds no finished training, or of several kinds; if the base
                model is another one than it was trained with.
        """
        self._folder = Path(folder).expanduser()
        self._records = records = _records(self._folder, only)
        first = next(iter(records.values()))
        label, digest = str(first["base"]), first["base_digest"]
        settings = cast("dict[str, Json]", first["training"])
        self._method: Any = _method_of(str(first["method"]), self._folder)(
            base=_base_of(label) if base is None else base,
            preset=REFERENCE,
            sampling_steps=sampling_steps,
            guidance=guidance,
            images_per_pass=images_per_pass,
            device=device,
            dtype=dtype,
            **settings,
        )
        opened: GeneratorInfo = self._method.info
        if opened.settings["base_digest"] != digest:
            raise StoreError(
                f"{self._folder} was trained with {label}, digest {str(digest)[:12]}; the base "
                f"model here has {str(opened.settings['base_digest'])[:12]}. Give that one: "
                "base=FOLDER."
            )
        kept = {key: value for key, value in opened.settings.items() if key != "preset"}
        kept["training"] = first["training"]
        if any("imported" in record for record in records.values()):
            kept["training_photos"] = "as declared by who imported the checkpoint"
        if "validation" in first:
            kept["validation"] = first["validation"]
        kept[LEARNED] = digest_json(cast("Json", records))
        self.info = GeneratorInfo(
            name=opened.name, revision=opened.revision, settings=kept, paper=opened.paper
        )

    def personalize(self, subject: Subject) -> Sampler:
        """Read what was learned of the subject.

        Raises:
            StoreError: if there is no finished training of it, or of other photos.
        """
        record = self._record(subject.subject_id)
        own = {photo.sha256 for photo in subject.train}
        others = set(cast("list[str]", record["photos"])) - own
        if others:
            raise StoreError(
                f"{self._folder / subject.subject_id} learned from {len(others)} photos that are "
                "no training photos of this subject in this release. Train it on these."
            )
        return self._sampler(subject)

    def sampler(self, subject_id: str) -> Sampler:
        """As `personalize`, by the name of what was learned: of any photos.

        Raises:
            StoreError: if there is no finished training of it.
        """
        record = self._record(subject_id)
        noun = str(record["class_noun"])
        token = str(record.get("init_token", noun))
        return self._sampler(
            Subject(
                subject_id=subject_id, class_noun=noun, init_token=token, kind="rigid", train=()
            )
        )

    def _sampler(self, subject: Subject) -> Sampler:
        return cast("Sampler", self._method.sampler(subject, self._folder / subject.subject_id))

    def _record(self, subject_id: str) -> dict[str, Json]:
        if subject_id not in self._records:
            raise StoreError(
                f"{self._folder / subject_id} holds no finished training. There are: "
                f"{', '.join(self._records)}. Train it: pdst-train."
            )
        return self._records[subject_id]


def _records(folder: Path, only: str | None) -> dict[str, dict[str, Json]]:
    """Finished trainings of one kind, by subject."""
    there = sorted(path.parent.name for path in folder.glob(f"*/{RECORD}"))
    found = {}
    for name in there if only is None else [only]:
        record = read_record(folder / name)
        if record is not None and record.get("finished"):
            found[name] = record
    if not found:
        inside = (folder / RECORD).exists()
        hint = f" Give the folder above it: {folder.parent}." if inside else " Run pdst-train."
        raise StoreError(f"{folder} holds no finished training, wanted a folder a subject.{hint}")
    names = iter(found)
    first = next(names)
    for other in names:
        for key in ("method", "base_digest", "training", "validation"):
            if found[other].get(key) != found[first].get(key):
                raise StoreError(
                    f"{folder}: {first} and {other} were trained with another {key}. Numbers of "
                    "one run come from one method: move one of them away."
                )
    return found


def _method_of(title: str, folder: Path) -> Any:
    for name in TRAINED:
        method = trained_method(name)
        if title == method.NAME:
            return method
    raise StoreError(f"{folder} was trained with '{title}', which this version does not know.")


def _base_of(label: str) -> str:
    """What opens the base model of a label: "miniature", "sd15 = hub:…", "hub:…", "folder:…"."""
    if label.startswith("folder:"):
        raise StoreError(
            f"The base model was the folder '{label.removeprefix('folder:')}'. Say where it is: "
            "base=FOLDER (pdst draw: --base FOLDER)."
        )
    return re.split(" = ", label)[0]
