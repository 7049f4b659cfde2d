"""The document that tells what a file holds: of the API, and of the command line's `--json`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rescind.encoders import json_text
from rescind.readers.inspect import Inspection


def inspection_document(found: Inspection) -> dict[str, Any]:
    """As JSON values. `options` are what a load would have to be told to read the file like this."""
    return {
        "format": found.format,
        "compression": found.compression,
        "dialect": None if found.dialect is None else _dialect(found),
        "options": found.options.model_dump(mode="json", exclude_defaults=True),
        "proposals": [proposal._asdict() for proposal in found.proposals],
        "columns": [
            {
                "name": column.name,
                "type": column.type,
                "nulls": column.nulls,
                "evidence": [evidence._asdict() for evidence in column.evidence],
            }
            for column in found.columns
        ],
        "rows": json_text.objects(found.rows),
        "rejects": [asdict(reject) for reject in found.rejects],
        "rejected": found.rejected,
        "records": found.records,
        "whole": found.whole,
        "table": {
            "name": found.table,
            "columns": [{"name": column.name, "type": column.type} for column in found.columns],
        },
    }


def _dialect(found: Inspection) -> dict[str, Any]:
    assert found.dialect is not None
    options = found.options
    chosen = {name: getattr(options, name) for name in ("header", "decimal", "date_format")}
    return asdict(found.dialect) | chosen | {"encoding": options.text_encoding}
