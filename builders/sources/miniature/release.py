"""Nothing in; the rows of the release `miniature` out, and the facts of every picture in it.

Twenty subjects, one a class, whom no training has seen. No test photo is in a place that a train
photo of the subject shows, and three to five of its ten show a colour, place and action that no
training has seen together. What is poorly seen is drawn again; the rules are in `_fit`.
"""

import io
import json
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from builders.pack import write_release
from builders.rows import About, PhotoRow
from builders.sources.miniature.captions import captions
from builders.sources.miniature.cast import held_out_of, subjects
from builders.sources.miniature.facts import (
    ACTIONS,
    PLACES,
    SEED,
    Accessory,
    Camera,
    Identity,
    Prop,
    Scene,
)
from builders.sources.miniature.identities import is_held_out_scene
from builders.sources.miniature.render import Picture, render
from builders.sources.miniature.scenes import draw_scene
from builders.sources.miniature.sight import SEEN, Sight, look_at
from pdst.lookalikes import Alignable, Look, align, alignable, compare, look
from pdst.miniature import DATA
from pdst.release import SCENES_NAME
from pdst.types import Split

NAME = "miniature"
VERSION = "1.0.0"
SIZE = 256
TRAIN, TEST, CAPTIONS = 5, 10, 10
DRAFTS = 30
"""Captions that ten are chosen from."""
OPENING_WORDS = frozenset(["a", "an", "of", "is", "photo", "picture", "image", "shows"])
"""Say nothing about a picture."""
HELD_OUT = (3, 5)
"""Test photos of a subject whose colour, place and action no training has seen together: at least,
at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One photo of the release."""

    split: Split
    image_id: str
    scene: Scene
    picture: Picture

    @property
    def held_out(self) -> bool:
        """Whether no training has seen its colour, place and action together."""
        scene = self.scene
        return is_held_out_scene(scene.identity.main, scene.place, scene.action)


# --- where ---------------------------------------------------------------------------------------


def shots(
    identity: Identity, looks: list[Look], *, seed: int = SEED, one_place: bool = False
) -> Iterator[Shot]:
    """Draw the photos of one subject, train first, none of which is like another one.

    Args:
        identity: the subject.
        looks: of the photos of other subjects, to be unlike; the new ones are added.
        seed: another seed draws other scenes.
        one_place: as `write_miniature`.
    """
    rng = random.Random(f"release/{seed}/{identity.class_noun}")
    own: list[Alignable] = []
    for number, (place, action) in enumerate(_plan(rng, identity, one_place=one_place)):
        split: Split = "train" if number < TRAIN else "test"
        while True:
            scene = draw_scene(rng, identity)
            if scene.place != place or scene.action != action or not _wanted(scene, split):
                continue
            picture = render(scene, SIZE)
            if not _fit(look_at(scene, picture), split):
                continue
            taken = look(Image.fromarray(picture.rgb))
            laid = alignable(taken)
            # Both ways round, as a mirrored hash is not the hash of what is mirrored in every bit.
            if not any(compare(taken, one) or compare(one, taken) for one in looks) and not any(
                align(laid, other, zoom=split == "test" and index < TRAIN)
                for index, other in enumerate(own)
            ):
                break
        looks.append(taken)
        own.append(laid)
        yield Shot(split=split, image_id=f"{number:02}", scene=scene, picture=picture)


