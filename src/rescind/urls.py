"""URLs of databases: one form for every spelling of a scheme, and whether two of them name one database.

May import nothing of Rescind.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

#: The driver for each scheme that a URL may begin with.
DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}
SCHEMES = "sqlite:///FILE, postgresql://, postgres://, mysql://, mariadb://"

_PORTS = {"postgresql": 5432, "mysql": 3306}
_THIS_MACHINE = frozenset({None, "", "localhost", "127.0.0.1", "::1"})


def database_url(text: str) -> URL:
    """The URL with the driver that is used here, whichever driver it names.

    Raises ValueError, whose text never shows the URL: a password may stand in it.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError("it is not the URL of a database") from None
    family = url.drivername.partition("+")[0]
    if family not in DRIVERS:
        raise ValueError(f"{family}:// is not among {SCHEMES}")
    return url.set(drivername=DRIVERS[family])


def same_database(one: URL, other: URL) -> bool:
    """Whether both are seen to name one file, or one database of one server; names of hosts are not looked up."""
    return _place(one) == _place(other)


def _place(url: URL) -> tuple[object, ...]:
    kind = url.get_backend_name()
    if kind == "sqlite":
        return kind, Path(url.database or "").resolve()
    host = url.host or url.query.get("unix_socket") or url.query.get("host")
    server = "this machine" if host in _THIS_MACHINE else host
    return kind, server, url.port or _PORTS[kind], url.database or url.username
