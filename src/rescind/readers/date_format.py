"""Dates and times in a file's own form, described as for C's `strptime` and taken strictly.

`%d %m %H %M %S` are one or two digits, and two where they touch another directive; `%Y` is four, `%y` two (69 to
99 are 1969 to 1999, 00 to 68 are 2000 to 2068, as POSIX says); `%f` is one to six digits of a second's fraction, `%%` a
percent sign. All else stands for itself. Nothing depends on a language or a place. The command line asks too, and waits
for no parser here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from rescind.domain.schema import Type

_TOKEN = re.compile(r"%(.?)", re.DOTALL)
_ONE_OR_TWO, _TWO = "[0-9]{1,2}", "[0-9]{2}"
_DIGITS = dict.fromkeys("dmHMS", _ONE_OR_TWO) | {"y": _TWO, "Y": "[0-9]{4}", "f": "[0-9]{1,6}"}
_ENDS_IN_DIGITS = re.compile(r"(?<!%)(%%)*(%[^%]|[0-9])$", re.DOTALL)
_BEGINS_WITH_DIGITS = re.compile(r"%[^%]|[0-9]", re.DOTALL)
_DATES = ("Ymd", "ymd")
_TIMES = ("HM", "HMS", "HMSf")
#: The types of a form, by its directives in the order of the alphabet.
_TYPES: dict[str, tuple[Type, ...]] = {
    **{"".join(sorted(date)): (Type.date,) for date in _DATES},
    **{"".join(sorted(time)): (Type.time,) for time in _TIMES},
    **{"".join(sorted(d + t)): (Type.timestamp, Type.timestamptz) for d, t in product(_DATES, _TIMES)},
}


@dataclass(frozen=True)
class DateFormat:
    """One form. The pattern has a group for each directive, by its letter."""

    pattern: str
    types: tuple[Type, ...]  #: whose values stand in this form; those of other types stay ISO 8601


@lru_cache
def date_format(text: str) -> DateFormat:
    """Raises ValueError for a description that leaves something open, or has what is not known here."""
    letters = _TOKEN.findall(text.replace("%%", ""))
    if unknown := [letter for letter in letters if letter not in _DIGITS]:
        known = " ".join(f"%{letter}" for letter in _DIGITS)
        raise ValueError(f"%{unknown[0]} is not known; there are {known} and %%")
    types = _TYPES.get("".join(sorted(letters)))
    if types is None:
        raise ValueError("%d, %m and %Y are expected, each once, or %H and %M and perhaps %S and %f, or all of these")
    return DateFormat(_pattern(text), types)


def _pattern(text: str) -> str:
    pattern, end = "", 0
    for token in _TOKEN.finditer(text):
        digits = _DIGITS.get(token[1])
        if digits == _ONE_OR_TWO and _touches_digits(text, token):
            digits = _TWO
        pattern += re.escape(text[end : token.start()]) + (f"(?P<{token[1]}>{digits})" if digits else "%")
        end = token.end()
    return pattern + re.escape(text[end:])


def _touches_digits(text: str, token: re.Match[str]) -> bool:
    """Whether the directive follows on another, or another on it: 2024129 would be two dates."""
    return bool(_ENDS_IN_DIGITS.search(text[: token.start()]) or _BEGINS_WITH_DIGITS.match(text[token.end() :]))