def _plan(rng: random.Random, identity: Identity, *, one_place: bool) -> list[tuple[str, str]]:
    """Place and action of each photo, train first; every action occurs in train if it can."""
    actions = ACTIONS[identity.class_noun]
    unseen = held_out_of(identity)
    while True:
        places = rng.sample(PLACES, len(PLACES))
        trained_in = 1 if one_place else TRAIN
        train, elsewhere = places[:trained_in] * (TRAIN // trained_in), places[trained_in:]
        special = [pair for pair in unseen if pair[0] in elsewhere]
        if len(special) < HELD_OUT[0]:
            continue
        special = rng.sample(special, min(HELD_OUT[1], len(special)))
        left = [place for place in elsewhere if place not in {place for place, _ in special}]
        again = [place for place in elsewhere if place not in left]
        left = [*left, *rng.sample(again, len(again))][: TEST - len(special)]
        seen = {place: [a for a in actions if (place, a) not in unseen] for place in places}
        if all(seen[place] for place in (*train, *left)):
            break
    order = rng.sample(actions, len(actions))
    learned = []
    for number, place in enumerate(train):
        wished = order[number % len(order)]
        learned.append((place, wished if wished in seen[place] else rng.choice(seen[place])))
    tested = [*special, *((place, rng.choice(seen[place])) for place in left)]
    return [*learned, *rng.sample(tested, len(tested))]


def _wanted(scene: Scene, split: Split) -> bool:
    """Train photos are plain and near; test photos show something besides, in other colours."""
    own = {scene.identity.main, scene.identity.second, scene.identity.third}
    things = [thing for thing in (scene.prop, scene.accessory) if thing is not None]
    if any(thing.colour in own for thing in things):
        return False
    if scene.weather == "fog" and scene.light != "day":  # nobody's colours are left
        return False
    if scene.action == "tipped over" and scene.prop and scene.prop.relation == "on":
        return False  # it would hover over what it should lie on
    if split == "test":
        return bool(things) or scene.weather != "clear" or scene.light != "day"
    plain = scene.weather == "clear" and scene.light != "night" and scene.accessory is None
    beside = scene.prop is None or scene.prop.relation == "next to"
    return plain and beside and scene.camera.scale >= 1.0


def _fit(sight: Sight, split: Split) -> bool:
    """Whether the subject, and what captions may say is with it, is well seen."""
    train = split == "train"
    return (
        (0.1 if train else 0.07) <= sight.size <= 0.6
        and sight.cut <= 0.01
        and sight.covered <= 0.3
        and sight.contrast >= (24 if train else 22)
        and (sight.prop is None or sight.prop >= 0.012)
        and (sight.accessory is None or sight.accessory >= 0.003)
    )


# --- words ---------------------------------------------------------------------------------------


def about(found: Sequence[Shot], seed: int = SEED, *, one_place: bool = False) -> About:
    """What the card says beside the counts; another release has another name too."""
    unseen = sum(shot.held_out for shot in found if shot.split == "test")
    return About(
        name="-".join(
            [NAME, *([] if seed == SEED else [str(seed)]), *(["one-place"] if one_place else [])]
        ),
        version=VERSION,
        summary=(
            "A **drawn** world of twenty subjects with PDST's exact counts. It travels with the "
            "package, together with a generator, a CLIP and a DINO trained on the same world but "
            "on none of these subjects: everything that PDST does runs on it, without a network. "
            "Its numbers compare methods on drawings; they are not comparable with any on photos."
        ),
        licence_fields={"license": "cc-by-4.0"},
        usage=(
            "import datasets, pdst\n"
            "\n"
            'ds = datasets.load_dataset("pdst", "miniature")  # and load_dataset("pdst")\n'
            "benchmark = pdst.load()  # typed, checked, lazily decoded\n"
            'ds = datasets.load_dataset("FOLDER")  # this folder; needs no pdst'
        ),
        notes=(
            "## How it was made\n\n"
            "`python -m builders miniature release` draws every picture from a seed. "
            f"`{SCENES_NAME}` has all facts of each: identity, place, weather, light, action, "
            "accessory, prop, camera. A subject's train photos are plain and near"
            f"{', all in one place' if one_place else ''}; its test photos "
            f"are in other places, and {unseen} of all show a colour, place and action that the "
            "trainings of the package's networks never show together. A scene is drawn again if "
            "the subject is small, cut by the frame, hidden or hardly stands out from what is "
            "around it, if what the captions tell cannot be seen, or if it looks like another "
            "photo. Masks are exact; captions tell facts of the scene and name neither the "
            "subject's class nor any of its colours.\n\n"
            "## Known faults\n\n"
            "- Twenty subjects of one drawing style: nothing here says how a method does on "
            "photos.\n"
            "- Captions come from a grammar: true, and more alike than people's.\n"
            "- Night, rain and fog dim a subject's colours in some test photos, as they do in "
            "photos."
        ),
    )


# --- rows ----------------------------------------------------------------------------------------


def all_shots(seed: int = SEED, *, one_place: bool = False) -> Iterator[Shot]:
    """The photos of all subjects."""
    looks: list[Look] = []
    for identity in subjects(seed):
        yield from shots(identity, looks, seed=seed, one_place=one_place)


def rows(found: Sequence[Shot]) -> tuple[PhotoRow, ...]:
    """Photos as the release has them; no caption of a subject is said of two photos."""
    said: dict[str, set[str]] = defaultdict(set)
    made = []
    for shot in found:
        identity = shot.scene.identity
        own = told(shot.scene, said[identity.class_noun]) if shot.split == "test" else ()
        said[identity.class_noun].update(own)
        made.append(_row(shot, own))
    return tuple(made)


def _row(shot: Shot, captions: tuple[str, ...]) -> PhotoRow:
    identity = shot.scene.identity
    name = f"{identity.class_noun}/{shot.image_id}"
    mask = np.where(shot.picture.mask > SEEN, 255, 0).astype(np.uint8)
    return PhotoRow(
        split=shot.split,
        subject_id=identity.class_noun,
        class_noun=identity.class_noun,
        init_token=identity.class_noun,
        kind=identity.kind,
        image_id=shot.image_id,
        image=_png(shot.picture.rgb),
        suffix=".png",
        mask=_png(mask) if shot.split == "train" else None,
        source=f"builders/sources/miniature, {SCENES_NAME}: {name}",
        author="The PDST authors",
        licence="CC-BY-4.0",
        licence_url="https://creativecommons.org/licenses/by/4.0/",
        captions=captions,
    )


def told(scene: Scene, said: AbstractSet[str] = frozenset()) -> tuple[str, ...]:
    """Ten captions that name none of the subject's colours, not even of a barn.

    Captions that tell something new come before those that only begin with other words.

    Args:
        scene: what to tell.
        said: captions not to be repeated.
    """
    identity = scene.identity
    own = {identity.main, identity.second, identity.third}
    fresh: dict[frozenset[str], str] = {}
    others = []
    for caption in captions(scene, DRAFTS):
        words = set(re.findall(r"[a-z]+", caption.lower()))
        if own & words or caption in said:
            continue
        gist = frozenset(words - OPENING_WORDS)
        if gist in fresh:
            others.append(caption)
        else:
            fresh[gist] = caption
    chosen = tuple([*fresh.values(), *others][:CAPTIONS])
    assert len(chosen) == CAPTIONS, scene
    return chosen


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


# --- facts beside the rows -----------------------------------------------------------------------


def scenes_text(found: Sequence[Shot]) -> str:
    """JSON lines: every fact of every picture, so that the ground truth travels with it."""
    lines = [
        {
            "subject_id": shot.scene.identity.class_noun,
            "image_id": shot.image_id,
            "split": shot.split,
            "held_out": shot.held_out,
            "scene": asdict(shot.scene),
        }
        for shot in sorted(found, key=lambda s: (s.scene.identity.class_noun, s.image_id))
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


def scene_of(line: str) -> Scene:
    """The scene of one line of `scenes_text`; `render` draws its picture again."""
    fields: dict[str, Any] = json.loads(line)["scene"]
    identity, prop, accessory = fields["identity"], fields["prop"], fields["accessory"]
    for name in ("tint", "proportions", "variants"):
        identity[name] = tuple(identity[name])
    fields |= {
        "identity": Identity(**identity),
        "camera": Camera(**fields["camera"]),
        "prop": None if prop is None else Prop(**prop),
        "accessory": None if accessory is None else Accessory(**accessory),
    }
    return Scene(**fields)


def write_miniature(
    folder: Path = DATA,
    *,
    seed: int = SEED,
    one_place: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> str:
    """Write the release; returns its fingerprint. Takes a minute of one core.

    Args:
        folder: where it goes; an older release there is replaced.
        seed: another one draws other subjects in other scenes, on which a method's settings may
            be chosen without a look at the release.
        one_place: a subject's train photos are all in one place, as photos of one afternoon are:
            whoever cannot tell the subject from what is around it learns both.
        progress: is told how far it is.
    """
    found: list[Shot] = []
    for shot in all_shots(seed, one_place=one_place):
        found.append(shot)
        if len(found) % (TRAIN + TEST) == 0:
            progress(f"drawn {len(found)} photos: {shot.scene.identity.class_noun}")
    return write_release(
        folder, rows(found), about(found, seed, one_place=one_place), scenes=scenes_text(found)
    )
