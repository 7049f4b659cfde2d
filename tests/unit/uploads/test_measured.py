"""Uploads that are measured while they are read."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from backports import zstd
from tests.unit.uploads.conftest import Receive

from rescind.domain.schema import Column, Type
from rescind.domain.upload import Upload
from rescind.errors import InputChanged, Stopped
from rescind.readers.options import Format, Options
from rescind.readers.reader import InputField, Source
from rescind.readers.registry import open_reader
from rescind.uploads.measured import UsedUpload
from rescind.uploads.store import UploadStore

DATA = b"0123456789" * 500_000


def no_check() -> None:
    pass


def never() -> None:
    raise Stopped("The bytes are read again.")


@pytest.fixture
def upload(receive: Receive) -> Upload:
    return receive(io.BytesIO(DATA))


def read(used: UsedUpload, path: Path, size: int, pieces: int | None = None) -> bytes:
    """The bytes of a pass, which ends after so many pieces; at the file's end where none are given."""
    found = b""
    with closing(used.open(path)) as file:
        while (pieces is None or pieces > 0) and (piece := file.read(size)):
            found += piece
            pieces = pieces and pieces - 1
    return found


@pytest.mark.parametrize("size", [4096, 1_000_003, len(DATA), len(DATA) + 1])
def test_what_was_read_to_the_end_is_not_read_again(store: UploadStore, upload: Upload, size: int) -> None:
    used = UsedUpload(upload)
    assert read(used, store.path(upload), size) == DATA
    measure = used.measure
    assert measure is not None
    assert (measure.length, measure.sha256) == (len(DATA), hashlib.sha256(DATA).hexdigest())
    store.verify(upload, never, measure)


@pytest.mark.parametrize("pieces", [0, 1, 5])
def test_what_was_not_read_to_the_end_is_not_known(store: UploadStore, upload: Upload, pieces: int) -> None:
    used = UsedUpload(upload)
    assert used.measure is None
    read(used, store.path(upload), 1_000_000)
    read(used, store.path(upload), 1_000_000, pieces)
    assert used.measure is None, "the last pass counts"
    with pytest.raises(Stopped):
        store.verify(upload, never, used.measure)


def test_bytes_that_were_others_while_they_were_read_are_found_out(store: UploadStore, upload: Upload) -> None:
    used, path = UsedUpload(upload), store.path(upload)
    path.write_bytes(b"x" + DATA[1:])
    read(used, path, 1_000_000)
    path.write_bytes(DATA)
    with pytest.raises(InputChanged, match="SHA"):
        store.verify(upload, no_check, used.measure)


@pytest.mark.parametrize(("data", "message"), [(None, "gone"), (DATA[:-1], "now it has")])
def test_bytes_that_are_gone_since_are_missed(
    store: UploadStore, upload: Upload, data: bytes | None, message: str
) -> None:
    used, path = UsedUpload(upload), store.path(upload)
    read(used, path, 1_000_000)
    if data is None:
        path.unlink()
    else:
        path.write_bytes(data)
    with pytest.raises(InputChanged, match=message):
        store.verify(upload, no_check, used.measure)


TEXTS = {
    Format.csv: b"a,b\n" + b"1,x\n" * 300_000,
    Format.ndjson: b'{"a":1,"b":"x"}\n' * 100_000,
    Format.json: b"[" + b'{"a":1,"b":"x"},' * 100_000 + b'{"a":1,"b":"x"}]\n',
}


@pytest.mark.parametrize("packed", [bytes, gzip.compress, zstd.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("format_", TEXTS)
def test_a_pass_over_a_text_is_over_all_its_bytes(
    store: UploadStore, receive: Receive, format_: Format, packed: Callable[[bytes], bytes]
) -> None:
    upload = receive(io.BytesIO(packed(TEXTS[format_])))
    used = UsedUpload(upload)
    source = Source(store.path(upload), 1 << 20, 1 << 30, Options(format=format_), open=used.open)
    fields = [InputField("a", Column("a", Type.integer, "")), InputField("b", Column("b", Type.text, ""))]
    with closing(open_reader(source, no_check)) as reader:
        assert sum(rows.batch.num_rows for rows in reader.rows(fields, no_check)) == reader.rows_read
    assert used.measure is not None
    store.verify(upload, never, used.measure)
