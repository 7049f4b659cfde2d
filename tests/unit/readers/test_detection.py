"""What a file is taken for."""

from __future__ import annotations

import bz2
import gzip
import io
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.reading import MIB
from tests.support.workbooks import ods, xlsx

from rescind.errors import InvalidArguments, InvalidInput
from rescind.readers.detection import detect
from rescind.readers.media import by_media_type, by_name
from rescind.readers.options import Format, Options
from rescind.readers.reader import Source
from rescind.readers.registry import open_reader

TABLE = pa.table({"a": [1]})


def parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(TABLE, file)
    return file.getvalue()


def arrow(*, stream: bool) -> bytes:
    file = io.BytesIO()
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(file, TABLE.schema) as writer:
        writer.write_table(TABLE)
    return file.getvalue()


def zipped(**entries: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return file.getvalue()


CONTENTS: list[tuple[Format, bytes]] = [
    (Format.parquet, parquet()),
    (Format.arrow, arrow(stream=False)),
    (Format.arrow, arrow(stream=True)),
    (Format.xlsx, xlsx([["a"], [1]])),
    (Format.ods, ods([["a"], [1]])),
    (Format.json, b'[{"a":1}]'),
    (Format.json, b"\xef\xbb\xbf \r\n[\n  {}]"),
    (Format.json, b"[]"),
    (Format.ndjson, b'{"a":1}\n{"a":2}\n'),
    (Format.ndjson, b"\xef\xbb\xbf{}\n"),
]
CSV = b"a,b\n1,2\n"


def detected(
    tmp_path: Path, data: bytes, *, name: str | None = None, media: str | None = None, said: str = ""
) -> Format:
    path = tmp_path / "x"
    path.write_bytes(data)
    options = Options(format=Format(said)) if said else Options()
    return detect(Source(path, MIB, MIB, options, name, media))


@pytest.mark.parametrize(("format_", "data"), CONTENTS)
def test_the_content_counts_first(tmp_path: Path, format_: Format, data: bytes) -> None:
    assert detected(tmp_path, data, name="x.csv", media="text/csv") is format_
    assert detected(tmp_path, data, said=format_) is format_


@pytest.mark.parametrize(
    ("name", "format_"),
    [
        ("x.csv", Format.csv),
        ("x.TSV", Format.tsv),
        ("a.b.jsonl.gz", Format.ndjson),
        ("x.json", Format.json),
        ("x.parquet", Format.parquet),
        ("x.feather", Format.arrow),
        ("x.tar.gz", None),
        ("csv", None),
        (".csv", None),
        (None, None),
    ],
)
def test_a_name_tells_through_a_compressions_suffix(name: str | None, format_: Format | None) -> None:
    assert by_name(name) is format_


def test_then_the_name_counts_then_the_media_type_and_else_it_is_csv(tmp_path: Path) -> None:
    assert detected(tmp_path, CSV, name="x.tsv", media="text/csv") is Format.tsv
    assert detected(tmp_path, CSV, name="x", media="Text/Tab-Separated-Values; charset=utf-8") is Format.tsv
    assert detected(tmp_path, CSV) is Format.csv
    assert detected(tmp_path, gzip.compress(CSV), name="x.tsv.gz") is Format.tsv
    assert by_media_type("image/png") is None


def test_what_was_said_counts_more(tmp_path: Path) -> None:
    assert detected(tmp_path, CSV, name="x.tsv", said="csv") is Format.csv
    assert detected(tmp_path, b'{"a":1}\n', said="csv") is Format.csv
    assert detected(tmp_path, CSV, name="x.parquet", said="csv") is Format.csv


@pytest.mark.parametrize(
    ("said", "data"),
    [
        ("csv", parquet()),
        ("parquet", CSV),
        ("xlsx", ods([["a"]])),
        ("json", b'{"a":1}\n'),
        ("ndjson", b'[{"a":1}]'),
        ("arrow", parquet()),
    ],
)
def test_unless_the_content_proves_it_wrong(tmp_path: Path, said: str, data: bytes) -> None:
    with pytest.raises(InvalidInput, match=f"as format={said} says, but its content"):
        detected(tmp_path, data, said=said)


def test_a_name_or_media_type_that_the_content_belies_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"should be Parquet, as 'x\.parquet' says, but its content does not begin"):
        detected(tmp_path, CSV, name="x.parquet")
    with pytest.raises(InvalidInput, match="should be XLSX"):
        detected(tmp_path, CSV, media="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")


@pytest.mark.parametrize("header", [b"[a],b\n", b"{a},b\n", b"[\n", b'{x:"y"}\n'])
def test_a_header_may_begin_with_a_bracket(tmp_path: Path, header: bytes) -> None:
    assert detected(tmp_path, header) is Format.csv


@pytest.mark.parametrize("data", [parquet(), arrow(stream=False), arrow(stream=True)])
def test_what_is_read_from_its_end_on_is_not_read_inside_of_a_compression(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"inside of bzip2.*expand it first"):
        detected(tmp_path, bz2.compress(data))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (zipped(**{"a.csv": CSV}), "neither XLSX nor ODS"),
        (zipped(mimetype=b"application/vnd.oasis.opendocument.text"), "neither XLSX nor ODS"),
        (xlsx([["a"]])[:-30], "a damaged one"),
        (gzip.compress(xlsx([["a"]])), "compressed once more"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "save it as XLSX without a password"),
    ],
)
def test_archives_that_are_no_workbooks_are_refused(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        detected(tmp_path, data)


def test_an_option_that_the_format_does_not_have_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(parquet())
    with pytest.raises(InvalidArguments, match="parquet has no option delimiter"):
        open_reader(Source(path, MIB, MIB, Options(delimiter=";")))
