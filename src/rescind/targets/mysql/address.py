"""Where a database is and how to get in: the parts of its URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import URL

from rescind.errors import ConfigurationError

_TRUTH = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_FILES = frozenset({"ssl_ca", "ssl_cert", "ssl_key", "ssl_key_password", "unix_socket"})
_SWITCHES = frozenset({"ssl_verify_cert", "ssl_verify_identity", "ssl_disabled"})


@dataclass(frozen=True)
class Address:
    """What PyMySQL needs for a connection. The password shows in no repr."""

    database: str
    arguments: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, name: str, url: URL) -> Address:
        """The parts of the URL of target `name`. Raises ConfigurationError, which never shows a password."""
        assert url.database  # as the registry demands of every server
        arguments: dict[str, Any] = {
            "host": url.host or "localhost",
            "port": url.port or 3306,
            "user": url.username,
            "password": (url.password or "").encode(),  # PyMySQL would take it for Latin-1
            "database": url.database,
        }
        return cls(url.database, arguments | {key: _option(name, key, value) for key, value in url.query.items()})


def _option(name: str, key: str, value: str | tuple[str, ...]) -> str | bool:
    """An option of the URL that is passed on; any other is refused, or TLS might be left out in silence."""
    if isinstance(value, str):
        if key in _FILES:
            return value
        if key in _SWITCHES and value.lower() in _TRUTH:
            return _TRUTH[value.lower()]
    known = ", ".join(sorted(_FILES | _SWITCHES))
    raise ConfigurationError(
        f"Target {name}: the URL's option {key!r} is not known, or its value (there are: {known})."
    )
