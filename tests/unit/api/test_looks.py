"""Looks at databases that are silent: nobody waits for them for long, and soon nobody waits at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.surface import Surface, document, surface

from rescind.api.looks import Looks
from rescind.errors import TargetUnavailable, UnknownTable
from rescind.targets.capabilities import Capabilities
from rescind.testing.memory import MemoryTarget
from rescind.testing.memory.catalog import MemoryCatalog

SHORT_SECONDS = 0.05


class Server:
    """Answers as soon as it is told to. `asked` counts."""

    def __init__(self) -> None:
        self.asked = 0
        self.free = threading.Event()

    def look(self) -> str:
        self.asked += 1
        self.free.wait()
        return "an answer"


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.free.set()


def test_an_answer_and_an_error_come_as_they_are(server: Server) -> None:
    looks = Looks()
    server.free.set()
    assert looks.at("db", server.look) == "an answer"

    def fail() -> None:
        raise UnknownTable("none")

    with pytest.raises(UnknownTable):
        looks.at("db", fail)


def test_while_one_look_hangs_no_other_is_begun(server: Server) -> None:
    looks = Looks(SHORT_SECONDS)
    for _ in range(5):
        with pytest.raises(TargetUnavailable, match="db"):
            looks.at("db", server.look)
    assert server.asked == 1
    assert looks.at("other", lambda: 1) == 1


def test_once_it_has_answered_it_is_asked_again(server: Server) -> None:
    looks = Looks(SHORT_SECONDS)
    with pytest.raises(TargetUnavailable):
        looks.at("db", server.look)
    server.free.set()
    for thread in threading.enumerate():
        if thread.name == "look at db":
            thread.join()
    assert looks.at("db", server.look) == "an answer"


def test_many_are_asked_at_once(server: Server) -> None:
    other = Server()
    other.free.set()
    found = Looks(SHORT_SECONDS).reasons({"silent": server.look, "fine": lambda: None, "ill": other.look})
    assert found == {"silent": "It has not answered within 0.05 s.", "fine": None, "ill": "an answer"}


class Silent(MemoryTarget):
    """Says nothing until it is told to."""

    free: threading.Event

    def catalog(self) -> MemoryCatalog:
        self.free.wait()
        return super().catalog()

    def capabilities(self) -> Capabilities:
        self.free.wait()
        return super().capabilities()


@contextmanager
def silent(path: Path) -> Iterator[Surface]:
    with surface(path) as s:
        target = Silent("default", s.operators["default"].address)
        target.free = threading.Event()
        s.replace("default", target)
        try:
            yield s
        finally:
            target.free.set()


def test_requests_are_answered_although_the_database_is_silent(tmp_path: Path) -> None:
    """None of these would ever come back if it waited."""
    with silent(tmp_path) as s:
        assert s.load("commit=manual").status_code == 202
        assert s.load("create=true", table="new").status_code == 202
        assert s.call("POST", "/v1/tasks", json={"task": "clear", "args": {"table": "items"}}).status_code == 202
        for path in ("/v1/tables", "/v1/tables/items", "/v1/tables/items/count", "/v1/tables/items/rows", "/get_data"):
            answer = s.call("GET", path)
            assert (answer.status_code, document(answer)["code"]) == (503, "target-unavailable")
        (card, *_) = document(s.call("GET", "/v1/targets"))["targets"]
        assert card["error"]["code"] == "target-unavailable"
        assert s.call("GET", "/v1/tables/items?target=archive").status_code == 200
