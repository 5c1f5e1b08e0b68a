"""Claims about the board's page in a browser: sort, filter, open, compare, keyboard, no error."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from leaderboard.page_data import page_data, read_ranks
from leaderboard.place import Board
from leaderboard.render import render
from pdst.report.rows import number
from tests.browsers import chromium, opened
from tests.made_boards import SUBJECTS, made_board

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"

MIXED = "Dream\u0412ooth"
"""With a Cyrillic letter."""


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    changes = {
        0: {"name": EVIL, "hardware": EVIL, "training": [EVIL], "paper": "javascript:1"},
        1: {"name": MIXED, "by": "\u05d0\u05d1\u05d2"},
    }
    return made_board(
        tmp_path_factory.mktemp("made") / "board", 100, second_key=20, changes=changes
    )


@pytest.fixture(scope="module")
def site(board: Board, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render(board, tmp_path_factory.mktemp("site")).page


def names(page: "Page") -> list[str]:
    return page.locator("#table tbody button.open").all_text_contents()


def numbers(page: "Page", column: int) -> list[float]:
    cells = page.locator(f"#table tbody tr td:nth-of-type({column}) .number").all_text_contents()
    return [float(text.replace("−", "-")) for text in cells if text != "–"]


def test_sorting_and_filtering(browser: "Browser", site: Path) -> None:
    page, said = opened(browser, site)
    assert len(names(page)) == 80
    assert page.locator("#count").text_content() == "80 methods"
    dino = page.get_by_role("button", name="DINO", exact=True)
    dino.click()
    assert numbers(page, 5) == sorted(numbers(page, 5), reverse=True)
    dino.click()
    assert numbers(page, 5) == sorted(numbers(page, 5))
    assert page.locator("th.of-dino").get_attribute("aria-sort") == "ascending"
    page.get_by_role("button", name="Method", exact=True).click()
    shown = [name.lower() for name in names(page)]
    assert shown == sorted(shown)
    page.locator("#find").fill("neti author 1")
    assert all("NeTI" in name for name in names(page))
    assert 0 < len(names(page)) < 14
    page.locator("#find").fill("")
    page.get_by_role("checkbox", name="reported").uncheck()
    badges = page.locator("#table tbody .badge").all_text_contents()
    assert set(badges) == {"rescored", "regenerated"}
    page.get_by_role("checkbox", name="ranked only").check()
    assert "–" not in page.locator("#table tbody td.of-rank .number").all_text_contents()
    page.locator("#key").select_option(index=1)
    assert page.locator("#facts").inner_text().count("paper-22222222") == 1
    assert not said


def test_ranks_are_shown_as_the_board_has_them(
    browser: "Browser", site: Path, board: Board
) -> None:
    data = page_data(board, read_ranks(board))
    entries = {entry["name"]: entry for entry in data["entries"] if entry["key"] == 0}
    page, said = opened(browser, site)
    for by, metric in (("CLIP-T", 0), ("DINO", 3)):
        page.locator("#by").select_option(label=by)
        ranks = page.locator("#table tbody td.of-rank .number").all_text_contents()
        wanted = [entries[name]["values"][metric][3] for name in names(page)]
        assert ranks == ["–" if rank is None else str(rank) for rank in wanted]
        ranked = [rank for rank in wanted if rank is not None]
        assert ranked == sorted(ranked)
        assert wanted[: len(ranked)] == ranked
    means = page.locator("#table tbody tr td:nth-of-type(5) .number").all_text_contents()
    assert means == [number(entries[name]["values"][3][0]) for name in names(page)]
    assert not said


def test_an_entry_opens_with_its_provenance_and_subjects(browser: "Browser", site: Path) -> None:
    page, said = opened(browser, site)
    first = page.locator("#table tbody button.open").first
    name = first.text_content() or ""
    first.click()
    dialog = page.get_by_role("dialog")
    text = dialog.inner_text()
    assert name in text
    for wanted in ("Trained on", "LAION-2B", "Digest", "2,000 of 2,000", *SUBJECTS):
        assert wanted in text
    assert dialog.locator(".barline").count() == 3 * len(SUBJECTS)
    assert page.url.split("#")[1] == dialog.locator("code").inner_text()[:16]
    page.get_by_role("button", name="Close").click()
    assert not dialog.is_visible()
    assert "#" not in page.url
    page.locator("circle.bubble").last.click(force=True)
    assert dialog.is_visible()
    assert not said


def test_two_rows_are_compared(browser: "Browser", site: Path, board: Board) -> None:
    page, said = opened(browser, site)
    shown = names(page)
    boxes = page.locator("#table tbody .of-choose input")
    boxes.nth(0).check()
    assert "second one" in page.locator("#tray").inner_text()
    boxes.nth(4).check()
    page.get_by_role("button", name="Compare", exact=True).click()
    rows = page.get_by_role("dialog").locator("table.detail tbody tr").all_inner_texts()
    data = page_data(board, read_ranks(board))
    a, b = (
        next(entry for entry in data["entries"] if entry["name"] == name)
        for name in (shown[0], shown[4])
    )
    dino = next(row for row in rows if row.startswith("DINO\t")).split("\t")
    apart = a["values"][3][0] - b["values"][3][0]
    assert dino[1] == number(apart, signed=True)
    low, high = (float(end.replace("−", "-")) for end in dino[2].split(" to "))
    assert low < apart < high
    higher = sum(x > y for x, y in zip(a["subjects"][2], b["subjects"][2], strict=True))
    assert dino[5] == f"{higher} of {len(SUBJECTS)} subjects"
    link = page.url
    again, said_again = opened(browser, link)
    assert again.get_by_role("dialog").inner_text().startswith(f"A {shown[0]}")
    assert not said + said_again


def test_the_keyboard_reaches_everything(browser: "Browser", site: Path) -> None:
    page, said = opened(browser, site)
    page.locator("#find").focus()
    page.keyboard.type("dreambooth")
    seen: list[str] = []
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                "document.activeElement.getAttribute('aria-label')"
                " || document.activeElement.textContent || document.activeElement.id"
            )
        )
        if seen[-1].startswith("DreamBooth"):
            break
    assert any(one.startswith("Rank") for one in seen)  # a column's head
    assert any(one.startswith("Compare DreamBooth") for one in seen)
    opener = seen[-1]
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    assert opener in dialog.inner_text()
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert page.evaluate("document.activeElement.textContent") == opener
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    assert opener in page.locator("#tray").inner_text()
    assert not said


def test_markup_in_an_entry_stays_text(browser: "Browser", site: Path) -> None:
    page, said = opened(browser, site)
    page.get_by_role("button", name=EVIL, exact=True).click()
    dialog = page.get_by_role("dialog")
    assert dialog.inner_text().count(EVIL) == 3  # title, hardware, training
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 2
    assert dialog.locator("a").count() == 1  # the code's; the paper's is no link
    assert not said


def test_letters_of_two_scripts_are_told(browser: "Browser", site: Path) -> None:
    page, said = opened(browser, site)
    page.locator("#find").fill(MIXED)
    row = page.locator("#table tbody tr")
    assert "name in Cyrillic and Latin letters" in row.inner_text()
    row.locator("button.open").click()
    assert "name in Cyrillic and Latin letters" in page.get_by_role("dialog").inner_text()
    page.get_by_role("button", name="Close").click()
    page.locator("#find").fill("")
    assert page.locator("#table").get_by_text("letters").count() == 1, "no other is flagged"
    assert not said


def test_a_phone_needs_no_sideways_scrolling(browser: "Browser", site: Path) -> None:
    page, said = opened(browser, site, width=390)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.locator("#table tbody button.open").first.click()
    assert page.evaluate("document.getElementById('dialog').scrollWidth") <= 390
    assert not said
