"""In: candidates that the reviewers left. Out: the same, in train, test, reserve, or dropped.

A session that the maker named is never parted: the split is refused instead. A series, which is a
session by the clock alone, is parted where there is no other way, and the maker is told: fifteen
photos of a mug taken in one go shall still make a benchmark.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations, groupby

from builders.collect.decisions import read_decisions
from builders.collect.likeness import Pair, alike_pairs, open_sight, shared_shots
from builders.pipeline.rows import Candidate, from_table, kept, to_table
from builders.pipeline.settings import SplitSettings, WorkspaceError
from builders.pipeline.splitting import Bond, bonded_groups, choose_split
from builders.pipeline.stage import Stage
from builders.pipeline.versions import versions
from builders.pipeline.workspace import Outcome, Workspace, digest_files
from pdst.digest import Json
from pdst.images import decode_rgb
from pdst.lookalikes import Look, look
from pdst.release import SPLITS

_log = logging.getLogger(__name__)


def _inputs(workspace: Workspace) -> Mapping[str, Json]:
    split = workspace.settings.split
    embedders = () if workspace.settings.embeddings == "none" else ("timm", "torch")
    return {
        "train": split.train,
        "test": split.test,
        "seed": split.seed,
        "given": split.given,
        "embeddings": workspace.settings.embeddings,
        "decisions": digest_files([workspace.decisions], workspace.folder),
        "versions": versions("imagehash", "numpy", "pillow", "scipy", *embedders),
    }


def _run(workspace: Workspace) -> Outcome:
    rows = from_table(Candidate, workspace.rows("review"))
    settings = workspace.settings.split
    cleared = read_decisions(workspace.decisions).cleared
    sight = open_sight(workspace.settings.embeddings)
    done: list[Candidate] = []
    notes = [f"photos were compared by {sight.how}"]
    problems: list[str] = []
    looks: dict[str, Look] = {}
    for subject_id, group in groupby(rows, key=lambda row: row.subject_id):
        own = list(group)
        images = {row.name: decode_rgb(workspace.photo(row.file), row.name) for row in kept(own)}
        looks |= {name: look(image) for name, image in images.items()}
        pairs = [pair for pair in alike_pairs(images, sight) if pair.names not in cleared]
        notes += [f"{pair.one} and {pair.other}: {pair.how}" for pair in pairs]
        split = _given if settings.given else _chosen
        done += split(subject_id, own, pairs, settings, problems, notes)
    problems += [
        f"{pair.one} and {pair.other}: two subjects share a shot ({pair.how}). One of them shows "
        "another subject: drop it."
        for pair in shared_shots(looks, lambda name: name.partition("/")[0])
        if pair.names not in cleared
    ]
    if not problems and not kept(done):
        problems.append("no subject is left. Add photos, or ask for fewer in the settings' split.")
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise WorkspaceError(
            f"the photos cannot be split:\n{lines}\nIn {workspace.decisions.name}, a line "
            "'PHOTO,drop,OTHER,BY,REASON' leaves a photo out; 'PHOTO,different,OTHER,BY,REASON' "
            "says that somebody has looked at both and they are two photographs."
        )
    return Outcome(table=to_table(Candidate, done), notes=tuple(notes))


def _given(
    subject_id: str,
    rows: Sequence[Candidate],
    pairs: Sequence[Pair],
    settings: SplitSettings,
    problems: list[str],
    notes: list[str],
) -> list[Candidate]:
    """The manifest's split, refused where it parts what belongs together."""
    side = {row.name: row.split for row in kept(rows)}
    problems += [
        f"{name} has no split. Give it one in the manifest, or let a seed choose (split.given)."
        for name, split in side.items()
        if split not in SPLITS
    ]
    problems += [
        f"subject {subject_id} has no {split} photo left. Add one, or drop the subject."
        for split in SPLITS
        if split not in side.values()
    ]
    problems += [
        f"{pair.one} ({side[pair.one]}) and {pair.other} ({side[pair.other]}) "
        f"{'are one shot' if pair.sure else 'may be one shot'}: {pair.how}. "
        f"{'Drop one.' if pair.sure else 'Look at both, then drop one or clear them.'}"
        for pair in pairs
        if side[pair.one] != side[pair.other]
    ]
    problems += [
        f"{bond.one} ({side[bond.one]}) and {bond.other} ({side[bond.other]}) are of {bond.why}. "
        "Put them on one side, or drop one."
        for bond in _session_bonds(rows)
        if side[bond.one] != side[bond.other]
    ]
    notes += _parted(subject_id, rows, "the manifest parts them")
    return list(rows)


