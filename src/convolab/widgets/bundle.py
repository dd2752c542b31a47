"""Widget modules and their style sheets as single texts, for pages that cannot fetch them one by one."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
_LAB = FOLDER.parent / "app" / "static" / "lab.css"
_IMPORT = re.compile(r'(\bfrom\s+|\bimport\s*\(?\s*)"\./([\w.]+)"')

_LOADER = """\
// Written by convolab.widgets.bundle: each module becomes an address of its own, those it imports before it.
const modules = %s;
const addresses = {};
for (const [name, text] of modules) {
  const whole = text.replace(/"@@([\\w.]+)@@"/g, (_, other) => JSON.stringify(addresses[other]));
  addresses[name] = URL.createObjectURL(new Blob([whole], { type: "text/javascript" }));
}
const entry = await import(addresses[modules.at(-1)[0]]);
export default entry.default;
"""


def modules(entry: str) -> list[tuple[str, str]]:
    """``entry`` and all it imports from this folder, as (name, text), each after those that it imports.

    Names of imported modules stand in the texts as ``"@@name@@"``. ValueError if modules import each other in
    a circle, OSError if one is missing.
    """
    found: dict[str, str] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise ValueError(f"Modules import each other in a circle: {' → '.join((*path, name))}.")
        if name in found:
            return
        text = (FOLDER / name).read_text(encoding="utf-8")
        for _, other in _IMPORT.findall(text):
            visit(other, (*path, name))
        found[name] = _IMPORT.sub(r'\1"@@\2@@"', text)

    visit(entry, ())
    return list(found.items())


@cache
def script(entry: str) -> str:
    """One ECMAScript module with ``entry`` and all it imports; its default export is that of ``entry``."""
    return _LOADER % json.dumps(modules(entry), ensure_ascii=False).replace("</", "<\\/")


@cache
def style(scope: str, *sheets: str) -> str:
    """The lab's colours and sizes for elements of class ``scope``, and these sheets of this folder."""
    lab = _LAB.read_text(encoding="utf-8")
    variables = "\n".join(re.findall(r"^(?::root|body\.body--dark) \{.*?^\}", lab, re.DOTALL | re.MULTILINE))
    rules = [variables, *((FOLDER / name).read_text(encoding="utf-8") for name in sheets)]
    text = "\n".join(rules).replace(":root {", f".{scope} {{")
    return text.replace("body.body--dark", f".{scope}.body--dark")
