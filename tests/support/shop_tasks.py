"""Tasks as a user might write them, well and badly."""

from __future__ import annotations

import threading
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from rescind.tasks import Transaction, transactional

looping = threading.Event()  #: set once `loops` has begun

INSERT = text("INSERT INTO orders (day) VALUES ('2026-10-01')")


@transactional(name="place-orders")
def place_orders(tx: Transaction, count: int, note: str = "") -> dict[str, Any]:
    """Place some orders."""
    for _ in range(count):
        tx.check()
        tx.connection().execute(INSERT)
        tx.progress(rows=1)
    return {"placed": count, "note": note}


@transactional(name="commits")
def commits(tx: Transaction, by: str) -> None:
    """Try to end the transaction by itself."""
    connection = tx.connection()
    connection.execute(INSERT)
    match by:
        case "statement":
            connection.execute(text("COMMIT"))
        case "sqlalchemy":
            connection.commit()
        case "driver":
            connection.connection.driver_connection.commit()  # type: ignore[union-attr]  # what a user can reach
        case "rollback":
            connection.rollback()
        case other:
            connection.execute(text(other))


@transactional(name="hides-refusal")
def hides_refusal(tx: Transaction) -> str:
    """Try to commit, and hide that it was refused."""
    tx.connection().execute(INSERT)
    try:
        tx.connection().execute(text("COMMIT"))
    except DatabaseError:
        return "nothing happened"
    return "committed"


@transactional(name="raises")
def raises(tx: Transaction) -> None:
    """Write, then fail."""
    tx.connection().execute(INSERT)
    raise ValueError("the month is not over")


@transactional(name="loops")
def loops(tx: Transaction, seconds: float) -> None:
    """Work in the database without ever calling `check`."""
    tx.connection().execute(INSERT)
    looping.set()
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :most) SELECT sum(i) FROM n"
    tx.connection().execute(text(endless), {"most": int(seconds * 10_000_000)})


@transactional(name="returns-a-set")
def returns_a_set(tx: Transaction) -> set[int]:
    """Write, then return what is not JSON."""
    tx.connection().execute(INSERT)
    return {1, 2}


@transactional(name="returns-much")
def returns_much(tx: Transaction, characters: int) -> str:
    """Write, then return a long text."""
    tx.connection().execute(INSERT)
    return "x" * characters


@transactional(name="raises-much")
def raises_much(tx: Transaction, characters: int) -> None:
    """Write, then fail with a long text."""
    tx.connection().execute(INSERT)
    raise ValueError("x" * characters)


@transactional(name="writes-much")
def writes_much(tx: Transaction, characters: int) -> None:
    """Write a row, and then a statement that is as long as is said."""
    tx.connection().execute(INSERT)
    tx.connection().execute(text("INSERT INTO orders (day) VALUES (:day)"), {"day": "x" * characters})


@transactional(name="misspells")
def misspells(tx: Transaction, statement: str, secret: str) -> None:
    """Run a statement that the database cannot, with a value of somebody's."""
    tx.connection().execute(text(statement), {"secret": secret})


@transactional(name="quotes-an-error")
def quotes_an_error(tx: Transaction, statement: str, secret: str) -> None:
    """Pass the words of the database's error on, as SQLAlchemy puts them."""
    try:
        tx.connection().execute(text(statement), {"secret": secret})
    except DatabaseError as error:
        raise RuntimeError(str(error)) from error
