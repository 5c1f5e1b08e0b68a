"""In: a URL. Out: its bytes or JSON, asked for politely: paced, named, again when told to wait.

The standard library's client: what `huggingface_hub` brings along has been three different packages
in three major versions, and a plain GET needs none of them.
"""

import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from builders.pipeline.settings import WorkspaceError
from pdst.version import __version__

_T = TypeVar("_T")

USER_AGENT = f"pdst-builders/{__version__} (research dataset builder; {{contact}})"
"""Wikimedia's policy asks who is calling and how to reach them."""

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers after which the same question may be answered."""


_RESERVED = "%:/?#[]@!$&'()*+,;=~"


class UnansweredError(WorkspaceError):
    """A server does not answer, or not as it says it would."""


class RefusedError(UnansweredError):
    """A server says that this one thing is not to be had; it may well have others."""


@dataclass(slots=True, kw_only=True)
class Client:
    """Asks one service.

    Attributes:
        contact: an address of the maker, which the service is told.
        pace_s: seconds between two questions at least.
        tries: of one question.
        longest_wait_s: a server that wants a longer wait is left alone.
        timeout_s: for one answer.
        wait: how to wait some seconds.
    """

    contact: str
    pace_s: float
    tries: int = 5
    longest_wait_s: float = 120.0
    timeout_s: float = 30.0
    wait: Callable[[float], None] = time.sleep
    _asked_at: float = field(default=float("-inf"), init=False)

    def get_json(self, url: str, parameters: Mapping[str, str | int]) -> dict[str, Any]:
        """Ask for a JSON object; one that is cut short is asked for again.

        Raises:
            UnansweredError: if there is none to be had; the message says why, and what to do.
        """
        asked = f"{url}?{urllib.parse.urlencode(parameters)}"

        def read(data: bytes) -> dict[str, Any]:
            said = json.loads(data)
            if not isinstance(said, dict):
                raise ValueError("no JSON object")
            return said

        try:
            return self._ask(asked, read)
        except RefusedError as error:
            raise UnansweredError(
                f"{error} The service itself refuses this search: correct its address (--url) or "
                "the words, or take the other --source. What was found is kept."
            ) from error

    def get(self, url: str) -> bytes:
        """Ask for a file.

        Raises:
            RefusedError: if it is not to be had.
            UnansweredError: if the server does not answer.
        """
        return self._ask(url, lambda data: data)

    def _ask(self, url: str, read: Callable[[bytes], _T]) -> _T:
        address, failure = web_address(url), ""
        for attempt in range(self.tries):
            try:
                return read(self._fetch(address))
            except urllib.error.HTTPError as error:
                with error:
                    failure = f"HTTP {error.code} {error.reason}"
                    seconds = _retry_after(error.headers.get("Retry-After"), attempt)
                if error.code not in PASSING:
                    raise RefusedError(f"{url}: {failure}.") from error
            except (http.client.HTTPException, ValueError) as error:  # cut short
                failure, seconds = f"answer cut short ({error})", 2.0**attempt
            except OSError as error:
                failure, seconds = str(getattr(error, "reason", None) or error), 2.0**attempt
            if seconds > self.longest_wait_s:
                failure += f", and wants a wait of {seconds:.0f} s"
                break
            if attempt + 1 < self.tries:
                self.wait(seconds)
        raise UnansweredError(
            f"{url}: {failure}. What was found is kept: run the same command again later."
        )

    def _fetch(self, url: str) -> bytes:
        ahead = self._asked_at + self.pace_s - time.monotonic()
        if ahead > 0:
            self.wait(ahead)
        self._asked_at = time.monotonic()
        agent = USER_AGENT.format(contact=self.contact)
        request = urllib.request.Request(url, headers={"User-Agent": agent})
        with urllib.request.urlopen(request, timeout=self.timeout_s) as response:
            data: bytes = response.read()
            return data


def web_address(url: str) -> str:
    """A URL as HTTP has it: without blanks, letters beyond ASCII quoted; what is quoted stays.

    Raises:
        RefusedError: if it is none of HTTP.
    """
    try:
        parts = urllib.parse.urlsplit(url.strip())
        host, _ = parts.netloc.encode("idna").decode(), parts.port
    except ValueError:
        host = ""
    if not host or parts.scheme not in ("http", "https"):
        raise RefusedError(f"{url}: no address of a file on the web, wanted https://….")
    return urllib.parse.quote(parts._replace(netloc=host).geturl(), safe=_RESERVED)


def _retry_after(header: str | None, attempt: int) -> float:
    """Seconds to wait: what the server says, or twice as long each time."""
    if header is not None and header.strip().isdigit():
        return float(header)
    return 2.0**attempt
