"""What a server's version says: whether it is MariaDB or MySQL, and which release of it."""

from __future__ import annotations


def maria(version: str) -> bool:
    """Whether it is MariaDB's."""
    return "mariadb" in version.lower()


def release(version: str) -> tuple[int, ...]:
    """`5.5.5-10.11.6-MariaDB` is release 10.11.6: old clients had to be told something else first."""
    numbers = version.removeprefix("5.5.5-").partition("-")[0].split(".")
    return tuple(int(number) for number in numbers if number.isdecimal())
