"""The documents that the API answers with, as models: their OpenAPI schemas are made from them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from rescind.api import terms
from rescind.domain.branch import Protocol
from rescind.domain.schema import Type
from rescind.domain.states import State
from rescind.domain.task import Commit

TIME_PATTERN = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"


#: UTC, RFC 3339, microseconds.
Time = Annotated[str, Field(pattern=TIME_PATTERN)]


class Problem(BaseModel):
    """RFC 9457. `code` is stable; `advice` says what to do next. Further members depend on the code."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    code: str
    detail: str
    advice: str
    status: int | None = None


class Progress(BaseModel):
    """How far the current attempt has come."""

    phase: str
    rows: int = Field(
        description="Rows written in this attempt, at most 0.5 s old; during a rollback those that are left to undo."
    )
    rows_total: int | None = None
    bytes: int
    bytes_total: int | None = None
    rows_per_second: float
    eta_seconds: float | None = None


class Links(BaseModel):
    """Where to go on from a task."""

    self: str
    stop: str
    retry: str
    events: str
    rejects: str
    commit: str | None = Field(None, description="There while the task is held.")
    download: str | None = Field(None, description="There once a task has committed that made a file.")


class Hold(BaseModel):
    """A held task: when it is taken back if nobody commits it, and what each of its branches locks, in words."""

    until: Time | None
    locks: dict[str, str]


class Settled(BaseModel):
    """What an operator said became of a task in hazard, and why."""

    as_: State = Field(alias="as")
    operator: str
    why: str | None
    at: Time


class LastError(BaseModel):
    """Why the last attempt that failed was taken back, of a task that is tried again."""

    attempt: int
    at: Time
    code: str
    detail: str


class TaskDocument(BaseModel):
    """One task. `error` is there for a task that failed or is in `hazard`; `settled` where an operator ended a hazard.

    `receipt` is there for one that committed, and for a dry run that passed; `hold` while it waits for a commit.
    """

    id: str
    task: str
    args: dict[str, Any]
    state: State
    done: bool
    stop_requested: bool
    waiting_for: str | None = None
    not_before: Time | None = None
    attempt: int
    targets: list[str]
    commit: Commit | None = Field(None, description="There where it is not `auto`.")
    dry_run: bool | None = Field(None, description="There for a dry run.")
    hold: Hold | None = None
    protocol: Protocol | None = None
    retry_of: str | None = None
    progress: Progress
    created_at: Time
    started_at: Time | None = Field(description="The last claim.")
    finished_at: Time | None
    receipt: dict[str, Any] | None = None
    error: Problem | None = None
    settled: Settled | None = None
    last_error: LastError | None = None
    links: Links


class TaskPage(BaseModel):
    """Tasks, newest first; `next` is the cursor of the next page."""

    tasks: list[TaskDocument]
    next: str | None


class Event(BaseModel):
    """One step in a task's history."""

    at: Time
    kind: str
    attempt: int
    detail: dict[str, Any]


class Events(BaseModel):
    """A task's history, oldest first."""

    events: list[Event]


class RejectedRow(BaseModel):
    """One bad row; `record` counts from 1, the first after the header."""

    record: int
    column: str | None
    value: str | None
    reason: str


class Rejects(BaseModel):
    """The first rejects that were kept, and how many there were in all."""

    rejects: list[RejectedRow]
    total: int


class Tables(BaseModel):
    """Names of tables."""

    tables: list[str]


class LimitsDocument(BaseModel):
    """What a column cannot hold although it is of its type; only the limits that there are."""

    minimum: int | str | None = Field(None, description="The least integer, date or timestamp.")
    maximum: int | str | None = None
    precision: int | None = Field(None, description="Digits of a decimal in all.")
    scale: int | None = Field(None, description="Digits after the point, of a decimal or of a time's seconds.")
    max_characters: int | None = None
    max_bytes: int | None = None
    values: list[str] | None = Field(None, description="The labels of an enumeration.")
    encoding: str | None = Field(None, description="The only encoding that its text may need.")


class ColumnDocument(BaseModel):
    """One column; `declared` is the database's own spelling of the type."""

    name: str
    type: Type
    declared: str
    nullable: bool
    optional: bool = Field(description="Whether an input file may lack it.")
    limits: LimitsDocument


class TableDocument(BaseModel):
    """One table; `key` names the primary key's columns."""

    name: str
    columns: list[ColumnDocument]
    key: list[str]


class Count(BaseModel):
    """A number of rows."""

    count: int


class RowPage(BaseModel):
    """Rows by column name; `next` is the cursor of the next page, where a limit was given and more rows follow."""

    rows: list[dict[str, Any]]
    next: str | None


class AbilityDocument(BaseModel):
    """How far an ability goes, and why."""

    grade: str
    reason: str


class NameLimitDocument(BaseModel):
    """How long the name of a table or column may be."""

    most: int
    unit: str


class CardDocument(BaseModel):
    """What a target can do."""

    database: str
    one_phase: AbilityDocument
    two_phase: AbilityDocument
    parallel_writers: AbilityDocument
    several_branches: AbilityDocument
    transactional_ddl: AbilityDocument
    sql: AbilityDocument
    bulk_load: AbilityDocument
    warnings: list[str]
    longest_name: NameLimitDocument | None


class TargetDocument(BaseModel):
    """A registered database: its card, or why it does not answer."""

    name: str
    capabilities: CardDocument | None = None
    error: Problem | None = None


class Targets(BaseModel):
    """All registered databases."""

    targets: list[TargetDocument]


class Health(BaseModel):
    """The process answers."""

    status: str


class Readiness(BaseModel):
    """Each part: `ok`, or why it is not."""

    ready: bool
    parts: dict[str, str]


class TaskRequest(BaseModel):
    """A task to start."""

    model_config = ConfigDict(extra="forbid", strict=True)

    task: str = Field(min_length=1, max_length=200)
    args: dict[str, Any] = Field(default_factory=dict)
    targets: list[terms.TargetName] | None = Field(
        None,
        min_length=1,
        max_length=terms.MOST_TARGETS,
        json_schema_extra={"uniqueItems": True},
        description="Registered targets; those of the task if none are named.",
    )
    commit: terms.CommitWord = Field("auto", description=terms.COMMIT)
    hold_seconds: int | None = Field(None, ge=1, le=terms.LONGEST_HOLD_SECONDS, description=terms.HOLD_SECONDS)
    dry_run: bool = Field(False, description=terms.DRY_RUN)


class Welcome(BaseModel):
    """The demo's root."""

    success: bool
    message: str


class ClassicAccepted(BaseModel):
    """The demo's answer to a request that made or stopped a task."""

    success: bool
    message: str
    task_id: str


class ClassicDeleted(BaseModel):
    """The demo's answer to `/delete_all`."""

    success: bool
    message: str
    num_rows_deleted: int


class ClassicStatus(BaseModel):
    """The demo's status: `status` is Celery's word, `state` ours."""

    success: bool
    task_id: str
    status: str
    state: State
    rows: int


class ClassicCount(BaseModel):
    """The demo's row count."""

    success: bool
    count: int


class ClassicRows(BaseModel):
    """The demo's rows."""

    success: bool
    data: list[dict[str, Any]]
    count: int
