"""PyMySQL's connection, with what a target needs of it: LOAD DATA from memory, a guard over statements, a cancel."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from pymysql.connections import Connection as Driver
from pymysql.constants import CLIENT, COMMAND
from pymysql.cursors import Cursor, SSCursor
from pymysql.err import OperationalError
from pymysql.protocol import LoadLocalPacketWrapper, MysqlPacket, OKPacketWrapper

from rescind.targets.mysql.failures import INTERRUPTED, PACKET_MALFORMED, SESSION_LOST, SessionLost, number

_LEAVE_SECONDS = 0.5
CONNECT_SECONDS = 5.0  #: to a server's greeting and through its log-in
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 20), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 4))  #: seconds, seconds, times

_contexts: dict[tuple[tuple[str, Any], ...], ssl.SSLContext] = {}

Look = Callable[[str, object], None]


@dataclass(frozen=True)
class Loaded:
    """What the server says of a LOAD DATA."""

    rows: int
    warnings: int


class Connection(Driver):
    """One connection. It never reconnects, and gives a server no file: only `load` sends anything."""

    _sock: Any
    _result: Any
    _read_timeout: float | None
    _write_timeout: float | None

    def __init__(
        self, arguments: Mapping[str, Any], read_seconds: float, connect_seconds: float = CONNECT_SECONDS
    ) -> None:
        """Connect; an answer is waited for `read_seconds` at most. Raises pymysql.Error."""
        self.look: Look | None = None  #: called with each statement of a task's own before it is sent
        self.server_runs: Callable[[], bool] | None = None  #: asked when the session of a branch is lost
        self.cancelled = False
        self._result = None
        super().__init__(
            **arguments,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=connect_seconds,
            read_timeout=connect_seconds,
            write_timeout=read_seconds,
            # The server demands the flag for our own LOAD DATA; the driver's switch stays off, so that it refuses
            # every file that a server asks for in answer to something else.
            client_flag=CLIENT.LOCAL_FILES | CLIENT.FOUND_ROWS,
            local_infile=False,
            program_name="rescind",
        )
        self._read_timeout = read_seconds
        if isinstance(self._sock, socket.socket) and self._sock.family != socket.AF_UNIX:
            for option, value in _KEEPALIVE:
                self._sock.setsockopt(socket.IPPROTO_TCP, option, value)

    def _create_ssl_ctx(self, options: dict[str, Any]) -> ssl.SSLContext:
        """The driver's, made once: reading a machine's certificates takes ten times as long as the rest of a log-in."""
        key = tuple(sorted(options.items()))
        if key not in _contexts:
            driver: Any = super()
            _contexts[key] = driver._create_ssl_ctx(options)
        return _contexts[key]

    @property
    def number(self) -> int:
        """The session's number, as the server's greeting says."""
        driver: Any = self
        return int(driver.server_thread_id[0])

    @property
    def version(self) -> str:
        """The server's, as it says of itself."""
        driver: Any = self
        return str(driver.server_version)

    @property
    def streams(self) -> bool:
        """Whether a result has been read half-way: the server still sends it."""
        return self._result is not None and bool(self._result.unbuffered_active)

    def wait_for_ever(self) -> None:
        """From now on an answer is waited for as long as it takes."""
        self._read_timeout = self._write_timeout = None

    def connect(self, sock: Any = None) -> None:
        """Once only: in another session nothing would belong to the branch that this one has begun."""
        if self.look is not None:
            self.look("connect()", None)
        super().connect(sock)

    def _execute_command(self, command: int, sql: str | bytes) -> None:
        """The one road to the server: what no cursor has had looked at (`commit()`, `autocommit()`, `query()` of the
        driver itself, which SQLAlchemy hands out) is looked at here.
        """
        if self.look is not None:
            text = sql if isinstance(sql, str) else sql.decode(errors="replace")
            self.look(text if command == COMMAND.COM_QUERY else f"command {command} of the driver", None)
        driver: Any = super()
        driver._execute_command(command, sql)

    def _read_packet(self, packet_type: type[MysqlPacket] = MysqlPacket) -> MysqlPacket:
        driver: Any = super()
        try:
            return driver._read_packet(packet_type)  # type: ignore[no-any-return]
        except OperationalError as error:
            self._tell_loss_from_outage(error)
            raise

    def _write_bytes(self, data: bytes) -> None:
        driver: Any = super()
        try:
            driver._write_bytes(data)
        except OperationalError as error:
            self._tell_loss_from_outage(error)
            raise

    def _tell_loss_from_outage(self, error: OperationalError) -> None:
        """An outage is waited for as long as it takes: what ends the session each time would be tried for ever."""
        if self.server_runs is None or self.cancelled or number(error) not in SESSION_LOST:
            return
        ask, self.server_runs = self.server_runs, None
        if ask():
            why = "the server itself runs on: was the session ended, or a statement larger than max_allowed_packet?"
            raise SessionLost(number(error), f"{error.args[1]}; {why}") from error

    def cursor(self, cursor: type[Cursor] | None = None) -> Any:
        """A cursor whose statements are looked at first."""
        return (LookedAtStream if cursor is SSCursor else LookedAt)(self)

    def query(self, sql: str | bytes, unbuffered: bool = False) -> int:
        """As the driver's, but not after a cancel, and never as the first half of a server's theft of a file."""
        self._expect_alive()
        try:
            return int(super().query(sql, unbuffered=unbuffered))
        except RuntimeError as error:  # the driver's only answer to a server that asks for a file
            self.close()
            message = "the server asked for a file of this machine; it was sent nothing, and is not to be trusted"
            raise OperationalError(PACKET_MALFORMED, message) from error

    def load(self, statement: bytes, chunks: Iterable[memoryview | bytes]) -> Loaded:
        """Run our own LOAD DATA LOCAL, whose file is the chunks. Raises pymysql.Error.

        A cancel stops the chunks too: a server that is told to kill the statement reads the rest of them first.
        Whoever calls this must take a count that is not the expected one for a failure.
        """
        self._expect_alive()
        driver: Any = self  # whose inner verbs have no type hints
        driver._execute_command(COMMAND.COM_QUERY, statement)
        answer = driver._read_packet()
        if answer.is_load_local_packet():
            LoadLocalPacketWrapper(answer)
            for chunk in chunks:
                if self.cancelled:
                    break
                self.write_packet(bytes(chunk))
            self.write_packet(b"")
            answer = driver._read_packet()
        self._expect_alive()
        if not answer.is_ok_packet():
            self.close()
            raise OperationalError(PACKET_MALFORMED, "the server answered LOAD DATA with what is no answer to it")
        ok = OKPacketWrapper(answer)
        self.server_status = ok.server_status
        return Loaded(ok.affected_rows, ok.warning_count)

    def put(self, statement: bytes) -> Loaded:
        """Run our own INSERT. Raises pymysql.Error."""
        rows = self.query(statement)
        return Loaded(rows, self._result.warning_count)

    def finish_results(self) -> None:
        """Forget what is left of a result that was read half-way: the connection sends it to its end."""
        if self.streams:
            self._result._finish_unbuffered_query()

    def close(self) -> None:
        """Take leave and close, also twice and in the middle of a result. Never raises."""
        result, self._result = self._result, None
        if result is not None:
            result.unbuffered_active = False
        with suppress(Exception):
            if self._sock is not None:
                self._sock.settimeout(_LEAVE_SECONDS)
            super().close()

    def cut(self) -> None:
        """End it under the feet of a thread that waits in it. Never raises."""
        sock = self._sock
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def own(self) -> Iterator[None]:
        """Statements of ours, which nobody has to look at."""
        before, self.look = self.look, None
        try:
            yield
        finally:
            self.look = before

    @contextmanager
    def bounded(self, seconds: float) -> Iterator[None]:
        """Wait for an answer no longer than this."""
        before, self._read_timeout = self._read_timeout, seconds
        try:
            yield
        finally:
            self._read_timeout = before

    def _expect_alive(self) -> None:
        if self.cancelled:
            raise OperationalError(INTERRUPTED, "the statement was cancelled")


class _Looking:
    """Has each statement looked at, as it is before its parameters are filled in."""

    connection: Any

    def execute(self, query: str, args: Any = None) -> int:
        with self._looked_at(query, args):
            return super().execute(query, args)  # type: ignore[misc,no-any-return]

    def executemany(self, query: str, args: Any) -> int:
        with self._looked_at(query, ()):  # the driver makes many-row statements of it, and executes those
            return super().executemany(query, args)  # type: ignore[misc,no-any-return]

    def callproc(self, procname: str, args: Any = ()) -> Any:
        with self._looked_at(f"CALL {procname}", None):
            return super().callproc(procname, args)  # type: ignore[misc]

    def _looked_at(self, query: str, args: object) -> AbstractContextManager[None]:
        if self.connection.look is not None:
            self.connection.look(query, args)
        return self.connection.own()  # type: ignore[no-any-return]


class LookedAt(_Looking, Cursor):
    """A cursor that fetches everything at once."""


class LookedAtStream(_Looking, SSCursor):
    """A cursor that fetches as it is read."""
