"""Which format a file has: its content tells, then its name, then its media type; a file of which none tells is CSV.

What was said (`format=`) counts more, unless the content proves it wrong.
"""

from __future__ import annotations

import re
import zipfile
from codecs import BOM_UTF8
from contextlib import closing
from dataclasses import replace

from rescind.errors import InvalidInput
from rescind.readers import compression
from rescind.readers.media import NAMES, by_media_type, by_name
from rescind.readers.options import Format
from rescind.readers.reader import Source, usual_opener
from rescind.readers.workbook_scan import ZIP_ERRORS

PARQUET_MAGIC = b"PAR1"
ARROW_FILE_MAGIC = b"ARROW1"
_ARROW_STREAM_MAGIC = b"\xff\xff\xff\xff"
_ZIP_MAGIC = b"PK\x03\x04"
#: Of Microsoft's compound files: workbooks of Excel before 2007, and newer ones with a password.
_COMPOUND_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
#: A JSON text as it may be loaded. A CSV's header may begin with a bracket or brace too, but hardly with both.
_ARRAY = re.compile(rb"[ \t\r\n]*\[[ \t\r\n]*[{\]]")
_OBJECT = re.compile(rb"[ \t\r\n]*\{[ \t\r\n]*[\"}]")
_PEEKED_BYTES = 4096
_TEXT = (Format.csv, Format.tsv, Format.ndjson, Format.json)
_JSON = (Format.ndjson, Format.json)
#: Read here and there, which a compressed stream does not allow; and they can be compressed by themselves.
_SEEKING = (Format.parquet, Format.arrow, Format.xlsx, Format.ods)
_ODS_TYPE = b"application/vnd.oasis.opendocument.spreadsheet"


def detect(source: Source) -> Format:
    """The format to read the file as. Raises InvalidInput, in one of its kinds, where content and claim disagree."""
    head = _head(source)
    found = _by_content(source, head)
    claimed = by_name(source.name) or by_media_type(source.media_type)
    if _disagree(source.options.format, found):
        raise _contradiction(f"format={source.options.format}", source.options.format, found)
    if found is None and claimed not in (None, *_TEXT) and source.options.format is None:
        raise _contradiction(repr(source.name or source.media_type), claimed, found)
    if found in _SEEKING:
        _refuse_compressed(source, found)
    return source.options.format or found or claimed or Format.csv


def _head(source: Source) -> bytes:
    """The first bytes, which are no pass over the file: by `source.open` a small one was read to its end, and measured.

    Nothing else of a Parquet file goes by that way, so these bytes stood for rows that were read from others later.
    """
    head = b""
    with closing(compression.expand(replace(source, open=usual_opener))) as stream:
        while len(head) < _PEEKED_BYTES and (piece := stream.read(_PEEKED_BYTES)):
            head += piece
    return head


def _by_content(source: Source, head: bytes) -> Format | None:
    if head.startswith(PARQUET_MAGIC):
        return Format.parquet
    if head.startswith((ARROW_FILE_MAGIC, _ARROW_STREAM_MAGIC)):
        return Format.arrow
    if head.startswith(_ZIP_MAGIC):
        return _zipped(source)
    if head.startswith(_COMPOUND_MAGIC):
        raise InvalidInput(
            "The file is a workbook of an old kind (XLS) or with a password: save it as XLSX without a password."
        )
    text = head.removeprefix(BOM_UTF8)
    if _ARRAY.match(text):
        return Format.json
    return Format.ndjson if _OBJECT.match(text) else None


def _zipped(source: Source) -> Format:
    """XLSX or ODS, by the entries of the archive."""
    if compression.detect(source.path) is not None:
        raise InvalidInput("The file is a ZIP archive that was compressed once more: send what is in it.")
    try:
        with zipfile.ZipFile(source.path) as archive:
            sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
            if "xl/workbook.xml" in sizes:
                return Format.xlsx
            if sizes.get("mimetype") == len(_ODS_TYPE) and archive.read("mimetype") == _ODS_TYPE:
                return Format.ods
    except ZIP_ERRORS as error:
        raise InvalidInput(f"The file is a ZIP archive, as XLSX and ODS are, but a damaged one: {error}.") from error
    raise InvalidInput("The file is a ZIP archive, but neither XLSX nor ODS: send the file that is in it.")


def _disagree(said: Format | None, found: Format | None) -> bool:
    """Whether the content proves wrong what was said. Any text may be CSV, but JSON is of one kind or the other."""
    if said is None or said is found:
        return False
    return said not in _TEXT or found not in (None, *_TEXT) or (said in _JSON and found in _JSON)


def _contradiction(claim: str, claimed: Format | None, found: Format | None) -> InvalidInput:
    assert claimed is not None
    content = "does not begin like that" if found is None else f"is {NAMES[found]}"
    return InvalidInput(f"The file should be {NAMES[claimed]}, as {claim} says, but its content {content}.")


def _refuse_compressed(source: Source, found: Format | None) -> None:
    used = compression.detect(source.path)
    if used is not None and found is not None:
        raise InvalidInput(f"The file is {NAMES[found]} inside of {used}, which cannot be read there: expand it first.")
