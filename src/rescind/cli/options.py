"""Options that several commands have, with the words that describe them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from rescind.cli.exits import Exit, Failure

Host = Annotated[str | None, Parameter(help="Address to listen on (default: 127.0.0.1).")]
Port = Annotated[int | None, Parameter(help="Port to listen on (default: 8000); 0 takes a free one.")]
Home = Annotated[Path | None, Parameter(help="Directory for everything that is written (default: ./.rescind).")]
Json = Annotated[bool, Parameter(help="Print the answer as JSON, and nothing else.")]
Wait = Annotated[bool, Parameter(help="Follow the task until it has ended; Ctrl-C ends only the waiting.")]
Key = Annotated[
    str | None, Parameter(help="The same request, sent again with the same key, finds the first task again.")
]
TaskId = Annotated[str, Parameter(name="ID", help="The task's id.")]


@Parameter(name="*")
@dataclass(frozen=True)
class Terms:
    """Where a task writes and how it ends. Raises Failure for both ways of naming targets at once."""

    target: Annotated[str | None, Parameter(help="The registered database (default: `default`).")] = None
    targets: Annotated[
        str | None, Parameter(help="Several databases, comma-separated: each gets all rows, or none does.")
    ] = None
    commit: Annotated[
        Literal["auto", "manual"] | None,
        Parameter(help="manual: hold it, unseen, until `rescind commit ID` or `stop`."),
    ] = None
    hold_seconds: Annotated[
        int | None, Parameter(help="How long a manual commit is waited for (default: 900); then it is taken back.")
    ] = None
    dry_run: Annotated[bool, Parameter(help="Write everything, and take it all back: would it have worked?")] = False

    def __post_init__(self) -> None:
        if self.target is not None and self.targets is not None:
            raise Failure("Both --target and --targets are given.", "Nothing was sent.", "Give one.", Exit.usage)

    def query(self) -> Iterator[tuple[str, str]]:
        """As parameters of a query string: those that were given."""
        if self.dry_run:
            yield "dry_run", "true"
        for name in ("target", "targets", "commit", "hold_seconds"):
            if (value := getattr(self, name)) is not None:
                yield name, str(value)

    def body(self) -> dict[str, object]:
        """The same as members of a JSON body, where there is one way to name targets."""
        given: dict[str, object] = {"dry_run": True} if self.dry_run else {}
        if self.targets is not None:
            given["targets"] = [name.strip() for name in self.targets.split(",")]
        if self.target is not None:
            given["targets"] = [self.target]
        if self.commit is not None:
            given["commit"] = self.commit
        if self.hold_seconds is not None:
            given["hold_seconds"] = self.hold_seconds
        return given
