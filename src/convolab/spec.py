"""Specs: settings described once, from which forms, command-line options, JSON and help are derived.

A spec is a frozen pydantic model whose fields are made by `knob`. `knobs(cls)` lists them for whoever
draws a form or builds options; `explain` turns pydantic's errors into one sentence.
"""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from convolab.errors import SettingsError, nearest


class Spec(BaseModel):
    """A frozen description: unknown names, NaN and infinities are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def changed(self, **values: Any) -> typing.Self:
        """A checked copy with some fields replaced. Raises pydantic's ValidationError."""
        return type(self).model_validate({**self.model_dump(), **values})


@dataclass(frozen=True)
class Knob:
    """One field of a spec as a person meets it."""

    name: str
    kind: Literal["int", "float", "choice", "bool", "text", "other"]
    default: Any
    label: str
    help: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    optional: bool = False
    assignment: str = ""
    """The assignment's word for it, where that differs from PyTorch's."""
    applies: dict[str, tuple[Any, ...]] | None = None
    """The field matters only while each named other field has one of these values."""
    group: str = ""

    def applies_to(self, values: dict[str, Any]) -> bool:
        """Whether the field matters, given the values of all fields."""
        return all(values.get(name) in allowed for name, allowed in (self.applies or {}).items())

    def described(self) -> dict[str, Any]:
        """What a page needs to draw it: words, limits, choices, the default; everything is plain JSON."""
        return {
            "label": self.label,
            "help": self.help,
            "unit": self.unit,
            "range": self.range_text,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "step": self.step,
            "choices": self.choices,
            "default": self.default,
        }

    @property
    def range_text(self) -> str:
        """``1 to 64 pixels``, ``above 0``; empty where there is no range."""
        low, high, unit = self.minimum, self.maximum, f" {self.unit}" if self.unit else ""
        if low is not None and high is not None:
            return f"{low:g} to {high:g}{unit}"
        if low is not None:
            return f"at least {low:g}{unit}"
        return ""


def knob(
    default: Any,
    label: str,
    help: str,
    *,
    unit: str = "",
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    step: float | None = None,
    assignment: str = "",
    applies: dict[str, tuple[Any, ...]] | None = None,
    group: str = "",
) -> Any:
    """A pydantic field with all a form, an option and a help text need.

    ``minimum`` and ``maximum`` are inclusive, ``above`` is exclusive. ``step`` is what one press of an
    arrow in a form adds.
    """
    extra: Any = {"unit": unit, "step": step, "assignment": assignment, "applies": applies, "group": group}
    if above is not None:
        extra["above"] = above
    return Field(
        default, title=label, description=help, ge=minimum, gt=above, le=maximum, json_schema_extra=extra
    )


def knobs(cls: type[BaseModel]) -> tuple[Knob, ...]:
    """The fields of a spec that were made by `knob`, in order."""
    return tuple(_knob(name, field) for name, field in cls.model_fields.items() if field.title)


def _knob(name: str, field: FieldInfo) -> Knob:
    annotation, optional = _without_none(field.annotation)
    choices: tuple[str, ...] = ()
    kind: Literal["int", "float", "choice", "bool", "text", "other"] = "other"
    if get_origin(annotation) is Literal:
        kind, choices = "choice", tuple(str(value) for value in get_args(annotation))
    elif annotation is bool:
        kind = "bool"
    elif annotation is int:
        kind = "int"
    elif annotation is float:
        kind = "float"
    elif annotation is str:
        kind = "text"
    extra: dict[str, Any] = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    low = high = None
    for limit in field.metadata:
        low = getattr(limit, "ge", getattr(limit, "gt", low))
        high = getattr(limit, "le", high)
    default = None if field.default is PydanticUndefined else field.default
    return Knob(
        name,
        kind,
        default,
        field.title or name,
        field.description or "",
        unit=extra.get("unit", ""),
        minimum=low,
        maximum=high,
        step=extra.get("step"),
        choices=choices,
        optional=optional,
        assignment=extra.get("assignment", ""),
        applies=extra.get("applies"),
        group=extra.get("group", ""),
    )


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (typing.Union, types.UnionType):
        rest = [part for part in get_args(annotation) if part is not type(None)]
        if len(rest) == 1:
            return rest[0], True
    return annotation, False


def explain(error: ValidationError, what: str = "") -> str:
    """One sentence for pydantic's first complaint, in the words of the labels.

    ``Learning rate must be greater than 0, not -1.``
    """
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    where = " → ".join(path).replace("_", " ") or what
    given = first.get("input")
    shown = f", not {given!r}" if isinstance(given, str | int | float | bool | None) else ""
    if first["type"] == "extra_forbidden":
        return f'{what or "This"} has no setting "{path[-1]}".'
    if first["type"] == "missing":
        return f'{what or "This"} lacks "{path[-1]}".'
    if first["type"] == "literal_error":
        expected = str(first.get("ctx", {}).get("expected", ""))
        choices = [choice.strip(" '") for choice in expected.replace(" or ", ",").split(",")]
        guess = nearest(str(given), choices)
        hint = f'; did you mean "{guess}"?' if guess else "."
        return f"{where} must be one of {', '.join(choices)}{shown}{hint}"
    if first["type"] == "value_error":  # one of the spec's own checks, which says all
        own = first["msg"].removeprefix("Value error, ").rstrip(".")
        return f"{own[0].upper()}{own[1:]}."
    message = first["msg"].removeprefix("Input should be ")
    if message == first["msg"]:
        return f"{where}: {message[0].lower()}{message[1:]}{shown}."
    return f"{where} must be {message}{shown}."


def check(cls: type[Spec], values: dict[str, Any]) -> Any:
    """Build ``cls(**values)``; SettingsError with one sentence if that cannot be."""
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        raise SettingsError(explain(error, cls.__name__)) from None
