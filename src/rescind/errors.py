"""Every exception that Rescind raises, in one tree.

RescindError
├── InvalidRequest            what was asked for cannot be done; nothing was changed
│   ├── UnknownTask           no task of that name can be started
│   ├── UnknownId             no task has that id
│   ├── UnknownUpload         no upload has that id, or its bytes are gone
│   ├── UploadInUse           a task still needs the upload
│   ├── InvalidArguments      the arguments do not fit the task
│   ├── NoOutput              the task made no such file
│   ├── NotCommitted          the task has not committed, so nothing that it made can be had
│   ├── OutputGone            the file that the task made is deleted or changed
│   ├── UnknownTable          the target has no such table
│   ├── NotATable             the name is a view's, or of something else that is no ordinary table
│   ├── UnknownColumn         a column is named that the table lacks
│   ├── MissingColumn         the table needs a column that the input lacks
│   ├── NotMadeHere           the table was not made by Rescind
│   ├── NotRetryable          only a failed or stopped task can be retried
│   ├── KeyReused             an Idempotency-Key came back with another request
│   ├── NotHeld               the task waits for no commit
│   │   └── BranchGone        somebody rolled back a branch of a held task by hand
│   ├── HoldExpired           nobody committed the task while it was held
│   ├── TooLate               the task is decided: it will commit, or has
│   └── Finished              the task has ended
├── InvalidInput              the uploaded bytes cannot be read as what they claim to be
│   ├── UploadIncomplete      fewer bytes arrived than were declared, or the digest differs
│   ├── UploadTooLarge        more bytes than the limit
│   ├── InputTruncated        the compressed stream ends too early
│   ├── InputChanged          the upload's bytes are no longer those that were received
│   ├── InvalidEncoding       a byte is not of the file's encoding
│   ├── InvalidHeader         the header is missing, or a name in it is empty or doubled
│   ├── RecordTooLong         one record is longer than the limit
│   └── RowsRejected          rows that do not fit the table (carries them)
├── TargetError               a target database said no
│   ├── TargetUnavailable     it is down or out of reach (waits, costs no attempt)
│   ├── TargetBusy            another writer holds it (waits, costs no attempt)
│   ├── TargetFull            no space left (retryable)
│   ├── TargetConflict        deadlock, lock timeout, broken statement (retryable)
│   ├── ConstraintViolated    a value breaks a constraint of the table
│   ├── TargetRefused         the table, engine or setting does not allow all-or-none work
│   │   └── RightMissing      the account may not do this
│   └── TransactionBroken     the transaction is no longer the one that was begun
├── TaskError                 the task's own function is at fault
│   ├── StatementRefused      it tried a statement that a task may not run
│   ├── TaskRaised            it raised
│   └── ResultInvalid         it returned what is not JSON, or more than is kept
├── Interruption              the attempt must end now; no fault of anybody
│   ├── Stopped               a stop was asked for
│   ├── Fenced                another attempt or recovery has taken over
│   └── ShuttingDown          this worker is told to leave
├── Unwritable                a value cannot be given as it is, or not in the format that was asked for
├── UploadStorageFull         no space left where uploads are kept
├── OutputStorageFull         no space left where the files that tasks make are kept
├── LedgerUnavailable         the ledger does not answer
├── LedgerOutdated            a target knows a later life of this ledger, which was restored from a backup
├── BrokerUnavailable         the broker does not answer (the sweeper announces later)
├── Undecided                 an outcome cannot be proven yet; try again later
├── Contradiction             the database contradicts the decision: ends as `hazard`
├── ConfigurationError        a setting is wrong
└── AlreadyRunning            another `rescind up` has the home, or something has the port

The first argument says what happened and where, `advice` what next; `code` is stable; `retry` rules further attempts.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from rescind.domain.rejects import Reject


class Retry(StrEnum):
    """What an attempt that ended with this error is followed by."""

    never = "never"  #: the same input gives the same error: the task fails at once
    counted = "counted"  #: another attempt, at most three in all
    free = "free"  #: another attempt later, as often as it takes


class RescindError(Exception):
    """Something went wrong in Rescind."""

    code: ClassVar[str] = "internal-error"
    retry: ClassVar[Retry] = Retry.never
    advice: ClassVar[str] = "Look into the service's log for the cause."

    def details(self) -> dict[str, Any]:
        """Further facts for the problem document: JSON values by name."""
        return {}


class InvalidRequest(RescindError):
    """What was asked for cannot be done; nothing was changed."""

    code = "invalid-request"
    advice = "Correct the request and send it again."


class UnknownTask(InvalidRequest):
    """No task of that name can be started here."""

    code = "unknown-task"
    advice = "Name one of the registered tasks; a module of your own is registered with RESCIND_TASKS."


class UnknownId(InvalidRequest):
    """No task has that id."""

    code = "unknown-id"
    advice = "Check the id; tasks are forgotten after the retention (30 days by default)."


class UnknownUpload(InvalidRequest):
    """No upload has that id, or its bytes are gone."""

    code = "unknown-upload"
    advice = "Send the file again; uploads are deleted when their task has committed, else after 7 days by default."


class UploadInUse(InvalidRequest):
    """A task that has not ended still needs the upload."""

    code = "upload-in-use"
    advice = "Wait until the task has ended, or stop it."


class InvalidArguments(InvalidRequest):
    """The arguments do not fit the task."""

    code = "invalid-arguments"

    def __init__(self, message: str, problems: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(message)
        self.problems = list(problems)

    @classmethod
    def of(cls, name: str, message: str) -> Self:
        """What is wrong with one of them, called as whoever gave it calls it: parameter, argument or option."""
        return cls(f"{name}: {message}.", [{"name": name, "message": message}])

    def details(self) -> dict[str, Any]:
        return {"errors": self.problems} if self.problems else {}


class NoOutput(InvalidRequest):
    """The task made no such file."""

    code = "no-output"
    advice = "See the task's receipt for what it made; `export` makes files."


class NotCommitted(InvalidRequest):
    """The task has not committed, so nothing that it made can be had."""

    code = "not-committed"
    advice = "Wait until the task has committed; one that was taken back made nothing: start it again."


class OutputGone(InvalidRequest):
    """The file that the task made is deleted or changed."""

    code = "output-gone"
    advice = "Start the task again to have the file made anew."


class UnknownTable(InvalidRequest):
    """The target has no such table."""

    code = "unknown-table"
    advice = "Check the name, or load with create=true to have the table made."


class NotATable(InvalidRequest):
    """The name is a view's, or of something else that is no ordinary table."""

    code = "not-a-table"
    advice = "Name the table behind it, or another name: only ordinary tables are read, written and made."


