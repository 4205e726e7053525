"""A figure as SVG inside a page: ids of its own, a title for screen readers, values for the pointer."""

import io
import json
import re
import xml.etree.ElementTree as ElementTree
from typing import Any

from matplotlib.figure import Figure

from voicerisk.figures.hover import hover_points
from voicerisk.figures.style import DEFAULT, Style

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"


def inline_svg(figure: Figure, name: str, title: str, says: str, style: Style = DEFAULT) -> tuple[str, str]:
    """Return a figure as an SVG element and the values of its lines as JSON that may stand in HTML.

    Parameters
    ----------
    figure : Figure
        What a function of `voicerisk.figures` returned.
    name : str
        Unique in the page: prefixed to every id, so that clip paths of two figures are not confused.
    title, says : str
        Name and alternative text.
    style : Style
        The style it was drawn in.

    Returns
    -------
    svg : str
    values : str
        A JSON list as `hover_points` returns it, with `<` escaped.
    """
    buffer = io.BytesIO()
    with style.context():
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    root = ElementTree.fromstring(buffer.getvalue())
    prefix = re.sub(r"[^A-Za-z0-9_-]", "-", name) + "-"
    for parent in root.iter():
        for child in list(parent):
            if child.tag == f"{{{SVG}}}metadata":
                parent.remove(child)
    for node in root.iter():
        _rename(node, prefix)
    for key in ("width", "height"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-labelledby", f"{prefix}title {prefix}desc")
    root.set("class", "figure")
    for tag, text in (("desc", says), ("title", title)):
        element = ElementTree.Element(f"{{{SVG}}}{tag}", {"id": prefix + tag})
        element.text = text
        root.insert(0, element)
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    return ElementTree.tostring(root, encoding="unicode"), safe_json(hover_points(figure))


def safe_json(value: Any) -> str:
    """Return JSON that cannot close the script element it stands in."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _rename(node: ElementTree.Element, prefix: str) -> None:
    for key, value in node.attrib.items():
        if key == "id":
            node.set(key, prefix + value)
        elif key in ("href", f"{{{XLINK}}}href") and value.startswith("#"):
            node.set(key, "#" + prefix + value[1:])
        elif "url(#" in value:
            node.set(key, value.replace("url(#", f"url(#{prefix}"))
