"""Workbooks from rows of values."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from xml.sax.saxutils import escape

import xlsxwriter

Rows = Sequence[Sequence[object]]


class Formula(str):
    """A formula's value, as it was when the file was saved."""

    __slots__ = ()


def xlsx(rows: Rows, **more: Rows) -> bytes:
    """A workbook with the sheet `Sheet1` of these rows, and others."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as workbook:
        formats = {
            kind: workbook.add_format({"num_format": form})
            for kind, form in (
                (date, "yyyy-mm-dd"),
                (datetime, "yyyy-mm-dd hh:mm:ss.000"),
                (time, "hh:mm:ss"),
                (timedelta, "[h]:mm:ss"),
            )
        }
        for name, sheet_rows in {"Sheet1": rows, **more}.items():
            sheet = workbook.add_worksheet(name)
            for row, cells in enumerate(sheet_rows):
                for column, cell in enumerate(cells):
                    if isinstance(cell, Formula):
                        sheet.write_formula(row, column, "=A1", None, str(cell))
                    elif type(cell) in formats:
                        sheet.write_datetime(row, column, cell, formats[type(cell)])  # type: ignore[index]
                    elif isinstance(cell, str):
                        sheet.write_string(row, column, cell)
                    elif cell is not None:
                        sheet.write(row, column, cell)
    return file.getvalue()


_ODS_START = (
    '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:spreadsheet>'
)
_ODS_END = "</office:spreadsheet></office:body></office:document-content>"


def ods(rows: Rows) -> bytes:
    """A workbook with the sheet `Sheet1` of these rows."""
    inside = "".join(f"<table:table-row>{''.join(map(_cell, cells))}</table:table-row>" for cells in rows)
    return ods_of(f'<table:table table:name="Sheet1">{inside}</table:table>')


def ods_of(tables: str) -> bytes:
    content = _ODS_START + tables + _ODS_END
    return archive(
        {
            "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
            "META-INF/manifest.xml": "<manifest/>",
            "content.xml": content,
        }
    )


def _cell(value: object) -> str:
    kind, attribute, shown = "string", "", str(value)
    match value:
        case None:
            return "<table:table-cell/>"
        case bool():
            kind, attribute = "boolean", f'office:boolean-value="{str(value).lower()}"'
        case int() | float():
            kind, attribute = "float", f'office:value="{value!r}"'
        case datetime() | date():
            kind, attribute = "date", f'office:date-value="{value.isoformat()}"'
        case time():
            kind, attribute = "time", f'office:time-value="PT{value.hour:02}H{value.minute:02}M{value.second:02}S"'
    return (
        f'<table:table-cell office:value-type="{kind}" {attribute}><text:p>{escape(shown)}</text:p></table:table-cell>'
    )


def archive(parts: Mapping[str, str | bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in parts.items():
            opened.writestr(name, data)
    return file.getvalue()


def parts(workbook: bytes) -> dict[str, bytes]:
    """What is in a workbook, to be changed and put together again."""
    with zipfile.ZipFile(io.BytesIO(workbook)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}
