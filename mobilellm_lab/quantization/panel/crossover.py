"""Chapter 3's small panel: is int8 faster yet? A backend beside float32, here and now, at the size you choose"""

from collections.abc import Iterator
from functools import partial

import ipywidgets as W

from mobilellm_lab import footprint
from mobilellm_lab.charts.report import digits
from mobilellm_lab.live.controls import choice
from mobilellm_lab.live.panel import Values, static_if_headless
from mobilellm_lab.live.recipe_panel import RecipePanel, replay_of
from mobilellm_lab.quantization import (
    BACKENDS,
    CROSSOVER_LIVE_SIZES,
    CrossoverRecipe,
    CrossoverRun,
    find_backend,
)
from mobilellm_lab.quantization.panel.crossover_jobs import Beside, Ladder, Session
from mobilellm_lab.reference import open_sweep
from mobilellm_lab.sweeps import Store

REPEATS = (6, 10, 20, 40, 100, 200)
GROUPS = {"What runs": ("size", "backend"), "How it is measured": ("repeats",)}
ALL = "Run all sizes"


def crossover_panel(*, store: Store | None = None, **defaults) -> RecipePanel:
    """The live panel of the crossover; `defaults` are fields of `CrossoverRecipe` where the controls start.

    Its `history` holds the `CrossoverResult` of every run.

    Args:
        store: rows to draw behind; None takes the repository's own, and a page shows their replay in place of the
            controls.

    Raises:
        ValueError: a default that no recipe can have.
    """
    base, replay = CrossoverRecipe(**defaults), None
    if store is None:
        store = open_sweep("quantization_speed")
        replay = replay_of("quantization_speed", "mobilellm_lab.quantization.figures.crossover_replay:crossover_replay")
    session = Session(rows=list(store.rows.values()))
    with static_if_headless():
        panel = RecipePanel(
            base,
            session,
            _controls(base),
            {"Run": lambda recipe, _: Beside(session, recipe), ALL: lambda recipe, _: Ladder(session, recipe)},
            preview=_preview,
            groups=GROUPS,
            chart=session.chart(base.backend, []),
            warm_up=_warm_up,
            replay=replay,
        )
        panel.buttons[ALL].tooltip = f"this backend at {', '.join(CROSSOVER_LIVE_SIZES)}: where does it flip?"
    return panel


def _preview(recipe: CrossoverRecipe, values: Values) -> str:
    backend, count = find_backend(recipe.backend), footprint.parameters(recipe.config)
    if lacking := backend.lacks():
        raise ValueError(f"backend={backend.name!r}: {lacking}")
    return (
        f"{count:,} random weights, {digits(4 * count / 1e6)} MB in float32. {recipe.backend}: {backend.caption}. "
        f"The trap: {backend.trap}."
    )


def _controls(base: CrossoverRecipe) -> dict[str, W.Widget]:
    look = partial(choice, label_width="5rem")
    slider = partial(look, kind=W.SelectionSlider)
    sizes = "parameters; random weights, speed does not mind"
    return {
        "size": slider("model", CROSSOVER_LIVE_SIZES, base.size, sizes),
        "backend": look("backend", BACKENDS.keys(), base.backend, "what runs beside float32"),
        "repeats": slider("pairs", REPEATS, base.repeats, "each a sample of both, in random order"),
    }


def _warm_up() -> Iterator[object]:
    """The smallest run of both libraries: their first calls import for a second, which no reader should wait for."""
    for backend in BACKENDS.values():
        if not backend.lacks():
            yield from CrossoverRun(CrossoverRecipe(backend=backend.name, size=CROSSOVER_LIVE_SIZES[0], repeats=6))
