"""Chapter 3's small panel: is int8 faster yet? A backend beside float32, here and now, at the size you choose"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import ipywidgets as W
import torch

from mobilellm_lab import footprint
from mobilellm_lab.charts.report import digits
from mobilellm_lab.live.panel import Live, Values, static_if_headless
from mobilellm_lab.quantization import (
    BACKENDS,
    CROSSOVER_LIVE_SIZES,
    CrossoverRecipe,
    CrossoverResult,
    CrossoverRun,
    find_backend,
)
from mobilellm_lab.quantization.panel.crossover_jobs import Beside, Ladder, Session
from mobilellm_lab.reference import open_sweep
from mobilellm_lab.sweeps import Store

REPEATS = (6, 10, 20, 40, 100, 200)
GROUPS = {"What runs": ("size", "backend"), "How it is measured": ("repeats",)}
ALL = "Run all sizes"


class Crossover(Live):
    """The panel; `history` holds the `CrossoverResult` of every run of this session, `recipe` what the controls say."""

    def __init__(self, base: CrossoverRecipe, rows: list[dict], replay: Callable[[], object] | None = None):
        self.base, self.session = base, Session(rows=rows)
        super().__init__(
            _controls(base),
            {"Run": self._beside, ALL: self._ladder},
            preview=self._preview,
            groups=GROUPS,
            chart=self.session.chart(base.backend, []),
            warm_up=_warm_up,
            replay=replay,
        )
        self.buttons[ALL].tooltip = f"this backend at {', '.join(CROSSOVER_LIVE_SIZES)}: where does it flip?"

    @property
    def history(self) -> list[CrossoverResult]:
        return self.session.history

    @property
    def recipe(self) -> CrossoverRecipe:
        """What the controls stand for now."""
        return self._recipe(self.values)

    def _recipe(self, values: Values) -> CrossoverRecipe:
        return replace(self.base, **values)

    def _preview(self, values: Values) -> str:
        recipe = self._recipe(values)
        backend, count = find_backend(recipe.backend), footprint.parameters(recipe.config)
        if lacking := backend.lacks():
            raise ValueError(f"backend={backend.name!r}: {lacking}")
        return (
            f"{count:,} random weights, {digits(4 * count / 1e6)} MB in float32. {recipe.backend}: {backend.caption}. "
            f"The trap: {backend.trap}."
        )

    def _beside(self, values: Values) -> Beside:
        torch.set_num_threads(1)
        return Beside(self.session, self._recipe(values))

    def _ladder(self, values: Values) -> Ladder:
        torch.set_num_threads(1)
        return Ladder(self.session, self._recipe(values))


def crossover_panel(*, store: Store | None = None, **defaults) -> Crossover:
    """The live panel of the crossover; `defaults` are fields of `CrossoverRecipe` where the controls start.

    Args:
        store: rows to draw behind; None takes the repository's own, and a page shows their replay in place of the
            controls.

    Raises:
        ValueError: a default that no recipe can have.
    """
    replay = None
    if store is None:
        store = open_sweep("quantization_speed")
        replay = partial(_replay, store)
    with static_if_headless():
        return Crossover(CrossoverRecipe(**defaults), list(store.rows.values()), replay)


def _replay(store: Store) -> object:
    from mobilellm_lab.quantization.figures.crossover_replay import crossover_replay

    return crossover_replay(store)


def _controls(base: CrossoverRecipe) -> dict[str, W.Widget]:
    look = {"style": {"description_width": "5rem"}, "layout": {"width": "auto"}}

    def slider(description: str, values: tuple, words: str, value: object, tooltip: str) -> W.SelectionSlider:
        options = [(words.format(option), option) for option in (values if value in values else (*values, value))]
        return W.SelectionSlider(description=description, options=options, value=value, tooltip=tooltip, **look)

    return {
        "size": slider(
            "model", CROSSOVER_LIVE_SIZES, "{}", base.size, "parameters; random weights, speed does not mind"
        ),
        "backend": W.Dropdown(
            description="backend",
            options=[(name, name) for name in BACKENDS],
            value=base.backend,
            tooltip="what runs beside float32",
            **look,
        ),
        "repeats": slider("pairs", REPEATS, "{}", base.repeats, "each a sample of both, in random order"),
    }


def _warm_up() -> None:
    """The smallest run of both libraries: their first calls import for a second, which no reader should wait for."""
    torch.set_num_threads(1)
    for backend in BACKENDS.values():
        if not backend.lacks():
            for _ in CrossoverRun(CrossoverRecipe(backend=backend.name, size=CROSSOVER_LIVE_SIZES[0], repeats=6)):
                pass
