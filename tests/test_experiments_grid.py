"""`grid` on made runs whose answer is known: what is shown, what is claimed, what is told."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from pdst.cli.reading import reading
from pdst.errors import ComparisonError, SettingsError
from pdst.experiments.entries import entries_of
from pdst.experiments.grid import grid, shown_run
from pdst.experiments.grid_figure import MOST_ROWS, grid_figure
from pdst.experiments.grid_plan import FICTIONAL, GridPlan, grid_plan
from pdst.experiments.tiles import TileRow, tiles_figure
from pdst.run import Run
from pdst.types import Benchmark
from tests.made_runs import (
    draw_card,
    failed,
    made_benchmark,
    made_cases,
    made_record,
    made_run,
    made_scores,
)

SUBJECTS = ["ant", "bee", "cat", "dog", "elk", "fox"]
BENCHMARK = made_benchmark(SUBJECTS)


def table(
    subjects: Sequence[str] = SUBJECTS, *, shift: float = 0.0, photos: int = 1, seeds: int = 2
) -> pd.DataFrame:
    return made_scores(made_cases(subjects, photos=photos, seeds=seeds), shift=shift)


def made(folder: Path, name: str, scores: pd.DataFrame, **training: object) -> Run:
    """A finished run of a trained method."""
    record = made_record(name=name)
    info = record["settings"]["generator"]["info"]  # type: ignore[index]
    info["settings"] = {"training": {"seed": 0, "steps": 100, **training}}
    return made_run(folder / "-".join(map(str, [name, *training.values()])), scores, record)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Four methods with images; + is 0.03 above its base, NeTI 0.05 above TI."""
    folder = tmp_path_factory.mktemp("runs")
    shifts = {"TI (x)": 0.0, "TI+ (x)": 0.03, "NeTI (x)": 0.05, "NeTI+ (x)": 0.08}
    return [
        made_run(folder / name, table(shift=shift), made_record(name=name), draw=draw_card)
        for name, shift in shifts.items()
    ]


# What is shown


def test_a_grid_shows_the_first_of_everything(runs: list[Run]) -> None:
    found = grid(runs, BENCHMARK, GridPlan(captions=2, images=1))
    assert len(found.data) == 4 * len(SUBJECTS) * 2
    assert set(found.data["image_id"]) == {"00"}
    assert set(found.data["seed_index"]) == {0}
    keys = found.data.groupby("method")["key"].apply(list)
    assert all(own == keys.iloc[0] for own in keys), "the same noise in a row"
    assert "12 prompts, 1 image each" in found.finding
    assert "Prompts on which a method leads in it: TI 0, TI+ 0, NeTI 0, NeTI+ 12." in found.finding
    for word in ("Asked for", "left out", "missing", "tie", "not scored", "alone"):
        assert word not in found.finding


def test_only_cases_that_all_runs_have_are_shown_and_compared(tmp_path: Path) -> None:
    few = table(["bee", "cat"]).iloc[:-2]  # --limit: of the cat's, the second caption is lacking
    first = made(tmp_path, "TI (x)", table(shift=0.1))
    second = made(tmp_path, "NeTI (x)", few)
    found = grid([first, second], BENCHMARK, GridPlan(captions=2, images=2))
    own = found.data.groupby("method")["key"].apply(list)
    assert own["TI (x)"] == own["NeTI (x)"] == [key for key in few["key"] if "/00/" in key]
    means = found.summary["means"]["dino"]  # type: ignore[index, call-overload]
    assert means["TI (x)"]["units"] == means["NeTI (x)"]["units"] == 2
    assert "2 subjects of made 1.0.0" in found.finding
    assert (
        "Shown are the 6 cases that all runs have; left out, because another run lacks them: "
        "18 of TI." in found.finding
    )
    assert found.summary["left_out"] == {"TI (x)": 18, "NeTI (x)": 0}


def test_runs_without_a_common_case_are_refused(tmp_path: Path) -> None:
    first = made(tmp_path, "TI (x)", table(["ant", "bee"]))
    second = made(tmp_path, "NeTI (x)", table(["cat"]))
    with pytest.raises(
        ComparisonError, match=r"No case.*in all runs: TI has ant, bee; NeTI has cat.*--subjects"
    ):
        grid([first, second], BENCHMARK, GridPlan())


