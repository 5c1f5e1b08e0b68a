"""Nothing in; the truth set out: pictures of known fidelity, as `pdst.miniature.truth` explains it.

Whoever is drawn, also with parameters changed, belongs to the held-out pool: no network has been
trained on anybody who looks like that.
"""

import io
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from builders.sources.miniature.captions import DOING, captions
from builders.sources.miniature.facts import (
    ACTIONS,
    CLASSES,
    LIVING,
    PLACES,
    PROPS,
    RIGID,
    THING_COLOURS,
    Identity,
    Prop,
    Scene,
)
from builders.sources.miniature.identities import (
    PARAMETERS,
    changed,
    differing,
    draw_identity,
    pool_of,
)
from builders.sources.miniature.render import Picture, render
from builders.sources.miniature.scenes import draw_scene
from builders.sources.miniature.training.data import SIZE, shrunk
from pdst.files import write_table
from pdst.miniature import TRUTH
from pdst.miniature.truth import FAITHFULNESS_LEVELS, FILE, SCHEMA, FidelityLevel, Series

SUBJECTS = 3
"""Of each class. Three subjects of three scenes let each of nine parameters change first once."""
SCENES = 3
"""Of each subject, besides the reference's."""
CAPTIONS = 2
"""Of each subject. Three times two let each of the six orders of three facts occur once a class."""
APART = 6
"""In how many parameters another identity differs at least."""
CHANGES: tuple[tuple[FidelityLevel, int], ...] = (
    ("changed-1", 1),
    ("changed-2", 2),
    ("changed-4", 4),
)

VISIBLE = 0.025
"""Share of the subject's pixels that a change moves at least."""
MOVED = 16
"""Levels of 255 from which a pixel counts as moved."""
ROUNDING = 5
"""Pixels are rounded to multiples of it, which divides 255: over a third fewer bytes, at 45 dB."""
FACTS = ("place", "action", "prop")
LARGEST = 1.2
"""Camera scale at which a subject stays in the picture whatever it does."""
PROP_SHOWS = 0.02
"""Share of the picture's pixels that a prop moves at least by being there."""

ATTEMPTS = 60
"""Scenes tried for a subject before another subject is drawn."""

Chain: TypeAlias = tuple[tuple[FidelityLevel, Scene], ...]
"""One scene, level by level: who is drawn is ever less the subject."""


def write_truth(folder: Path = TRUTH, classes: Sequence[str] = CLASSES) -> Path:
    """Draw the truth set into a folder; the same everywhere and every time.

    Args:
        folder: where it goes.
        classes: whose subjects; the others' do not depend on it.

    Returns:
        The Parquet file.
    """
    path = folder / FILE
    table = pa.Table.from_pylist(list(truth_rows(classes)), schema=SCHEMA)
    # The images are compressed already.
    write_table(table, path, compression="NONE", group_rows=200)
    return path


def truth_rows(classes: Sequence[str] = CLASSES) -> Iterator[dict[str, object]]:
    """The rows of `pdst.miniature.truth.SCHEMA`, subject by subject."""
    for class_noun in classes:
        for number in range(SUBJECTS):
            yield from subject_rows(class_noun, number)


def subject_rows(class_noun: str, number: int) -> Iterator[dict[str, object]]:
    """The rows of one subject; they depend on no other's."""
    rng = random.Random(f"truth/{class_noun}")
    orders = parameter_orders(rng)
    facts = list(permutations(FACTS))
    rng.shuffle(facts)
    name = f"{class_noun}-{number}"
    own = orders[number * SCENES : (number + 1) * SCENES]
    reference, chains = draw_subject(random.Random(f"truth/{name}"), class_noun, own)
    yield from _fidelity_rows(name, number, reference, chains)
    for scene in range(CAPTIONS):
        order = facts[number * CAPTIONS + scene]
        yield from _faithfulness_rows(name, reference.identity, scene, order)


def changed_parameters(a: Identity, b: Identity) -> tuple[str, ...]:
    """Which of `PARAMETERS` differ."""
    apart = (
        a.main != b.main,
        a.second != b.second,
        a.third != b.third,
        a.pattern != b.pattern,
        a.motif != b.motif,
        a.proportions != b.proportions,
        *(x != y for x, y in zip(a.variants, b.variants, strict=True)),
    )
    return tuple(name for name, differs in zip(PARAMETERS, apart, strict=True) if differs)


def parameter_orders(rng: random.Random) -> list[tuple[str, ...]]:
    """Nine times four parameters; each is once the first, once the second, third and fourth."""
    count = len(PARAMETERS)
    shifts = (0, *rng.sample(range(1, count), 3))
    orders = [
        tuple(PARAMETERS[(first + shift) % count] for shift in shifts) for first in range(count)
    ]
    rng.shuffle(orders)
    return orders


# --- fidelity ------------------------------------------------------------------------------------