class UnknownColumn(InvalidRequest):
    """A column is named, in the file or in the request, that the table lacks."""

    code = "unknown-column"
    advice = "See the table's columns under /v1/tables/{table}; rename or remove the one that it lacks."


class MissingColumn(InvalidRequest):
    """The table needs a column that the input lacks."""

    code = "missing-column"
    advice = "Add the column to the file, or give it a default in the table."


class NotMadeHere(InvalidRequest):
    """The table was not made by Rescind, and this call only touches tables that were."""

    code = "not-made-here"
    advice = "Use /v1/tables/{table}/rows, which works on your own tables."


class NotRetryable(InvalidRequest):
    """Only a failed or stopped task can be retried."""

    code = "not-retryable"
    advice = "Look at the task's state; start a new task if you want the work done again."


class KeyReused(InvalidRequest):
    """The Idempotency-Key was used before with another request."""

    code = "idempotency-key-reused"
    advice = "Use a new key for a new request, or repeat the first request unchanged."


class NotHeld(InvalidRequest):
    """The task waits for no commit."""

    code = "not-held"
    advice = "Commit a task that was started with commit=manual once its state is `prepared`."


class BranchGone(NotHeld):
    """Somebody rolled back a branch of a held task by hand."""

    code = "branch-gone"
    advice = "Start it again. End prepared branches of Rescind by a commit or a stop of their task, not by hand."


