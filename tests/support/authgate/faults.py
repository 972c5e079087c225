"""How the AuthGate stand-in misbehaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from .keys import Claims
from .messages import Request, Response, json_response


@dataclass
class Fault:
    """How answers go wrong.

    times: so many answers; None means all of them.
    when: a predicate that picks the requests.
    status, body (bytes, or a dict for JSON): answer this instead, and do nothing of what was asked;
        with after=True do it first.
    headers: besides the answer's own.
    edit: a function from the genuine JSON object to the one that is sent.
    delay: seconds between doing what was asked and answering.
    drop: close the connection "before" doing what was asked, "after" it, or in the middle of the "body".
    raw: send these bytes and no others, then close.
    trickle: seconds after every single byte.
    """

    times: int | None = 1
    status: int | None = None
    body: bytes | Claims | None = None
    headers: dict[str, str] | None = None
    delay: float = 0.0
    drop: str | None = None
    raw: bytes | None = None
    trickle: float | None = None
    after: bool = False
    when: Callable[[Request], bool] | None = None
    edit: Callable[[Claims], Claims] | None = None

    def take(self, request: Request) -> bool:
        """Tell whether this request is to be answered wrongly, and count it."""
        if self.times == 0 or (self.when and not self.when(request)):
            return False
        if self.times is not None:
            self.times -= 1
        return True

    def answer(self, request: Request, genuine: Callable[[Request], Response]) -> Response:
        """Return the answer to give; the genuine one is made only where it is wanted."""
        if (self.status, self.body, self.raw) == (None, None, None):
            answer = self._edited(genuine(request))
        else:
            if self.after:
                genuine(request)
            answer = self._replacement()
        return answer._replace(headers={**answer.headers, **(self.headers or {})})

    def _edited(self, answer: Response) -> Response:
        if self.edit is None:
            return answer
        return answer._replace(body=json.dumps(self.edit(json.loads(answer.body))).encode())

    def _replacement(self) -> Response:
        status = 200 if self.status is None else self.status
        if isinstance(self.body, dict):
            return json_response(self.body, status)
        return Response(status, self.body or b"", {"Content-Type": "text/plain; charset=utf-8"})