def test_the_benchmark_says_which_photo_is_the_first_whatever_the_runs_order(
    tmp_path: Path,
) -> None:
    scores = table(photos=3)
    runs = [
        made(tmp_path, "TI (x)", scores),
        made(tmp_path, "NeTI (x)", scores.iloc[::-1].reset_index(drop=True)),
    ]
    benchmark = made_benchmark(SUBJECTS, photos=3)
    found = grid(runs, benchmark, GridPlan(captions=2, images=2)).data
    assert set(found["image_id"]) == {"00"}
    own = found.groupby("method")["key"].apply(list)
    assert own["TI (x)"] == own["NeTI (x)"] == [key for key in scores["key"] if "/00/" in key]


def test_runs_of_another_benchmark_are_refused(runs: list[Run]) -> None:
    other = replace(BENCHMARK, name="other", fingerprint="0" * 64)
    with pytest.raises(
        ComparisonError,
        match=r"of made 1.0.0 \(fingerprint f+\), wanted.*other.*--benchmark FOLDER",
    ):
        grid(runs, other, GridPlan())


def test_runs_of_an_earlier_grid_are_sent_to_its_command(tmp_path: Path) -> None:
    record = made_record(name="TI (x)", fingerprint="1" * 64)
    record["settings"]["benchmark"]["name"] = "made grid"  # type: ignore[index]
    run = made_run(tmp_path / "run", table(), record)
    with pytest.raises(ComparisonError, match="give that command again, which draws nothing twice"):
        grid([run], BENCHMARK, GridPlan())
    own = replace(BENCHMARK, name="made grid", fingerprint="1" * 64)
    assert len(grid([run], own, GridPlan()).data) == len(SUBJECTS)


def test_the_command_holds_runs_against_its_benchmark(runs: list[Run], tmp_path: Path) -> None:
    given = ["experiment", "grid", *[str(run.path) for run in runs], "--out", str(tmp_path / "o")]
    done = CliRunner().invoke(reading, given)
    assert done.exit_code == 2
    assert "whose photos would stand beside it" in " ".join(done.output.split())
    assert not (tmp_path / "o" / "data.parquet").exists()


def test_the_lowest_training_seed_is_shown_whatever_the_order(tmp_path: Path) -> None:
    runs = [made(tmp_path, "TI (x)", table(shift=seed / 10), seed=seed) for seed in (2, 0, 1)]
    assert shown_run(entries_of(runs)[0]) is runs[1]
    found = grid(runs, BENCHMARK, GridPlan())
    assert "Of several runs of a method that of its lowest training seed is shown." in found.finding
    assert found.data["dino"].tolist() == runs[1].scores()["dino"].iloc[::4].tolist()


# What is told


@pytest.mark.parametrize(
    ("seeds", "limit", "told"),
    [(1, None, "1 image each"), (2, None, "2 images each"), (2, -1, "1 to 2 images each")],
)
def test_images_are_counted_as_shown_not_as_asked_for(
    tmp_path: Path, seeds: int, limit: int | None, told: str
) -> None:
    run = made(tmp_path, "TI (x)", table(seeds=seeds).iloc[:limit])
    finding = grid([run], BENCHMARK, GridPlan(images=5, captions=2)).finding
    assert f"12 prompts, {told}, the same" in finding
    assert (
        "Asked for were 5 images a prompt, which not every run, or not the benchmark, has."
        in finding
    )


def test_fewer_captions_than_asked_for_are_told(tmp_path: Path) -> None:
    run = made(tmp_path, "TI (x)", table(["ant", "bee"]))
    finding = grid([run], made_benchmark(SUBJECTS, captions=4), GridPlan(captions=4)).finding
    assert "4 prompts, 1 image each" in finding
    assert (
        "Asked for were 4 prompts a subject, which not every run, or not the benchmark, has."
        in finding
    )


def test_a_method_without_a_score_leaves_its_claim_undecided(tmp_path: Path) -> None:
    lost = table().assign(dino=None)
    runs = [made(tmp_path, "TI (x)", table()), made(tmp_path, "TI+ (x)", lost)]
    found = grid(runs, BENCHMARK, GridPlan())
    assert found.summary["claims"][0] == {"says": "TI+ is above TI in DINO", "holds": None}  # type: ignore[index, call-overload]
    assert "; without a score: TI+." in found.finding
    assert "leads in it: TI 0, TI+ 0; 6 not scored for every method." in found.finding


def test_a_metric_without_any_score_claims_nothing(tmp_path: Path) -> None:
    lost = table().drop(columns="dino")  # as runs of fewer metrics have it
    runs = [made(tmp_path, name, lost) for name in ("TI (x)", "TI+ (x)")]
    found = grid(runs, BENCHMARK, GridPlan())
    said = [claim["says"] for claim in found.summary["claims"]]  # type: ignore[union-attr, index, call-overload]
    assert said == ["TI+ is above TI in CLIP-T"]
    assert "No image has a score in DINO." in found.finding


