"""A running Rescind, over HTTP: what a user command asks, and what it says when there is no good answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Annotated, Any, Self, TypeAlias
from urllib.parse import quote, urlsplit

import httpx2
from cyclopts import Parameter

from rescind import __version__
from rescind.cli.exits import Exit, Failure
from rescind.cli.options import Json

DEFAULT_URL = "http://127.0.0.1:8000"
CONNECT_SECONDS = 5.0
#: Longest silence of the service. After the last byte of an upload it looks at the target before it answers.
ANSWER_SECONDS = 60.0

#: Parameters of a query string; a list is one that is given several times.
Query: TypeAlias = Mapping[str, str | list[str]]

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@Parameter(name="*")
@dataclass(frozen=True)
class Access:
    """The options that every user command has."""

    url: Annotated[str, Parameter(env_var="RESCIND_URL", help="Address of the service.")] = DEFAULT_URL
    json: Json = False


class Unanswered(Failure):
    """No answer came. `sent` tells whether the request may have been received all the same."""

    def __init__(self, what: str, *, sent: bool) -> None:
        done = "It is not known whether the request was carried out." if sent else "Nothing was sent."
        advice = "Start the service with `rescind up`, or name another with --url or RESCIND_URL."
        super().__init__(what, done, advice, Exit.unreachable)
        self.sent = sent


class Service:
    """The service at `url`. Its methods return the answer's JSON.

    They raise Unanswered where none came, and Failure with the problem's own words where the service refused.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        agent = {"User-Agent": f"rescind/{__version__}", "Accept": "application/json"}
        timeout = httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
        # A proxy that the environment names is for the world outside; it cannot reach this machine's loopback.
        outside = urlsplit(url).hostname not in _LOOPBACK
        try:
            self._client = httpx2.Client(base_url=url, headers=agent, timeout=timeout, trust_env=outside)
        except httpx2.InvalidURL:
            raise _not_an_address(url) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, path: str, **query: str | int | None) -> Any:
        """`query`: a parameter that is None is left out."""
        return self._ask("GET", path, params={name: value for name, value in query.items() if value is not None})

    def post(self, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> Any:
        """`body` is sent as JSON; None sends no body."""
        return self._ask("POST", path, json=body, headers=headers)

    def send(self, path: str, body: Iterable[bytes], *, query: Query, headers: Mapping[str, str]) -> Any:
        """POST a stream; `headers` must have its Content-Length and Content-Type."""
        return self._ask("POST", path, content=body, params=query, headers=headers)

    @contextmanager
    def stream(self, path: str, headers: Mapping[str, str]) -> Iterator[httpx2.Response]:
        """GET a file; nothing of the answer has been read yet. A connection that breaks meanwhile is Unanswered too."""
        everything = {"Accept": "*/*", "Accept-Encoding": "identity"}
        with self._answered(), self._client.stream("GET", path, headers={**everything, **headers}) as response:
            if not response.is_success:
                response.read()
                self._content(response, changes=False)  # raises
            yield response

    def _ask(self, method: str, path: str, **request: Any) -> Any:
        with self._answered():
            response = self._client.request(method, path, **request)
        return self._content(response, changes=method != "GET")

    @contextmanager
    def _answered(self) -> Iterator[None]:
        try:
            yield
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            raise Unanswered(f"No service answers at {self._url}.", sent=False) from None
        except httpx2.TimeoutException:
            raise Unanswered(f"The service at {self._url} did not answer in time.", sent=True) from None
        except httpx2.UnsupportedProtocol:
            raise _not_an_address(self._url) from None
        except httpx2.TransportError as error:
            raise Unanswered(f"The connection to {self._url} broke: {error}.", sent=True) from None

    def _content(self, response: httpx2.Response, *, changes: bool) -> Any:
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        if response.is_success and kind == "application/json":
            return response.json()
        if kind == "application/problem+json":
            raise refusal(response.json(), changes=changes)
        what = f"What answers at {self._url} is not Rescind (status {response.status_code})."
        raise Failure(what, advice="Check the address: --url or RESCIND_URL.", code=Exit.unreachable)


def path(*parts: str) -> str:
    """A path of the API; whatever stands in a part stays within it."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def refusal(problem: Mapping[str, Any], *, changes: bool) -> Failure:
    """The failure that a problem document tells of. `changes`: the request would have changed something."""
    done = ""
    if changes:
        refused = int(problem.get("status", 500)) < httpx2.codes.INTERNAL_SERVER_ERROR
        # Not of the database: a task that is committing, and can be stopped no more, is about to change it.
        done = "This request changed nothing." if refused else "It is not known whether the request was carried out."
    what = str(problem.get("detail") or problem.get("title", ""))
    return Failure(what, done, str(problem.get("advice", "")), problem=problem)


def _not_an_address(url: str) -> Failure:
    advice = f"An address looks like {DEFAULT_URL}."
    return Failure(f"{url!r} is not the address of a service.", "Nothing was sent.", advice, Exit.usage)
