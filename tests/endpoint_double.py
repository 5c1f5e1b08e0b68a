"""In: answers. Out: a double of an OpenAI-compatible endpoint, a paid API that cannot be here."""

import json
from typing import Any

from tests.http_double import Asked, HttpDouble, Reply


class EndpointDouble(HttpDouble):
    """Stands for a paid API: answers chat completions from a script.

    Attributes:
        script: for each request a status and a body; a list of texts is a completion with them.
        requests: what came, headers and JSON.
    """

    def __init__(self) -> None:
        self.script: list[tuple[int, Any]] = []
        self.requests: list[tuple[dict[str, str], dict[str, Any]]] = []
        super().__init__()

    @property
    def v1(self) -> str:
        """Its address, up to and with the version."""
        return f"{self.url}/v1"

    def reply(self, asked: Asked) -> Reply:
        """The next of the script."""
        body = json.loads(asked.body)
        self.requests.append((dict(asked.headers), body))
        if asked.path != "/v1/chat/completions":
            return Reply(status=404, data=b"{}")
        status, content = self.script.pop(0)
        if isinstance(content, list):
            content = {
                "id": "x",
                "object": "chat.completion",
                "created": 0,
                "model": body["model"],
                "choices": [
                    {
                        "index": index,
                        "finish_reason": "stop",
                        "message": {"role": "assistant", "content": text},
                    }
                    for index, text in enumerate(content)
                ],
            }
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        headers = {"Content-Type": "application/json", "retry-after-ms": "1"}
        return Reply(status=status, data=data, headers=headers)
