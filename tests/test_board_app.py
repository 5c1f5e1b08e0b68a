"""Claims about the served board.

The app itself needs Gradio, which lags behind Pillow and so may be missing beside the rest.
"""

import importlib.util
import socket
import threading
import time
from pathlib import Path

import pytest

from leaderboard.app import Site, make_app
from leaderboard.place import Board
from leaderboard.rank import rank
from pdst.errors import SettingsError, StoreError
from tests.browsers import chromium, opened
from tests.made_boards import made_board

GRADIO = importlib.util.find_spec("gradio") is not None


def test_the_page_is_rendered_when_it_is_old_and_kept_when_the_board_is_gone(
    tmp_path: Path,
) -> None:
    board = made_board(tmp_path / "board", 3)
    site = Site(url=board.root, folder=tmp_path / "site", refresh=0.0)
    first = site.fresh()
    assert first.startswith("/board/index.html?")
    assert site.fresh() != first
    (tmp_path / "board/board.parquet").unlink()
    kept = (tmp_path / "site/index.html").read_bytes()
    site.fresh()
    assert (tmp_path / "site/index.html").read_bytes() == kept
    slow = Site(url=board.root, folder=tmp_path / "other", refresh=3600.0)
    with pytest.raises(StoreError, match="leaderboard rank"):
        slow.fresh()
    rank(Board.at(board.root))
    assert slow.fresh() == slow.fresh()


@pytest.mark.skipif(GRADIO, reason="Gradio is installed")
def test_without_gradio_the_message_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"pdst\[board\]"):
        make_app(Site(url=str(tmp_path), folder=tmp_path / "site"))


@pytest.mark.skipif(not GRADIO, reason="Gradio is not installed: pip install 'pdst[board]'")
@pytest.mark.filterwarnings("ignore")  # Gradio's and its server's own
def test_the_app_shows_the_page_and_asks_no_other_host(tmp_path: Path) -> None:
    import uvicorn

    board = made_board(tmp_path / "board", 100)
    app = make_app(Site(url=board.root, folder=tmp_path / "site"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.1)
        with chromium() as browser:
            page, said = opened(browser, f"http://127.0.0.1:{port}")
            frame = page.frame_locator("iframe[title=Leaderboard]")
            frame.locator("button.open").first.click(timeout=60_000)
            assert "LAION-2B" in frame.get_by_role("dialog").inner_text()
            assert frame.locator("#count").text_content() == "100 methods"
            assert not said
    finally:
        server.should_exit = True
        thread.join(20)
