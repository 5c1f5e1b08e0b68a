"""In: items and one reviewer. Out: a page on this machine that asks, and keeps every answer.

One process serves one reviewer and opens that reviewer's file alone, so nobody can see what another
one said. An answer is on the disk before the page goes on; a reload, or a crash, loses none.

Starlette and not Gradio: a page of keys and pictures needs no widgets, and Gradio (6.31) forbids
the Pillow that releases are made with.
"""

import contextlib
import socket
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from threading import Lock

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse
from starlette.routing import Route

from builders.pipeline.workspace import Workspace
from builders.review.answers import Answer, append_answers, now, read_answers
from builders.review.items import QUESTIONS, Item, ReviewKind

HOST = "127.0.0.1"
"""This machine alone: photos under review are nobody else's."""


class Desk:
    """One reviewer's work: what is asked, what was answered, the latest last."""

    def __init__(self, path: Path, items: Sequence[Item]) -> None:
        """Take up what was answered before."""
        self._path = path
        self._lock = Lock()
        self.items: Mapping[str, Item] = {item.name: item for item in items}
        self.answers: dict[str, Answer] = dict(read_answers(path, items))

    def answer(self, name: str, yes: bool, reason: str) -> Answer:
        """Keep an answer; a later one about the same item takes its place.

        Raises:
            KeyError: if there is no such item.
        """
        with self._lock:
            given = Answer(
                item=name, shown=self.items[name].shown, yes=yes, reason=reason.strip(), at=now()
            )
            append_answers(self._path, [given])
            self.answers.pop(name, None)
            self.answers[name] = given
            return given

    def undo(self) -> str | None:
        """Take the latest answer back; returns its item, or None if there is none."""
        with self._lock:
            if not self.answers:
                return None
            name = next(reversed(self.answers))
            back = Answer(item=name, shown=self.items[name].shown, yes=None, at=now())
            append_answers(self._path, [back])
            del self.answers[name]
            return name


def application(
    workspace: Workspace, kind: ReviewKind, reviewer: str, items: Sequence[Item]
) -> Starlette:
    """The page and what it asks for."""
    desk = Desk(workspace.answers_file(kind, reviewer), items)
    stored = workspace.folder / "stored"
    shown = {f"photos/{item.photo}" for item in items}
    shown |= {f"photos/{item.anchor}" for item in items if item.anchor}
    shown |= {f"masks/{item.mask}" for item in items if item.mask}
    page = resources.files("builders.review").joinpath("page.html").read_text(encoding="utf-8")

    def home(request: Request) -> HTMLResponse:
        return HTMLResponse(page)

    def state(request: Request) -> JSONResponse:
        told = [_told(item, desk.answers.get(item.name)) for item in items]
        return JSONResponse(
            {"kind": kind, "reviewer": reviewer, "question": QUESTIONS[kind], "items": told}
        )

    def picture(request: Request) -> FileResponse | PlainTextResponse:
        file = request.path_params["file"]
        if file not in shown:  # nothing else of the workspace is for this page
            return PlainTextResponse("no such picture", status_code=404)
        return FileResponse(stored / file)

    async def answer(request: Request) -> JSONResponse | PlainTextResponse:
        said = await request.json()
        name, yes, reason = said.get("item"), said.get("yes"), said.get("reason", "")
        if name not in desk.items or not isinstance(yes, bool) or not isinstance(reason, str):
            return PlainTextResponse("wanted an item, yes or no, and a reason", status_code=400)
        given = await run_in_threadpool(desk.answer, name, yes, reason)
        return JSONResponse({"item": name, "yes": given.yes, "reason": given.reason})

    async def undo(request: Request) -> JSONResponse:
        return JSONResponse({"item": await run_in_threadpool(desk.undo)})

    return Starlette(
        routes=[
            Route("/", home),
            Route("/state", state),
            Route("/stored/{file:path}", picture),
            Route("/answer", answer, methods=["POST"]),
            Route("/undo", undo, methods=["POST"]),
        ],
        # Another site's page must not reach this one through a name that it points here.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])],
    )


def serve(
    workspace: Workspace,
    kind: ReviewKind,
    reviewer: str,
    items: Sequence[Item],
    *,
    port: int = 0,
    told: Callable[[str], None],
) -> None:
    """Serve the page until it is interrupted.

    Args:
        workspace: whose photos.
        kind: what is reviewed.
        reviewer: who answers.
        items: the questions.
        port: 0: any that is free.
        told: is called with the page's address once it can be opened.
    """
    app = application(workspace, kind, reviewer, items)
    with contextlib.closing(socket.create_server((HOST, port))) as listening:
        told(f"http://{HOST}:{listening.getsockname()[1]}/")
        config = uvicorn.Config(app, log_level="warning", lifespan="off")
        uvicorn.Server(config).run(sockets=[listening])


def _told(item: Item, answer: Answer | None) -> dict[str, str | bool | None]:
    return {
        "name": item.name,
        "text": item.text,
        "photo": f"stored/photos/{item.photo}",
        "anchor": f"stored/photos/{item.anchor}" if item.anchor else "",
        "mask": f"stored/masks/{item.mask}" if item.mask else "",
        "yes": None if answer is None else answer.yes,
        "reason": "" if answer is None else answer.reason,
    }
