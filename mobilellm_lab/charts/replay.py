"""Replays: a measured sweep as charts whose sliders choose among stored rows, for the page and for JupyterLab alike.

Nothing is interpolated: a slider steps over the values that were measured, and the full product must be there. On the
page the controls are our own HTML, the pictures are SVG until `book/_assets/replay.js` has loaded Vega, and a sentence,
a table and the origin say the same in words. Colours of text and axes are `currentColor`, so a theme switch works.
"""

import hashlib
import itertools
import json
import math
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape

import altair as alt
import pandas as pd
import vl_convert

from mobilellm_lab.charts.report import code
from mobilellm_lab.charts.viewer import headless

VEGA_LITE = "5.20"  # of Altair 5.5; JupyterLab 4 draws version 5 by itself
CHOSEN, MARKED, FAINT = "#0072b2", "#d55e00", "#808080"  # told apart by any colour vision, on white and on black
WIDTH, HEIGHT = 360, 230  # of one chart before the page fits it into its box
NOTEBOOK_WIDTH = 270  # two of them fit into a cell beside JupyterLab's file browser
MOST_LETTERS = 80  # of all words of a slider that stand in one row in JupyterLab
MEASURED = "Replay: every point is a stored measurement."
FONT = "system-ui, sans-serif"
TEXT = {"font": FONT, "fontSize": 12}
CONFIG = {
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 6,
        "gridOpacity": 0.18,
        "domain": False,
        "tickOpacity": 0.4,
    },
    "title": {"anchor": "start", "frame": "bounds", "fontSize": 12.5, "fontWeight": 600, "offset": 8},
}
THEMED = {  # the theme of the page or of JupyterLab decides, also after a switch
    "axis": {"labelColor": "currentColor", "titleColor": "currentColor", "gridColor": "currentColor"}
    | {"tickColor": "currentColor", "domainColor": "currentColor"},
    "legend": {"labelColor": "currentColor", "titleColor": "currentColor"},
    "title": {"color": "currentColor", "subtitleColor": "currentColor"},
    "text": {"color": "currentColor"},
}


MIME = "application/vnd.vegalite.v5+json"
CONTROLS_ON_TOP = """
.vega-embed { display: flex; flex-direction: column; font: 13px/1.9 system-ui, sans-serif;
  color: var(--jp-ui-font-color1, currentColor); }
.vega-embed .vega-bindings { order: -1; margin-bottom: 12px; }
.vega-embed .vega-bind, .vega-embed .vega-bind > label { display: flex; flex-wrap: wrap; align-items: baseline; }
.vega-embed .vega-bind-name { flex: none; width: 7em; font-weight: 600; }
.vega-embed .vega-bind-radio { display: flex; flex-wrap: wrap; gap: 0 14px; }
.vega-embed .vega-bind-radio label { display: flex; align-items: center; gap: 4px; cursor: pointer; }
.vega-embed .vega-bind input { margin: 0; }
.vega-embed select { font: inherit; line-height: 1.4; color: inherit; background: var(--jp-layout-color1, Canvas); }
"""
EMBED = {"actions": False, "renderer": "svg", "defaultStyle": CONTROLS_ON_TOP}  # of vega-embed, which JupyterLab calls


@dataclass(frozen=True, kw_only=True)
class Slider:
    """One control of a replay; it moves over the index of `values`.

    Raises:
        ValueError: fewer than two values, one twice, not a word for each, or a start that is none of them.
    """

    column: str  # of the replay's rows, and of the charts' data
    label: str  # "depth"
    values: tuple  # measured ones, in order
    words: tuple[str, ...]  # what is said for each value: "4 layers"
    start: object  # one of `values`

    def __post_init__(self) -> None:
        if len(self.values) < 2 or len(set(self.values)) < len(self.values):
            raise ValueError(f"values={self.values} of slider {self.column}: give two or more, all different")
        if len(self.words) != len(self.values):
            raise ValueError(f"words={self.words} of slider {self.column}: give one for each of {self.values}")
        if self.start not in self.values:
            raise ValueError(f"start={self.start!r} of slider {self.column}: choose one of {self.values}")

    @property
    def name(self) -> str:
        """Of the Vega parameter."""
        return f"{self.column}_index"

    @property
    def start_index(self) -> int:
        return self.values.index(self.start)

    @property
    def param(self) -> alt.Parameter:
        """The parameter with a control of Vega's own that shows the words: a row of buttons, or a list of many words.

        Vega's range input is left out: beside it stands the index.
        """
        short = sum(map(len, self.words)) <= MOST_LETTERS
        bind = (alt.binding_radio if short else alt.binding_select)(
            options=list(range(len(self.values))), labels=list(self.words), name=self.label
        )
        return alt.param(name=self.name, value=self.start_index, bind=bind)

    @property
    def chosen(self) -> str:
        """Vega expression: this row has the selected value."""
        return f"datum[{json.dumps(self.column)}] === {json.dumps(self.values)}[{self.name}]"


