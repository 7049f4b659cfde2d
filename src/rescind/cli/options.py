"""Options that several commands have, with the words that describe them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

Host = Annotated[str | None, Parameter(help="Address to listen on (default: 127.0.0.1).")]
Port = Annotated[int | None, Parameter(help="Port to listen on (default: 8000); 0 takes a free one.")]
Home = Annotated[Path | None, Parameter(help="Directory for everything that is written (default: ./.rescind).")]
Json = Annotated[bool, Parameter(help="Print the answer as JSON, and nothing else.")]
Wait = Annotated[bool, Parameter(help="Follow the task until it has ended; Ctrl-C ends only the waiting.")]
Key = Annotated[
    str | None, Parameter(help="The same request, sent again with the same key, finds the first task again.")
]
TaskId = Annotated[str, Parameter(name="ID", help="The task's id.")]
