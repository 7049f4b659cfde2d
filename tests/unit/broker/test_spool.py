"""Messages as files: each is taken whole, once, and nothing that lies there can stop a reader."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from rescind.broker import spool as module
from rescind.broker.spool import ABANDONED_SECONDS, MOST_MESSAGE_BYTES, NotAMessage, Spool

QUEUE = "q"

NOT_MESSAGES = {
    "empty": b"",
    "half": b'{"n": 1, "bo',
    "binary": bytes(range(256)),
    "list": b"[1, 2]",
    "number": b"7",
    "nested": b"[" * 60_000,
    "long": b'"' + b"x" * MOST_MESSAGE_BYTES + b'"',
}


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path)


def directory(tmp_path: Path) -> Path:
    (tmp_path / "queues" / QUEUE).mkdir(parents=True, exist_ok=True)
    return tmp_path / "queues" / QUEUE


def everything(spool: Spool) -> list[object]:
    found = []
    while (message := spool.take(QUEUE)) is not None:
        found.append(message["n"])
    return found


def test_messages_come_oldest_first_and_once(spool: Spool, tmp_path: Path) -> None:
    for n in range(5):
        assert spool.put(QUEUE, {"n": n})
    assert spool.size(QUEUE) == 5
    assert everything(spool) == [0, 1, 2, 3, 4]
    assert everything(Spool(tmp_path)) == []


def test_no_message_is_lost_or_doubled_between_readers_and_writers_at_once(tmp_path: Path) -> None:
    def write(writer: int) -> None:
        own = Spool(tmp_path)
        for n in range(100):
            own.put(QUEUE, {"n": writer * 100 + n})

    def read(_: int) -> list[object]:
        own = Spool(tmp_path)
        found: list[object] = []
        while len(found) < 400 and not (writers_done() and own.size(QUEUE) == 0):
            found += everything(own)
        return found

    with ThreadPoolExecutor(8) as pool:
        writing = [pool.submit(write, writer) for writer in range(4)]

        def writers_done() -> bool:
            return all(future.done() for future in writing)

        taken = [n for found in pool.map(read, range(4)) for n in found]
    assert sorted(map(str, taken)) == sorted(map(str, range(400)))


@pytest.mark.parametrize("content", NOT_MESSAGES.values(), ids=NOT_MESSAGES.keys())
def test_a_file_that_is_no_message_is_set_aside_and_the_next_is_read(
    spool: Spool, tmp_path: Path, content: bytes
) -> None:
    """Case 29: half-written broker files."""
    (directory(tmp_path) / "0-bad.json").write_bytes(content)
    spool.put(QUEUE, {"n": 1})
    with capture_logs() as logged:
        assert everything(spool) == [1]
        assert everything(spool) == []
    assert (tmp_path / "broken" / "0-bad.json").read_bytes() == content
    assert [line["event"] for line in logged] == ["broker.broken_file"]


def test_what_is_no_file_at_all_is_set_aside(spool: Spool, tmp_path: Path) -> None:
    queue = directory(tmp_path)
    (queue / "0-directory").mkdir()
    (queue / "0-link").symlink_to("/etc/passwd")
    os.mkfifo(queue / "0-pipe")
    spool.put(QUEUE, {"n": 1})
    assert everything(spool) == [1]
    assert {path.name for path in (tmp_path / "broken").iterdir()} == {"0-directory", "0-link", "0-pipe"}


def test_what_the_reader_cannot_use_is_set_aside(tmp_path: Path) -> None:
    def check(message: dict[str, object]) -> None:
        if message["n"] == 0:
            raise NotAMessage("zero")

    spool = Spool(tmp_path, check)
    for n in range(2):
        spool.put(QUEUE, {"n": n})
    assert everything(spool) == [1]
    assert len(list((tmp_path / "broken").iterdir())) == 1


def test_a_message_that_vanished_after_it_was_listed_is_passed_over(spool: Spool, tmp_path: Path) -> None:
    for n in range(3):
        spool.put(QUEUE, {"n": n})
    assert spool.take(QUEUE) == {"n": 0}
    assert Spool(tmp_path).take(QUEUE) == {"n": 1}
    assert spool.take(QUEUE) == {"n": 2}


def test_a_bad_file_that_cannot_be_moved_is_named_once_and_passed_over(spool: Spool, tmp_path: Path) -> None:
    (directory(tmp_path) / "0-bad.json").write_bytes(b"{")
    (tmp_path / "broken").write_text("a file where the directory should be")
    with capture_logs() as logged:
        for n in range(3):
            spool.put(QUEUE, {"n": n})
            assert everything(spool) == [n]
    assert len(logged) == 1


def test_few_broken_files_are_kept(spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BROKEN", 2)
    for n in range(5):
        (directory(tmp_path) / f"{n}-bad.json").write_bytes(b"{")
    assert everything(spool) == []
    assert len(list((tmp_path / "broken").iterdir())) == 2
    assert spool.size(QUEUE) == 0


def test_a_directory_that_was_removed_is_made_again(spool: Spool, tmp_path: Path) -> None:
    root = tmp_path / "broker"
    spool = Spool(root)
    assert spool.take(QUEUE) is None
    assert spool.put(QUEUE, {"n": 1})
    for path in sorted(root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    root.rmdir()
    assert spool.take(QUEUE) is None
    assert spool.put(QUEUE, {"n": 2})
    assert everything(spool) == [2]


def test_a_full_queue_takes_no_more(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_MESSAGES", 3)
    assert [spool.put(QUEUE, {"n": n}) for n in range(5)] == [True, True, True, False, False]
    assert everything(spool) == [0, 1, 2]
    assert spool.put(QUEUE, {"n": 5})


def test_clearing_counts_what_it_removed(spool: Spool) -> None:
    for n in range(3):
        spool.put(QUEUE, {"n": n})
    assert spool.clear(QUEUE) == 3
    assert spool.size(QUEUE) == 0


def test_what_a_writer_that_died_left_is_removed(spool: Spool, tmp_path: Path) -> None:
    spool.put(QUEUE, {"n": 0})
    old, new = tmp_path / "tmp" / "old", tmp_path / "tmp" / "new"
    old.write_text("{")
    new.write_text("{")
    past = time.time() - 2 * ABANDONED_SECONDS
    os.utime(old, (past, past))
    spool.tidy()
    assert list((tmp_path / "tmp").iterdir()) == [new]


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "/etc", "a\nb", "x" * 101])
def test_a_queue_cannot_lie_outside_the_directory(spool: Spool, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a queue"):
        spool.put(name, {})
