"""Claims about the human review: answers are kept, blind, counted; by page and by sheet."""

import json
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pdst
from builders.pipeline.build import build, dropped
from builders.pipeline.provenance import review_items
from builders.pipeline.settings import WorkspaceError
from builders.pipeline.workspace import Workspace, open_workspace
from builders.review.agreement import cohen
from builders.review.answers import Answer, append_answers, read_answers
from builders.review.items import Item
from builders.review.sheet import read_sheet, write_sheet
from tests.workspaces import answer_all, make_workspace

ROOT = Path(pdst.__file__).parent.parent
ITEMS = tuple(Item(kind="photos", name=f"cat/{n}", shown=f"s{n}", photo="") for n in range(5))


def answers_of(text: str) -> dict[str, Answer]:
    """Answers to the first items; "ynn": yes, no, no."""
    return {
        item.name: Answer(item=item.name, shown=item.shown, yes=said == "y")
        for item, said in zip(ITEMS, text, strict=False)
    }


# --- answers -------------------------------------------------------------------------------------


def test_the_last_answer_counts_and_can_be_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "ada.jsonl"
    for yes, item in ((True, 0), (False, 0), (True, 1), (None, 1)):
        append_answers(path, [Answer(item=f"cat/{item}", shown=f"s{item}", yes=yes)])
    found = read_answers(path, ITEMS)
    assert {name: answer.yes for name, answer in found.items()} == {"cat/0": False}
    assert len(path.read_text().splitlines()) == 4, "nothing is ever overwritten"


def test_a_line_that_a_crash_cut_short_costs_that_answer_alone(tmp_path: Path) -> None:
    path = tmp_path / "ada.jsonl"
    append_answers(path, list(answers_of("yy").values()))
    path.write_bytes(path.read_bytes()[:-15])
    append_answers(path, [Answer(item="cat/2", shown="s2", yes=False)])
    assert read_answers(path, ITEMS).keys() == {"cat/0", "cat/2"}


def test_an_answer_is_about_what_was_seen(tmp_path: Path) -> None:
    path = tmp_path / "ada.jsonl"
    append_answers(path, [Answer(item="cat/0", shown="an older photo", yes=True)])
    assert read_answers(path, ITEMS) == {}


def test_a_foreign_file_is_not_taken_for_answers(tmp_path: Path) -> None:
    path = tmp_path / "ada.jsonl"
    path.write_text('{"item": "cat/0", "vote": 1}\n')
    with pytest.raises(WorkspaceError, match=r"ada\.jsonl line 1: .*Remove the line"):
        read_answers(path, ITEMS)


@pytest.mark.parametrize(
    ("one", "other", "kappa"),
    [
        ("ynyny", "ynyny", 1.0),
        ("yyyyy", "yyyyy", None),
        ("yyyyn", "yyyny", -0.25),  # p_o = 3/5, p_e = 16/25 + 1/25 = 17/25: (15 - 17) / 8
        ("yynn", "ynyn", 0.0),  # p_o = 1/2 = p_e
    ],
)
def test_kappa_is_cohens(one: str, other: str, kappa: float | None) -> None:
    found = cohen("ada", answers_of(one), "bob", answers_of(other)).kappa
    assert found == (None if kappa is None else pytest.approx(kappa))


# --- sheets --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = make_workspace(tmp_path_factory.mktemp("review") / "ws", subjects=1)
    build(workspace)
    return workspace


@pytest.fixture
def workspace(laid_out: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(laid_out.folder, tmp_path / "ws")
    return open_workspace(tmp_path / "ws")


def test_a_sheet_goes_out_and_comes_back(workspace: Workspace, tmp_path: Path) -> None:
    items = review_items(workspace, "photos")
    sheet, file = tmp_path / "ada.csv", workspace.answers_file("photos", "ada")
    write_sheet(workspace, sheet, items, file)
    text = sheet.read_text()
    assert all(str(workspace.folder / "stored" / "photos" / item.photo) in text for item in items)
    head, *lines = text.splitlines()
    lines[0] = lines[0].replace(",,,", ",no,another cat,", 1)
    sheet.write_text("\n".join([head, *(line.replace(",,,", ",yes,,", 1) for line in lines)]))
    assert read_sheet(workspace, "photos", "ada", sheet, items) == 5
    found = read_answers(file, items)
    assert [answer.yes for answer in found.values()] == [False, True, True, True, True]
    write_sheet(workspace, sheet, items, file)
    assert f"{items[0].name},no,another cat," in sheet.read_text()


def test_a_sheet_with_faults_is_refused_whole(workspace: Workspace, tmp_path: Path) -> None:
    items = review_items(workspace, "photos")
    sheet = tmp_path / "ada.csv"
    sheet.write_text(
        "item,answer,reason,shown\n"
        f"{items[0].name},yes,,\n"
        f"{items[1].name},perhaps,,\n"
        "cat-1/00,yes,,\n"
        f"{items[2].name},yes,,0123456789ab\n"
    )
    with pytest.raises(WorkspaceError) as refused:
        read_sheet(workspace, "photos", "ada", sheet, items)
    message = str(refused.value)
    assert message.startswith("3 lines cannot be taken, so none was:")
    assert "line 3: answer is 'perhaps', wanted yes or no" in message
    assert "line 4: No item named 'cat-1/00'" in message
    assert f"line 5: {items[2].name} has changed since the sheet was written" in message
    assert not workspace.answers_file("photos", "ada").exists()


# --- the page ------------------------------------------------------------------------------------


class Page:
    """`python -m builders review …`, running. `url`: its address."""

    def __init__(self, workspace: Workspace, kind: str, reviewer: str) -> None:
        arguments = [str(workspace.folder), "--kind", kind, "--reviewer", reviewer]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "builders", "review", *arguments],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        self.url = ""
        for line in self.process.stderr:
            if found := re.search(r"http://[\d.:]+/", line):
                self.url = found[0]
                break
        assert self.url, "the page did not start"

    def ask(self, path: str, body: object = None, host: str | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data)
        if host is not None:
            request.add_header("Host", host)
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.loads(response.read())

    def close(self) -> None:
        self.process.kill()  # as a crash would
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()


