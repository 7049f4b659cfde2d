"""What the commands' tests share: a directory of their own, a service, and a peer that answers as a test wants it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.support.serving import in_background
from tests.support.surface import Surface, surface


@pytest.fixture
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty directory."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Surface]:
    """A service that the commands find."""
    with surface(tmp_path) as made, made.served() as url:
        monkeypatch.setenv("RESCIND_URL", url)
        yield made


def here() -> list[str]:
    """The names of the files in the directory."""
    return sorted(path.name for path in Path().iterdir())


class _Quiet(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """The URL where each request is answered so."""

    def handle(request: BaseHTTPRequestHandler) -> None:
        answer(request)  # which may be a method: the class would not hand it the request

    # Made this way because the names of its methods are HTTP's.
    handler = type("Handler", (_Quiet,), {"do_GET": handle, "do_POST": handle})
    with in_background(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as url:
        yield url
