"""How a file is to be read, as parameters of a query string."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, WithJsonSchema

from rescind.api.query import Flag, Query
from rescind.readers.options import Nulls, Options


class ReadingQuery(Options, Query):
    """The options of a file. Spellings of NULL are separated by commas."""

    header: Flag = Field(True, description=Options.model_fields["header"].description)
    null: Annotated[Nulls | None, WithJsonSchema({"type": "string"})] = Field(
        None, description=f"{Options.model_fields['null'].description} Several are separated by commas."
    )

    def options(self) -> Options:
        """What was said of the file."""
        return Options(**{name: getattr(self, name) for name in Options.model_fields})
