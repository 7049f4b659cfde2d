"""The server: one thread for each connection, and the faults between the wire and the database."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingUnixStreamServer
from typing import Any

from rescind.testing.memory.engine import Database, Session
from rescind.testing.memory.failures import Kind, Refusal
from rescind.testing.memory.faults import Armed, Armoury, Fault
from rescind.testing.memory.operator import Operator
from rescind.testing.memory.wire import OPERATOR, receive, send

START_SECONDS = 20.0  #: how long a server process may take until it answers

#: Verbs that need the caller's session; all others are the same from anywhere.
_OF_SESSION = {"start", "create_table", "clear_table", "write", "write_marker", "prepare", "commit", "rollback"}
_OF_SESSION |= {"insert_tombstone", "make_table", "undo_table", "create_indexes"}
_OF_ALL = {"list_prepared", "commit_prepared", "rollback_prepared", "end_session", "cancel", "blocked"}
_OF_ALL |= {"read_markers", "newest_incarnation", "forget", "table", "table_names", "rows"}


class Server(ThreadingUnixStreamServer):
    """Listens on a Unix socket that only its owner may open. `down`: it refuses all but the operator."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: str) -> None:
        self.database = Database()
        self.armoury = Armoury()
        self.down = False
        super().__init__(address, _Handler)
        Path(address).chmod(0o600)

    def crash(self, *, down: bool) -> None:
        self.down = down
        self.database.restart()


class _Cut(Exception):
    """The connection is to be dropped without an answer."""


class _Handler(StreamRequestHandler):
    """One connection. A request is a pickled (verb, arguments), an answer a pickled value or Refusal."""

    server: Server

    def handle(self) -> None:
        try:
            if receive(self.rfile) == OPERATOR:
                self._serve_operator()
            elif not self.server.down:
                self._serve_session()
        except (_Cut, EOFError, OSError):
            return

    def _serve_operator(self) -> None:
        while True:
            verb, args = receive(self.rfile)
            send(self.wfile, _operate(self.server, verb, args))

    def _serve_session(self) -> None:
        session = self.server.database.connect(self._hang_up)
        try:
            while session.alive:
                verb, args = receive(self.rfile)
                send(self.wfile, self._answer(session, verb, args))
        finally:
            self.server.database.disconnect(session)

    def _hang_up(self) -> None:
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, session: Session, verb: str, args: tuple[Any, ...]) -> Any:
        armed = self.server.armoury.take(verb)
        fault = armed and armed.fault
        try:
            if fault is Fault.hollow:
                with self.server.database.changed:
                    return self.server.database.broken(session)
            if armed is not None:
                self._before(session, armed)
            answer = _carry_out(self.server.database, session, verb, args)
            if armed is not None:
                self._after(session, armed)
            return answer
        except Refusal as refusal:
            # A batch that is refused leaves nothing behind, as behind a savepoint.
            lives_on = verb == "write" and refusal.kind is Kind.constraint
            session.failed |= session.changes is not None and not lives_on
            return refusal

    def _before(self, session: Session, armed: Armed) -> None:
        match armed.fault:
            case Fault.refused:
                raise Refusal(Kind.conflict, "An error that was asked for.")
            case Fault.cut:
                raise _Cut
            case Fault.crash | Fault.down:
                self.server.crash(down=armed.fault is Fault.down)
                raise _Cut
            case Fault.slow:
                with self.server.database.changed:
                    session.cancelled = False
                    self.server.database.pause(session, armed.seconds)
            case Fault.late | Fault.stuck:
                session.landing = True
                if armed.fault is Fault.late:
                    self._hang_up()
                self.connection.recv(1, socket.MSG_PEEK)  # returns when the client has gone
                time.sleep(armed.seconds)

    def _after(self, session: Session, armed: Armed) -> None:
        match armed.fault:
            case Fault.refused_after:
                raise Refusal(Kind.conflict, "An error that was asked for.")
            case Fault.lost | Fault.late | Fault.stuck:
                raise _Cut
            case Fault.crash_after | Fault.down_after:
                self.server.crash(down=armed.fault is Fault.down_after)
                raise _Cut
            case Fault.committed_by_hand | Fault.rolled_back_by_hand if session.branch is not None:
                with self.server.database.changed:
                    self.server.database.by_hand(session.branch, armed.fault is Fault.committed_by_hand)


def _carry_out(database: Database, session: Session, verb: str, args: tuple[Any, ...]) -> Any:
    with database.changed:
        if not session.alive:
            raise Refusal(Kind.unavailable, "The session was ended.")
        session.cancelled = False
        try:
            if verb == "open":
                return str(session)
            if verb == "close":
                return database.disconnect(session)
            if verb in _OF_SESSION:
                return getattr(database, verb)(session, *args)
            assert verb in _OF_ALL, verb
            return getattr(database, verb)(*args)
        finally:
            database.changed.notify_all()


def _operate(server: Server, verb: str, args: tuple[Any, ...]) -> Any:
    database = server.database
    try:
        with database.changed:
            match verb:
                case "arm":
                    return server.armoury.arm(*args)
                case "disarm":
                    return server.armoury.disarm()
                case "restart" | "down":
                    return server.crash(down=verb == "down")
                case "up":
                    server.down = False
                    return None
                case "by_hand":
                    return database.by_hand(*args)
                case "sessions":
                    return [(str(s), s.branch) for s in database.sessions.values()]
                case "landing":
                    return [str(s) for s in database.sessions.values() if s.landing]
                case "set":
                    database.lock_seconds, database.attached = args
                    return None
        raise Refusal(Kind.conflict, f"The operator has no verb {verb}.")
    except Refusal as refusal:
        return refusal


@contextmanager
def in_thread(address: str) -> Iterator[Operator]:
    """A server in this process, for tests that kill no process."""
    with Server(address) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.005,), daemon=True)
        thread.start()
        try:
            yield Operator(address)
        finally:
            server.database.restart()
            server.shutdown()
            thread.join()
            Path(address).unlink()


@contextmanager
def in_process(address: str) -> Iterator[Operator]:
    """A server in a process of its own, which ends with the block. Raises TimeoutError if it does not answer."""
    process = subprocess.Popen([sys.executable, "-m", "rescind.testing.memory", address])
    try:
        operator = Operator(address)
        _wait_for(operator, process)
        yield operator
    finally:
        process.terminate()
        process.wait()
        Path(address).unlink(missing_ok=True)


def serve(address: str) -> None:
    """Serve until the process ends."""
    with Server(address) as server:
        server.serve_forever()


def _wait_for(operator: Operator, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not operator.answers():
        if process.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError("the memory server does not answer")
        time.sleep(0.02)
