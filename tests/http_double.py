"""In: what to answer. Out: a double of a web server, on this machine, that keeps what it was asked.

It stands for servers that cannot be here: the photos' host, Openverse and Wikimedia Commons, a paid
API. Requests reach it over real HTTP, from the very clients that a user's machine runs.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request. `headers`: by their names in small letters."""

    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer. `cut`: half of the data comes, then the connection ends."""

    status: int = 200
    data: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


class HttpDouble:
    """Stands for a web server. A subclass says what it answers.

    Attributes:
        url: of it, without a slash at the end.
        asked: all requests so far, in order.
    """

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        double = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                double._serve(self)

            def do_POST(self) -> None:
                double._serve(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def reply(self, asked: Asked) -> Reply:
        """What to answer."""
        raise NotImplementedError

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        asked = Asked(
            path=parts.path,
            query=parse_qs(parts.query),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=request.rfile.read(int(request.headers.get("Content-Length", 0))),
        )
        self.asked.append(asked)
        reply = self.reply(asked)
        request.send_response(reply.status)
        request.send_header("Content-Length", str(len(reply.data)))
        for name, value in reply.headers.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(reply.data[: len(reply.data) // 2] if reply.cut else reply.data)

    def close(self) -> None:
        """Answer nobody any more."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