def test_a_claim_is_of_the_same_images_where_one_is_missing(tmp_path: Path) -> None:
    # The base lost its worst image of each subject: by means it would now be above.
    worst = table().assign(dino=[0.9, 0.1, 0.5, 0.5] * len(SUBJECTS))
    plus = worst.assign(dino=worst["dino"] + 0.05)
    rows = [place for place in range(len(worst)) if place % 4 == 1]
    runs = [
        made(tmp_path, "TI (x)", failed(worst, rows, "raised: no luck")),
        made(tmp_path, "TI+ (x)", plus),
    ]
    found = grid(runs, BENCHMARK, GridPlan(images=2))
    assert found.summary["claims"][0]["holds"] is True  # type: ignore[index, call-overload]
    assert "6 of 24 images are missing: 6 of TI." in found.finding
    assert "leads in it: TI 0, TI+ 6." in found.finding


def test_means_over_fewer_subjects_say_so(tmp_path: Path) -> None:
    runs = [
        made(tmp_path, "TI (x)", failed(table(), range(4), "raised: no luck")),
        made(tmp_path, "NeTI (x)", table()),
    ]
    finding = grid(runs, BENCHMARK, GridPlan()).finding
    assert finding.count("(of 5 of 6 subjects)") == 2
    assert "1 of 12 images are missing: 1 of TI." in finding


def test_ties_count_for_nobody(tmp_path: Path) -> None:
    same = table()
    above = same.assign(dino=same["dino"].where(same["subject_id"] != "cat", 0.99))
    runs = [
        made(tmp_path, "TI (x)", same),
        made(tmp_path, "NeTI (x)", failed(above, [0], "raised: no luck")),
    ]
    found = grid(runs, BENCHMARK, GridPlan())
    assert "leads in it: TI 0, NeTI 1; 4 ties; 1 not scored for every method." in found.finding
    assert found.summary["leads"]["dino"] == {  # type: ignore[index, call-overload]
        "of": {"TI (x)": 0, "NeTI (x)": 1},
        "ties": 4,
        "without": 1,
    }


def test_methods_of_one_short_name_are_told_apart(tmp_path: Path) -> None:
    names = ["TI (small)", "TI (large)", "NeTI (small)"]
    runs = [
        made_run(tmp_path / name, table(shift=shift), made_record(name=name), draw=draw_card)
        for name, shift in zip(names, (0.0, 0.1, 0.2), strict=True)
    ]
    found = grid(runs, BENCHMARK, GridPlan())
    assert "leads in it: TI (small) 0, TI (large) 0, NeTI 6." in found.finding
    figure = grid_figure(found.data, runs, BENCHMARK, GridPlan())
    assert heads(figure) == ["held-out photo", "TI (small)", "TI (large)", "NeTI"]


# Claims


def of_prompts(
    folder: Path, prompts: Sequence[str], names: Sequence[str] = ("TI", "TI+", "NeTI", "NeTI+")
) -> tuple[list[Run], Benchmark]:
    """Runs of one's own prompts, and their benchmark; + is above its base in all."""
    benchmark = made_benchmark(SUBJECTS, photos=1)
    tests = tuple(replace(test, captions=tuple(prompts)) for test in benchmark.test)
    scores = [table(shift=0.03 * place) for place in range(len(names))]
    runs = [
        made(
            folder,
            name,
            own.assign(prompt=[prompts[n % len(prompts)] for n in own["caption_index"]]),
        )
        for name, own in zip(names, scores, strict=True)
    ]
    return runs, replace(benchmark, test=tests)


def test_captions_of_held_out_photos_test_the_papers_comparisons(runs: list[Run]) -> None:
    finding = grid(runs, BENCHMARK, GridPlan(captions=2)).finding
    assert "The paper's claim (Figs. 6, 14 and 15, on what is shown) is reproduced" in finding
    assert "NeTI+ is above NeTI in DINO: yes; NeTI+ is above NeTI in CLIP-T: yes" in finding


@pytest.mark.parametrize(("training", "where"), [(True, "Fig. 8"), (False, "section 6")])
def test_fictional_designs_test_what_the_paper_says_of_neti(
    tmp_path: Path, training: bool, where: str
) -> None:
    runs, benchmark = of_prompts(tmp_path, FICTIONAL)
    found = grid(runs, benchmark, GridPlan(prompts=FICTIONAL, training=training))
    assert (
        f"The paper's claim ({where}, fictional designs, here with the prompts of Fig. 13, on what "
        "is shown) is reproduced here: NeTI+ is above NeTI in CLIP-T: yes." in found.finding
    )
    assert (
        "The paper's figures do not compare these on such prompts; here TI+ is above TI in "
        "CLIP-T: yes." in found.finding
    )
    assert "Figs. 6" not in found.finding
    assert "in DINO train:" not in found.finding, "a copy's is high, too: no claim"


