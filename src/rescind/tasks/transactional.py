"""The public API of tasks: `@transactional` makes one of a function, `Transaction` is what the function gets.

    @transactional(name="close-month")
    def close_month(tx: Transaction, month: str) -> dict:
        ...

The function's work is all or none. It gets no commit: whatever it writes is committed when it returns and
rolled back when it raises. Its arguments are JSON; they are checked against the annotations before the task
is accepted.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, NewType, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from rescind.errors import InvalidArguments
from rescind.settings import DEFAULT_TARGET
from rescind.tasks.transaction import Transaction

#: An argument of this type is the id of an upload; the upload is kept as long as the task needs it.
UploadId = NewType("UploadId", str)
#: An argument of this type is the number of branches that the task has in each of its targets.
Writers = NewType("Writers", int)
AUTO = "auto"  #: in its place: whoever submits the task decides; the task's own arguments have a number


class Spread:
    """Said of a parameter whose type is a model, as in `Annotated[Model, Spread]`: each field is an argument."""


Function = Callable[..., Any]


@dataclass(frozen=True)
class TaskDefinition:
    """A task that can be started: its name, the model of its arguments, where it writes, and its function.

    `anywhere`: whoever starts it may name other targets.
    """

    name: str
    function: Function
    arguments: type[BaseModel]
    targets: tuple[str, ...]
    upload_argument: str | None
    writers_argument: str | None = None
    anywhere: bool = False
    spread: Mapping[str, type[BaseModel]] = field(default_factory=dict)  #: parameters whose fields are arguments

    @property
    def summary(self) -> str:
        return (inspect.getdoc(self.function) or self.name).partition("\n")[0]

    def check(self, args: dict[str, Any]) -> dict[str, Any]:
        """The arguments with defaults filled in, as JSON values. Raises InvalidArguments naming each problem."""
        try:
            model = self._read(args)
            self._given(model)
            return self._document(model)
        except ValidationError as error:
            problems = [
                {"name": ".".join(map(str, e["loc"])), "message": e["msg"].removeprefix("Value error, ")}
                for e in error.errors(include_url=False, include_input=False, include_context=False)
            ]
            text = "; ".join(": ".join(filter(None, p.values())) for p in problems)
            raise InvalidArguments(f"The arguments of task {self.name} are wrong: {text}.", problems) from None

    def branches(self, args: dict[str, Any], targets: Sequence[str] | None) -> tuple[str, ...]:
        """The target of each branch, for checked arguments. Raises InvalidArguments for targets that it cannot have."""
        if targets is not None and not self.anywhere and tuple(targets) != self.targets:
            raise InvalidArguments(
                f"Task {self.name} writes to {', '.join(self.targets)}; no other target can be named."
            )
        chosen = self.targets if targets is None else tuple(targets)
        if not chosen or len(set(chosen)) != len(chosen):
            raise InvalidArguments("A task has at least one target, and names none twice.")
        writers = self.with_writers(args)[self.writers_argument] if self.writers_argument else 1
        return tuple(name for name in chosen for _ in range(writers))

    def with_writers(self, args: dict[str, Any], writers: int = 1) -> dict[str, Any]:
        """Checked arguments with that number of branches where they leave it open: a retry must have the same ones."""
        name = self.writers_argument
        return args | {name: writers} if name and args[name] == AUTO else args

    def call(self, tx: Transaction, args: dict[str, Any]) -> Any:
        """Run the function with checked arguments."""
        return self.function(tx, **self.given(args))

    def given(self, args: dict[str, Any]) -> dict[str, Any]:
        """What the function gets for arguments that are checked."""
        return self._given(self._read(args))

    def _document(self, model: BaseModel) -> dict[str, Any]:
        """As JSON values; of the arguments that belong together only those that were chosen."""
        usual = {name for spread in self.spread.values() for name, f in spread.model_fields.items()}
        chosen = model.model_dump(mode="json", exclude_defaults=True)
        return {n: value for n, value in model.model_dump(mode="json").items() if n in chosen or n not in usual}

    def _read(self, args: dict[str, Any]) -> BaseModel:
        """As JSON, in which an enumeration's value is its word and a tuple is a list."""
        return self.arguments.model_validate_json(json.dumps(args))

    def _given(self, model: BaseModel) -> dict[str, Any]:
        """What the function gets: the fields of a spread model are put together again."""
        given = {name: getattr(model, name) for name in type(model).model_fields}
        for parameter, spread in self.spread.items():
            given[parameter] = spread(**{name: given.pop(name) for name in spread.model_fields})
        return given

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function itself, so that a user's own tests can call it."""
        return self.function(*args, **kwargs)


def transactional(
    name: str, *, targets: Sequence[str] = (DEFAULT_TARGET,), anywhere: bool = False
) -> Callable[[Function], TaskDefinition]:
    """Make a task of a function whose first parameter is a Transaction.

    `targets` are the registered databases that it writes to; with `anywhere` whoever starts it may name others, and
    the function writes to `tx.targets`. Raises TypeError for a parameter without an annotation, since its values
    could not be checked.
    """

    def decorate(function: Function) -> TaskDefinition:
        hints = get_type_hints(function, include_extras=True)
        fields: dict[str, Any] = {}
        named: dict[Any, str] = {}
        spread: dict[str, type[BaseModel]] = {}
        for parameter in list(inspect.signature(function).parameters.values())[1:]:
            if parameter.name not in hints:
                raise TypeError(f"task {name}: parameter {parameter.name} needs a type annotation")
            hint = hints[parameter.name]
            named |= dict.fromkeys(_ways(hint), parameter.name)
            if Spread in getattr(hint, "__metadata__", ()):
                spread[parameter.name] = _bare(hint)
                fields |= {n: (f.rebuild_annotation(), f) for n, f in _bare(hint).model_fields.items()}
                continue
            default = ... if parameter.default is inspect.Parameter.empty else parameter.default
            fields[parameter.name] = (hint, default)
        # JSON has no other way to say these types, so "5" is not a number here and 1 is not a truth value.
        config = ConfigDict(extra="forbid", strict=True)
        model: type[BaseModel] = create_model(f"{name}-arguments", __config__=config, **fields)
        return TaskDefinition(
            name, function, model, tuple(targets), named.get(UploadId), named.get(Writers), anywhere, spread
        )

    return decorate


def _ways(hint: Any) -> list[Any]:
    """The types of which a value may be: those of a union, or the one."""
    plain = hint.__origin__ if hasattr(hint, "__metadata__") else hint
    return [_bare(way) for way in (get_args(plain) if get_origin(plain) in (Union, UnionType) else (plain,))]


def _bare(hint: Any) -> Any:
    """The type of an annotation without what `Annotated` says of it."""
    return getattr(hint, "__origin__", hint)
