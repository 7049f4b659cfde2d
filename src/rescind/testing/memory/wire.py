"""The client's end of a connection."""

from __future__ import annotations

import pickle
import socket
from contextlib import suppress
from io import BufferedIOBase
from typing import Any, Self

from rescind.errors import TargetUnavailable
from rescind.testing.memory.failures import Refusal, ours

CONNECT_SECONDS = 5.0
REPLY_SECONDS = 60.0  #: longer than any lock is waited for

TASK = "task"  #: what a connection says it is, first of all: a session of the database
OPERATOR = "operator"  #: or its console, which answers even when the database is down


def send(file: BufferedIOBase, message: Any) -> None:
    """Raises OSError when the other end has gone."""
    file.write(pickle.dumps(message))
    file.flush()


def receive(file: BufferedIOBase) -> Any:
    """Wait for the next message. Raises EOFError or OSError when the other end has gone."""
    # The socket may be opened by its owner only, and only tests do: the messages are their own values.
    return pickle.load(file)  # noqa: S301


class Link:
    """One connection. It never reconnects by itself: a new connection would be another session.

    Raises TargetUnavailable when the connection is refused or drops; what was sent may have been carried out.
    """

    def __init__(self, address: str, role: str = TASK) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(CONNECT_SECONDS)
        self._file = self._socket.makefile("rwb")
        try:
            self._socket.connect(address)
            self._socket.settimeout(REPLY_SECONDS)
            self._send(role)
        except OSError as error:
            self.close()
            raise TargetUnavailable(f"The memory database does not answer: {error}.") from error

    def call(self, verb: str, *args: Any) -> Any:
        """Send a verb and wait for its answer; a refusal is raised as an error of `rescind.errors`."""
        try:
            self._send((verb, args))
            answer = receive(self._file)
        except (OSError, EOFError, ValueError, pickle.UnpicklingError) as error:  # ValueError: closed by us
            raise TargetUnavailable(f"The connection to the memory database dropped during {verb}.") from error
        if isinstance(answer, Refusal):
            raise ours(answer) from answer
        return answer

    def close(self) -> None:
        """Drop the connection. Never raises."""
        with suppress(OSError):  # what was buffered could not be sent: nobody waits for it
            self._file.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, message: Any) -> None:
        send(self._file, message)


def ask(address: str, verb: str, *args: Any) -> Any:
    """Call one verb on a connection of its own: a fresh session with a fresh snapshot."""
    with Link(address) as link:
        return link.call(verb, *args)
