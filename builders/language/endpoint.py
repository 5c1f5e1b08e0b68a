"""In: a photo or a caption. Out: captions by a model behind an OpenAI-compatible endpoint.

The official client does the waiting and retrying: connection errors, timeouts, 408, 409, 429 and
5xx are tried again, with growing pauses. What then still fails ends the step; the images that came
before are the caller's already, and the same call goes on after them.
"""

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import openai
from openai.types.chat import ChatCompletion
from PIL import Image

from builders.language.captioning import Pictured
from builders.language.prompts import caption_prompt, refine_prompt
from builders.language.rows import Called, LanguageError

LONG_SIDE = 1024
QUALITY = 90
"""Photos are sent as JPEG of at most so many pixels and this quality."""

NO_KEY = "none"
"""What servers that want no key are sent: the client has to send something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a model answers, and how long to wait for it.

    Attributes:
        url: up to and with the version, "http://localhost:8000/v1".
        model: its name there.
        key: the API key; local servers take any.
        timeout: seconds for one answer. retries: further tries after a failure that may pass.
        temperature: of captions; refinement uses 0.
        max_tokens: of one answer.
    """

    url: str
    model: str
    key: str = field(default=NO_KEY, repr=False)
    timeout: float = 120.0
    retries: int = 5
    temperature: float = 0.7
    max_tokens: int = 120

    def client(self) -> openai.OpenAI:
        """The official client, set so."""
        return openai.OpenAI(
            base_url=self.url, api_key=self.key, timeout=self.timeout, max_retries=self.retries
        )


class EndpointCaptioner:
    """A captioner by a model that sees, behind an endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Take the endpoint; nothing is asked yet."""
        self.name = endpoint.model
        self._endpoint = endpoint
        self._client = endpoint.client()

    def write(self, photo: Pictured, subject: Called, *, count: int, seed: int) -> list[str]:
        """Ask for `count` answers at once; servers that give one at a time are asked again.

        Raises:
            LanguageError: if the endpoint cannot be used.
        """
        content: list[dict[str, Any]] = [
            {"type": "image_url", "image_url": {"url": _data_url(photo.image())}},
            {"type": "text", "text": caption_prompt(subject)},
        ]
        answers: list[str] = []
        for turn in range(count):
            if len(answers) >= count:
                break
            answers += _ask(
                self._client,
                self._endpoint,
                content,
                n=count - len(answers),
                seed=seed + turn,
                temperature=self._endpoint.temperature,
            )
        return answers[:count]


class EndpointRefiner:
    """A refiner by a model behind an endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Take the endpoint; nothing is asked yet."""
        self.name = endpoint.model
        self._endpoint = endpoint
        self._client = endpoint.client()

    def refine(self, caption: str, subject: Called) -> str:
        """The model's answer at temperature 0; "" if it gave none.

        Raises:
            LanguageError: if the endpoint cannot be used.
        """
        prompt = refine_prompt(subject, caption)
        answers = _ask(self._client, self._endpoint, prompt, n=1, seed=0, temperature=0.0)
        return next(iter(answers), "")


def _ask(
    client: openai.OpenAI,
    endpoint: Endpoint,
    content: str | list[dict[str, Any]],
    *,
    n: int,
    seed: int,
    temperature: float,
) -> list[str]:
    """The texts of the answers to one user message; an answer without a text is left out."""
    message: Any = {"role": "user", "content": content}
    try:
        completion = client.chat.completions.create(
            model=endpoint.model,
            messages=[message],
            n=n,
            seed=seed,
            temperature=temperature,
            max_tokens=endpoint.max_tokens,
        )
        return list(_texts(completion))
    except openai.AuthenticationError as error:
        raise LanguageError(f"{endpoint.url} refuses the API key. Give a valid one.") from error
    except openai.NotFoundError as error:
        raise LanguageError(
            f"{endpoint.url} knows no model '{endpoint.model}', or no chat completions there. Ask "
            f"it: GET {endpoint.url.rstrip('/')}/models."
        ) from error
    except openai.OpenAIError as error:
        raise LanguageError(
            f"{endpoint.url} gave no answer after {endpoint.retries + 1} tries at most "
            f"({type(error).__name__}: {_without_key(error, endpoint)}). What was written before "
            "is kept: mend that, then give the same command again."
        ) from error
    except (AttributeError, TypeError, ValueError) as error:
        raise LanguageError(
            f"{endpoint.url} answers, but not as OpenAI's chat completions do "
            f"({_without_key(error, endpoint)}). Give the URL of an OpenAI-compatible server, with "
            "its version: …/v1."
        ) from error


def _without_key(error: Exception, endpoint: Endpoint) -> str:
    """What an error says; some servers say the key, too."""
    said = str(error)
    return said if endpoint.key == NO_KEY else said.replace(endpoint.key, "…")


def _texts(completion: ChatCompletion) -> Iterable[str]:
    return [choice.message.content for choice in completion.choices if choice.message.content]


def _data_url(image: Image.Image) -> str:
    """The photo as a JPEG within a URL."""
    small = image.convert("RGB")
    small.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    small.save(data, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"
