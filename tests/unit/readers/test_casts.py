"""Case 4 of bad input: text to values, strictly."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

import pytest
from tests.support.reading import Files

from rescind.domain.rejects import Reject
from rescind.domain.schema import Type

I64 = 2**63
UUID_TEXT = "0192f0c0-0000-7000-8000-00000000abcd"

GOOD: list[tuple[Type, str, Any]] = [
    (Type.integer, "0", 0),
    (Type.integer, "-17", -17),
    (Type.integer, "+17", 17),
    (Type.integer, "007", 7),
    (Type.integer, str(I64 - 1), I64 - 1),
    (Type.integer, str(-I64), -I64),
    (Type.unsigned, "0", 0),
    (Type.unsigned, "+17", 17),
    (Type.unsigned, "-0", 0),
    (Type.unsigned, "007", 7),
    (Type.unsigned, str(2 * I64 - 1), 2 * I64 - 1),
    (Type.real, "1", 1.0),
    (Type.real, "-1.5", -1.5),
    (Type.real, ".5", 0.5),
    (Type.real, "5.", 5.0),
    (Type.real, "+1.5E-3", 0.0015),
    (Type.real, "1e300", 1e300),
    (Type.real, "0.1", 0.1),
    (Type.real, "2.2250738585072014e-308", 2.2250738585072014e-308),
    (Type.real, "5e-324", 5e-324),
    (Type.real, "1.2347e-320", 1.2347e-320),
    (Type.real, "-0.00", 0.0),
    (Type.real, "0e-999", 0.0),
    (Type.real, "0" * 400, 0.0),
    (Type.decimal, "1.10", "1.10"),
    (Type.decimal, "-123456789012345678901234567890.5", "-123456789012345678901234567890.5"),
    *[(Type.boolean, word, True) for word in ("true", "TRUE", "True", "t", "T", "1")],
    *[(Type.boolean, word, False) for word in ("false", "FALSE", "False", "f", "F", "0")],
    (Type.date, "2024-02-29", date(2024, 2, 29)),
    (Type.date, "0001-01-01", date(1, 1, 1)),
    (Type.date, "9999-12-31", date(9999, 12, 31)),
    (Type.timestamp, "2024-01-31 23:59", datetime.fromisoformat("2024-01-31T23:59")),
    (Type.time, "00:00", time(0)),
    (Type.time, "23:59:58", time(23, 59, 58)),
    (Type.time, "23:59:58.5", time(23, 59, 58, 500_000)),
    (Type.time, "01:02:03.000004", time(1, 2, 3, 4)),
    (Type.uuid, UUID_TEXT, UUID_TEXT),
    (Type.uuid, UUID_TEXT.upper(), UUID_TEXT),
    (Type.uuid, UUID_TEXT.replace("-", ""), UUID_TEXT),
    (Type.uuid, UUID_TEXT.replace("-", "").upper(), UUID_TEXT),
    (Type.uuid, f"{{{UUID_TEXT}}}", UUID_TEXT),
    (Type.uuid, f"urn:uuid:{UUID_TEXT}", UUID_TEXT),
    (Type.json, "1.50", "1.50"),
    (Type.json, " [1, null] ", " [1, null] "),
    (Type.json, "123456789012345678901234567890", "123456789012345678901234567890"),
    (Type.json, "null", "null"),
    (Type.text, " spaces stay ", " spaces stay "),
    (Type.text, "nul\0nul", "nul\0nul"),
    (Type.binary, "é", "é".encode()),
    (Type.binary, r"\x00fF", b"\x00\xff"),
    (Type.binary, r"\x", b""),
    (Type.binary, r"\y00 \x", rb"\y00 \x"),
]

TIMESTAMPS = [
    ("2024-01-31T23:59:58", "2024-01-31T23:59:58"),
    ("2024-01-31 23:59:58Z", "2024-01-31T23:59:58"),
    ("2024-01-31T23:59Z", "2024-01-31T23:59:00"),
    ("2024-01-31T23:59:58.5", "2024-01-31T23:59:58.500000"),
    ("2024-01-31 23:59:58.123456Z", "2024-01-31T23:59:58.123456"),
    ("0001-01-01 00:00", "0001-01-01T00:00:00"),
]

INSTANTS = [
    ("2024-01-31T23:59:58Z", "2024-01-31T23:59:58"),
    ("2024-01-31 23:59", "2024-01-31T23:59:00"),
    ("2024-01-31T23:59:58.123456+02:00", "2024-01-31T21:59:58.123456"),
    ("2024-01-31 23:59-05:30", "2024-02-01T05:29:00"),
    ("2024-01-31T23:59:58.5+0200", "2024-01-31T21:59:58.500000"),
    ("2024-01-31 23:59:58-08", "2024-02-01T07:59:58"),
    ("0001-01-01T00:00Z", "0001-01-01T00:00:00"),
    ("9999-12-31T23:59:59.999999+00:00", "9999-12-31T23:59:59.999999"),
]

NOT_OF_TYPE = [
    *[(Type.unsigned, v) for v in ("1.0", " 1", "0x1", "abc", "1e3")],
    *[(Type.time, v) for v in ("24:00", "23:60", "23:59:60", "9:30", "12", "1230", "12:30Z", "12:30+01:00", "-01:30")],
    *[
        (Type.time, v)
        for v in ("12:30:5", "12:30.5", "12:30:00.", "12:30:00.1234567", "838:59:59", "12:30 PM", " 12:30")
    ],
    *[
        (Type.timestamptz, v)
        for v in ("2024-01-05", "2024-01-05T24:00Z", "2024-01-05T10:11 +01:00", "2024-01-05T10:11z")
    ],
    *[(Type.timestamptz, v) for v in ("2024-01-05T10:11+1:00", "2024-01-05T10:11+01:60", "2024-01-05T10:11+25:00")],
    *[(Type.timestamptz, v) for v in ("2024-01-05T10:11 Europe/Rome", "2024-02-30T10:11Z", "0000-01-01 00:00Z", "now")],
    *[
        (Type.uuid, v)
        for v in (UUID_TEXT[:-1], f"{UUID_TEXT}0", f"{{{UUID_TEXT}", f" {UUID_TEXT}", "g" + UUID_TEXT[1:])
    ],
    *[(Type.uuid, v) for v in ("0192-f0c000007000800000000000abcd", f"urn:{UUID_TEXT}", "x")],
    *[(Type.uuid, v) for v in ("0192f0c00000-7000-8000-00000000abcd-", "0192f0c0-0000-7000-8000-0000000-abcd")],
    *[(Type.json, v) for v in ("{", "[1,]", "NaN", "Infinity", "'a'", "{a:1}", "1 2", "01", "nul", "undefined")],
    *[(Type.integer, v) for v in ("1.5", "1.0", "1e3", " 12", "12 ", "0x10", "1_000", "-", "--1", "5-", "٣", "abc")],
    *[(Type.real, v) for v in ("nan", "NaN", "inf", "-Infinity", "1e", ".", "1..2", " 1", "1,5", "0x1p3", "1_0")],
    *[(Type.decimal, v) for v in ("1e3", "nan", "1.2.3", ".", "-", " 1")],
    *[(Type.binary, v) for v in (r"\x0", r"\xg0", r"\x 00", r"\x00 ", r"\xé")],
    *[(Type.boolean, v) for v in ("yes", "no", "2", "tr", "on", " true")],
    *[(Type.date, v) for v in ("2024-02-30", "2023-02-29", "2024-1-5", "20240105", "05.01.2024", "0000-01-01")],
    *[(Type.date, v) for v in ("2024-01-05 00:00", "2024-13-01", "10000-01-01", "2024-W01-1")],
    *[(Type.timestamp, v) for v in ("2024-01-05", "2024-01-05 10", "2024-01-05T24:00", "2024-01-05T10:11:60")],
    *[(Type.timestamp, v) for v in ("2024-01-05T10:11+01:00", "2024-01-05T10:11:12.1234567", "2024-01-05T1011")],
    *[
        (Type.timestamp, v)
        for v in ("2024-01-05T10:11:12ZZ", "2024-01-05T10:11:12.", "2024-02-30T10:11", "0000-01-01 00:00")
    ],
]

OUT_OF_RANGE = [
    (Type.unsigned, "-1"),
    (Type.unsigned, str(2 * I64)),
    (Type.timestamptz, "0001-01-01T00:00:00+14:00"),
    (Type.timestamptz, "9999-12-31T23:59:59-01:00"),
    (Type.integer, str(I64)),
    (Type.integer, str(-I64 - 1)),
    (Type.integer, "9" * 5000),
    (Type.real, "1e309"),
    (Type.real, "-1e999"),
    (Type.real, "1e-400"),
    (Type.real, "-1.23456789012345e-320"),
    (Type.real, "1e-9999999999999999999999"),
    (Type.real, f"0.{'0' * 400}1"),
]


@pytest.mark.parametrize(("type_", "text", "value"), GOOD)
@pytest.mark.parametrize("beside", ["", "@"], ids=["whole", "each"])
def test_a_value_is_read_as_what_it_says(files: Files, type_: Type, text: str, value: Any, beside: str) -> None:
    """Both as a column that is right as a whole, and beside a value that makes it be read one by one."""
    if not beside or type_ in (Type.text, Type.binary):
        assert files.rows(f'a,b\n"{text}",1\n'.encode(), type_, Type.integer) == [(value, 1)]
    else:
        rejects = files.rejected(f'a,b\n"{text}",1\n{beside},1\n'.encode(), type_, Type.integer)
        assert [reject.record for reject in rejects] == [2]


@pytest.mark.parametrize(("text", "iso"), TIMESTAMPS)
def test_a_timestamp_is_iso_8601_without_a_zone_or_in_utc(files: Files, text: str, iso: str) -> None:
    [(value,)] = files.rows(f"a\n{text}\n".encode(), Type.timestamp)
    assert value.isoformat() == iso
    assert value.tzinfo is None


@pytest.mark.parametrize(("text", "utc"), INSTANTS)
@pytest.mark.parametrize("beside", ["2024-01-01 00:00", "2024-01-01T00:00Z", "2024-01-01 00:00+01:00"])
def test_an_instant_is_in_utc_unless_it_says_otherwise(files: Files, text: str, utc: str, beside: str) -> None:
    [(value,), _] = files.rows(f"a\n{text}\n{beside}\n".encode(), Type.timestamptz)
    assert value == datetime.fromisoformat(utc).replace(tzinfo=UTC)
    [reject] = files.rejected(f"a\n{text}\n{beside}\nsoon\n".encode(), Type.timestamptz)
    assert reject.record == 3


@pytest.mark.parametrize(("type_", "text"), NOT_OF_TYPE)
def test_case_4_what_is_not_of_the_type_is_rejected(files: Files, type_: Type, text: str) -> None:
    assert files.rejected(f'a\n"{text}"\n'.encode(), type_) == [Reject(1, "a", text, f"not a valid {type_}")]


@pytest.mark.parametrize(("type_", "text"), OUT_OF_RANGE)
def test_case_4_what_does_not_fit_into_the_type_is_rejected(files: Files, type_: Type, text: str) -> None:
    [reject] = files.rejected(f"a\n{text}\n".encode(), type_)
    assert (reject.record, reject.reason) == (1, f"out of range for {type_}")


def test_good_values_beside_a_bad_one_are_still_told_apart(files: Files) -> None:
    rejects = files.rejected(b"a\n1\n+2\n\nNA\nx\n003\n1.5\n", Type.integer)
    assert [(reject.record, reject.value) for reject in rejects] == [(5, "x"), (7, "1.5")]
