"""Claims about tables and the page: the Report's numbers, nothing executable, nothing fetched."""

import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from pdst.compare import compare
from pdst.errors import ComparisonError, SettingsError
from pdst.report import album, pictures
from pdst.report.album import Album
from pdst.report.charts import scale_over
from pdst.report.page import render_page, write_page
from pdst.report.rows import count_text, interval_text, number, percent, table_rows
from pdst.report.table import (
    comparison_table,
    latex_table,
    markdown_table,
    p_text,
    terminal_table,
)
from pdst.run import Run
from pdst.summarize import summarize
from pdst.types import Drawn, Interval
from tests.made_runs import (
    draw_card,
    failed,
    made_benchmark,
    made_cases,
    made_record,
    made_run,
    made_scores,
    noise,
    png,
)

SUBJECTS = ["cat", "dog", "vase"]
EVIL = "<script>alert('x')</script>"
UNTRAINED = {
    "clip": "untrained CLIP ViT-B/32 (seed 0)",
    "dino": "untrained DINO ViT-S/16 (seed 0)",
}


class Page(HTMLParser):
    """What a browser would make of a page: tags with attributes, and the texts between."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(" ".join(data.split()))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def one_run(tmp_path: Path, scores: pd.DataFrame | None = None, **record: object) -> Run:
    scores = made_scores(made_cases(SUBJECTS)) if scores is None else scores
    return made_run(tmp_path / "run", scores, made_record(**record), draw=draw_card)


# Numbers


def test_numbers_have_three_decimals_and_a_true_minus() -> None:
    assert [number(0.7), number(-0.0312), number(None)] == ["0.700", "−0.031", "–"]
    assert [number(0.05, signed=True), number(-0.00001, signed=True)] == ["+0.050", "0.000"]


def test_an_interval_with_a_negative_end_is_written_out() -> None:
    assert interval_text(Interval(low=0.6124, high=0.701)) == "0.612–0.701"
    assert interval_text(Interval(low=-0.01, high=0.02)) == "−0.010 to 0.020"
    assert interval_text(Interval(low=0.01, high=0.02), signed=True) == "+0.010 to +0.020"
    assert interval_text(None) == ""


def test_a_percentage_never_rounds_to_none_or_all() -> None:
    shares = [percent(0, 9), percent(1, 900), percent(450, 900), percent(899, 900), percent(9, 9)]
    assert shares == ["0 %", "<1 %", "50 %", ">99 %", "100 %"]
    assert percent(0, 0) == "–"


def test_p_values_keep_two_digits_and_are_never_zero() -> None:
    assert [p_text(0.04217), p_text(0.00001), p_text(1.0), p_text(None)] == [
        "0.042",
        "<0.0001",
        "1",
        "–",
    ]


@pytest.mark.parametrize("numbers", [[0.329, 0.358], [0.7], [-0.2, 0.9], [0.3, 0.3], [], [1.0]])
@pytest.mark.parametrize("zero", [True, False])
def test_an_axis_is_round_and_shows_every_number(numbers: list[float], zero: bool) -> None:
    axis = scale_over(numbers, zero=zero)
    assert all(axis.low <= value <= axis.high for value in numbers)
    assert axis.low <= 0.0 <= axis.high or not zero
    assert 2 <= len(axis.ticks) - 1 <= 6
    assert axis.ticks[0] == axis.low
    assert axis.ticks[-1] == axis.high
    assert axis.at(axis.low) == 0.0
    assert axis.at(axis.high) == 100.0


def test_an_axis_of_scores_does_not_blow_up_a_small_difference() -> None:
    axis = scale_over([0.651, 0.653])
    assert axis.high - axis.low == pytest.approx(0.1)


# Tables


def terminal(renderable: object, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, record=True, color_system=None)
    console.print(renderable)
    return console.export_text()


def test_the_terminal_table_fits_eighty_columns_without_cutting_a_number(tmp_path: Path) -> None:
    run = one_run(tmp_path, name="A method with a rather long name")
    text = terminal(terminal_table(table_rows([run])))
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    report = table_rows([run])[0].report
    for summary in report.metrics:
        if summary.metric in {"clip_t", "clip_i", "dino"}:
            assert number(summary.macro) in text
            assert interval_text(summary.interval) in text
    for gap in report.gaps:
        assert number(gap.macro, signed=True) in text
    assert "of 24" in text


def test_a_table_says_which_encoder_made_a_metric(tmp_path: Path) -> None:
    text = terminal(terminal_table(table_rows([one_run(tmp_path)])))
    assert "ViT-B/32" in text
    assert "ViT-S/16" in text


def test_marks_stand_above_every_table(tmp_path: Path) -> None:
    marks = ["untrained encoders", "--limit 20"]
    rows = table_rows([one_run(tmp_path, marks=marks, encoders=UNTRAINED)])
    shown = [terminal(terminal_table(rows)), markdown_table(rows), latex_table(rows)]
    for text in shown:
        head = text[: text.index("CLIP-T")]
        assert "submittable" in head.lower()
        assert "untrained encoders" in head
    assert "untrained" in terminal(terminal_table(rows)).split("generator")[0]


def test_a_mark_names_its_run_when_others_do_not_bear_it(tmp_path: Path) -> None:
    scores = made_scores(made_cases(SUBJECTS))
    runs = [
        made_run(tmp_path / "a", scores, made_record(name="A")),
        made_run(tmp_path / "b", scores, made_record(name="B", marks=["--limit 20"])),
    ]
    assert "--limit 20 (B)" in terminal(terminal_table(table_rows(runs)))


def test_runs_of_two_keys_do_not_stand_in_one_table(tmp_path: Path) -> None:
    scores = made_scores(made_cases(SUBJECTS))
    runs = [
        made_run(tmp_path / "a", scores, made_record(name="A")),
        made_run(tmp_path / "b", scores, made_record(name="B", protocol="quick-99999999")),
    ]
    with pytest.raises(ComparisonError, match="protocol: paper-1a2b3c4d and quick-99999999"):
        table_rows(runs)
    with pytest.raises(ComparisonError, match="protocol"):
        render_page(runs)


def test_no_run_makes_no_table() -> None:
    with pytest.raises(ComparisonError, match="No run to show"):
        table_rows([])


def test_names_are_text_in_every_table(tmp_path: Path) -> None:
    name = "[red]A|B[/red] 50% $x$ a_b <i>"
    rows = table_rows([one_run(tmp_path, name=name)])
    assert name.replace(" ", "") in re.sub(r"\s", "", terminal(terminal_table(rows), 200))
    markdown = markdown_table(rows)
    assert r"\[red\]A\|B\[/red\] 50% $x$ a\_b \<i\>" in markdown
    columns = {len(re.findall(r"(?<!\\)\|", line)) for line in markdown.splitlines() if "|" in line}
    assert columns == {9}
    assert r"[red]A|B[/red] 50\% \$x\$ a\_b \textless{}i\textgreater{}" in latex_table(rows)


def test_the_table_counts_the_metric_with_the_fewest_scores(tmp_path: Path) -> None:
    scores = made_scores(made_cases(SUBJECTS))
    scores.loc[0, "dino"] = np.nan
    rows = table_rows([one_run(tmp_path, scores)])
    assert "23 of 24" in markdown_table(rows)


def test_the_comparison_table_shows_difference_p_and_dropped_cases(tmp_path: Path) -> None:
    scores = made_scores(made_cases([f"s{number}" for number in range(8)]))
    higher = failed(scores.assign(dino=scores["dino"] + 0.1), [0], "raised: KeyError")
    comparison = compare(
        made_run(tmp_path / "a", higher, made_record(name="A")),
        made_run(tmp_path / "b", scores, made_record(name="B")),
    )
    text = terminal(comparison_table(comparison))
    assert "+0.100" in text
    assert "0.0078" in text
    assert "63 of 64" in text
    assert "1 A: raised" in text
    assert "…" not in text


# The page


def test_the_page_shows_the_numbers_of_the_report(tmp_path: Path) -> None:
    scores = failed(made_scores(made_cases(SUBJECTS)), [0, 9], "raised: KeyError")
    run = one_run(tmp_path, scores)
    report = summarize(run.scores(), marks=())
    texts = Page(render_page([run])).texts
    for summary in report.metrics:
        wanted = [number(summary.macro), interval_text(summary.interval), number(summary.micro)]
        wanted += [number(summary.per_kind[kind]) for kind in ("living", "rigid")]
        wanted.append(count_text(summary.scored, summary.expected))
        assert follow_each_other(texts, wanted), summary.metric
    for gap in report.gaps:
        assert number(gap.macro, signed=True) in texts
        assert interval_text(gap.interval, signed=True) in texts
    dino = next(summary for summary in report.metrics if summary.metric == "dino")
    for subject, value in dino.per_subject.items():
        row = texts[texts.index(subject) :][:5]
        assert number(value) in row


def follow_each_other(texts: list[str], wanted: list[str]) -> bool:
    width = len(wanted)
    return any(texts[start : start + width] == wanted for start in range(len(texts)))


def test_the_interval_bar_stands_where_the_interval_is(tmp_path: Path) -> None:
    run = one_run(tmp_path)
    summary = next(s for s in table_rows([run])[0].report.metrics if s.metric == "clip_t")
    assert summary.interval is not None
    axis = scale_over([summary.macro or 0.0, summary.interval.low, summary.interval.high])
    span = next(tag for tag in Page(render_page([run])).all("rect") if tag["class"] == "span")
    assert float(span["x"] or 0) == axis.at(summary.interval.low)
    end = float(span["x"] or 0) + float(span["width"] or 0)
    assert end == pytest.approx(axis.at(summary.interval.high), abs=0.01)


def test_nothing_in_a_run_becomes_markup(tmp_path: Path) -> None:
    cases = made_cases(SUBJECTS)
    scores = failed(made_scores(cases), [0], f"raised: {EVIL}")
    scores["prompt"] = f"a {{}} {EVIL}"
    record = made_record(name=EVIL, marks=[EVIL])
    info = record["settings"]["generator"]["info"]
    info |= {"revision": EVIL, "paper": "javascript:alert(1)", "code": f"https://x/{EVIL}"}
    record["settings"]["benchmark"] |= {"name": EVIL, "version": '" onload="alert(1)'}
    run = made_run(tmp_path / "run", scores, record, draw=draw_card)
    benchmark = made_benchmark(SUBJECTS, author=EVIL)
    page = Page(render_page([run], benchmark=benchmark))
    assert not page.all("script")
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert EVIL in page.texts
    links = [attributes["href"] or "" for attributes in page.all("a")]
    assert all(link.startswith(("https://", "http://", "#")) for link in links)
    assert not any("javascript" in link for link in links)


def test_the_page_fetches_nothing_and_forbids_it(tmp_path: Path) -> None:
    text = render_page([one_run(tmp_path)], benchmark=made_benchmark(SUBJECTS))
    page = Page(text)
    assert page.all("img")
    assert all((tag["src"] or "").startswith("data:image/webp;base64,") for tag in page.all("img"))
    fetching = {"link", "script", "iframe", "object", "embed", "audio", "video", "source", "use"}
    assert not fetching & {tag for tag, _ in page.tags}
    assert "url(" not in text
    assert "@import" not in text
    policy = page.all("meta")[-1]["content"]
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:")


def test_untrained_encoders_are_loud_and_trained_ones_are_not(tmp_path: Path) -> None:
    loud = "Untrained encoders: these numbers say nothing about quality"
    random = one_run(tmp_path / "1", encoders=UNTRAINED, marks=["untrained encoders"])
    assert loud in Page(render_page([random])).texts
    trained = Page(render_page([one_run(tmp_path / "2")])).texts
    assert loud not in trained
    assert "Not submittable" not in trained


def test_the_page_shows_the_photo_the_prompt_and_the_seeds(tmp_path: Path) -> None:
    run = one_run(tmp_path)
    page = Page(render_page([run], benchmark=made_benchmark(SUBJECTS)))
    names = [tag["alt"] or "" for tag in page.all("img")]
    # 3 subjects x 3 prompts, each a held-out photo and 2 seeds.
    assert len(names) == 3 * 3 * (1 + 2)
    assert sum(name.startswith("photo ") for name in names) == 9
    ranks = [text for text in page.texts if text.startswith(("Highest", "Middle", "Lowest"))]
    assert [rank.split(",")[0] for rank in ranks[:3]] == ["Highest", "Middle", "Lowest"]
    values = [float(rank.rpartition(" ")[2]) for rank in ranks[:3]]
    assert values == sorted(values, reverse=True)
    assert "toy" in page.texts  # the class noun stands in the prompt's slot


def test_photos_shown_name_their_author_and_licence(tmp_path: Path) -> None:
    page = Page(render_page([one_run(tmp_path)], benchmark=made_benchmark(SUBJECTS)))
    credit = next(text for text in page.texts if "A. Maker" in text)
    assert "cat/0" in credit
    assert {"href": "https://creativecommons.org/licenses/by/4.0/"}.items() <= next(
        tag for tag in page.all("a") if "licenses" in (tag["href"] or "")
    ).items()


def test_nested_settings_of_a_method_are_told_in_words(tmp_path: Path) -> None:
    settings = {
        "base": "miniature",
        "base_digest": "0123456789abcdef" * 4,
        "training": {"steps": 1, "flip": True, "clip": None, "betas": [0.9, 0.999]},
        "sampling": {"guidance": 3.0},
    }
    page = Page(render_page([one_run(tmp_path, settings=settings)]))
    assert (
        "base miniature, base_digest 0123456789ab; training: steps 1, flip yes, clip none, "
        "betas (0.9, 0.999); sampling: guidance 3.0"
    ) in page.texts


def test_without_a_benchmark_ids_stand_for_photos(tmp_path: Path) -> None:
    page = Page(render_page([one_run(tmp_path)]))
    assert not any((tag["alt"] or "").startswith("photo ") for tag in page.all("img"))
    assert any(text.startswith("held-out cat/") for text in page.texts)


def test_another_benchmark_is_refused(tmp_path: Path) -> None:
    run = one_run(tmp_path, fingerprint="0" * 64)
    with pytest.raises(SettingsError, match="fingerprint 000000000000"):
        render_page([run], benchmark=made_benchmark(SUBJECTS))


def test_copies_are_counted_and_shown_beside_their_photo(tmp_path: Path) -> None:
    scores = made_scores(made_cases(SUBJECTS))
    scores["copied"] = scores["subject_id"] == "cat"
    scores["copy_photo"] = scores["subject_id"] + "/train/t0"
    page = Page(
        render_page([one_run(tmp_path, scores)], benchmark=made_benchmark(SUBJECTS, photos=2))
    )
    assert "8 of 24 images flagged (33 %)" in page.texts
    assert "photo cat/t0" in [tag["alt"] for tag in page.all("img")]
    framed = [tag for tag in page.all("figure") if tag.get("class") == "copied"]
    assert len(framed) == 3 * 2  # the cat's three prompts, two seeds each


def test_failures_are_listed_with_code_count_and_example(tmp_path: Path) -> None:
    scores = failed(made_scores(made_cases(SUBJECTS)), [0, 1, 9], "raised: KeyError: 'x'")
    texts = Page(render_page([one_run(tmp_path, scores)])).texts
    where = texts.index("raised", texts.index("Failures"))
    assert texts[where + 1 : where + 3] == ["3", "cat/00/c0/s0: raised: KeyError: 'x'"]


def test_a_run_of_failures_only_still_has_a_page(tmp_path: Path) -> None:
    scores = made_scores(made_cases(SUBJECTS))
    run = one_run(tmp_path, failed(scores, range(len(scores)), "raised: KeyError"))
    texts = Page(render_page([run], benchmark=made_benchmark(SUBJECTS))).texts
    assert "0 of 24" in texts


def test_images_removed_from_the_run_folder_leave_the_numbers(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", made_scores(made_cases(SUBJECTS)))
    texts = Page(render_page([run])).texts
    assert "not in the run folder" in texts


def test_several_runs_stand_side_by_side(tmp_path: Path) -> None:
    cases = made_cases(SUBJECTS)
    runs = [
        made_run(
            tmp_path / name,
            made_scores(cases, seed=seed),
            made_record(name="Same name"),
            draw=draw_card,
        )
        for seed, name in enumerate(["first", "second"])
    ]
    page = Page(render_page(runs, benchmark=made_benchmark(SUBJECTS)))
    for row in table_rows(runs):
        assert row.name in page.texts
        for metric in row.report.metrics[:1]:
            assert number(metric.macro) in page.texts
    assert "Same name (first)" in page.texts
    assert len(page.all("img")) == 3 * 3 * (1 + 2 * 2)


def test_the_same_runs_give_the_same_page(tmp_path: Path) -> None:
    run = one_run(tmp_path)
    benchmark = made_benchmark(SUBJECTS)
    assert render_page([run], benchmark=benchmark) == render_page([run], benchmark=benchmark)


def test_the_page_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_page([one_run(tmp_path)], path)
    assert path.read_text("utf-8").startswith("<!doctype html>")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "run"]


# Size: pictures within BUDGET, all else small, so a page stays under 15 MB.


def test_even_noise_fits_its_share_of_the_budget() -> None:
    share = album.BUDGET // pictures.MAX_PICTURES
    book = Album(pictures.MAX_PICTURES)
    for case in made_cases(["a"], photos=1, captions=1, seeds=8):
        data = png(noise(case, 512))
        drawn = Drawn(
            case=case,
            encoded=data,
            sha256=None,
            pixels=None,
            width=512,
            height=512,
            reason=None,
            seconds=0.0,
        )
        tile = book.drawn(drawn, name=case.key, lines=(), copy_of=None)
        assert tile.source is not None
        assert len(tile.source) <= share


def test_many_runs_and_subjects_stay_within_the_number_of_pictures(tmp_path: Path) -> None:
    subjects = [f"s{number:02d}" for number in range(60)]
    run = made_run(
        tmp_path / "run", made_scores(made_cases(subjects, photos=1, captions=3, seeds=5))
    )
    tables = [run.scores()] * 6
    few = pictures.choose_pictures([run] * 6, tables, None)
    # 180 prompts x (1 photo + 6 runs x 1 seed) are still too many: subjects are left out, too.
    assert few.seeds == 1
    assert few.left_out == 60 - pictures.MAX_PICTURES // (3 * 7)
    one = pictures.choose_pictures([run], tables[:1], None)
    assert one.left_out == 0
    assert one.seeds == 4


def test_ten_thousand_images_make_a_page_that_opens_on_a_phone(tmp_path: Path) -> None:
    subjects = [f"subject-{number:02d}" for number in range(20)]
    scores = made_scores(made_cases(subjects, photos=10, captions=10, seeds=5))
    assert len(scores) == 10_000
    run = made_run(tmp_path / "run", scores)
    everything_but_pictures = len(render_page([run]).encode())
    assert everything_but_pictures + album.BUDGET < 15_000_000
