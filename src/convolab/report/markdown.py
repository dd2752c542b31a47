"""Markdown with formulas to HTML that is safe to show: no foreign HTML, no scripts, no outside pictures."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from xml.etree import ElementTree

from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from mdit_py_plugins.dollarmath import dollarmath_plugin

# fmt: off
_ATTRIBUTES = frozenset({
    "accent", "accentunder", "columnalign", "columnlines", "columnspacing", "depth", "display",
    "displaystyle", "fence", "form", "frame", "height", "largeop", "linethickness", "lspace",
    "mathcolor", "mathsize", "mathvariant", "maxsize", "minsize", "movablelimits", "notation",
    "rowalign", "rowlines", "rowspacing", "rspace", "scriptlevel", "separator", "stretchy",
    "symmetric", "voffset", "width",
})
# fmt: on
"""Of MathML: those that say how something looks."""


def to_html(text: str) -> str:
    """HTML of ``text``: CommonMark with tables, strikethrough and formulas between ``$`` or ``$$``.

    HTML in the text is shown as text. Links keep http, https, mailto and relative addresses and are opened
    without a referrer. Pictures from elsewhere become links, so that the page asks nobody for anything.
    """
    return str(_parser().render(text))


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    dollarmath_plugin(parser, renderer=_formula, allow_digits=False)
    parser.add_render_rule("image", _picture)
    parser.add_render_rule("link_open", _link)
    return parser


def _formula(source: str, options: Mapping[str, Any]) -> str:
    try:
        formula: str = convert(source, display="block" if options["display_mode"] else "inline")
        harmless = all(map(_harmless, ElementTree.fromstring(formula).iter()))
    except Exception:  # whatever a half-written formula does to the parser, its text is shown
        harmless = False
    return formula if harmless else f'<code class="formula">{html.escape(source)}</code>'


def _harmless(element: ElementTree.Element) -> bool:
    r"""Whether it only draws: TeX's ``\href`` would make a link to anything."""
    tag = element.tag.removeprefix("{http://www.w3.org/1998/Math/MathML}")
    return tag.startswith("m") and tag.isalpha() and _ATTRIBUTES.issuperset(element.attrib)


def _picture(
    renderer: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: OptionsDict,
    env: dict[str, Any],
) -> str:
    token = tokens[index]
    address = html.escape(str(token.attrs.get("src", "")), quote=True)
    words = html.escape(token.content or "picture", quote=True)
    if "://" in address or address.startswith(("//", "data:")):
        return f'<a href="{address}" rel="noopener noreferrer">{words}</a>'
    return f'<img src="{address}" alt="{words}" loading="lazy">'


def _link(
    renderer: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: OptionsDict,
    env: dict[str, Any],
) -> str:
    tokens[index].attrSet("rel", "noopener noreferrer")
    return str(renderer.renderToken(tokens, index, options, env))
