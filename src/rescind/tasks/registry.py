"""The tasks that can be started: the built-in ones and those of the user's modules."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from rescind.errors import ConfigurationError, UnknownTask
from rescind.tasks import clear, export, generate, load
from rescind.tasks.transactional import TaskDefinition


class TaskRegistry(Mapping[str, TaskDefinition]):
    """Definitions by name. A module is searched for what `@transactional` left in it; nothing registers itself."""

    def __init__(self, modules: Iterable[str], max_generate_rows: int) -> None:
        _search_the_working_directory()
        built_in = (load.load, generate.limited(max_generate_rows), clear.clear, export.export)
        self._definitions = {definition.name: definition for definition in built_in}
        for module in modules:
            for definition in _definitions_in(module):
                known = self._definitions.setdefault(definition.name, definition)
                if known is not definition:
                    raise ConfigurationError(f"RESCIND_TASKS: two tasks are called {definition.name!r}.")

    def __getitem__(self, name: str) -> TaskDefinition:
        try:
            return self._definitions[name]
        except KeyError:
            raise UnknownTask(f"No task is called {name!r}; there are {', '.join(sorted(self))}.") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._definitions)

    def __len__(self) -> int:
        return len(self._definitions)


def _search_the_working_directory() -> None:
    """Where `python -m` looks for modules, the installed commands and gunicorn do not: they are to find the same."""
    here = str(Path.cwd())
    if "" not in sys.path and here not in sys.path:
        sys.path.insert(0, here)


def _definitions_in(module: str) -> list[TaskDefinition]:
    try:
        loaded = importlib.import_module(module)
    except Exception as error:
        raise ConfigurationError(
            f"RESCIND_TASKS: module {module!r} cannot be imported (searched from {Path.cwd()}): {error}."
        ) from error
    found = [value for value in vars(loaded).values() if isinstance(value, TaskDefinition)]
    if not found:
        raise ConfigurationError(f"RESCIND_TASKS: module {module!r} has no @transactional task.")
    return found
