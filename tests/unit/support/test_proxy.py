"""The proxy's faults, each against a real server."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from tests.support.servers.postgresql import PostgreSQL
from tests.support.servers.proxy import Proxy, proxied
from tests.support.waiting import until


@pytest.fixture
def proxy(postgresql: PostgreSQL) -> Iterator[Proxy]:
    with proxied(postgresql.port) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy, postgresql_url: str) -> Iterator[psycopg.Connection]:
    """Through the proxy."""
    with closing(psycopg.connect(proxy.through(postgresql_url), autocommit=True, connect_timeout=5)) as connection:
        yield connection


@pytest.fixture
def witness(postgresql_url: str) -> Iterator[psycopg.Connection]:
    """Past the proxy."""
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE seen (id int)")
        yield connection


def rows(witness: psycopg.Connection) -> int:
    return len(witness.execute("SELECT id FROM seen").fetchall())


def test_it_forwards_more_than_fits_into_one_piece(client: psycopg.Connection) -> None:
    text = "x" * 1_000_000
    assert client.execute("SELECT %s", (text,)).fetchone() == (text,)


def test_a_cut_ends_the_connections_that_are_open_and_no_later_one(
    proxy: Proxy, client: psycopg.Connection, postgresql_url: str
) -> None:
    proxy.cut()
    with pytest.raises(psycopg.OperationalError):
        client.execute("SELECT 1")
    psycopg.connect(proxy.through(postgresql_url)).close()


def test_a_refusal_leaves_the_open_connections_alone(
    proxy: Proxy, client: psycopg.Connection, postgresql_url: str
) -> None:
    proxy.refuse()
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(proxy.through(postgresql_url))
    client.execute("SELECT 1")
    proxy.accept()
    psycopg.connect(proxy.through(postgresql_url)).close()


def test_frozen_it_forwards_nothing_and_thawed_everything(
    proxy: Proxy, client: psycopg.Connection, witness: psycopg.Connection
) -> None:
    proxy.freeze()
    client.pgconn.send_query(b"INSERT INTO seen VALUES (1)")
    client.pgconn.flush()
    time.sleep(0.2)
    assert rows(witness) == 0
    proxy.thaw()
    until(lambda: rows(witness) == 1, "the row")


@pytest.mark.parametrize(("lose", "arrived"), [(Proxy.lose_reply, 1), (Proxy.lose_request, 0)])
def test_what_is_lost_is_the_reply_or_the_request(
    lose: object, arrived: int, proxy: Proxy, client: psycopg.Connection, witness: psycopg.Connection
) -> None:
    assert callable(lose)
    lose(proxy, b"INSERT INTO")
    client.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        client.execute("INSERT INTO seen VALUES (1)")
    assert proxy.lost == 1
    assert rows(witness) == arrived


def test_a_pattern_in_two_pieces_is_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, proxied(server.getsockname()[1]) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            behind, _ = server.accept()
            with behind:
                proxy.lose_reply(b"XA COMMIT")
                client.sendall(b"... XA CO")
                assert behind.recv(100) == b"... XA CO"
                client.sendall(b"MMIT 'a'")
                assert behind.recv(100) == b"MMIT 'a'"
                behind.sendall(b"OK")
                assert client.recv(100) == b""
        assert proxy.lost == 1


def test_a_stranded_connection_is_not_cut_and_brings_nothing(
    proxy: Proxy, client: psycopg.Connection, postgresql_url: str, witness: psycopg.Connection
) -> None:
    proxy.strand()
    client.pgconn.send_query(b"INSERT INTO seen VALUES (1)")
    client.pgconn.flush()
    with psycopg.connect(proxy.through(postgresql_url)) as another:
        another.execute("SELECT 1")
    assert not client.closed
    assert rows(witness) == 0
