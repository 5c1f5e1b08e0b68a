"""Claims about `pdst-report`: paired differences, Fig. 5, tables and figures beside the page."""

import json
import math
import re
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from pdst.cli.reporting import report
from pdst.compare import compare
from pdst.experiments.methods_figure import LEAST, MOST
from pdst.report.differences import ALL_PAIRS, paired
from pdst.report.figures import FIGURES, write_figures
from pdst.report.page import render_page
from pdst.report.rows import interval_text, number, table_rows
from pdst.report.table import differences_latex, differences_markdown, p_text
from pdst.run import Run
from tests.browsers import chromium, opened
from tests.made_runs import (
    draw_card,
    failed,
    made_benchmark,
    made_cases,
    made_record,
    made_run,
    made_scores,
)
from tests.test_report import EVIL, SUBJECTS, Page


def made_runs(folder: Path, shifts: tuple[float, ...], subjects: list[str] = SUBJECTS) -> list[Run]:
    cases = made_cases(subjects)
    return [
        made_run(
            folder / f"r{place}",
            made_scores(cases, seed=place, shift=shift),
            made_record(name=f"Method {place}"),
            draw=draw_card,
        )
        for place, shift in enumerate(shifts)
    ]


def test_every_two_runs_are_compared_as_pdst_compare_does(tmp_path: Path) -> None:
    runs = made_runs(tmp_path, (0.0, 0.1, -0.1))
    found = paired(runs)
    assert [(pair.first, pair.second) for pair in found.pairs] == [(0, 1), (0, 2), (1, 2)]
    texts = Page(render_page(runs)).texts
    for pair in found.pairs:
        wanted = compare(runs[pair.first], runs[pair.second])
        assert pair.comparison.metrics == wanted.metrics
        for one in pair.metrics:
            assert one is not None
            assert number(one.difference, signed=True) in texts
            assert interval_text(one.interval, signed=True) in texts
            assert f"p {p_text(one.p_value)}, {one.pairs} of 24 pairs" in texts


def test_of_many_runs_each_is_compared_with_the_first(tmp_path: Path) -> None:
    runs = made_runs(tmp_path, (0.0,) * 2)
    many = [runs[0], *[runs[1]] * ALL_PAIRS]
    assert [(p.first, p.second) for p in paired(many).pairs] == [
        (0, other) for other in range(1, ALL_PAIRS + 1)
    ]


def test_one_run_has_no_differences(tmp_path: Path) -> None:
    (run,) = made_runs(tmp_path, (0.0,))
    assert paired([run]).pairs == ()
    assert "Paired differences" not in Page(render_page([run])).texts


def test_differences_as_text_say_what_the_page_says(tmp_path: Path) -> None:
    runs = made_runs(tmp_path, (0.1, 0.0))
    found = paired(runs)
    markdown = differences_markdown(found, ["A|B", "C"])
    latex = differences_latex(found, ["A_1", "C"])
    dino = found.pairs[0].metrics[-1]
    assert dino is not None
    assert r"| A\|B minus C | " in markdown
    assert number(dino.difference, signed=True) in markdown
    assert r"A\_1 minus C & " in latex
    assert latex.count(r"\\") == 2


def test_the_areas_of_fig_5_are_linear_in_clip_t(tmp_path: Path) -> None:
    runs = made_runs(tmp_path, (0.0, 0.05, 0.2))
    bubbles = [tag for tag in Page(render_page(runs)).all("circle") if tag["class"] == "bubble"]
    radii = sorted(float(tag["r"] or 0) for tag in bubbles[:3])
    assert math.pi * radii[0] ** 2 == pytest.approx(LEAST, rel=0.01)
    assert math.pi * radii[2] ** 2 == pytest.approx(MOST, rel=0.01)
    prompts = sorted(
        next(s.macro or 0.0 for s in row.report.metrics if s.metric == "clip_t")
        for row in table_rows(runs)
    )
    share = (prompts[1] - prompts[0]) / (prompts[2] - prompts[0])
    assert math.pi * radii[1] ** 2 == pytest.approx(LEAST + share * (MOST - LEAST), rel=0.01)


def test_a_folder_gets_the_page_the_tables_and_every_figure(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    runs = made_runs(tmp_path, (0.0, 0.1))
    out = tmp_path / "out"
    arguments = [*(str(run.path) for run in runs), "--out", str(out), "--json"]
    done = CliRunner().invoke(report, [*arguments, "--benchmark", "none"])
    assert done.exit_code == 0, done.output
    wanted = {"report.html", "table.md", "table.tex", "differences.md", "differences.tex"}
    wanted |= {f"{name}.{kind}" for name in FIGURES for kind in ("png", "svg")}
    assert {path.name for path in out.iterdir()} == wanted
    assert {Path(path).name for path in json.loads(done.stdout)} == wanted
    for name in FIGURES:
        with Image.open(out / f"{name}.png") as image:
            assert image.width > 300
        assert "<svg" in (out / f"{name}.svg").read_text("utf-8")
    assert "CLIP-T" in (out / "table.md").read_text("utf-8")


def test_an_html_file_gets_the_page_alone(tmp_path: Path) -> None:
    (run,) = made_runs(tmp_path, (0.0,))
    page = tmp_path / "new" / "page.html"
    done = CliRunner().invoke(report, [str(run.path), "--out", str(page)])
    assert done.exit_code == 0, done.output
    assert [path.name for path in page.parent.iterdir()] == ["page.html"]
    assert "made is not at hand" in done.stderr


def test_runs_that_may_not_be_compared_are_refused(tmp_path: Path) -> None:
    scores = made_scores(made_cases(SUBJECTS))
    other = made_run(tmp_path / "o", scores, made_record(name="O", protocol="quick-99999999"))
    (run,) = made_runs(tmp_path, (0.0,))
    arguments = [str(run.path), str(other.path), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(report, arguments)
    assert done.exit_code == 2
    assert "protocol" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_run_of_failures_only_still_has_figures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    scores = made_scores(made_cases(SUBJECTS))
    nothing = failed(scores, range(len(scores)), "raised: KeyError")
    run = made_run(tmp_path / "run", nothing, made_record(name="$x$ fails"))
    assert write_figures(table_rows([run]), tmp_path / "out")


def test_in_a_browser_the_page_fits_a_phone_and_fetches_nothing(tmp_path: Path) -> None:
    runs = made_runs(tmp_path, (0.0, 0.1))
    record = made_record(name=EVIL)
    runs.append(made_run(tmp_path / "evil", made_scores(made_cases(SUBJECTS)), record))
    path = tmp_path / "page.html"
    path.write_text(render_page(runs, benchmark=made_benchmark(SUBJECTS)), "utf-8")
    with chromium() as browser:
        for width in (1200, 390):
            page, said = opened(browser, path, width=width)
            assert page.evaluate("document.documentElement.scrollWidth") == width
            assert EVIL in page.locator("#scores").inner_text()
            assert page.locator("script").count() == 0
            links = page.locator("nav a").evaluate_all("all => all.map(a => a.hash.slice(1))")
            ids = set(re.findall(r'<section id="([\w-]+)"', path.read_text("utf-8")))
            assert set(links) <= ids
            assert not said