def _chosen(
    subject_id: str,
    rows: Sequence[Candidate],
    pairs: Sequence[Pair],
    settings: SplitSettings,
    problems: list[str],
    notes: list[str],
) -> list[Candidate]:
    """A split by seed; repeated shots and surplus photos are a reserve."""
    repeats = _repeats(rows, pairs)
    wanted = settings.train + settings.test
    names = [row.name for row in kept(rows) if row.name not in repeats]
    if len(names) < wanted:
        reason = f"{len(names)} photos of the subject are left, {wanted} are wanted"
        notes.append(f"subject {subject_id}: {reason}; it is left out")
        return [
            replace(row, status="dropped", reason=reason) if row.status == "kept" else row
            for row in rows
        ]
    bonds = [
        *(
            Bond(one=pair.one, other=pair.other, why=pair.how)
            for pair in pairs
            if not {pair.one, pair.other} & set(repeats)
        ),
        *(bond for bond in _session_bonds(rows) if not {bond.one, bond.other} & set(repeats)),
    ]
    split = _split_of_series(names, bonds, _series(rows, names), settings, subject_id)
    if split is None:
        problems.append(_no_choice(subject_id, names, bonds, settings))
        return list(rows)
    placed = [_placed(row, split, repeats) for row in rows]
    notes += _parted(subject_id, placed, "no split keeps all of them on one side")
    return placed


def _series(rows: Sequence[Candidate], names: Sequence[str]) -> list[list[str]]:
    """The photos of each series, the largest series first."""
    of: dict[int, list[str]] = {}
    for row in rows:
        if row.series and row.name in names:
            of.setdefault(row.series, []).append(row.name)
    return sorted(of.values(), key=len, reverse=True)


def _split_of_series(
    names: Sequence[str],
    bonds: Sequence[Bond],
    series: Sequence[Sequence[str]],
    settings: SplitSettings,
    subject_id: str,
) -> Mapping[str, str] | None:
    """A split that leaves as many series whole as it can; the largest are given up first."""
    for given_up in range(len(series) + 1):
        whole = [
            Bond(one=own[0], other=other, why="one series")
            for own in series[given_up:]
            for other in own[1:]
        ]
        split = choose_split(
            names,
            [*bonds, *whole],
            train=settings.train,
            test=settings.test,
            seed=f"{settings.seed}/{subject_id}",
        )
        if split is not None:
            return split
    return None


def _parted(subject_id: str, rows: Sequence[Candidate], why: str) -> list[str]:
    """What to tell the maker of series that stand on both sides."""
    told = []
    sides: dict[int, Counter[str]] = {}
    for row in kept(rows):
        if row.series:
            sides.setdefault(row.series, Counter())[row.split] += 1
    for count in sides.values():
        if all(count[split] for split in SPLITS):
            told.append(
                f"subject {subject_id}: {count['train']} train and {count['test']} test photos "
                f"were taken one after the other (collect.series_gap_minutes); {why}. What stands "
                "around the subject in a train photo may be in a test photo, too, which makes the "
                "test easier. Better: more photos, of other times and places."
            )
            _log.warning(told[-1])
    return told


def _placed(row: Candidate, split: Mapping[str, str], repeats: Mapping[str, Pair]) -> Candidate:
    if row.status != "kept":
        return row
    if (pair := repeats.get(row.name)) is not None:
        other = pair.one if pair.other == row.name else pair.other
        return replace(row, status="reserve", like=other, reason=f"one shot twice: {pair.how}")
    if split[row.name] == "reserve":
        return replace(row, status="reserve", reason="more photos than the split takes")
    return replace(row, split=split[row.name])


def _repeats(rows: Sequence[Candidate], pairs: Sequence[Pair]) -> dict[str, Pair]:
    """Photos that surely are a shot once more: all but the first of each group."""
    sure = [pair for pair in pairs if pair.sure]
    groups = bonded_groups(
        [row.name for row in kept(rows)],
        [Bond(one=pair.one, other=pair.other, why=pair.how) for pair in sure],
    )
    return {
        name: next(pair for pair in sure if name in pair.names)
        for group in groups
        for name in group[1:]
    }


def _session_bonds(rows: Sequence[Candidate]) -> list[Bond]:
    known = [row for row in kept(rows) if row.session]
    return [
        Bond(one=one.name, other=other.name, why=f"one session, '{one.session}'")
        for one, other in combinations(known, 2)
        if one.session == other.session
    ]


def _no_choice(
    subject_id: str, names: Sequence[str], bonds: Sequence[Bond], settings: SplitSettings
) -> str:
    groups = [group for group in bonded_groups(names, bonds) if len(group) > 1]
    sizes = ", ".join(str(len(group)) for group in groups)
    reasons = "; ".join(f"{bond.one} and {bond.other}: {bond.why}" for bond in bonds[:20])
    more = f"; and {len(bonds) - 20} pairs more" if len(bonds) > 20 else ""
    return (
        f"subject {subject_id}: no {settings.train}/{settings.test} split of its {len(names)} "
        f"photos keeps together what belongs together, groups of {sizes} photos ({reasons}{more}). "
        "Add photos from other sessions, drop some, or clear pairs."
    )


SPLIT = Stage(name="split", reads=("review",), inputs=_inputs, run=_run)
