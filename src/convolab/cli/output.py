"""What commands print: tables on a terminal, plain lines elsewhere, one JSON object on request."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table


def console(to_stderr: bool = False) -> Console:
    """A console that never breaks lines of plain (piped) output."""
    stream = sys.stderr if to_stderr else sys.stdout
    return Console(stderr=to_stderr, highlight=False, width=None if stream.isatty() else 250)


def print_json(data: Any) -> None:
    """One object on one line, the last of standard output."""
    print(json.dumps(data, ensure_ascii=False, default=str), flush=True)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], right: Sequence[str] = ()) -> None:
    """A table; columns named in ``right`` are right-aligned. Tabs separate the cells of piped output."""
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            print("\t".join(str(cell) for cell in row))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    console().print(table)


def size(count: float) -> str:
    """Bytes as ``11.5 MB`` (decimal units)."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


@contextmanager
def fetching() -> Iterator[Any]:
    """A progress callback for `convolab.datasets.load`: a bar on a terminal, a line per item elsewhere."""
    out = console(to_stderr=True)
    if not sys.stderr.isatty():
        seen: set[str] = set()

        def plain(at: Any) -> None:
            if at.what not in seen:
                seen.add(at.what)
                out.print(f"{at.what} …", markup=False)

        yield plain
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=out
    ) as bar:
        tasks: dict[str, Any] = {}

        def live(at: Any) -> None:
            if at.what not in tasks:
                tasks[at.what] = bar.add_task(at.what, total=at.total)
            bar.update(tasks[at.what], completed=at.done, total=at.total)

        yield live
