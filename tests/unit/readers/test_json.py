"""NDJSON and JSON arrays: the same records in two wrappings."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.reading import MIB, Files, columns, never, rows

from rescind.domain.schema import Column, Type
from rescind.errors import InputTruncated, InvalidEncoding, InvalidHeader, InvalidInput, RecordTooLong, Stopped
from rescind.readers import json_objects
from rescind.readers.options import Format
from rescind.readers.reader import InputField, Reader, Source
from rescind.readers.registry import open_reader

Wrap = Callable[[Sequence[str]], bytes]


def lines(records: Sequence[str]) -> bytes:
    return "".join(f"{record}\n" for record in records).encode()


def array(records: Sequence[str]) -> bytes:
    return f"[{','.join(records)}]".encode()


def spread(records: Sequence[str]) -> bytes:
    """As an encoder indents it."""
    return ("\ufeff \n[\r\n  " + " ,\n  ".join(records) + "\n]\n\n").encode()


each = pytest.mark.parametrize("wrap", [lines, array, spread])
arrays = pytest.mark.parametrize("wrap", [array, spread])


@each
def test_values_keep_their_text(files: Files, wrap: Wrap) -> None:
    data = wrap(
        [
            r'{"i": 9007199254740993, "d": 12345678901234567890.12345, "r": 1e5, "t": "a\n\"é\"", "j": {"x":[1.0]}}',
            '{"i": "7", "d": "0.10", "r": 2, "t": 1.50, "j": [ ]}',
            '{"i": null, "j": "text"}',
        ]
    )
    found = files.rows(data, Type.integer, Type.decimal, Type.real, Type.text, Type.json)
    assert found == [
        (9007199254740993, "12345678901234567890.12345", 100000.0, 'a\n"é"', '{"x":[1.0]}'),
        (7, "0.10", 2.0, "1.50", "[ ]"),
        (None, None, None, None, '"text"'),
    ]


@each
def test_fields_are_all_names_of_the_whole_file_in_the_order_of_their_appearance(files: Files, wrap: Wrap) -> None:
    data = wrap(['{"b":1}'] * 200_000 + ['{"a":2,"b":3}', '{"c":4}'])
    reader = files.open(data)
    assert reader.header == ("b", "a", "c")
    assert rows(reader, columns(reader))[-2:] == [("3", "2", None), (None, None, "4")]
    assert (reader.rows_read, reader.bytes_read) == (200_002, len(data))


@each
def test_where_an_answer_is_waited_for_only_the_beginning_is_read(tmp_path: Path, wrap: Wrap) -> None:
    path = tmp_path / "x"
    path.write_bytes(wrap(['{"b":1}'] * 500_000 + ['{"a":2}']))
    reader = open_reader(Source(path, MIB, MIB))
    assert (reader.header, reader.header_is_whole) == (("b",), False)
    path.write_bytes(wrap(['{"b":1}', '{"a":2}']))
    reader = open_reader(Source(path, MIB, MIB))
    assert (reader.header, reader.header_is_whole) == (("b", "a"), True)


@each
def test_case_c15_a_record_that_is_no_object_is_a_reject(files: Files, wrap: Wrap) -> None:
    data = wrap(
        [
            '{"a":1}',
            '{"a":}',
            "[1]",
            '{"a":1}{"a":2}',
            '{"a":NaN}',
            '{"a":01}',
            r'{"a":"\ud800"}',
            '{"a":"\t"}',
            '{"a":3}',
        ]
    )
    rejects = files.rejected(data, Type.integer)
    assert [reject.record for reject in rejects] == [2, 3, 4, 5, 6, 7, 8]
    assert all(reject.reason.startswith("not a JSON object: ") for reject in rejects)
    assert rejects[1].reason == "not a JSON object: Expected `object`, got `array`"


def test_case_c15_a_record_over_two_lines_is_none(files: Files) -> None:
    rejects = files.rejected(b'{"a":1}\n{"a":\n2}\n{"a":"x\ny"}\n{"a":4}\n', Type.text)
    assert [(reject.record, reject.value) for reject in rejects] == [
        (2, '{"a":'),
        (3, "2}"),
        (4, '{"a":"x'),
        (5, 'y"}'),
    ]


@pytest.mark.parametrize(
    ("records", "bad"),
    [
        ('{"a":"x\ny"}\n{"a":"p"},{"a":"q"}', [2, 3, 4]),
        ('{"a":[1\n2]}\n{},{}', [2, 3, 4]),
        ('{"a":[{}\n{}]}\n{},{}', [2, 3, 4]),
        ('{"a":\n1}\n{"a":1} {"a":2}', [2, 3, 4]),
        ('{"a":\n1}{"a":2}\n{"a":3}', [2, 3]),
        ('{"a":1}\n\n{"a":2}\r{"a":3}', [3]),
    ],
)
def test_case_c15_a_line_is_a_record_however_the_others_make_up_for_it(
    files: Files, records: str, bad: list[int]
) -> None:
    """There are as many objects as lines, were line ends commas or white space as in other JSON."""
    rejects = files.rejected(b'{"a":"ok"}\n' + records.encode(), Type.json)
    assert [reject.record for reject in rejects] == bad


@pytest.mark.parametrize("wrap", [lines, array])
def test_so_many_records_are_not_looked_at_together_that_they_take_much_memory(files: Files, wrap: Wrap) -> None:
    reader = files.open(wrap(['{"a":1}', *["1"] * 200_000, '{"a":2}']))
    found = list(reader.rows([InputField("a", Column("a", Type.integer, ""))], never, keep=0))
    assert all(rows.rejected + rows.batch.num_rows <= json_objects.PIECE_RECORDS for rows in found)
    assert (sum(rows.rejected for rows in found), sum(rows.batch.num_rows for rows in found)) == (200_000, 2)
    assert reader.rows_read == 200_002


def test_a_name_in_a_line_that_others_seem_to_go_on_around_is_a_field(files: Files) -> None:
    assert files.open(b'{"a":1}\n{"a":[1\n{"b":2}\n3]}\n').header == ("a", "b")


@each
@pytest.mark.parametrize("depth", [5_000, 100_000])
@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"a":', "}")])
def test_case_c15_an_object_that_is_nested_too_deeply_is_a_reject(
    files: Files, wrap: Wrap, depth: int, opened: str, closed: str
) -> None:
    deep = f'{{"a":{opened * depth}1{closed * depth}}}'
    data = wrap(['{"a":1}', deep, '{"a":2}'])
    assert files.open(data).infer(never)[0].type is Type.integer
    for type_ in (Type.integer, Type.json):
        [reject] = files.rejected(data, type_)
        assert (reject.record, reject.column) == (2, None)
        assert reject.reason == "not a JSON object: it is nested too deeply"
        assert reject.value is not None
        assert deep.startswith(reject.value[:20])


@each
def test_names_are_those_of_all_records_that_are_rows_however_many_calls_are_under_way(
    files: Files, wrap: Wrap
) -> None:
    """Some hundred calls less are left for the look at the names, if they count."""
    data = wrap(['{"a":1}', f'{{"a":2,"b":{"[" * 700}{"]" * 700}}}'])

    def after(calls: int) -> Reader:
        return after(calls - 1) if calls else files.open(data)

    reader = after(400)
    assert reader.header == ("a", "b")
    assert reader.infer(never)[1].type is Type.json


def test_empty_lines_are_no_records(files: Files) -> None:
    assert files.rows(b'\n{"a":1}\r\n\r\n  \n{"a":2}') == [("1",), ("2",)]


@arrays
def test_an_empty_element_is_a_reject(files: Files, wrap: Wrap) -> None:
    assert [reject.record for reject in files.rejected(wrap(['{"a":1}', "", '{"a":2}', ""]), Type.text)] == [2, 4]


def test_an_empty_element_in_a_block_of_its_own_is_a_reject(files: Files) -> None:
    assert [reject.record for reject in files.rejected(b'[{"a":1},' + b" " * 3 * MIB + b"]", Type.text)] == [2]


@each
def test_case_c14_what_is_nested_is_for_columns_of_json_only(files: Files, wrap: Wrap) -> None:
    [reject] = files.rejected(wrap(['{"a":1}', '{"a":{"b":2}}']), Type.text)
    assert (
        str(reject) == "record 2, column a: an object or an array, which only a column of JSON can hold ('{\"b\":2}')"
    )


@each
def test_a_value_that_does_not_fit_is_a_reject_with_its_record_and_name(files: Files, wrap: Wrap) -> None:
    data = wrap(['{"a":1}', '{"a":1.5}', '{"a":true}', '{"a":9223372036854775808}', "{}"])
    rejects = files.rejected(data, Type.integer, nullable=False)
    assert [(r.record, r.column, r.value, r.reason) for r in rejects] == [
        (2, "a", "1.5", "not a valid integer"),
        (3, "a", "true", "not a valid integer"),
        (4, "a", "9223372036854775808", "out of range for integer"),
        (5, "a", None, "no value, but the column does not allow NULL"),
    ]


@each
def test_bytes_are_base64(files: Files, wrap: Wrap) -> None:
    assert files.rows(wrap(['{"a":"AP8="}', "{}"]), Type.binary) == [(b"\0\xff",), (None,)]
    [reject] = files.rejected(wrap(['{"a":"AP8"}']), Type.binary)
    assert reject.reason == "not base64, which bytes are in JSON"


@each
@pytest.mark.parametrize(
    ("type_", "values"),
    [
        (Type.integer, ["1", "-2", "null"]),
        (Type.real, ["1", "2.5"]),
        (Type.real, ["1", "1E5", "2e7"]),
        (Type.boolean, ["true", "false"]),
        (Type.date, ['"2024-02-29"', "null"]),
        (Type.timestamp, ['"2024-02-29T10:11:12.5"']),
        (Type.text, ['"1"', '"2"']),
        (Type.text, ["1", '"2"']),
        (Type.text, ['"true"']),
        (Type.text, ["1", "true"]),
        (Type.text, ["null"]),
        (Type.text, ["18446744073709551616"]),
        (Type.json, ["[1]", "1"]),
        (Type.json, ["{}", "null", '"x"']),
    ],
)
def test_a_new_tables_type_is_the_narrowest_that_alters_nothing(
    files: Files, wrap: Wrap, type_: Type, values: list[str]
) -> None:
    assert files.open(wrap([f'{{"a":{value}}}' for value in values])).infer(never)[0].type is type_


@each
def test_a_byte_that_is_not_utf_8_is_named(files: Files, wrap: Wrap) -> None:
    data = wrap(['{"a":1}', '{"a":"?"}', '{"a":1}']).replace(b"?", b"\xe9")
    with pytest.raises(
        InvalidEncoding, match=rf"Byte {data.index(0xE9)} of the file \(0xE9\), in record 2, is not UTF-8"
    ):
        files.open(data)


@each
def test_a_record_above_the_limit_is_refused_by_its_place(files: Files, wrap: Wrap) -> None:
    data = wrap(['{"a":1}', '{"a":"' + "x" * 3 * MIB + '"}', '{"a":1}'])
    place = data.index(b'{"a":"x')
    with pytest.raises(
        RecordTooLong, match=r"begins at byte (\d+) of the file is longer than the limit of 2048 bytes"
    ) as caught:
        files.open(data, max_record_bytes=2048)
    assert place - 5 <= int(str(caught.value).split("byte ")[1].split(" ")[0]) <= place
    assert len(files.rows(data)) == 3


@pytest.mark.parametrize("data", [b"[]", b"[ ]", b"[{}]", b"{}\n"])
def test_a_file_without_any_name_has_no_columns(files: Files, data: bytes) -> None:
    with pytest.raises(InvalidHeader, match="no columns"):
        files.open(data)


def test_so_many_names_that_they_are_data_are_refused(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_objects, "MOST_NAMES", 100)
    with pytest.raises(InvalidInput, match="more than 100 different names"):
        files.open(lines([f'{{"name {i}":1}}' for i in range(101)]))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'[{"a":1}}', "Byte 8 of the file is a brace"),
        (b'[{"a":1}] \n []', "follows the end of the JSON array, at byte 12"),
        (b'[{"a":1}]' + b" " * 3 * MIB + b"x", f"at byte {9 + 3 * MIB}"),
    ],
)
def test_case_c15_an_array_that_is_not_well_formed_is_refused(files: Files, data: bytes, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        files.open(data)


@pytest.mark.parametrize("wrap", [lines, array])
def test_case_c15_cut_off_at_any_byte_it_is_refused(files: Files, wrap: Wrap) -> None:
    """Between two lines nobody can say that there were more."""
    data = wrap([r'{"a":"x\"]\\","b":[{"c":2}]}', '{"a":"é","b":null}'])
    whole = [data.index(b"\n"), data.index(b"\n") + 1, len(data) - 1] if wrap is lines else []
    for length in range(2, len(data)):
        if length not in whole:
            with pytest.raises(InvalidInput) as caught:
                files.rows(data[:length])
            assert wrap is lines or length < 3 or isinstance(caught.value, InputTruncated | InvalidEncoding)


@each
def test_what_check_raises_ends_the_reading(files: Files, wrap: Wrap) -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise Stopped("A stop was asked for.")

    reader = files.open(wrap(['{"a":"text"}'] * 300_000))
    for read in (reader.infer, lambda check: rows(reader, columns(reader), check)):
        calls = 0
        with pytest.raises(Stopped):
            read(check)
    calls = 0
    with pytest.raises(Stopped):
        open_reader(reader._source, check)  # type: ignore[attr-defined]


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5).filter(str.strip).filter("\0".__ne__)
VALUES = st.none() | st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('"\\[]{},\n'), max_size=12)
RECORDS = st.lists(
    st.dictionaries(NAMES.filter(lambda name: "\0" not in name), VALUES, max_size=4), min_size=1, max_size=8
)


@given(RECORDS, st.sampled_from([lines, array, spread]), st.booleans(), st.integers(1, 40))
def test_texts_come_back_as_they_were(records: list[dict[str, Any]], wrap: Wrap, ascii_only: bool, block: int) -> None:
    """Wherever a block of the file ends."""
    names = list(dict.fromkeys(name for record in records for name in record))
    if not names:
        return
    data = wrap([json.dumps(record, ensure_ascii=ascii_only) for record in records])
    with TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        for module in ("json_lines", "json_array"):
            patch.setattr(f"rescind.readers.{module}.BLOCK_BYTES", block)
        reader = Files(Path(directory)).open(data)
        assert reader.header == tuple(names)
        assert rows(reader, columns(reader)) == [tuple(record.get(name) for name in names) for record in records]


PIECES = [
    '{"a":',
    '"a":',
    "{",
    "}",
    "[",
    "]",
    '"',
    '"x',
    "\\",
    ",",
    ":",
    "1",
    "{}",
    '{"a":1}',
    '{"b":[2]}',
    " ",
    "\r",
    "\t",
]
BROKEN = st.lists(st.sampled_from([*PIECES, "\n", "\n"]), max_size=14).map("".join)


@settings(max_examples=500)
@given(BROKEN, st.sampled_from([Format.ndjson, Format.json]), st.integers(1, 4))
def test_case_c15_records_in_pieces_are_what_each_is_by_itself(text: str, format_: Format, parts: int) -> None:
    data = f'{{"a":0}}\n{text}\n' if format_ is Format.ndjson else f'[{{"a":0}},{text}]'
    with TemporaryDirectory() as directory:
        alone, together, parted = (
            read(Path(directory), data.encode(), format_, block, records)
            for block, records in ((1, 1), (MIB, MIB), (MIB, parts))
        )
    assert together == alone
    assert parted == alone


def read(directory: Path, data: bytes, format_: Format, block: int, records: int) -> object:
    """All that a file tells, read in blocks of so many bytes, and in parts of so many records."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_objects, "PIECE_RECORDS", records)
        for module in ("json_lines", "json_array"):
            patch.setattr(f"rescind.readers.{module}.BLOCK_BYTES", block)
        try:
            reader = Files(directory).open(data, format=format_)
            fields = [InputField(name, Column(name, Type.json, "")) for name in reader.header]
            found = list(reader.rows(fields, never))
        except InvalidInput as error:
            return str(error)
        rows = [(part.records.tolist(), part.batch.to_pydict(), part.rejects) for part in found]
        numbers = [number for records, _, _ in rows for number in records]
        values = {name: [value for _, batch, _ in rows for value in batch[name]] for name in reader.header}
        return reader.header, reader.rows_read, numbers, values, [reject for *_, rejects in rows for reject in rejects]
