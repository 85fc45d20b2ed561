"""Dataclasses as stored, without added fields that have their default"""

from dataclasses import field, fields, is_dataclass
from typing import Any

ADDED = "added"  # marks such a field in its metadata


def added(default: Any) -> Any:
    """A field that came after values of its class had been stored, such as `bias: bool = added(False)`.

    Keys and files from before stay valid. A `__post_init__` that replaces the default by another value undoes this.
    """
    return field(default=default, metadata={ADDED: True})


def as_stored(value: Any) -> Any:
    """`dataclasses.asdict`, without added fields that have their default; nested dataclasses alike."""
    if is_dataclass(value):
        held = {field: getattr(value, field.name) for field in fields(value)}
        return {
            field.name: as_stored(each)
            for field, each in held.items()
            if not (field.metadata.get(ADDED) and each == field.default)
        }
    if isinstance(value, dict):
        return {name: as_stored(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(as_stored, value))
    return value