def test_the_page_keeps_answers_through_a_crash_and_shows_nothing_else(
    workspace: Workspace,
) -> None:
    bob = workspace.answers_file("photos", "bob")
    items = review_items(workspace, "photos")
    append_answers(
        bob, [Answer(item=items[0].name, shown=items[0].shown, yes=False, reason="bob says no")]
    )
    page = Page(workspace, "photos", "ada")
    try:
        state = page.ask("state")
        assert "bob says no" not in json.dumps(state)
        assert {item["yes"] for item in state["items"]} == {None}
        first, second = (item["name"] for item in state["items"][:2])
        assert page.ask("answer", {"item": first, "yes": True})["yes"] is True
        page.ask("answer", {"item": second, "yes": False, "reason": " blurred "})
        for bad in ({"item": "cat-1/nobody", "yes": True}, {"item": first, "yes": "maybe"}):
            with pytest.raises(urllib.error.HTTPError, match="400"):
                page.ask("answer", bad)
        for path in ("stored/../workspace.yaml", "stored/reviews/photos/bob.jsonl"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                page.ask(path)
        with pytest.raises(urllib.error.HTTPError, match="400"):
            page.ask("state", host="evil.example.org")
    finally:
        page.close()
    again = Page(workspace, "photos", "ada")
    try:
        said = {item["name"]: (item["yes"], item["reason"]) for item in again.ask("state")["items"]}
        assert said[first] == (True, "")
        assert said[second] == (False, "blurred")
        assert again.ask("undo", {})["item"] == second
        assert again.ask("undo", {})["item"] == first
        assert again.ask("undo", {})["item"] is None
    finally:
        again.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
    if path is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as started:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        opened = started.chromium.launch(executable_path=path, args=flags)
        yield opened
        opened.close()


def test_two_reviewers_in_a_browser_disagree_once_reload_once_and_lose_nothing(
    browser: Any, workspace: Workspace
) -> None:
    def review(reviewer: str, keys: str, *, reload_after: int) -> None:
        """Press keys; after each, the page has kept the answer before the next is pressed."""
        served = Page(workspace, "photos", reviewer)
        page = browser.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        try:
            page.goto(served.url)
            page.wait_for_selector("figure img")
            assert page.inner_text("#count") == "0 of 5 answered"
            for number, key in enumerate(keys, start=1):
                if key == "n":
                    page.keyboard.press("r")
                    page.keyboard.type("another cat")
                    page.keyboard.press("Enter")
                else:
                    page.keyboard.press(key)
                page.wait_for_function(
                    f"document.getElementById('count').textContent.startsWith('{number} of')"
                )
                if number == reload_after:
                    page.reload()
                    page.wait_for_selector("figure img")
                    assert page.inner_text("#count") == f"{number} of 5 answered"
            assert "All are answered" in page.inner_text("#said")
            page.keyboard.press("u")
            page.wait_for_function(
                "document.getElementById('count').textContent == '4 of 5 answered'"
            )
            page.keyboard.press(keys[-1])
            page.wait_for_function(
                "document.getElementById('count').textContent == '5 of 5 answered'"
            )
            widths = page.eval_on_selector_all("img", "all => all.map(one => one.naturalWidth)")
            assert widths == [160, 160], "the anchor and the photo are there"
        finally:
            page.close()
            served.close()
        assert faults == []

    review("ada", "yyyyy", reload_after=2)
    review("bob", "ynyyy", reload_after=3)
    items = review_items(workspace, "photos")
    assert build(workspace, until="split").waiting == ()
    assert dropped(workspace)[0] == (items[1].name, "rejected by bob: another cat")
    record = workspace.record("review")
    assert record is not None
    assert record.notes[0].startswith("photos: ada and bob agree on 4 of 5 (80.0%)")


@pytest.mark.parametrize("kind", ["captions", "masks"])
def test_the_same_page_shows_captions_and_masks(
    browser: Any, workspace: Workspace, kind: str
) -> None:
    answer_all(workspace)
    served = Page(workspace, kind, "ada")
    page = browser.new_page()
    try:
        page.goto(served.url)
        page.wait_for_selector("figure img")
        if kind == "captions":
            assert "{}" in page.inner_text("#text")
        else:
            assert page.locator("figure.over img").count() == 2
        assert page.inner_text("#said").startswith("All are answered")
    finally:
        page.close()
        served.close()
