"""In: a ranked board. Out: a web app that shows it, here or as a Hugging Face Space.

The app hands out the very files that `render` writes and frames their page, so that a board has one
page, not two. It renders again when it is visited and the last time is long ago; ranking stays with
the board's keeper. Needs the extra `board` (Gradio), which is imported when an app is made.

`space.py` writes the folder of a Space, which runs this.
"""

import html
import logging
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leaderboard.place import Board
from leaderboard.render import render
from pdst.errors import PdstError, SettingsError

REFRESH = 600.0
"""Seconds after which a visit renders the board anew."""

# The page has margins of its own, and below 960 pixels it is a phone's.
STYLE = """
.gradio-container, .gradio-container main.fillable { max-width: none; padding: 0 !important; }
.gradio-container .tabitem:has(iframe), .gradio-container .html-container { padding: 0 !important; }
.gradio-container .tabitem:not(:has(iframe)) { padding: 0 24px; }
"""

SITE = "/board"
"""Where the page's files lie on the server."""

HOW_TO_SUBMIT = """
### Submit a run

A submission is one file, made from a finished run of `pdst-eval`. Everything in it is public; look
at it first:

    pdst-submit RUN --to {url} --training "LAION-2B" --by "A. Author" --dry-run
    pdst-submit RUN --to {url} --training "LAION-2B" --by "A. Author"

The board computes every mean from the file's rows. With `--images all` it can compute the scores,
too, and the entry becomes *rescored*. Every decision is public, with its reason.
"""

log = logging.getLogger("pdst.leaderboard")


@dataclass(slots=True)
class Site:
    """A board's page on this machine.

    Attributes:
        url: of the board.
        folder: of the page's files.
        refresh: seconds after which they are old.
        submit_to: where submissions go, if not to `url`.
    """

    url: str
    folder: Path
    refresh: float = REFRESH
    submit_to: str = ""
    _made: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fresh(self) -> str:
        """Render the board if that is due; a board out of reach leaves the page as it was.

        Returns:
            The page's address on the server; it differs after each rendering.

        Raises:
            PdstError: if there is no page yet and none can be made.
        """
        with self._lock:
            now = time.monotonic()
            if self._made is None or now - self._made >= self.refresh:
                try:
                    render(Board.at(self.url), self.folder)
                except PdstError as error:
                    if self._made is None:
                        raise
                    log.warning("The page stays as it was: %s", error)
                self._made = now
        version = (self.folder / "index.html").stat().st_mtime_ns
        return f"{SITE}/index.html?{version}"


def make_app(site: Site) -> Any:
    """The app as a FastAPI application: Gradio at /, the page's files at SITE.

    Raises:
        SettingsError: if Gradio is not installed.
        PdstError: if the board has no page.
    """
    gradio = _gradio()
    from fastapi import FastAPI
    from fastapi.staticfiles import StaticFiles

    site.fresh()
    app = FastAPI()
    app.mount(SITE, StaticFiles(directory=site.folder))
    title = str(Board.at(site.url).settings().get("title", "PDST"))
    with gradio.Blocks(
        title=f"{title}: leaderboard", analytics_enabled=False, fill_width=True
    ) as blocks:
        with gradio.Tab("Board"):
            frame = gradio.HTML(_frame(site))
        with gradio.Tab("Submit"):
            gradio.Markdown(HOW_TO_SUBMIT.format(url=html.escape(site.submit_to or site.url)))
        blocks.load(lambda: _frame(site), outputs=frame, api_visibility="private")
    fonts = ["system-ui", "sans-serif"]  # the default theme's come from another host
    return gradio.mount_gradio_app(
        app,
        blocks,
        path="/",
        theme=gradio.themes.Base(font=fonts, font_mono=["ui-monospace", "monospace"]),
        css=STYLE,
        ssr_mode=False,
    )


def serve(url: str, *, host: str = "127.0.0.1", port: int = 7860, submit_to: str = "") -> None:
    """Show a board until the process is stopped.

    Args:
        url: the board: a folder or any fsspec URL.
        host: "0.0.0.0" for other machines, and in a Space.
        port: of the server.
        submit_to: where submissions go, if not to `url`.

    Raises:
        SettingsError: if Gradio is not installed.
        PdstError: if the board cannot be reached or was not ranked.
    """
    _gradio()
    import uvicorn

    with tempfile.TemporaryDirectory() as folder:
        app = make_app(Site(url=url, folder=Path(folder), submit_to=submit_to))
        uvicorn.run(app, host=host, port=port, log_level="warning")


def _frame(site: Site) -> str:
    style = "width: 100%; height: calc(100vh - 90px); min-height: 560px; border: 0"
    return (
        f'<iframe src="{html.escape(site.fresh())}" title="Leaderboard" style="{style}"></iframe>'
    )


def _gradio() -> Any:
    try:
        import gradio
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "gradio":
            raise
        raise SettingsError(
            "To serve a board, Gradio is needed, which is not installed. "
            "Run: pip install 'pdst[board]'. Without it: python -m leaderboard render URL"
        ) from error
    return gradio
