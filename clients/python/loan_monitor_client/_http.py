"""How a request goes out and what its answer means. Written by hand; the operations are made from the contract."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, cast
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from loan_monitor_client.models import ProblemDetails

Value = str | int | bool | Sequence[str] | None


class NoAnswer(Exception):
    """The monitor did not answer, or what answered is no monitor."""


class ApiProblem(Exception):
    """The monitor refused; `problem` says what is wrong, where, and what to do about it."""

    def __init__(self, status: int, problem: ProblemDetails) -> None:
        super().__init__(f"{status}: {problem['detail']}")
        self.status = status
        self.problem = problem


class Connection:
    """Where the monitor is, and the token that it asks for."""

    def __init__(self, url: str, token: str | None = None, timeout_s: float = 15.0) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._timeout_s = timeout_s

    def ask(
        self,
        method: str,
        path: str,
        *,
        ids: Sequence[str] = (),
        query: Mapping[str, Value] = {},
        labels: Mapping[str, str] | None = None,
        headers: Mapping[str, str | None] = {},
        body: object = None,
        also: Sequence[int] = (),
    ) -> Any:
        """The answer: JSON, a text, or None where it has no content. `also`: statuses beside 2xx that are answers.

        Raises ApiProblem and NoAnswer.
        """
        place = path.format(*(quote(id_, safe="") for id_ in ids))
        pairs = [*_pairs(query), *((f"label.{name}", value) for name, value in (labels or {}).items())]
        url = f"{self._url}{place}" + (f"?{urlencode(pairs)}" if pairs else "")
        sent = {name: value for name, value in headers.items() if value is not None}
        raw: bytes | None = None
        if body is not None:
            is_file = isinstance(body, bytes)
            raw = cast(bytes, body) if is_file else json.dumps(body).encode()
            sent["Content-Type"] = "application/octet-stream" if is_file else "application/json"
        if self._token is not None:
            sent["Authorization"] = f"Bearer {self._token}"
        request = Request(url, raw, sent, method=method)  # noqa: S310 - the caller names the address
        try:
            with urlopen(request, timeout=self._timeout_s) as answer:  # noqa: S310
                return _read(answer.headers.get_content_type(), answer.read())
        except HTTPError as e:
            found = _read(e.headers.get_content_type(), e.read())
            if e.code in also:
                return found
            if not isinstance(found, dict) or "detail" not in found:
                raise NoAnswer(f"{url}: status {e.code}; is that the monitor's address?") from None
            raise ApiProblem(e.code, cast("ProblemDetails", found)) from None
        except (URLError, HTTPException, OSError, ValueError) as e:
            raise NoAnswer(f"{url}: {getattr(e, 'reason', e)}; is the monitor running there?") from None


def _read(media: str, raw: bytes) -> Any:
    if not raw:
        return None
    return json.loads(raw) if media.endswith("json") else raw.decode()


def _pairs(query: Mapping[str, Value]) -> Iterator[tuple[str, str]]:
    for name, value in query.items():
        if isinstance(value, str | int):
            yield name, str(value).lower() if isinstance(value, bool) else str(value)
        else:
            yield from ((name, each) for each in value or ())
