"""Arrow's types: which of a column's types each is, and which of them only keep the same values in another way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
from pyarrow import types

from rescind.domain.schema import Column, Limits, Type
from rescind.errors import InvalidInput
from rescind.readers.casts import Values


def flat(values: Any) -> Values:
    """The same values without a dictionary, views, or the long offsets and the extensions of Arrow's types."""
    found: Values = _unwrapped(values)
    return found


def inferred(field: pa.Field[Any]) -> Column:
    """A new table's column for the field's type. Raises InvalidInput, naming the path, for one that fits no column."""
    kind = _value_type(field.type)
    type_ = next((type_ for is_kind, type_ in _TYPES if is_kind(kind)), None)
    if type_ is None:
        raise InvalidInput(_unfit(field))
    zoned = types.is_timestamp(kind) and kind.tz is not None
    bounds = Limits(precision=kind.precision, scale=kind.scale) if types.is_decimal(kind) else Limits()
    return Column(field.name, Type.timestamptz if zoned else type_, "", limits=bounds)


def _value_type(kind: pa.DataType) -> Any:
    """Without dictionary and extension, but UUID's."""
    if isinstance(kind, pa.DictionaryType):
        return _value_type(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType) and kind != pa.uuid():
        return _value_type(kind.storage_type)
    return kind


_TEXTS = (types.is_null, types.is_string, types.is_large_string, types.is_string_view)
_BINARIES = (types.is_binary, types.is_large_binary, types.is_binary_view, types.is_fixed_size_binary)
_TYPES: tuple[tuple[Callable[[Any], bool], Type], ...] = (
    (lambda kind: kind == pa.uuid(), Type.uuid),
    (types.is_uint64, Type.unsigned),
    (types.is_integer, Type.integer),
    (types.is_floating, Type.real),
    (types.is_decimal, Type.decimal),
    (types.is_boolean, Type.boolean),
    (types.is_date, Type.date),
    (types.is_time, Type.time),
    (types.is_timestamp, Type.timestamp),
    *((is_text, Type.text) for is_text in _TEXTS),
    *((is_binary, Type.binary) for is_binary in _BINARIES),
)


def _unfit(field: pa.Field[Any]) -> str:
    path = _path(field)
    if path == field.name:
        return f"Column {path!r} of the file is of the type {field.type}, which cannot be loaded."
    return f"Column {path!r} of the file is nested, which cannot be loaded: give each value a column of its own."


def _path(field: pa.Field[Any]) -> str:
    """The way to the first value of a nested field: `address.city`, `tags[]`, `names{}`."""
    kind: Any = _value_type(field.type)
    if types.is_struct(kind):
        return f"{field.name}.{_path(kind.field(0))}" if kind.num_fields else f"{field.name}.*"
    if types.is_map(kind):
        return f"{field.name}{{}}"
    if types.is_nested(kind) and not types.is_union(kind) and not types.is_run_end_encoded(kind):
        return f"{field.name}[]"
    return field.name


def _unwrapped(values: Any) -> Any:
    kind = values.type
    if kind == pa.uuid():
        return pa.array([None if value is None else str(value) for value in values.to_pylist()], pa.string())
    if isinstance(kind, pa.BaseExtensionType):
        return _unwrapped(values.storage)
    if types.is_dictionary(kind):
        return _unwrapped(values.dictionary_decode())
    if types.is_large_string(kind) or types.is_string_view(kind):
        return values.cast(pa.string())
    if types.is_large_binary(kind) or types.is_binary_view(kind) or types.is_fixed_size_binary(kind):
        return values.cast(pa.binary())
    return values
