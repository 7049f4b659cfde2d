"""How a file is to be read, as options of a command."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Literal

from cyclopts import Parameter
from pydantic import BaseModel, ValidationError

from rescind.cli.exits import Exit, Failure
from rescind.readers.options import COMMA, Format, Options

NO_HEADER = "The first record names no columns: they are column1, column2 and so on."


def help_of(model: type[BaseModel], field: str) -> str:
    """The words that describe the same choice in the API."""
    return model.model_fields[field].description or ""


def _help(option: str) -> str:
    return help_of(Options, option)


def arguments(options: Options) -> list[str]:
    """What says these options to a command: the inverse of `Reading`."""
    said = options.model_dump(mode="json", exclude_defaults=True)
    header = [] if said.pop("header", True) else ["--no-header"]
    return header + [part for name, value in said.items() for part in _argument(name.replace("_", "-"), value)]


def _argument(name: str, value: str | list[str]) -> list[str]:
    text = value if isinstance(value, str) else COMMA.join(value)
    if text == "\t":
        text = "tab"
    return [f"--{name}={text}"] if text.startswith("-") else [f"--{name}", text]


@Parameter(name="*")
@dataclass(frozen=True)
class Reading:
    """What is said of a file; what is not said stays None or False."""

    format: Annotated[Format | None, Parameter(help=_help("format"))] = None
    no_header: Annotated[bool, Parameter(help=NO_HEADER)] = False
    delimiter: Annotated[str | None, Parameter(help=_help("delimiter"))] = None
    quote: Annotated[str | None, Parameter(help=_help("quote"))] = None
    decimal: Annotated[Literal[".", ","] | None, Parameter(help=_help("decimal"))] = None
    date_format: Annotated[str | None, Parameter(help=_help("date_format"))] = None
    encoding: Annotated[str | None, Parameter(help=_help("encoding"))] = None
    null: Annotated[str | None, Parameter(help=f"{_help('null')} Several are separated by commas.")] = None
    sheet: Annotated[str | None, Parameter(help=_help("sheet"))] = None

    def said(self) -> dict[str, str]:
        """As parameters of a query string: those that were given."""
        given = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "no_header"}
        header = {"header": "false"} if self.no_header else {}
        return header | {name: str(value) for name, value in given.items() if value is not None}

    def options(self) -> Options:
        """Raises Failure for what cannot be."""
        try:
            return Options.model_validate(self.said())
        except ValidationError as error:
            first = error.errors()[0]
            name = "-".join(str(first["loc"][0]).split("_")) if first["loc"] else ""
            said = f"--{name}: " if name else ""
            what = f"{said}{first['msg'].removeprefix('Value error, ')}."
            raise Failure(what, "Nothing was read.", code=Exit.usage) from error
