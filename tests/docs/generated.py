"""The parts of the docs that are made from the code. `python -m tests.docs.generated` writes them anew."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from rescind.cli.reading import NO_HEADER
from rescind.domain.states import DONE, TRANSITIONS, State
from rescind.readers import media
from rescind.readers.options import OPTIONS_OF, Format, Options
from rescind.settings import Settings
from rescind.targets import marker
from rescind.targets.mysql import preflight
from rescind.tasks.load import How
from rescind.tasks.matching import Naming

DOCS = Path(__file__).parents[2] / "docs"


def states_diagram() -> str:
    """Every state and every way between two, as a Mermaid diagram."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {State.queued}"]
    lines += [f"    {t.source} --> {t.to}: {t.when.replace(':', ',')}" for t in TRANSITIONS]
    lines += [f"    {state} --> [*]" for state in State if state in DONE]
    return "\n".join([*lines, "```"])


def states_table() -> str:
    """Every way between two states, and who goes it."""
    rows = [f"| `{t.source}` → `{t.to}` | {t.who} | {t.when} |" for t in TRANSITIONS]
    return "\n".join(["| from → to | moved by | when |", "|---|---|---|", *rows])


def settings_table() -> str:
    """Every setting: its name in the environment and in `rescind.toml`, its default, its meaning."""
    rows = [
        f"| {_variables(name, field)} | `{name}` | {_default(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| environment | `rescind.toml` | default | meaning |", "|---|---|---|---|", *rows])


def marker_mysql() -> str:
    """What makes the marker table of MySQL, for an administrator."""
    return _sql(preflight.CREATE, "GRANT SELECT, INSERT, DELETE ON rescind_marker TO rescind@'%'")


def marker_postgresql() -> str:
    """The same of PostgreSQL."""
    table, index = marker.definition(PGDialect_psycopg())  # type: ignore[no-untyped-call]
    return _sql(table, index, "GRANT SELECT, INSERT, DELETE ON rescind_marker TO rescind")


def formats_table() -> str:
    """Every format: how it is called, and which options it has."""
    rows = [
        f"| {media.NAMES[format_].removeprefix('a ')} | `{format_}` | {_code(_endings(format_))} | "
        f"`{media.media_type(format_)}` | {_code(_options(format_))} |"
        for format_ in Format
    ]
    return "\n".join(["| file | `--format` | names end in | Content-Type | options |", "|---|---|---|---|---|", *rows])


def _endings(format_: Format) -> Iterable[str]:
    return (ending for ending, found in media.SUFFIXES.items() if found is format_)


def _options(format_: Format) -> Iterable[str]:
    return (name for name in Options.model_fields if name in OPTIONS_OF.get(format_, ()))


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def options_table(model: type[BaseModel]) -> str:
    """Options of a load, with the words that describe them everywhere."""
    rows = [f"| `{flag}` | {meaning} |" for flag, meaning in map(_option, model.model_fields.items())]
    return "\n".join(["| option | meaning |", "|---|---|", *rows])


def _option(named: tuple[str, FieldInfo]) -> tuple[str, str | None]:
    """As the command line has it, whose `--no-header` says the opposite of the API's `header`."""
    name, field = named
    return ("--no-header", NO_HEADER) if name == "header" else (f"--{name.replace('_', '-')}", field.description)


def _sql(*statements: str) -> str:
    lines = "\n".join(f"{statement.strip()};" for statement in statements).expandtabs(4).splitlines()
    return "\n".join(["```sql", *(line.rstrip() for line in lines), "```"])


def _variables(name: str, field: FieldInfo) -> str:
    if isinstance(field.validation_alias, AliasChoices):
        return ", ".join(f"`{choice}`" for choice in field.validation_alias.choices)
    return f"`RESCIND_{name.upper()}`"


def _default(field: FieldInfo) -> str:
    if field.default is None or field.default is PydanticUndefined or field.default == ():
        return ""
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


#: marker in the text: the page, and what stands between its marks
PARTS: dict[str, tuple[Path, Callable[[], str]]] = {
    "states-diagram": (DOCS / "protocol.md", states_diagram),
    "states-table": (DOCS / "protocol.md", states_table),
    "settings": (DOCS / "settings.md", settings_table),
    "formats": (DOCS / "loading.md", formats_table),
    "reading-options": (DOCS / "loading.md", partial(options_table, Options)),
    "mapping-options": (DOCS / "loading.md", partial(options_table, Naming)),
    "writing-options": (DOCS / "loading.md", partial(options_table, How)),
    "marker-mysql": (DOCS / "operating.md", marker_mysql),
    "marker-postgresql": (DOCS / "operating.md", marker_postgresql),
}


def filled(part: str) -> str:
    """The page with that part made anew."""
    page, make = PARTS[part]
    marks = re.compile(rf"(<!-- made from the code: {part} -->\n).*?(<!-- end -->)", re.DOTALL)
    text, found = marks.subn(lambda match: f"{match[1]}{make()}\n{match[2]}", page.read_text())
    assert found == 1, f"{page} has no place for {part}"
    return text


if __name__ == "__main__":
    for each in PARTS:
        PARTS[each][0].write_text(filled(each))
