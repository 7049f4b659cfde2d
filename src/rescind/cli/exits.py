"""How a command ends: its exit code, and what it says when it could not do what was asked."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from rescind.domain.states import State
from rescind.errors import AlreadyRunning, ConfigurationError, RescindError


class Exit(IntEnum):
    """The exit codes of every command."""

    done = 0
    failed = 1  #: what was asked for failed, and changed nothing
    usage = 2  #: the command line or a setting is wrong
    already_running = 3  #: another `rescind up` has the home, or something has the port
    stopped = 4  #: the task that was waited for was stopped
    unreachable = 5  #: no service answers
    interrupted = 130  #: Ctrl-C while waiting; the shell's own convention


class Failure(Exception):
    """A command could not do what was asked: what happened, what was done all the same, what to do next."""

    def __init__(
        self,
        what: str,
        done: str = "",
        advice: str = "",
        code: Exit = Exit.failed,
        problem: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(what)
        self._problem = problem or {}
        self.what = what
        self.done = done
        self.advice = advice
        self.code = code

    @classmethod
    def of(cls, error: RescindError) -> Failure:
        """The same in an operator command, where the error itself arrives."""
        code = Exit.failed
        if isinstance(error, ConfigurationError):
            code = Exit.usage
        if isinstance(error, AlreadyRunning):
            code = Exit.already_running
        return cls(str(error), advice=error.advice, code=code, problem={"code": error.code} | error.details())

    def document(self) -> dict[str, Any]:
        """The same as JSON, in the shape of a problem document: all that the service said, where it was the service."""
        said = {"detail": self.what, "advice": self.advice, "done": self.done}
        return {**self._problem, **{name: text for name, text in said.items() if text}}

    def __str__(self) -> str:
        return "\n".join(line for line in (self.what, self.done, self.advice) if line)


def of_state(state: str) -> Exit:
    """The exit code of a command that waited for a task which ended as `state`, or is held."""
    return _OF_STATE.get(State(state), Exit.failed)


_OF_STATE = {
    State.committed: Exit.done,
    State.checked: Exit.done,
    State.prepared: Exit.done,
    State.stopped: Exit.stopped,
}
