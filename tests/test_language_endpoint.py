"""Claims about captions by an OpenAI-compatible endpoint, asked over HTTP from a double of one."""

import base64
import io
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from builders.language import caption, refine
from builders.language.captioning import Pictured
from builders.language.endpoint import LONG_SIDE, Endpoint, EndpointCaptioner, EndpointRefiner
from builders.language.prompts import caption_prompt, refine_prompt
from builders.language.rows import Called, CaptionRow, LanguageError
from tests.endpoint_double import EndpointDouble

DOG = Called(subject_id="dog", class_noun="dog", kind="living")


@pytest.fixture
def double() -> Iterator[EndpointDouble]:
    with EndpointDouble() as served:
        yield served


def endpoint(double: EndpointDouble, **settings: Any) -> Endpoint:
    return Endpoint(url=double.v1, model="vision", key="secret", **settings)


def photo(size: tuple[int, int] = (60, 40)) -> Pictured:
    image = Image.new("RGB", size, (200, 30, 30))
    return Pictured(subject_id="dog", image_id="03", image=lambda: image)


def test_photo_prompt_and_key_are_sent_as_openai_wants_them(double: EndpointDouble) -> None:
    double.script = [(200, ["A [SUBJ] sits.", "A [SUBJ] runs far away."])]
    answers = EndpointCaptioner(endpoint(double)).write(photo((2000, 1000)), DOG, count=2, seed=7)
    assert answers == ["A [SUBJ] sits.", "A [SUBJ] runs far away."]
    ((headers, body),) = double.requests
    assert headers["authorization"] == "Bearer secret"
    assert (body["model"], body["n"], body["seed"], body["temperature"]) == ("vision", 2, 7, 0.7)
    image, text = body["messages"][0]["content"]
    assert text == {"type": "text", "text": caption_prompt(DOG)}
    kind, _, data = image["image_url"]["url"].partition(",")
    assert kind == "data:image/jpeg;base64"
    sent = Image.open(io.BytesIO(base64.b64decode(data)))
    assert sent.size == (LONG_SIDE, LONG_SIDE // 2)
    assert sent.getpixel((500, 250)) == pytest.approx((200, 30, 30), abs=3)


def test_a_server_that_gives_one_answer_at_a_time_is_asked_again(double: EndpointDouble) -> None:
    double.script = [(200, ["A [SUBJ] sits."]), (200, ["A [SUBJ] sleeps on a bed."]), (200, [None])]
    (rows,) = caption([photo()], EndpointCaptioner(endpoint(double)), [DOG], count=3, rounds=1)
    assert [row.text for row in rows] == ["A [SUBJ] sits.", "A [SUBJ] sleeps on a bed.", ""]
    assert [body["n"] for _, body in double.requests] == [3, 2, 1]
    assert len({body["seed"] for _, body in double.requests}) == 3


def test_failures_that_pass_are_tried_again(double: EndpointDouble) -> None:
    double.script = [(500, b"oops"), (429, {"error": {"message": "slow down"}}), (200, ["Fine."])]
    assert EndpointRefiner(endpoint(double)).refine("A [SUBJ] sit.", DOG) == "Fine."
    assert len(double.requests) == 3


def test_a_refiner_asks_once_and_without_chance(double: EndpointDouble) -> None:
    double.script = [(200, ["A [SUBJ] sits on a bench."])]
    row = CaptionRow(
        subject_id="dog",
        image_id="03",
        caption_index=0,
        text="A {} sit on bench",
        source="vision",
        status="captioned",
    )
    ((refined,),) = refine([row], EndpointRefiner(endpoint(double)), [DOG])
    assert refined.text == "A {} sits on a bench."
    ((_, body),) = double.requests
    assert body["messages"][0]["content"] == refine_prompt(DOG, "A [SUBJ] sit on bench")
    assert (body["n"], body["temperature"]) == (1, 0.0)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((401, {"error": {"message": "no"}}), "refuses the API key. Give a valid one"),
        ((404, {"error": {"message": "no"}}), "knows no model 'vision'"),
        ((400, {"error": {"message": "image too large"}}), "image too large"),
        ((503, b"down"), r"gave no answer after 2 tries at most .*kept"),
        ((200, {"hello": "world"}), "not as OpenAI's chat completions do"),
        ((200, b"<html>"), "not as OpenAI's chat completions do"),
    ],
)
def test_failures_that_stay_are_named_with_what_to_do(
    double: EndpointDouble, answer: tuple[int, Any], message: str
) -> None:
    double.script = [answer, answer]
    with pytest.raises(LanguageError, match=message) as raised:
        EndpointRefiner(endpoint(double, retries=1)).refine("A [SUBJ] sit.", DOG)
    assert "secret" not in str(raised.value)


def test_an_endpoint_that_is_not_there_is_named(double: EndpointDouble) -> None:
    nowhere = Endpoint(url="http://127.0.0.1:9/v1", model="vision", retries=0)
    with pytest.raises(LanguageError, match=r"127\.0\.0\.1:9/v1 gave no answer after 1 tries"):
        EndpointRefiner(nowhere).refine("A [SUBJ] sit.", DOG)


def test_a_key_is_not_shown() -> None:
    assert "secret" not in repr(Endpoint(url="http://x/v1", model="m", key="secret"))