def _fidelity_rows(
    name: str, number: int, reference: Scene, chains: Sequence[Chain]
) -> Iterator[dict[str, object]]:
    rng = random.Random(f"truth/{name}/others")
    subject = reference.identity
    yield _row(name, subject, "reference", 0, "same", reference)
    for scene_number, chain in enumerate(chains):
        for level, scene in chain:
            yield _row(name, subject, "fidelity", scene_number, level, scene)
        if scene_number == number % SCENES:
            other = _other_class(rng, chain[0][1])
            yield _row(name, subject, "fidelity", scene_number, "other-class", other)
    for level, scene in chains[0]:
        if level in ("same", "other-identity"):
            there = replace(
                scene,
                place=reference.place,
                weather=reference.weather,
                light=reference.light,
                seed=reference.seed,
            )
            yield _row(name, subject, "background", 0, level, there)


def draw_subject(
    rng: random.Random, class_noun: str, orders: Sequence[Sequence[str]]
) -> tuple[Scene, list[Chain]]:
    """A reference and scenes of one subject, whose changes stay in the pool and can be seen."""
    while True:
        subject = draw_identity(rng, "held out", class_noun)
        drawn = [_changes(rng, subject, order) for order in orders]
        changes = [steps for steps in drawn if steps is not None]
        if len(changes) < len(orders):
            continue
        alone: list[tuple[Identity, ...]] = [
            (_with_change(rng, subject, name),) for name in PARAMETERS
        ]
        scenes: list[Scene] = []
        wanted: list[list[tuple[Identity, ...]]] = [alone, *([steps] for steps in changes)]
        for told in wanted:
            scene = _showing(rng, subject, told, scenes)
            if scene is None:
                break
            scenes.append(scene)
        else:
            break
    reference, *others = scenes
    chains = []
    for scene, steps in zip(others, changes, strict=True):
        people: list[tuple[FidelityLevel, Identity]] = [("same", subject)]
        people += [(level, steps[count - 1]) for level, count in CHANGES]
        people.append(("other-identity", _somebody_else(rng, subject)))
        chains.append(tuple((level, replace(scene, identity=who)) for level, who in people))
    return reference, chains


def _changes(
    rng: random.Random, subject: Identity, order: Sequence[str]
) -> tuple[Identity, ...] | None:
    """The subject with the first of these parameters changed, the first two, and so on."""
    steps: list[Identity] = []
    for number, parameter in enumerate(order, start=1):
        before = steps[-1] if steps else subject
        shown = any(number == count for _, count in CHANGES)
        for _ in range(20):
            after = _with_change(rng, before, parameter)
            if pool_of(after) == "held out" or not shown:
                steps.append(after)
                break
        else:
            return None
    return tuple(steps)


def _with_change(rng: random.Random, identity: Identity, parameter: str) -> Identity:
    while True:
        found = changed(identity, 1, rng)
        if changed_parameters(identity, found) == (parameter,):
            return found


def _somebody_else(rng: random.Random, subject: Identity) -> Identity:
    while True:
        found = draw_identity(rng, "held out", subject.class_noun)
        if differing(subject, found) >= APART:
            return found


def _other_class(rng: random.Random, scene: Scene) -> Scene:
    """The same scene with somebody of another class of the kind, doing the same if it can."""
    own = scene.identity.class_noun
    alike = [noun for noun in (LIVING if own in LIVING else RIGID) if noun != own]
    able = [noun for noun in alike if scene.action in ACTIONS[noun]]
    class_noun = rng.choice(able or alike)
    action = scene.action if able else "standing"
    return replace(scene, identity=draw_identity(rng, "held out", class_noun), action=action)


def _showing(
    rng: random.Random,
    subject: Identity,
    chains: Sequence[Sequence[Identity]],
    taken: Sequence[Scene],
) -> Scene | None:
    """A scene in which every step of every chain is seen; None if none is found.

    Args:
        rng: decides everything.
        subject: where each chain starts.
        chains: identities, each a step from the one before.
        taken: scenes of the subject. The new one is elsewhere, and its action is not that of the
            first of them, unless no other shows the steps: a flying duck hides its feet.
    """
    for attempt in range(ATTEMPTS):
        scene = draw_scene(rng, subject)
        again = taken and scene.action == taken[0].action and attempt < ATTEMPTS // 2
        if again or any(scene.place == other.place for other in taken):
            continue
        first = render(scene, 2 * SIZE)
        if all(_seen(scene, first, chain) for chain in chains):
            return scene
    return None


def _seen(scene: Scene, picture: Picture, chain: Sequence[Identity]) -> bool:
    for identity in chain:
        after = render(replace(scene, identity=identity), 2 * SIZE)
        if moved_share(picture, after) < VISIBLE:
            return False
        picture = after
    return True


def moved_share(a: Picture, b: Picture) -> float:
    """The share of the subject's pixels, as they are stored, that differ visibly; 0 if none."""
    mask = np.maximum(shrunk(a.mask), shrunk(b.mask)) >= 128
    moved = _moved(_stored_pixels(a.rgb), _stored_pixels(b.rgb))
    return float(moved[mask].mean()) if mask.any() else 0.0


