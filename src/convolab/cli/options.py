"""Command-line options derived from a spec: one option per knob, with its label, range and unit as help."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from convolab.errors import SettingsError
from convolab.spec import Knob, Spec, check, knobs

GIVEN = "given"
_UNITS = {"s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """``60s``, ``10m``, ``1.5h`` or a plain number of seconds. Raises SettingsError."""
    cleaned = text.strip().lower()
    number = cleaned.rstrip("abcdefghijklmnopqrstuvwxyz")
    factor = _UNITS.get(cleaned[len(number) :].strip() or "s")
    try:
        if factor is None:
            raise ValueError
        return float(number) * factor
    except ValueError:
        raise SettingsError(
            f'A time budget is written like 60s, 10m or 1h; "{text}" is not understood.'
        ) from None


def spec_options(cls: type[Spec], parameter: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command one option per knob of ``cls``; it receives the checked spec as ``parameter``.

    Options that were not given keep the spec's defaults; a command that has a parameter ``given`` gets what
    was given there. Raises SettingsError with one sentence.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        fields = knobs(cls)

        @functools.wraps(command)
        def wrapper(**values: Any) -> Any:
            given = {field.name: values.pop(field.name) for field in fields}
            given = {name: value for name, value in given.items() if value is not None}
            if isinstance(given.get("budget"), str):
                given["budget"] = seconds(given["budget"])
            values[parameter] = check(cls, given)
            if GIVEN in own.parameters:
                values[GIVEN] = given
            return command(**values)

        own = inspect.signature(command, eval_str=True)
        kept = [p for p in own.parameters.values() if p.name not in (parameter, GIVEN)]
        parameters = [*kept, *(_option(field) for field in fields)]
        wrapper.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
        return wrapper

    return decorate


_PANELS = {
    "optimizer": "Optimizer",
    "schedule": "Schedule",
    "data": "Data",
    "augmentation": "Augmentation",
    "run": "Run",
    "stop": "When to stop",
    "measure": "What is minimised",
    "picture": "Picture",
    "network": "Feature network",
}


def _option(field: Knob) -> inspect.Parameter:
    annotation: Any = {"int": int, "float": float, "bool": bool}.get(field.kind, str)
    if field.name == "budget":
        annotation = str
    text = field.help
    if field.choices:
        text += f" One of: {', '.join(field.choices)}."
    elif field.range_text and field.maximum is not None and field.maximum <= 10_000:
        text += f" {field.range_text[0].upper()}{field.range_text[1:]}."
    # Rich would take "[-1, 1]" for markup.
    text = text.replace("[", "\\[")
    if field.default not in (None, "") and field.kind != "bool":
        default = str(field.default).replace("[", "\\[")
        text += f" Default: {default}."
    flag = "--" + field.name.replace("_", "-")
    option = typer.Option(
        *([flag, f"--no-{flag[2:]}"] if field.kind == "bool" else [flag]),
        help=text,
        rich_help_panel=_PANELS.get(field.group, "Settings"),
        metavar=None if field.kind == "bool" else ("TIME" if field.name == "budget" else "VALUE"),
        show_default=False,
    )
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[annotation | None, option],
    )