class HoldExpired(InvalidRequest):
    """Nobody committed the task while it was held."""

    code = "hold-expired"
    advice = "Start it again, with a longer hold_seconds if need be, and commit it in time."


class TooLate(InvalidRequest):
    """The task is decided: it will commit, or has committed."""

    code = "too-late"
    advice = "Its work cannot be taken back any more; undo it with a task of your own."


class Finished(InvalidRequest):
    """The task has ended already."""

    code = "finished"
    advice = "Look at its receipt or error; start a new task if you want the work done again."


class InvalidInput(RescindError):
    """The uploaded bytes cannot be read as what they claim to be."""

    code = "invalid-input"
    advice = "Correct the file and load it again."


class UploadIncomplete(InvalidInput):
    """Fewer bytes arrived than were declared, or their digest differs."""

    code = "upload-incomplete"
    advice = "Send the file again."


class UploadTooLarge(InvalidInput):
    """More bytes than the limit."""

    code = "upload-too-large"
    advice = "Split the file, or raise RESCIND_MAX_UPLOAD_BYTES."


class InputTruncated(InvalidInput):
    """The compressed stream ends too early."""

    code = "input-truncated"
    advice = "The file is incomplete: make it again and load it again."


class InputChanged(InvalidInput):
    """The upload's bytes are no longer those that were received."""

    code = "input-changed"
    advice = "Something changed or removed the stored upload: send the file again."


class InvalidEncoding(InvalidInput):
    """A byte is not of the file's encoding."""

    code = "invalid-encoding"
    advice = "Say which encoding the file has with encoding=, or convert it to UTF-8."


class InvalidHeader(InvalidInput):
    """The header is missing, or a name in it is empty or doubled."""

    code = "invalid-header"


class RecordTooLong(InvalidInput):
    """One record is longer than the limit."""

    code = "record-too-long"
    advice = "Shorten the record, or raise RESCIND_MAX_RECORD_BYTES."


class RowsRejected(InvalidInput):
    """Rows do not fit the table. `rejects` are the first of `total`."""

    code = "rows-rejected"
    advice = "Correct the rows named under /v1/tasks/{id}/rejects and load the file again."

    def __init__(self, message: str, rejects: Sequence[Reject], total: int) -> None:
        super().__init__(message)
        self.rejects = tuple(rejects)
        self.total = total

    def details(self) -> dict[str, Any]:
        return {"rejected": self.total}


class TargetError(RescindError):
    """A target database said no."""

    code = "target-error"
    retry = Retry.counted
    advice = "Look at the message of the database."


class TargetUnavailable(TargetError):
    """The target is down or out of reach. The task waits."""

    code = "target-unavailable"
    retry = Retry.free
    advice = "The task starts again by itself when the target is back."


class TargetBusy(TargetError):
    """Another writer holds the target. The task waits."""

    code = "target-busy"
    retry = Retry.free
    advice = "The task starts again by itself when the other writer is done."


class TargetFull(TargetError):
    """No space is left where the target keeps its data."""

    code = "target-full"
    advice = "Free some space, then retry the task."


class TargetConflict(TargetError):
    """A deadlock, a lock timeout or a statement that was cut off."""

    code = "target-conflict"
    advice = "Try again when whatever holds the table is done: another transaction, an ALTER TABLE, a backup."


class ConstraintViolated(TargetError):
    """A value breaks a constraint of the table."""

    code = "constraint-violated"
    retry = Retry.never
    advice = "Remove or correct the offending row, then load again."

    def __init__(self, message: str, row: int | None = None) -> None:
        super().__init__(message)
        self.row = row  #: index of the offending row in the batch that was being written, where it is known


