"""What a file's name and its media type tell of it. The command line asks too, and waits for no parser here."""

from __future__ import annotations

import codecs
from email.message import Message
from pathlib import PurePath

from rescind.errors import InvalidArguments
from rescind.readers.options import UTF_8, Format, Options, known_encoding

_ASCII = "ascii"  #: said by clients that know nothing better of a text; UTF-8 has it all

NAMES = {
    Format.csv: "CSV",
    Format.tsv: "TSV",
    Format.ndjson: "NDJSON",
    Format.json: "a JSON array",
    Format.parquet: "Parquet",
    Format.arrow: "Arrow IPC",
    Format.xlsx: "XLSX",
    Format.ods: "ODS",
}
SUFFIXES = {
    ".csv": Format.csv,
    ".tsv": Format.tsv,
    ".tab": Format.tsv,
    ".ndjson": Format.ndjson,
    ".jsonl": Format.ndjson,
    ".json": Format.json,
    ".parquet": Format.parquet,
    ".pq": Format.parquet,
    ".arrow": Format.arrow,
    ".arrows": Format.arrow,
    ".feather": Format.arrow,
    ".xlsx": Format.xlsx,
    ".ods": Format.ods,
}
#: Media types of bytes that may be of any format: their content tells.
ANY_TYPES = (
    "application/octet-stream",
    "application/gzip",
    "application/x-gzip",
    "application/zstd",
    "application/x-bzip2",
    "application/x-xz",
)
COMPRESSED_SUFFIXES = (".gz", ".zst", ".zstd", ".bz2", ".xz")
MEDIA_TYPES = {
    "text/csv": Format.csv,
    "application/csv": Format.csv,
    "text/tab-separated-values": Format.tsv,
    "application/x-ndjson": Format.ndjson,
    "application/ndjson": Format.ndjson,
    "application/jsonl": Format.ndjson,
    "application/x-jsonlines": Format.ndjson,
    "application/json": Format.json,
    "application/vnd.apache.parquet": Format.parquet,
    "application/x-parquet": Format.parquet,
    "application/vnd.apache.arrow.file": Format.arrow,
    "application/vnd.apache.arrow.stream": Format.arrow,
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": Format.xlsx,
    "application/vnd.oasis.opendocument.spreadsheet": Format.ods,
}


def by_name(name: str | None) -> Format | None:
    """What a file's name tells, seen through the suffix of a compression."""
    return SUFFIXES.get(PurePath(without_compression(name or "")).suffix.lower())


def without_compression(name: str) -> str:
    """`flights.csv` for `flights.csv.gz`."""
    path = PurePath(name)
    return str(path.with_suffix("")) if path.suffix.lower() in COMPRESSED_SUFFIXES else name


def by_media_type(media_type: str | None) -> Format | None:
    """What a Content-Type tells of the format; its parameters do not matter."""
    return MEDIA_TYPES.get((media_type or "").partition(";")[0].strip().lower())


def charset(media_type: str | None) -> str | None:
    """The encoding that a Content-Type's `charset` names, as `encoding` takes it. Raises ValueError for one unknown."""
    message = Message()
    message["Content-Type"] = media_type or ""
    name = message.get_param("charset")
    if not name or not isinstance(name, str):
        return None
    known = known_encoding(name)
    return UTF_8 if codecs.lookup(known).name == _ASCII else known


def in_charset(options: Options, media_type: str | None) -> Options:
    """The options with the encoding that the Content-Type tells, as if `encoding` had said it.

    Raises InvalidArguments where both are said, and differ, and for a charset that is not known.
    """
    try:
        told = charset(media_type)
    except ValueError as error:
        raise InvalidArguments.of("encoding", f"of the Content-Type: {error}") from error
    if told is None:
        return options
    if options.encoding is None:
        return options.model_copy(update={"encoding": told})
    if codecs.lookup(told).name != codecs.lookup(options.encoding).name:
        raise InvalidArguments.of(
            "encoding",
            f"{options.encoding} is said, but charset={told} in the Content-Type: say one of them, or the same",
        )
    return options


def media_type(format_: Format) -> str:
    """The usual one of a format."""
    return next(name for name, found in MEDIA_TYPES.items() if found is format_)
