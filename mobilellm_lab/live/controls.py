"""Controls of a panel: each offers the value that it starts at, also where that is none of its usual ones"""

from collections.abc import Iterable, Mapping

import ipywidgets as W

LABEL_WIDTH = "6.2rem"


def choice(
    description: str,
    options: Mapping[str, object] | Iterable,
    value: object,
    tooltip: str,
    *,
    kind: type[W.Widget] = W.Dropdown,
    label_width: str = LABEL_WIDTH,
) -> W.Widget:
    """A dropdown, or another `kind` of selection, over name -> value, or over values that are their own names."""
    if not isinstance(options, Mapping):
        options = {value if isinstance(value, str) else f"{value:,}": value for value in options}
    if value not in options.values():
        options = {**options, str(value): value}
    style = {"description_width": label_width} | ({"button_width": "auto"} if kind is W.ToggleButtons else {})
    pairs, look = list(options.items()), {"style": style, "layout": {"width": "auto"}}
    return kind(description=description, options=pairs, value=value, tooltip=tooltip, **look)


def slider(description: str, values: range, value: int, tooltip: str, *, label_width: str = LABEL_WIDTH) -> W.IntSlider:
    """A slider over whole numbers."""
    low, high = min(values[0], value), max(values[-1], value)
    look = {"style": {"description_width": label_width}, "layout": {"width": "auto"}}
    return W.IntSlider(
        description=description, min=low, max=high, step=values.step, value=value, tooltip=tooltip, **look
    )


def checkbox(description: str, value: bool, tooltip: str, *, label_width: str = LABEL_WIDTH) -> W.Checkbox:
    """A tick, under the other controls."""
    look = {"style": {"description_width": label_width}, "layout": {"width": "auto"}}
    return W.Checkbox(description=description, value=value, indent=True, tooltip=tooltip, **look)