class TargetRefused(TargetError):
    """The table, engine or setting does not allow all-or-none work."""

    code = "target-refused"
    retry = Retry.never
    advice = "Change what the message names; `rescind doctor` and /v1/targets show what the target can do."


class RightMissing(TargetRefused):
    """The account of the target may not do this."""

    code = "right-missing"
    advice = "Have it granted: SELECT, INSERT, UPDATE and DELETE on the table, CREATE to make one (docs/operating.md)."


class TransactionBroken(TargetError):
    """The transaction is no longer the one that was begun: nothing of it may be trusted."""

    code = "transaction-broken"
    retry = Retry.never
    advice = "A task's function must not commit, roll back or begin: remove such statements."


class TaskError(RescindError):
    """The task's own function is at fault."""

    code = "task-error"
    advice = "Correct the task's function; everything it wrote was rolled back."


class StatementRefused(TaskError):
    """The function tried a statement that a task may not run (DDL, COMMIT, ATTACH, …)."""

    code = "statement-refused"


class TaskRaised(TaskError):
    """The function raised."""

    code = "task-raised"


class ResultInvalid(TaskError):
    """The function returned what is not JSON, or more than is kept."""

    code = "result-invalid"


class Interruption(RescindError):
    """The attempt must end now; it is nobody's fault."""

    code = "interrupted"
    retry = Retry.free


class Stopped(Interruption):
    """A stop was asked for."""

    code = "stopped"
    retry = Retry.never
    advice = "Retry the task if you want it after all."


class Fenced(Interruption):
    """Another attempt, or recovery, has taken over: this one may touch nothing any more."""

    code = "fenced"


class ShuttingDown(Interruption):
    """This worker is told to leave; the task goes back to the queue."""

    code = "shutting-down"


class Unwritable(RescindError):
    """A value cannot be given as it is, or not in the format that was asked for."""

    code = "unwritable"
    advice = "Put the value right, or leave its column out with columns=; where the message names a format, take CSV."


class UploadStorageFull(RescindError):
    """No space is left where uploads are kept; nothing of the upload was kept."""

    code = "storage-full"
    retry = Retry.counted
    advice = "Free some space where the uploads are kept, then send the file again."


class OutputStorageFull(RescindError):
    """No space is left where the files that tasks make are kept; nothing of the file was kept."""

    code = "output-storage-full"
    retry = Retry.counted
    advice = "Free some space where outputs are kept, then retry the task."


class LedgerUnavailable(RescindError):
    """The ledger does not answer. Nothing can be decided without it."""

    code = "ledger-unavailable"
    retry = Retry.free
    advice = "Start its database, or put RESCIND_LEDGER_URL or RESCIND_HOME right; work that was accepted is safe."


class LedgerOutdated(RescindError):
    """A target knows a later life of this ledger, which was restored from a backup."""

    code = "ledger-outdated"
    retry = Retry.free
    advice = "Run `rescind recover --restored`, then restart every process of Rescind."


class BrokerUnavailable(RescindError):
    """The broker does not answer; the sweeper announces the task later."""

    code = "broker-unavailable"
    retry = Retry.free


class Undecided(RescindError):
    """An outcome cannot be proven yet (a session is still alive, a target is down)."""

    code = "undecided"
    retry = Retry.free
    advice = "`rescind recover` shows how it stands; the sweeper goes on by itself, but not with what is in quarantine."


class Contradiction(RescindError):
    """The database contradicts the decision: somebody finished a branch by hand, or a ledger was restored."""

    code = "contradiction"
    advice = "Look with `rescind recover`: it shows what each database holds, and how to settle it (docs/operating.md)."


class ConfigurationError(RescindError):
    """A setting is wrong."""

    code = "configuration"
    advice = "Correct the setting and start again."


class AlreadyRunning(RescindError):
    """Another `rescind up` has the home, or something has the port."""

    code = "already-running"
    advice = "Use the one that runs, end it, or choose another --home and --port."
