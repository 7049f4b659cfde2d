"""The documents of uploads and of what they hold, as models (see `schemas`)."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from rescind.api.schemas import RejectedRow
from rescind.domain.schema import Type
from rescind.readers.options import Format


class UploadLinks(BaseModel):
    """Where to go on from an upload."""

    self: str
    inspect: str


class UploadDocument(BaseModel):
    """Bytes that were received in full. `length` in bytes; `sha256` in hex, of the bytes as they were sent."""

    id: str
    name: str | None
    length: int
    sha256: str
    content_type: str | None
    content_encoding: str | None
    links: UploadLinks


class DialectDocument(BaseModel):
    """How a delimited file is taken apart."""

    delimiter: str
    quote: str = Field(description="Empty where nothing stands around fields.")
    header: bool
    encoding: str
    decimal: str
    date_format: str | None = Field(description="ISO 8601 if there is none.")


class ProposalDocument(BaseModel):
    """An option that the file seems to need, and why. A load takes it only if it is told to."""

    option: str
    value: str
    reason: str


class EvidenceDocument(BaseModel):
    """The first value that is not of a narrower type; `record` counts from 1, the first after the header."""

    type: Type
    record: int
    value: str


class InspectedColumn(BaseModel):
    """A column as the sample shows it."""

    name: str
    type: Type
    nulls: int
    evidence: list[EvidenceDocument]


class ProposedColumn(BaseModel):
    """A column of a table to be made."""

    name: str
    type: Type


class ProposedTable(BaseModel):
    """A table that the file would fit into, as far as the sample goes."""

    name: str
    columns: list[ProposedColumn]


class InspectionDocument(BaseModel):
    """What a file holds, as the options and the proposals have it.

    `records` were read, rejected ones included; `whole` says whether they are all that there are. `rows` are the first.
    """

    format: Format
    compression: str | None
    dialect: DialectDocument | None = Field(description="Of CSV and TSV only.")
    options: dict[str, Any] = Field(description="What a load has to be told to read the file like this.")
    proposals: list[ProposalDocument]
    columns: list[InspectedColumn]
    rows: list[dict[str, Any]]
    rejects: list[RejectedRow] = Field(description="The first of the records that are no rows.")
    rejected: int
    records: int
    whole: bool
    table: ProposedTable
