"""Every setting, in one frozen object: defaults < `rescind.toml` < environment `RESCIND_*` < flags.

A secret may also be given as a file: `DATABASE_URL_FILE`, `RESCIND_LEDGER_URL_FILE`, `RESCIND_BROKER_URL_FILE`.
May import `errors` and `urls` only.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from rescind.errors import ConfigurationError
from rescind.urls import database_url, same_database

DEFAULT_TARGET = "default"
FILE = Path("rescind.toml")
PREFIX = "RESCIND_"
ALIKE = 0.75  #: share of letters that two names have in common, from which one is taken for the other misspelt
GIB = 1024**3
MIB = 1024**2

_SECRETS = {
    "database_url": ("DATABASE_URL", "RESCIND_DATABASE_URL"),
    "ledger_url": ("RESCIND_LEDGER_URL",),
    "broker_url": ("RESCIND_BROKER_URL", "CELERY_BROKER_URL"),
}


#: Variables that are no settings: the command line's, and those that arm failpoints.
_OTHER_VARIABLES = {"URL", "FAILPOINTS", "FAILPOINTS_ONCE"}

TwoPhase = Literal["auto", "never"]


class Settings(BaseSettings):
    """All settings; each field's text is its documentation."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        toml_file=FILE,
        populate_by_name=True,
    )

    home: Path = Field(Path(".rescind"), description="Where everything that the service writes is kept.")
    host: str = Field("127.0.0.1", description="Address that the API listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port that the API listens on.")
    database_url: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices(*_SECRETS["database_url"]),
        description="The target `default`; without it, an SQLite file in the home.",
    )
    targets: dict[str, SecretStr] = Field(
        default_factory=dict, description="Further targets: RESCIND_TARGETS__NAME=url, names in lower case."
    )
    ledger_url: SecretStr | None = Field(None, description="The ledger; without it, an SQLite file in the home.")
    broker_url: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices(*_SECRETS["broker_url"]),
        description="Celery's broker; without it, the embedded one in the home.",
    )
    broker_queue: Literal["classic", "quorum"] = Field(
        "classic", description="Type of the broker's queue; quorum is for a RabbitMQ of several nodes."
    )
    two_phase: TwoPhase = Field(
        "auto",
        description="Commit on MySQL and MariaDB: two-phase where it can be, or `never`. With `never` such a target "
        "has no two-phase commit at all: of several databases only one may be such, and `writers` and held commits "
        "are refused there.",
    )
    hold_seconds: int = Field(
        900, ge=1, le=86_400, description="How long a task with commit=manual is held, if its request does not say."
    )
    lock_seconds: int = Field(
        60,
        ge=1,
        le=86_400,
        description="How long a task's statement waits for a lock that somebody else holds on a PostgreSQL, MariaDB or "
        "MySQL target (an open transaction, an ALTER TABLE, a backup); then the attempt ends, and counts as one of "
        "three. On PostgreSQL one that waits to empty a table or to make it does not count, and is tried again until "
        "that is free. A stop ends the wait at once.",
    )
    uploads: Path | None = Field(None, description="Where uploads are kept; without it, in the home.")
    outputs: Path | None = Field(
        None, description="Where files that tasks make are kept; without it, `outputs` beside the uploads."
    )
    tasks: Annotated[tuple[str, ...], NoDecode] = Field((), description="Modules with your own tasks, comma-separated.")
    classic: bool = Field(True, description="Whether the demo's endpoints are served.")
    max_generate_rows: int = Field(100_000_000, ge=1, description="Most rows that one `generate` may make.")
    max_upload_bytes: int = Field(64 * GIB, ge=1, description="Longest upload.")
    max_record_bytes: int = Field(16 * MIB, ge=1024, description="Longest record of an input file.")
    max_expanded_bytes: int = Field(1024 * GIB, ge=1, description="Most bytes that a compressed input may expand to.")
    upload_days: float = Field(7.0, gt=0, description="Days until an upload that was not committed is deleted.")
    output_days: float = Field(7.0, gt=0, description="Days until a file that a task made is deleted.")
    task_days: float = Field(30.0, gt=0, description="Days until an ended task is forgotten.")
    lease_seconds: float = Field(15.0, gt=0, description="Silence after which a worker is taken for dead.")
    sweep_seconds: float = Field(2.0, gt=0, description="Pause between two sweeps.")
    worker_children: int = Field(2, ge=1, description="Tasks that one worker runs at the same time.")
    api_threads: int = Field(16, ge=4, description="Threads of an API process.")
    wait_seconds: float = Field(300.0, gt=0, description="Longest time that a waiting request waits.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged.")
    log_json: bool = Field(False, description="Log as JSON, one object a line.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _SecretFiles(settings_cls), TomlConfigSettingsSource(settings_cls)

    @model_validator(mode="before")
    @classmethod
    def _split(cls, values: Any) -> Any:
        """`RESCIND_TASKS=shop.tasks,other`; and `RESCIND_CLASSIC=off`, which pydantic reads as it is."""
        if isinstance(values, dict) and isinstance(values.get("tasks"), str):
            modules = tuple(filter(None, (m.strip() for m in values["tasks"].split(","))))
            return values | {"tasks": modules}
        return values

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in self.targets:
            if name == DEFAULT_TARGET or name != name.lower() or not name.replace("-", "_").isidentifier():
                raise ValueError(f"target {name!r}: names are lower-case words, and `default` is DATABASE_URL")
        for name, url in self.target_urls().items():
            if _same(url, self.ledger()):
                # In one SQLite file each would wait for the other; anywhere the ledger's tables could be loaded into.
                raise ValueError(f"target {name} and the ledger are the same database; give one of them its own")
        return self

    def ledger(self) -> str:
        """The ledger's URL."""
        return self.ledger_url.get_secret_value() if self.ledger_url else _sqlite(self.home / "ledger.db")

    def target_urls(self) -> dict[str, str]:
        """URL by target name; `default` first."""
        first = self.database_url.get_secret_value() if self.database_url else _sqlite(self.home / "data.db")
        return {DEFAULT_TARGET: first} | {name: url.get_secret_value() for name, url in self.targets.items()}

    def broker(self) -> str | None:
        """The broker's URL, or None for the embedded one in `home/broker`."""
        return self.broker_url.get_secret_value() if self.broker_url else None

    def uploads_directory(self) -> Path:
        return self.uploads or self.home / "uploads"

    def outputs_directory(self) -> Path:
        return self.outputs or self.uploads_directory().parent / "outputs"


def load(**flags: Any) -> Settings:
    """The settings of this process; `flags` win. Raises ConfigurationError naming each wrong setting."""
    _refuse_misspelt()
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        # The input is left out: it may be a URL with a password in it.
        problems = "; ".join(f"{_named(e['loc'])}: {_words(e)}" for e in error.errors())
        raise ConfigurationError(f"A setting is wrong: {problems}.") from None
    except SettingsError:  # the targets are the only setting that is read as JSON
        advice = "name each target in a variable of its own, RESCIND_TARGETS__NAME=url"
        raise ConfigurationError(f"A setting is wrong: RESCIND_TARGETS: {advice}.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{FILE.absolute()} is not TOML: {error}.") from None


def _refuse_misspelt() -> None:
    """Raise ConfigurationError for a variable that is nearly a setting's: it would have no effect, without a word.

    Others that begin alike may be somebody else's: Kubernetes makes RESCIND_SERVICE_HOST of a service's name.
    """
    known = {_variable((name,)).removeprefix(PREFIX) for name in Settings.model_fields} | _OTHER_VARIABLES
    for variable in os.environ:
        name = variable.upper().removeprefix(PREFIX).partition("__")[0].removesuffix("_FILE")
        if variable.upper().startswith(PREFIX) and name not in known:
            for near in difflib.get_close_matches(name, known, 1, ALIKE):
                raise ConfigurationError(f"There is no setting {variable}; is {PREFIX}{near} meant?")


def _named(place: tuple[int | str, ...]) -> str:
    """The setting as it was given: by its variable, or by its name in the file."""
    variable = _variable(place)
    given = {name.upper() for name in os.environ}
    if place and str(place[0]) in _in_file() and not any(name.startswith(variable) for name in given):
        return f"{'.'.join(map(str, place))} in {FILE.absolute()}"
    return variable


def _in_file() -> dict[str, Any]:
    return tomllib.loads(FILE.read_text()) if FILE.exists() else {}


def _variable(place: tuple[int | str, ...]) -> str:
    """A setting's name in the environment; in rescind.toml it is the same in lower case, without RESCIND_."""
    name = "__".join(map(str, place)).upper()
    aliases = {alias for names in _SECRETS.values() for alias in names}
    return name if name in aliases else f"RESCIND_{name}" if name else "the targets"


def _words(error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such setting"
    return error["msg"].removeprefix("Value error, ").rstrip(".")


class _SecretFiles(PydanticBaseSettingsSource):
    """Secrets from `NAME_FILE`."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {}
        for field, names in _SECRETS.items():
            for name in names:
                if path := os.environ.get(f"{name}_FILE"):
                    try:
                        found[field] = Path(path).read_text().strip()
                    except OSError as error:
                        raise ConfigurationError(f"{name}_FILE: {path} cannot be read: {error.strerror}.") from None
        return found


def _sqlite(path: Path) -> str:
    return f"sqlite:///{path.absolute()}"


def _same(one: str, other: str) -> bool:
    try:
        return same_database(database_url(one), database_url(other))
    except ValueError:
        return False  # who opens them says what is wrong with them
