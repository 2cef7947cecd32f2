"""HTML and SVG as nested calls. Text is always escaped; only `Markup` is taken as it is."""

from __future__ import annotations

import html
from collections.abc import Iterable

Attribute = str | int | float | bool | None
VOID = frozenset({"br", "col", "img", "meta", "path", "line", "rect", "circle", "polyline"})
"""Elements that are written without a closing tag, unless something is in them."""


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


Node = str | int | Iterable["Node"] | None


def element(name: str, /, *children: Node, **attributes: Attribute) -> Markup:
    """`element("p", "a < b", class_="note")` is `<p class="note">a &lt; b</p>`.

    A trailing underscore of an attribute's name is dropped, the others become hyphens; an
    attribute that is None or False is left out, one that is True stands alone.
    """
    opened = "".join([f"<{name}", *(_attribute(key, value) for key, value in attributes.items())])
    inside = _text(children)
    if name in VOID and not inside:
        return Markup(f"{opened}/>")
    return Markup(f"{opened}>{inside}</{name}>")


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    name = "viewBox" if name == "viewbox" else name
    if value is True:
        return f" {name}"
    text = f"{value:.5g}" if isinstance(value, float) else str(value)
    return f' {name}="{html.escape(text)}"'


def _text(node: Node) -> str:
    if node is None:
        return ""
    if isinstance(node, Markup):
        return node
    if isinstance(node, str | int):
        return html.escape(str(node))
    return "".join(_text(child) for child in node)