class Replay:
    """Charts, sliders and words over measured rows.

    Args:
        charts: single or layered charts over their own data that use `Slider.chosen`; they stand side by side.
        sliders: in the order in which they stand.
        rows: what the table shows; has each slider's column and every combination of their values.
        origin: where the rows come from.
        title: of the figure.
        alt: what the pictures show, for readers who do not see them.
        key: what the colours mean, in a line below the pictures.
        readout: sentence for a setting, called with each slider's column as a keyword.
        columns: heading of the table for each column of `rows` that it shows; None shows all under their own names.
        badge: what every point is; None says a stored measurement. Give another where the rows come from a formula.

    Raises:
        ValueError: an empty badge, a column is missing, or a setting that a slider offers was not measured.
    """

    def __init__(
        self,
        charts: tuple[alt.Chart | alt.LayerChart, ...],
        sliders: tuple[Slider, ...],
        *,
        rows: pd.DataFrame,
        origin: str,
        title: str,
        alt: str,
        key: str,
        readout: Callable[..., str],
        columns: Mapping[str, str] | None = None,
        badge: str | None = None,
    ):
        if badge is not None and not badge.strip():
            raise ValueError(f"badge={badge!r}: say what every point is, or leave it out for a stored measurement")
        self.charts, self.sliders, self.rows = charts, sliders, rows
        self.origin, self.title, self.alt, self.key = origin, title, alt, key
        self.kind = MEASURED if badge is None else badge
        self.columns = dict(columns or {name: str(name) for name in rows.columns})
        names = [slider.column for slider in sliders]
        for name in (*names, *self.columns):
            if name not in rows.columns:
                raise ValueError(f"column {name!r} is not in rows: choose one of {', '.join(map(str, rows.columns))}")
        measured = set(rows[names].itertuples(index=False, name=None))
        self.settings = list(itertools.product(*(slider.values for slider in sliders)))
        missing = [dict(zip(names, setting, strict=True)) for setting in self.settings if setting not in measured]
        if missing:
            raise ValueError(
                f"rows lack {len(missing)} of {len(self.settings)} settings, the first {missing[0]}: "
                "measure them, or leave the value out of its slider"
            )
        self.readouts = [readout(**dict(zip(names, setting, strict=True))) for setting in self.settings]

    @property
    def badge(self) -> str:
        return f"{self.kind} {self._source}"

    @property
    def _source(self) -> str:
        return f"{self.origin[:1].upper()}{self.origin[1:]}."

    def page_specs(self) -> list[dict]:
        """A Vega-Lite specification for each chart, with plain parameters that the page's own sliders set."""
        specs = []
        for chart in self.charts:
            spec = _themed(chart.properties(width=WIDTH))
            spec["autosize"] = {"type": "fit-x", "contains": "padding"}
            spec["params"] = [{"name": slider.name, "value": slider.start_index} for slider in self.sliders]
            specs.append(spec)
        return specs

    def notebook_spec(self) -> dict:
        """One Vega-Lite specification with controls of its own; its title is the sentence of their setting."""
        readouts = [textwrap.wrap(text, 44 * len(self.charts)) for text in self.readouts]
        index = "0"
        for slider in self.sliders:
            index = f"({index}) * {len(slider.values)} + {slider.name}"
        title = alt.TitleParams(
            text=alt.ExprRef(f"{json.dumps(readouts)}[{index}]"),
            subtitle=[line for text in (self.key, self.badge) for line in textwrap.wrap(text, 50 * len(self.charts))],
            subtitlePadding=6,
            offset=16,
        )
        charts = [chart.properties(width=NOTEBOOK_WIDTH) for chart in self.charts]
        params = [slider.param for slider in self.sliders]
        return _themed(alt.hconcat(*charts, title=title).add_params(*params))

    def svgs(self) -> list[str]:
        """Each chart at the start setting, as inline SVG that takes the width of its box."""
        found = []
        for spec in self.page_specs():
            svg = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)
            prefix = "replay-" + hashlib.sha256(json.dumps(spec).encode()).hexdigest()[:8]
            svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg)  # HTML knows them
            svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\1{prefix}-", svg)  # unique in the page
            found.append(re.sub(r'^(<svg[^>]*?) width="\d+(?:\.\d+)?" height="\d+(?:\.\d+)?"', r"\1", svg))
        return found

    def html(self) -> str:
        """The replay as a fragment of a page: everything but the script that moves it."""
        readout = self.readouts[self.settings.index(tuple(slider.start for slider in self.sliders))]
        data = {
            "specs": [self._vega(spec) for spec in self.page_specs()],
            "sliders": [{"name": slider.name, "words": slider.words} for slider in self.sliders],
            "readouts": self.readouts,
        }
        charts = "".join(f'<div class="replay-chart" aria-hidden="true">{svg}</div>' for svg in self.svgs())
        return (
            f'<figure class="lab-replay" aria-label="{escape(self.title)}">'
            f'<figcaption class="replay-title">{escape(self.title)}</figcaption>'
            f'<div class="replay-controls">{"".join(map(_control, self.sliders))}</div>'
            '<noscript><p class="replay-note">Without JavaScript the picture stays as it is; '
            "the table has every setting.</p></noscript>"
            f'<div class="replay-charts" role="img" aria-label="{escape(self.alt)}">{charts}</div>'
            f'<p class="replay-key">{escape(self.key)}</p>'
            f'<p class="replay-readout" aria-live="polite">{escape(readout)}</p>'
            f'<p class="replay-badge">{escape(self.kind)}</p>'
            f"<details><summary>Data: the numbers of all {len(self.settings)} settings</summary>{self._table()}"
            f'<p class="replay-badge">{code(self._source)}</p></details>'
            f'<script type="application/json" class="replay-data">{_embedded(data)}</script></figure>'
        )

    @staticmethod
    def _vega(spec: dict) -> dict:
        """Compiled here, so that the page need not do it; without the address of the schema, which nobody asks."""
        vega = vl_convert.vegalite_to_vega(spec, vl_version=VEGA_LITE)
        return {name: value for name, value in vega.items() if name != "$schema"}

    def _table(self) -> str:
        words = {slider.column: dict(zip(slider.values, slider.words, strict=True)) for slider in self.sliders}
        head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in self.columns.values())
        body = ""
        for _, row in self.rows.iterrows():
            cells = (_number(words.get(name, {}).get(row[name], row[name])) for name in self.columns)
            body += "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
        return (
            f'<div class="replay-table" tabindex="0" role="region" aria-label="{escape(self.title)}: table">'
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        )

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> tuple[dict, dict]:
        """For a page the HTML; for a reader with a kernel Vega-Lite, which JupyterLab draws only where no HTML is."""
        if headless():
            return {"text/html": self.html(), "text/plain": self.title}, {}
        return {MIME: self.notebook_spec(), "text/plain": self.title}, {MIME: {"embed_options": EMBED}}


def _themed(chart: alt.TopLevelMixin) -> dict:
    """The specification, in the colours of whatever page it stands in."""
    spec = chart.configure(**CONFIG).to_dict()
    for part, colors in THEMED.items():
        spec["config"][part] = spec["config"].get(part, {}) | colors
    return spec | {"background": "transparent"}


def _control(slider: Slider) -> str:
    word, last = escape(slider.words[slider.start_index]), len(slider.values) - 1
    return (
        f'<div class="replay-slider"><label><span class="replay-label">{escape(slider.label)}</span>'
        f'<input type="range" min="0" max="{last}" step="1" value="{slider.start_index}" aria-valuetext="{word}" '
        f'autocomplete="off" disabled></label><span class="replay-words" aria-hidden="true">{word}</span></div>'
    )


def _number(value: object) -> str:
    """A cell: whole numbers with separators, others with three significant digits."""
    if isinstance(value, str):
        return value
    number = float(value)
    if not math.isfinite(number):
        return ""
    return f"{number:,.0f}" if number.is_integer() or abs(number) >= 1000 else f"{number:.3g}"


def _embedded(data: object) -> str:
    """JSON that may stand inside a script element, whatever strings are in it."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
