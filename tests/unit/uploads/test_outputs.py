"""Files that attempts make: whole or not there, served as they were decided on, and swept when nobody needs them."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from rescind import failpoints
from rescind.domain.receipt import Draft, Output, outputs_of
from rescind.domain.states import State
from rescind.domain.task import Task
from rescind.errors import NoOutput, NotCommitted, OutputGone, OutputStorageFull, Stopped
from rescind.failpoints import Action
from rescind.ledger import tables, tasks
from rescind.ledger.engine import Ledger, now
from rescind.uploads import output_file
from rescind.uploads.outputs import OutputStore

DATA = bytes(range(256)) * 1_000
DAY = timedelta(days=1)


@pytest.fixture
def outputs(tmp_path: Path, ledger: Ledger) -> Iterator[OutputStore]:
    yield OutputStore(tmp_path / "outputs", ledger)
    failpoints.disarm()


@pytest.fixture
def make(outputs: OutputStore) -> Callable[..., Output]:
    def call(task: Task, kind: str = "export", data: bytes = DATA, check: Callable[[], None] = lambda: None) -> Output:
        made: list[Output] = []
        with outputs.make(task, kind, filename="a.csv", media_type="text/csv", check=check, made=made.append) as file:
            file.write(data[:1000])
            file.write(data[1000:])
            assert made == []
        (output,) = made
        return output

    return call


Make = Callable[..., Output]


def a_task(ledger: Ledger, state: State = State.running, attempt: int = 1) -> Task:
    task_id = str(uuid.uuid4())
    with ledger.write() as connection:
        tasks.insert_task(connection, task_id, "export", {}, ("default",))
    return in_state(ledger, task_id, state, attempt)


def in_state(ledger: Ledger, task_id: str, state: State, attempt: int = 1, *outputs: Output) -> Task:
    """The task as it is then."""
    receipt = Draft(outputs=outputs).document()
    values = {"state": state, "attempt": attempt, "receipt": receipt, "finished_at": now()}
    with ledger.write() as connection:
        connection.execute(update(tables.task).where(tables.task.c.id == task_id).values(values))
        task = tasks.get(connection, task_id)
    assert task is not None
    return task


def left(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob("outputs/*"))


def test_a_file_is_named_by_its_attempt_and_told_with_length_and_digest(
    ledger: Ledger, make: Make, tmp_path: Path
) -> None:
    task = a_task(ledger, attempt=3)
    output = make(task)
    assert left(tmp_path) == [f"{task.id}.3.export"]
    assert (tmp_path / "outputs" / f"{task.id}.3.export").read_bytes() == DATA
    assert (output.length, output.sha256) == (len(DATA), hashlib.sha256(DATA).hexdigest())
    assert (output.filename, output.media_type) == ("a.csv", "text/csv")


def test_the_receipt_says_it_again(ledger: Ledger, make: Make) -> None:
    outputs = (make(a_task(ledger)), make(a_task(ledger), "rejects"))
    assert tuple(outputs_of(Draft(outputs=outputs).document())) == outputs


def test_receipts_of_before_have_no_files() -> None:
    assert outputs_of(None) == outputs_of({"rows_read": 1}) == []


def test_no_name_is_there_before_the_file_is_whole(ledger: Ledger, outputs: OutputStore, tmp_path: Path) -> None:
    task = a_task(ledger)
    with outputs.make(
        task, "export", filename="a", media_type="b", check=lambda: None, made=lambda output: None
    ) as file:
        file.write(b"1")
        assert left(tmp_path) == [f"{task.id}.1.export.part"]
    assert left(tmp_path) == [f"{task.id}.1.export"]


def _interrupted() -> None:
    raise KeyboardInterrupt


def _no_space() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("point", "act", "error"),
    [
        ("output.mid_data", _interrupted, KeyboardInterrupt),
        ("output.disk_full", _no_space, OutputStorageFull),
        ("output.disk_full", Action.fail, OutputStorageFull),
        ("output.before_rename", _interrupted, KeyboardInterrupt),
        ("output.after_rename", _interrupted, KeyboardInterrupt),
    ],
)
def test_whatever_is_raised_nothing_is_left(
    ledger: Ledger,
    make: Make,
    tmp_path: Path,
    point: str,
    act: Action | Callable[[], None],
    error: type[BaseException],
) -> None:
    failpoints.arm(point, act, at=2 if point in ("output.mid_data", "output.disk_full") else 1)
    with pytest.raises(error):
        make(a_task(ledger))
    assert left(tmp_path) == []


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_stop_is_heard_at_each_write_and_before_the_file_is_whole(
    ledger: Ledger, make: Make, tmp_path: Path, at: int
) -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            raise Stopped("A stop was asked for.")

    with pytest.raises(Stopped):
        make(a_task(ledger), check=check)
    assert left(tmp_path) == []


def test_a_large_file_is_put_on_the_disk_piece_by_piece(
    ledger: Ledger, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(output_file, "SYNC_BYTES", 1000)
    monkeypatch.setattr(os, "fdatasync", synced.append)
    make(a_task(ledger))
    assert len(synced) == 2


def test_an_attempt_makes_one_file_of_a_kind(ledger: Ledger, make: Make, tmp_path: Path) -> None:
    task = a_task(ledger)
    make(task)
    with pytest.raises(ValueError, match="already"):
        make(task, data=b"other" * 1000)
    assert (tmp_path / "outputs" / f"{task.id}.1.export").read_bytes() == DATA


@pytest.mark.parametrize("kind", ["", "../x", "a.b", "A", "é", "a/b", "part\n"])
def test_a_kind_is_a_plain_word(ledger: Ledger, make: Make, tmp_path: Path, kind: str) -> None:
    with pytest.raises(ValueError, match="no kind"):
        make(a_task(ledger), kind)
    assert left(tmp_path) == []


@pytest.mark.parametrize("media_type", ["text/plain\r\nSet-Cookie: x", "text/größe"])
def test_a_media_type_breaks_no_header(ledger: Ledger, outputs: OutputStore, tmp_path: Path, media_type: str) -> None:
    with (
        pytest.raises(ValueError, match="no media type"),
        outputs.make(
            a_task(ledger), "x", filename="x", media_type=media_type, check=lambda: None, made=lambda output: None
        ),
    ):
        pass
    assert left(tmp_path) == []


def test_the_bytes_are_on_the_disk_before_the_name_and_the_name_before_the_receipt(
    ledger: Ledger, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def synced(number: int) -> None:
        order.append("names" if stat.S_ISDIR(os.fstat(number).st_mode) else "bytes")
        fsync(number)

    def renamed(path: Path, to: Path) -> Path:
        order.append("renamed")
        return rename(path, to)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    make(a_task(ledger))
    assert order == ["bytes", "renamed", "names"]


def test_only_a_committed_task_has_files(ledger: Ledger, outputs: OutputStore, make: Make) -> None:
    running = a_task(ledger)
    output = make(running)
    for state in State:
        task = in_state(ledger, running.id, state, 1, output)
        if state is State.committed:
            assert outputs.find(task) == outputs.find(task, "export") == output
        else:
            with pytest.raises(NotCommitted, match=state):
                outputs.find(task)


def test_a_kind_that_the_task_did_not_make_is_no_output(ledger: Ledger, outputs: OutputStore, make: Make) -> None:
    running = a_task(ledger)
    task = in_state(ledger, running.id, State.committed, 1, make(running))
    with pytest.raises(NoOutput, match="rejects"):
        outputs.find(task, "rejects")
    with pytest.raises(NoOutput):
        outputs.find(a_task(ledger, State.committed))


def test_what_is_served_is_what_was_decided_on(ledger: Ledger, outputs: OutputStore, make: Make) -> None:
    task = a_task(ledger)
    output = make(task)
    with outputs.open(task, output) as file:
        assert file.read() == DATA


@pytest.mark.parametrize(
    ("data", "message"),
    [(None, "gone"), (DATA[:-1], "changed"), (DATA + b"x", "changed"), (b"x" + DATA[1:], "changed")],
)
def test_a_changed_file_is_not_served(
    ledger: Ledger, outputs: OutputStore, make: Make, tmp_path: Path, data: bytes | None, message: str
) -> None:
    task = a_task(ledger)
    output = make(task)
    path = tmp_path / "outputs" / f"{task.id}.1.export"
    if data is None:
        path.unlink()
    else:
        path.write_bytes(data)
    with pytest.raises(OutputGone, match=message):
        outputs.open(task, output)


def test_a_copy_with_the_same_bytes_is_served(ledger: Ledger, outputs: OutputStore, make: Make, tmp_path: Path) -> None:
    """As after a backup that was played back."""
    task = a_task(ledger)
    output = make(task)
    (tmp_path / "outputs" / f"{task.id}.1.export").write_bytes(DATA)
    with outputs.open(task, output) as file:
        assert file.read() == DATA


def test_a_file_past_its_time_is_told_from_one_that_was_lost(ledger: Ledger, outputs: OutputStore, make: Make) -> None:
    output = make(a_task(ledger))
    old = replace(a_task(ledger, State.committed), finished_at=now() - 8 * DAY)
    with pytest.raises(OutputGone, match="kept for 7 days"):
        outputs.open(old, output)
    with pytest.raises(OutputGone, match="something else"):
        outputs.open(replace(old, finished_at=now()), output)


KEPT = [State.running, State.prepared, State.committing, State.hazard, State.committed]


@pytest.mark.parametrize("state", State)
def test_the_file_of_an_attempt_is_kept_as_long_as_it_may_commit(
    ledger: Ledger, outputs: OutputStore, make: Make, tmp_path: Path, state: State
) -> None:
    task = a_task(ledger)
    make(task)
    in_state(ledger, task.id, state)
    assert outputs.sweep(now()) == (state not in KEPT)
    assert bool(left(tmp_path)) == (state in KEPT)


def test_of_a_dry_run_the_rows_that_would_not_fit_are_kept_as_long_as_a_committed_tasks_file(
    ledger: Ledger, outputs: OutputStore, make: Make, tmp_path: Path
) -> None:
    task = a_task(ledger)
    made = [make(task, kind) for kind in ("export", "rejects")]
    in_state(ledger, task.id, State.checked, 1, *made)
    assert outputs.sweep(now() + 6 * DAY) == 1
    assert left(tmp_path) == [f"{task.id}.1.rejects"]
    assert outputs.sweep(now() + 8 * DAY) == 1


@pytest.mark.parametrize("state", State)
def test_half_a_file_is_kept_while_its_attempt_is_at_work(
    ledger: Ledger, outputs: OutputStore, tmp_path: Path, state: State
) -> None:
    task = a_task(ledger, state)
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / f"{task.id}.1.export.part").touch()
    assert outputs.sweep(now()) == (state is not State.running)


@pytest.mark.parametrize("state", KEPT)
def test_files_of_attempts_before_go_and_those_of_one_that_the_ledger_does_not_know_yet_stay(
    ledger: Ledger, outputs: OutputStore, make: Make, tmp_path: Path, state: State
) -> None:
    """The latter are there when the ledger was restored from a backup."""
    task = a_task(ledger)
    for attempt in (1, 2, 3):
        make(replace(task, attempt=attempt))
    in_state(ledger, task.id, state, 2)
    assert outputs.sweep(now()) == 1
    assert left(tmp_path) == [f"{task.id}.2.export", f"{task.id}.3.export"]


def test_a_committed_tasks_file_goes_when_its_time_is_over(
    ledger: Ledger, outputs: OutputStore, make: Make, tmp_path: Path
) -> None:
    task = a_task(ledger)
    in_state(ledger, task.id, State.committed, 1, make(task))
    assert outputs.sweep(now() + 6 * DAY) == 0
    assert outputs.sweep(now() + 8 * DAY) == 1
    assert left(tmp_path) == []


def test_a_file_of_a_forgotten_task_goes_and_nothing_that_is_not_ours(
    ledger: Ledger, outputs: OutputStore, make: Make, tmp_path: Path
) -> None:
    task = a_task(ledger)
    make(task)
    with ledger.write() as connection:
        connection.execute(tables.task.delete())
    others = ["README", f"{task.id}.x.export", f"{task.id}.1.export.csv", "x.1.export"]
    for name in others:
        (tmp_path / "outputs" / name).touch()
    assert outputs.sweep(now()) == 0
    assert outputs.sweep(now() + DAY) == 1
    assert left(tmp_path) == sorted(others)


def test_more_files_than_a_query_has_parameters(
    ledger: Ledger, outputs: OutputStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "IDS_PER_QUERY", 2)
    (tmp_path / "outputs").mkdir()
    for state in (State.stopped, State.committed, State.stopped, State.failed, State.committed):
        (tmp_path / "outputs" / f"{a_task(ledger, state).id}.1.export").touch()
    assert outputs.sweep(now()) == 3


def test_a_sweep_that_dies_goes_on_at_the_next(
    ledger: Ledger, outputs: OutputStore, make: Make, tmp_path: Path
) -> None:
    for _ in range(2):
        task = a_task(ledger)
        make(task)
        in_state(ledger, task.id, State.stopped)
    failpoints.arm("output.before_remove", _interrupted, at=2)
    with pytest.raises(KeyboardInterrupt):
        outputs.sweep(now())
    assert outputs.sweep(now()) == 1
    assert left(tmp_path) == []


def test_without_a_directory_there_is_nothing_to_do(outputs: OutputStore) -> None:
    assert outputs.sweep(now()) == 0
