"""Printed figures as SVG: real text, in the colours of the page around it"""

import hashlib
import io
import re
from xml.etree import ElementTree

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.text import Text

from mobilellm_lab.charts.svg import PAPER

WIDEST = 1.5  # times its own width: on a desk the text is as large as the page's
SVG, LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
INK = 0.15  # the grey of the axes; what is paler is as much paler in the dark
GREY = re.compile(r"#([0-9a-f]{2})\1\1")
ANCHORS = {"left": "start", "center": "middle", "right": "end"}
POINTS = 72  # an inch
OPENING = '<svg class="lab-figure"'


class Printed(Figure):
    """A figure that pages and notebooks show as SVG."""

    def _repr_html_(self) -> str:
        return svg(self)


def svg(figure: Figure) -> str:
    """The figure for the body of a page, in which a unit is a point: as wide as its place, up to `WIDEST` times.

    Black and greys become the colour of the text around it, white that of its ground, so that a switch of the theme
    holds here, too. The same figure gives the same text.
    """
    file = io.StringIO()
    for number, text in enumerate(several := [text for text in figure.findobj(Text) if "\n" in text.get_text()]):
        text.set_gid(f"lines-{number}")
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "a"}):
        figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    root = ElementTree.fromstring(file.getvalue())
    groups = {group.get("id"): group for group in root.iter(f"{SVG}g")}
    for number, text in enumerate(several):
        if (group := groups.get(f"lines-{number}")) is not None:
            _anchor(group, text)
    for parent in root.iter():
        for style in parent.findall(f"{SVG}style"):
            parent.remove(style)  # its one rule would hold for the whole page
    for element in root.iter():
        _follow_the_page(element)
    width, height = (POINTS * inches for inches in figure.get_size_inches())
    return _named_apart(_opening(width, height) + _inside(root) + "</svg>")


def _anchor(group: ElementTree.Element, text: Text) -> None:
    """Aligns each line of a text where the text is aligned, however wide the reader's font is."""
    box, aligned = text.get_window_extent(dpi=POINTS), text.get_horizontalalignment()
    upright = text.get_rotation() == 90
    if upright:
        middle = text.figure.get_size_inches()[1] * POINTS - (box.y0 + box.y1) / 2
        ends = {"left": middle + box.height / 2, "center": middle, "right": middle - box.height / 2}
    else:
        ends = {"left": box.x0, "center": (box.x0 + box.x1) / 2, "right": box.x1}
    for line in group.iter(f"{SVG}text"):
        x, y = re.match(r"translate\(([\d.-]+) ([\d.-]+)\)", line.get("transform")).groups()
        place = f"translate({x} {ends[aligned]:.2f}) rotate(-90)" if upright else f"translate({ends[aligned]:.2f} {y})"
        line.set("transform", place)
        line.set("text-anchor", ANCHORS[aligned])


def _follow_the_page(element: ElementTree.Element) -> None:
    """Greys become the text's colour, white the ground's; fonts are the page's; coordinates get two decimals."""
    if link := element.attrib.pop(f"{LINK}href", None):
        element.set("href", link)
    for name in {"d", "x", "y", "points"} & element.attrib.keys():
        element.set(name, re.sub(r"\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}", element.get(name)))
    style = dict(rule.split(": ", 1) for rule in element.attrib.pop("style", "").split("; ") if rule)
    style.pop("font-family", None)
    for name in ("fill", "stroke"):
        if not (found := GREY.fullmatch(style.get(name, ""))):
            continue
        grey = int(found[1], 16) / 255
        style[name] = PAPER if grey == 1 else "currentColor"
        if (faint := min(1, (1 - grey) / (1 - INK))) < 1 and grey < 1:
            style[f"{name}-opacity"] = f"{faint * float(style.get(f'{name}-opacity', 1)):.2f}"
    if style:
        element.set("style", "; ".join(f"{name}: {value}" for name, value in style.items()))


def _opening(width: float, height: float) -> str:
    style = f"width:100%;max-width:{WIDEST * width:.0f}px;height:auto;display:block;font-family:system-ui,sans-serif"
    rest = f'{OPENING} viewBox="0 0 {width:.1f} {height:.1f}" fill="currentColor" stroke-linejoin="round"'
    return f'{rest} style="{style};color:var(--jp-ui-font-color1,inherit)">'


def _inside(root: ElementTree.Element) -> str:
    ElementTree.register_namespace("", SVG.strip("{}"))
    texts = (ElementTree.tostring(child, encoding="unicode") for child in root)
    return re.sub(r"\n\s*", "\n", "".join(texts).replace(f' xmlns="{SVG.strip("{}")}"', ""))


def _named_apart(text: str) -> str:
    """Only ids that are referred to, with a prefix that no other figure of a page has."""
    used = set(re.findall(r'(?:url\(|href=")#([\w-]+)', text))
    prefix = hashlib.sha256(text.encode()).hexdigest()[:8]
    text = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else "", text)
    return re.sub(r'(id="|url\(#|href="#)([\w-]+)', rf"\1f{prefix}-\2", text)