def _moved(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.bool_]:
    apart: NDArray[np.bool_] = np.abs(before.astype(np.int16) - after).max(axis=2) > MOVED
    return apart


# --- faithfulness --------------------------------------------------------------------------------


def _faithfulness_rows(
    name: str, subject: Identity, number: int, order: Sequence[str]
) -> Iterator[dict[str, object]]:
    rng = random.Random(f"truth/{name}/faithfulness/{number}")
    scene, wrong, caption = _told_scene(rng, subject)
    for count, level in enumerate(FAITHFULNESS_LEVELS[:-1]):
        drawn = _with_errors(scene, wrong, order[:count])
        yield _row(
            name, subject, "faithfulness", number, level, drawn, tuple(order[:count]), caption
        )
    other = _other_class(rng, drawn)
    if other.action == scene.action:
        other = replace(
            other, action=_another(rng, ACTIONS[other.identity.class_noun], scene.action)
        )
    differs = (*order, "class")
    yield _row(name, subject, "faithfulness", number, "wrong-class", other, differs, caption)


def _told_scene(rng: random.Random, subject: Identity) -> tuple[Scene, Scene, str]:
    """A plain scene, one of which all is wrong, and a caption that tells place, action and prop."""
    while True:
        scene = draw_scene(rng, subject)
        scene = replace(scene, weather="clear", light="day", accessory=None)
        prop = scene.prop
        if prop is None or prop.relation == "on" or scene.camera.scale > LARGEST:
            continue
        wrong = replace(
            scene,
            place=_another(rng, PLACES, scene.place),
            action=_another(rng, ACTIONS[subject.class_noun], scene.action),
            prop=_other_prop(rng, prop),
        )
        some = [_with_errors(scene, wrong, facts) for facts in ((), FACTS, ("action",), ("prop",))]
        if not all(map(_prop_shows, some)):
            continue
        for caption in captions(scene, 40):
            told = any(word in caption for word in DOING[scene.action]) and prop.noun in caption
            if told and "facing" not in caption and "close-up" not in caption:
                return scene, wrong, caption


def _with_errors(scene: Scene, wrong: Scene, facts: Sequence[str]) -> Scene:
    return replace(
        scene,
        place=wrong.place if "place" in facts else scene.place,
        action=wrong.action if "action" in facts else scene.action,
        prop=wrong.prop if "prop" in facts else scene.prop,
    )


def _prop_shows(scene: Scene) -> bool:
    """Whether the subject does not hide it."""
    pictures = [render(it, 2 * SIZE).rgb for it in (scene, replace(scene, prop=None))]
    return float(_moved(*map(_stored_pixels, pictures)).mean()) >= PROP_SHOWS


def _other_prop(rng: random.Random, prop: Prop) -> Prop:
    """Another thing of another colour in the same relation."""
    hidden = () if prop.relation == "next to" else ("balloon", "cushion")
    nouns = [noun for noun in PROPS if noun != prop.noun and noun not in hidden]
    colour = _another(rng, THING_COLOURS, prop.colour)
    return replace(prop, noun=rng.choice(nouns), colour=colour)


def _another(rng: random.Random, names: Sequence[str], taken: str) -> str:
    return rng.choice([name for name in names if name != taken])


# --- rows ----------------------------------------------------------------------------------------


def _row(
    name: str,
    subject: Identity,
    series: Series,
    number: int,
    level: str,
    scene: Scene,
    differs: Sequence[str] | None = None,
    caption: str | None = None,
) -> dict[str, object]:
    if differs is None:
        alike = scene.identity.class_noun == subject.class_noun
        differs = changed_parameters(subject, scene.identity) if alike else PARAMETERS
    picture = _stored_pixels(render(scene, 2 * SIZE).rgb)
    return {
        "subject_id": name,
        "class_noun": subject.class_noun,
        "kind": subject.kind,
        "series": series,
        "scene": number,
        "level": level,
        "differs": list(differs),
        "drawn_class": scene.identity.class_noun,
        "place": scene.place,
        "weather": scene.weather,
        "light": scene.light,
        "action": scene.action,
        "prop": f"{scene.prop.colour} {scene.prop.noun}" if scene.prop else None,
        "caption": caption,
        "image": {
            "bytes": _encoded(picture),
            "path": f"{name}/{series}-{number}-{level}.webp",
        },
    }


def _stored_pixels(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture at the size that networks see, in fewer levels."""
    small = shrunk(rgb).astype(np.int16)
    rounded = (small + ROUNDING // 2) // ROUNDING * ROUNDING
    stored: NDArray[np.uint8] = np.minimum(rounded, 255).astype(np.uint8)
    return stored


def _encoded(picture: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "WEBP", lossless=True, quality=100, method=6, exact=True)
    return buffer.getvalue()