def test_prompts_of_ones_own_test_no_claim_of_the_paper(tmp_path: Path) -> None:
    prompts = ("{} at sea.",)
    runs, benchmark = of_prompts(tmp_path, prompts)
    found = grid(runs[2:], benchmark, GridPlan(prompts=prompts))
    assert found.summary["claims"] == []
    assert "The paper's claim" not in found.finding
    assert "Fig" not in found.finding.replace("The paper's figures do not compare", "")
    assert "here NeTI+ is above NeTI in CLIP-T: yes." in found.finding


# The figure


def heads(figure: object) -> list[str]:
    titles = [axes.get_title() for axes in figure.get_axes()]  # type: ignore[attr-defined]
    return [" ".join(title.split()) for title in titles if title]


def test_a_grids_figure_has_a_tile_an_image_and_the_photos_in_front(runs: list[Run]) -> None:
    for plan, tiles in (
        (GridPlan(images=2), 1 + 4 * 2),
        (GridPlan(images=1, training=True), 1 + 4),  # the made benchmark has one training photo
    ):
        figure = grid_figure(grid(runs, BENCHMARK, plan).data, runs, BENCHMARK, plan)
        shown = [axes for axes in figure.get_axes() if axes.get_images()]
        assert len(shown) == len(SUBJECTS) * tiles
        front = "training photos" if plan.training else "held-out photo"
        assert heads(figure) == [front, "TI", "TI+", "NeTI", "NeTI+"]


def test_a_methods_images_stand_below_its_head_in_rows_with_fewer_too(tmp_path: Path) -> None:
    scores = table(["ant", "bee"]).iloc[[0, 1, 4]]  # two images of the ant, one of the bee
    runs = [
        made_run(tmp_path / name, scores, made_record(name=name), draw=draw_card)
        for name in ("TI (x)", "NeTI (x)")
    ]
    extra = BENCHMARK.subjects[0].train * 2
    subjects = (replace(BENCHMARK.subjects[0], train=extra), *BENCHMARK.subjects[1:])
    benchmark = replace(BENCHMARK, subjects=subjects)
    plan = GridPlan(images=2, training=True)
    figure = grid_figure(grid(runs, benchmark, plan).data, runs, benchmark, plan)
    filled = [bool(axes.get_images()) for axes in figure.get_axes()]
    text, yes, no = False, True, False
    assert filled == [text, yes, yes, yes, yes, yes, yes, text, yes, no, yes, no, yes, no]


def test_a_figure_of_the_first_rows_alone_says_so(tmp_path: Path) -> None:
    subjects = [f"s{number:02d}" for number in range(MOST_ROWS + 3)]
    run = made_run(tmp_path / "run", table(subjects), draw=draw_card)
    benchmark, plan = made_benchmark(subjects), GridPlan()
    figure = grid_figure(grid([run], benchmark, plan).data, [run], benchmark, plan)
    assert figure.get_suptitle() == f"The first {MOST_ROWS} of {MOST_ROWS + 3} prompts"


def test_a_prompt_that_is_cut_says_so() -> None:
    rows = [TileRow(text="word " * 99 + "last", tiles=()), TileRow(text="a word", tiles=())]
    first, second = (axes.texts[0].get_text() for axes in tiles_figure(rows).get_axes())
    assert first.endswith("…")
    assert second == "a word"


# The plan


def test_what_is_asked_of_a_grid_is_read_and_checked() -> None:
    assert grid_plan(["fictional"], 1, 8, "training") == GridPlan(
        prompts=FICTIONAL, captions=1, images=8, training=True
    )
    assert grid_plan(["{} at sea.", "{} at sea."], 1, 1, "held-out").prompts == ("{} at sea.",)
    assert GridPlan(prompts=("{}.",)).metrics == ("dino_train", "clip_t")
    with pytest.raises(SettingsError, match=r"wanted one \{\} in it"):
        grid_plan(["a dog"], 1, 1, "held-out")
    with pytest.raises(SettingsError, match="No reference named 'train'"):
        grid_plan([], 1, 1, "train")
    with pytest.raises(SettingsError, match="--captions is 2 beside --prompt"):
        grid_plan(["fictional"], 2, 1, "training")
    with pytest.raises(SettingsError, match="--images is 0"):
        grid_plan([], 1, 0, "training")
    with pytest.raises(SettingsError, match="not for runs"):
        grid_plan(["fictional"], 1, 1, "training", of_runs=True)
