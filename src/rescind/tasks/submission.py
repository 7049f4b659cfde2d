"""Submitting a task: one ledger transaction, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import uuid_utils
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from rescind import failpoints
from rescind.domain.states import State
from rescind.domain.task import Task, Terms
from rescind.domain.upload import Upload
from rescind.errors import KeyReused, NotRetryable, UnknownUpload
from rescind.ledger import idempotency, tasks, uploads
from rescind.ledger.engine import Ledger
from rescind.ledger.tasks import AUTOMATIC
from rescind.tasks.registry import TaskRegistry


@dataclass(frozen=True)
class Key:
    """An Idempotency-Key and the hash of the request that it came with (SHA-256, hex)."""

    key: str
    hash: str


def new_id() -> str:
    """A UUIDv7: sorted by time, so that a page of tasks is a range of the key."""
    return str(uuid_utils.uuid7())


class Submission:
    """Puts tasks into the ledger. `announce` is told each new id and must not block or raise."""

    def __init__(self, ledger: Ledger, registry: TaskRegistry, announce: Callable[[str], None]) -> None:
        self._ledger = ledger
        self._registry = registry
        self._announce = announce

    def known(self, key: Key | None) -> str | None:
        """The id of the task that this very request made before. Raises KeyReused for another request."""
        if key is None:
            return None
        with self._ledger.read() as connection:
            return self._same(connection, key)

    def submit(
        self,
        name: str,
        args: dict[str, Any],
        *,
        targets: Sequence[str] | None = None,
        terms: Terms = AUTOMATIC,
        upload: Upload | None = None,
        key: Key | None = None,
    ) -> tuple[str, bool]:
        """The task's id, and whether this call made it.

        `targets` are those that the task's definition names, if none are given. `upload` is one that was received with
        the request: its row is written with the task's. Raises UnknownTask, InvalidArguments, UnknownUpload, KeyReused.
        """
        definition = self._registry[name]
        checked = definition.with_writers(definition.check(args))
        branches = definition.branches(checked, targets)
        kept = checked.get(definition.upload_argument) if definition.upload_argument else None

        def insert(connection: Connection, task_id: str) -> None:
            if upload is not None:
                uploads.insert_upload(connection, upload)
            elif kept is not None:
                _expect_upload(connection, kept)
            tasks.insert_task(connection, task_id, name, checked, branches, terms=terms, upload=kept)

        return self._insert(insert, key)

    def retry(self, task_id: str, key: Key | None = None) -> tuple[str, bool]:
        """A new task with the same arguments. Repeating it answers the same one.

        Raises UnknownId, NotRetryable, UnknownUpload where its file has been deleted meanwhile.
        """
        with self._ledger.read() as connection:
            before = tasks.require(connection, task_id)
            already = tasks.retry_of(connection, task_id)
        if already is not None:
            return already, False
        if before.state not in (State.failed, State.stopped):
            raise NotRetryable(f"Task {task_id} is {before.state}; only a failed or stopped task can be retried.")
        definition = self._registry[before.name]
        kept = before.args.get(definition.upload_argument) if definition.upload_argument else None

        def insert(connection: Connection, new: str) -> None:
            if kept is not None:
                _expect_upload(connection, kept)
            tasks.insert_task(
                connection,
                new,
                before.name,
                before.args,
                before.targets,
                terms=before.terms,
                upload=kept,
                retry_of=task_id,
            )

        try:
            return self._insert(insert, key)
        except IntegrityError:
            with self._ledger.read() as connection:
                first = tasks.retry_of(connection, task_id)
            assert first is not None
            return first, False

    def get(self, task_id: str) -> Task:
        """Raises UnknownId."""
        with self._ledger.read() as connection:
            return tasks.require(connection, task_id)

    def _insert(self, insert: Callable[[Connection, str], None], key: Key | None) -> tuple[str, bool]:
        task_id = new_id()
        failpoints.hit("submit.before_insert")
        try:
            with self._ledger.write() as connection:
                insert(connection, task_id)
                if key is not None:
                    # The unique key arbitrates between two requests at once; nothing is looked up first.
                    idempotency.insert_key(connection, key.key, key.hash, task_id)
                failpoints.hit("submit.after_insert")
        except IntegrityError:
            with self._ledger.read() as connection:
                first = None if key is None else self._same(connection, key)
            if first is None:
                raise
            return first, False
        failpoints.hit("submit.after_commit")
        self._announce(task_id)
        failpoints.hit("submit.before_reply")
        return task_id, True

    def _same(self, connection: Connection, key: Key) -> str | None:
        found = idempotency.find(connection, key.key)
        if found is None:
            return None
        if found.hash != key.hash:
            raise KeyReused(f"The Idempotency-Key {key.key!r} was used before with another request.")
        return found.task


def _expect_upload(connection: Connection, upload_id: str) -> None:
    """Keep the upload until the transaction ends. Raises UnknownUpload."""
    if uploads.get(connection, upload_id) is None:
        raise UnknownUpload(f"No upload has the id {upload_id}.")
