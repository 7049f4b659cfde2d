"""A server that is not to be trusted: whatever it asks for, it gets no file of this machine."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pymysql
import pytest

from rescind.domain.branch import BranchId, Protocol
from rescind.errors import RescindError, TargetUnavailable
from rescind.targets.mysql import session
from rescind.targets.mysql.branch import MySQLBranch
from rescind.targets.mysql.connection import Connection
from rescind.targets.mysql.preflight import Server
from rescind.targets.mysql.target import MySQLTarget
from rescind.urls import database_url

GREETING = (
    b"\x0a10.11.6-MariaDB\0" + struct.pack("<I", 7) + b"saltsalt\0" + struct.pack("<H", 0xF7FF) + b"\x2d\x02\x00"
    + struct.pack("<H", 0x8000) + b"\0" * 11 + b"saltsaltsalt\0"
)  # fmt: skip
LEAVE = b"\x01"
SERVER = Server({"version": "10.11.6-MariaDB"}, may_list=True, sees_transactions=True)
OK = b"\0\0\0\x02\0\0\0"


class Rogue:
    """Speaks MySQL, and answers the queries that `theft` says with a demand for a file."""

    def __init__(self, secret: Path, theft: Callable[[bytes], bool]) -> None:
        self.stolen = b""
        self._demand = b"\xfb" + str(secret).encode()
        self._theft = theft
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with suppress(OSError):  # closed already
            self._listener.shutdown(socket.SHUT_RDWR)  # a close alone would not wake who waits in accept
        self._listener.close()
        self._thread.join(10)

    def answer(self, query: bytes) -> bytes:
        """What it says to a query that is no theft."""
        return OK

    def _serve(self) -> None:
        try:
            while True:
                victim, _ = self._listener.accept()
                with victim:
                    self._converse(victim)
        except OSError:
            return

    def _converse(self, victim: socket.socket) -> None:
        file = victim.makefile("rb")
        self._send(victim, 0, GREETING)
        self._read(file)
        self._send(victim, 2, OK)
        while query := self._read(file):
            if not self._theft(query):
                self._send(victim, 1, self.answer(query))
                continue
            self._send(victim, 1, self._demand)
            packets = 2
            while content := self._read(file):
                if content == LEAVE:
                    return
                self.stolen += content
                packets += 1
            self._send(victim, packets + 1, OK)

    @staticmethod
    def _send(victim: socket.socket, number: int, packet: bytes) -> None:
        victim.sendall(struct.pack("<I", len(packet))[:3] + bytes([number]) + packet)

    @staticmethod
    def _read(file: object) -> bytes:
        head = file.read(4)  # type: ignore[attr-defined]
        content: bytes = file.read(int.from_bytes(head[:3], "little"))  # type: ignore[attr-defined]
        return content


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("the crown jewels")
    return path


@pytest.fixture
def rogue(secret: Path) -> Iterator[Callable[[Callable[[bytes], bool]], Rogue]]:
    made: list[Rogue] = []

    def make(theft: Callable[[bytes], bool]) -> Rogue:
        made.append(Rogue(secret, theft))
        return made[-1]

    yield make
    for one in made:
        one.close()


Make = Callable[[Callable[[bytes], bool]], Rogue]


def connect(rogue: Rogue) -> Connection:
    return Connection({"host": "127.0.0.1", "port": rogue.port, "user": "u", "ssl_disabled": True}, 5.0)


def test_a_demand_in_answer_to_a_query_gets_nothing(rogue: Make) -> None:
    server = rogue(lambda query: b"SELECT 1" in query)
    connection = connect(server)
    with pytest.raises(Exception, match="asked for a file"):
        session.run(connection, "SELECT 1")
    with pytest.raises(Exception, match="0"):
        session.run(connection, "SELECT 2")
    server.close()
    assert server.stolen == b""


def test_a_demand_at_the_log_in_gets_nothing(rogue: Make) -> None:
    server = rogue(lambda query: True)
    connection = connect(server)  # the driver does not look at the answer to its first statement
    connection._read_timeout = 0.2
    with pytest.raises(pymysql.Error):
        session.run(connection, "SELECT 1")
    connection.close()
    server.close()
    assert b"jewels" not in server.stolen


def test_our_own_load_sends_our_rows_and_no_file(rogue: Make, secret: Path) -> None:
    server = rogue(lambda query: query.startswith(b"\x03LOAD"))
    connection = connect(server)
    connection.load(b"LOAD DATA LOCAL INFILE 'rescind' INTO TABLE t", [b"1\tone\n"])
    connection.close()
    server.close()
    assert server.stolen == b"1\tone\n"


def test_the_error_tells_that_the_server_is_not_trusted(rogue: Make) -> None:
    server = rogue(lambda query: b"SHOW GLOBAL" in query or b"CONNECTION_ID" in query)
    target = MySQLTarget("default", database_url(f"mysql://u@127.0.0.1:{server.port}/d?ssl_disabled=1"))
    with pytest.raises(TargetUnavailable, match="not to be trusted") as error:
        target.preflight()
    assert isinstance(error.value, RescindError)
    server.close()
    assert server.stolen == b""


@pytest.mark.parametrize("asked", [b"ISOLATION", b"sql_mode", b"UNIX_TIMESTAMP"])
def test_a_server_that_falls_silent_while_a_branch_opens_is_not_waited_for(
    rogue: Make, monkeypatch: pytest.MonkeyPatch, identity: BranchId, asked: bytes
) -> None:
    """Nothing could cancel it: only a branch that is open has a cancel."""
    monkeypatch.setattr(session, "CONTROL_SECONDS", 0.2)
    released = threading.Event()
    server = rogue(lambda query: asked in query and released.wait(5))
    arguments = {"host": "127.0.0.1", "port": server.port, "user": "u", "ssl_disabled": True}
    with pytest.raises(pymysql.err.OperationalError, match="timed out"):
        MySQLBranch(identity, Protocol.one_phase, arguments, "d", SERVER)
    released.set()
