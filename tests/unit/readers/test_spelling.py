"""Numbers, dates and times that are spelled in a file's own way."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

import pytest
from pydantic import ValidationError
from tests.support.reading import Files

from rescind.domain.rejects import Reject
from rescind.domain.schema import Type
from rescind.readers.options import Options


def test_a_comma_stands_before_the_fraction_where_that_is_said(files: Files) -> None:
    data = b'a;b\n1,5;-0,10\n;"2"\nNA;,5\n'
    assert files.rows(data, Type.real, Type.decimal, delimiter=";", decimal=",") == [
        (1.5, "-0.10"),
        (None, "2"),
        (None, ".5"),
    ]


@pytest.mark.parametrize("type_", [Type.real, Type.decimal])
@pytest.mark.parametrize("text", ["1.5", "1.000", "1.000,5", "1,5,0", "1 000,5", "?", ","])
def test_with_a_comma_a_point_is_no_number(files: Files, type_: Type, text: str) -> None:
    data = f"a;b\n1,5;x\n{text};x\n".encode()
    assert files.rejected(data, type_, Type.text, delimiter=";", decimal=",") == [
        Reject(2, "a", text, f"not a valid {type_}")
    ]


def test_without_a_word_a_comma_is_no_number(files: Files) -> None:
    assert files.rejected(b'a\n"1,5"\n', Type.real) == [Reject(1, "a", "1,5", "not a valid real")]


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        (['"1,5"', "2", '"-0,25"'], Type.real),
        (["1", "2"], Type.integer),
        (['"1.5"'], Type.text),
        (['"01,5"'], Type.text),
    ],
)
def test_types_are_told_by_the_spelling_that_was_said(files: Files, values: list[str], type_: Type) -> None:
    assert files.inferred(*values, decimal=",") is type_


FORMS: list[tuple[str, Type, str, Any]] = [
    ("%d.%m.%Y", Type.date, "29.02.2024", date(2024, 2, 29)),
    ("%d.%m.%Y", Type.date, "1.2.0001", date(1, 2, 1)),
    ("%m/%d/%Y", Type.date, "2/29/2024", date(2024, 2, 29)),
    ("%Y%m%d", Type.date, "20240229", date(2024, 2, 29)),
    ("%d/%m/%y", Type.date, "31/12/68", date(2068, 12, 31)),
    ("%d/%m/%y", Type.date, "01/01/69", date(1969, 1, 1)),
    ("%Y年%m月%d日", Type.date, "2024年2月29日", date(2024, 2, 29)),
    ("%d%%%m%%%Y", Type.date, "1%2%2024", date(2024, 2, 1)),
    ("(%d) [%m] ^%Y$", Type.date, "(1) [2] ^2024$", date(2024, 2, 1)),
    ("%H.%M", Type.time, "9.05", time(9, 5)),
    ("%H%M%S", Type.time, "235958", time(23, 59, 58)),
    ("%d.%m.%Y %H:%M", Type.timestamp, "31.1.2024 23:59", datetime.fromisoformat("2024-01-31 23:59")),
    ("%m/%d/%y, %H:%M:%S.%f", Type.timestamp, "1/31/24, 1:02:03.5", datetime.fromisoformat("2024-01-31 01:02:03.5")),
    ("%d.%m.%Y %H:%M", Type.timestamptz, "31.1.2024 23:59", datetime(2024, 1, 31, 23, 59, tzinfo=UTC)),
]


@pytest.mark.parametrize(("form", "type_", "text", "value"), FORMS)
@pytest.mark.parametrize("beside", [[], ["x"]], ids=["whole", "each"])
def test_a_date_is_read_in_the_form_that_was_said(
    files: Files, form: str, type_: Type, text: str, value: Any, beside: list[str]
) -> None:
    lines = "".join(f'"{line}"\n' for line in [text, *beside])
    if beside:
        rejects = files.rejected(f"a\n{lines}".encode(), type_, date_format=form)
        assert rejects == [Reject(2, "a", "x", f"not a valid {type_}")]
    else:
        assert files.rows(f"a\n{lines}NA\n".encode(), type_, date_format=form) == [(value,), (None,)]


DAY, INSTANT = "%d.%m.%Y", "%d.%m.%Y %H:%M:%S"
NOT_THERE = [
    *[(DAY, Type.date, v) for v in ("29.02.2023", "30.02.2024", "31.04.2024", "01.13.2024", "00.01.2024")],
    *[(DAY, Type.date, v) for v in ("01.01.0000", "1.1.24", "01.01.02024", "2024-01-05", " 1.1.2024", "1.1.2024 ")],
    *[(DAY, Type.date, v) for v in ("1,1,2024", "?", "1.1.2024 10:00", "\u0661.\u0661.2024")],
    ("%Y%m%d", Type.date, "2024129"),
    ("%d%m%y", Type.date, "10124"),
    *[("%H:%M", Type.time, v) for v in ("24:00", "23:60", "9:5:0", "12")],
    *[(INSTANT, Type.timestamp, v) for v in ("1.1.2024 24:00:00", "1.1.2024 23:59:60", "29.2.2023 00:00:00")],
    *[(INSTANT, Type.timestamptz, v) for v in ("1.1.0000 00:00:00", "1.1.2024 10:00:00Z")],
]


@pytest.mark.parametrize(("form", "type_", "text"), NOT_THERE)
def test_case_c10_a_date_or_time_that_does_not_exist_is_rejected(
    files: Files, form: str, type_: Type, text: str
) -> None:
    assert files.rejected(f'a\n"{text}"\n'.encode(), type_, date_format=form) == [
        Reject(1, "a", text, f"not a valid {type_}")
    ]


@pytest.mark.parametrize("text", ["2023-02-29 00:00", "0000-01-01 00:00", "2024-01-01 24:00"])
def test_case_c10_the_same_in_iso_8601(files: Files, text: str) -> None:
    for type_ in (Type.timestamp, Type.timestamptz):
        assert files.rejected(f"a\n{text}\n".encode(), type_) == [Reject(1, "a", text, f"not a valid {type_}")]
    day = files.rejected(f"a\n{text[:10]}\n2024-02-30\n".encode(), Type.date)
    assert [reject.value for reject in day][-1] == "2024-02-30"


def test_a_form_of_days_leaves_other_types_as_they_are(files: Files) -> None:
    data = b"a,b,c\n1.2.2024,2024-02-01 10:00,10:00\n"
    [(day, instant, clock)] = files.rows(data, Type.date, Type.timestamp, Type.time, date_format="%d.%m.%Y")
    assert (day, instant.isoformat(), clock) == (date(2024, 2, 1), "2024-02-01T10:00:00", time(10))


@pytest.mark.parametrize(
    ("form", "value", "type_"),
    [
        ("%d.%m.%Y", "1.2.2024", Type.date),
        ("%d.%m.%Y", "2024-02-01", Type.text),
        ("%d.%m.%Y", "30.2.2024", Type.text),
        ("%d.%m.%Y %H:%M", "1.2.2024 10:00", Type.timestamp),
    ],
)
def test_dates_are_told_by_the_form_that_was_said(files: Files, form: str, value: str, type_: Type) -> None:
    assert files.inferred(value, "NA", date_format=form) is type_


NO_FORMS = ("", "x", "%Y", "%d.%m", "%d.%m.%Y.%y", "%d.%d.%m.%Y", "%j %Y", "%b %d %Y", "%p", "%%d.%%m.%%Y")
NO_TIMES = ("%H", "%S", "%d.%m.%Y %H", "%d.%m.%Y%", "%H:%M.%f", "%Y-%m-%dT%H:%M:%SZ%z")


@pytest.mark.parametrize("form", [*NO_FORMS, *NO_TIMES])
def test_a_form_that_leaves_something_open_is_refused(form: str) -> None:
    with pytest.raises(ValidationError, match=r"are expected, each once|is not known; there are"):
        Options(date_format=form)
