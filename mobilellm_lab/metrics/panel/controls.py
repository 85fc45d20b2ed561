"""Chapter 7's panel: a duel with a known truth, and a verdict that changes while its pairs come in"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import ipywidgets as W
import torch

from mobilellm_lab.live.panel import Live, Values, static_if_headless
from mobilellm_lab.metrics.duel import RULES, DuelRecipe, DuelResult, DuelRun
from mobilellm_lab.metrics.figures.live import duel_svg
from mobilellm_lab.metrics.panel.jobs import DUELS, Duel, Duels, Reference, Session, truth
from mobilellm_lab.reference import open_sweep
from mobilellm_lab.sweeps import Store

SLOWDOWNS = (0, 1, 2, 5, 10, 20, 50)
REPEATS = (1, 3, 6, 10, 20, 40, 80, 200)
WARMUPS = (0, 1, 3, 10)
RULE_WORDS = {
    "one shot": "the first pair alone",
    "means": "the two means",
    "medians": "the two medians",
    "paired interval": "the interval of the ratio within the pairs",
}
GROUPS = {"The truth": ("slowdown_percent",), "How it is measured": ("repeats", "warmup", "neighbour", "rule")}


class Metrics(Live):
    """The panel; `history` holds each duel's `DuelResult`, `recipe` what the controls stand for."""

    def __init__(self, base: DuelRecipe, reference: Reference, replay: Callable[[], object] | None = None):
        self.base, self.session = base, Session(reference)
        super().__init__(
            _controls(base),
            {"Run": self._duel, f"Run {DUELS} times": self._duels},
            preview=self._preview,
            groups=GROUPS,
            chart=duel_svg([], [], [], truth=truth(base), pairs=base.repeats),
            warm_up=_warm_up,
            replay=replay,
        )
        self.buttons[f"Run {DUELS} times"].tooltip = "how often is the verdict wrong?"

    @property
    def history(self) -> list[DuelResult]:
        return self.session.history

    @property
    def recipe(self) -> DuelRecipe:
        """What the controls stand for now."""
        return self._recipe(self.values)

    def _recipe(self, values: Values) -> DuelRecipe:
        return replace(self.base, **values)

    def _preview(self, values: Values) -> str:
        recipe = self._recipe(values)
        work = f"{recipe.slowdown_percent} % more work than a" if recipe.slowdown_percent else "the same work as a"
        beside = "beside a busy process" if recipe.neighbour else "with nothing started beside it"
        return (
            f"b does {work}: a perfect judge says “{recipe.truth}”. {recipe.repeats} pair{'s' * (recipe.repeats > 1)} "
            f"after {recipe.warmup} for warm-up, {beside}, judged by {RULE_WORDS[recipe.rule]}."
        )

    def _duel(self, values: Values) -> Duel:
        torch.set_num_threads(1)
        return Duel(self.session, self._recipe(values))

    def _duels(self, values: Values) -> Duels:
        torch.set_num_threads(1)
        return Duels(self.session, self._recipe(values))


def metrics_panel(*, reference: Reference | None = None, **defaults) -> Metrics:
    """The live panel of chapter 7; `defaults` are fields of `metrics.DuelRecipe` at which the controls start.

    Args:
        reference: says in a sentence how often a recipe's setting was right elsewhere; None asks the repository's own
            sweep, and a page shows that sweep's replay in place of the controls.

    Raises:
        ValueError: a default that no recipe can have.
    """
    replay = None
    if reference is None:
        store = open_sweep("metrics")
        reference, replay = partial(stored, store), partial(_replay, store)
    with static_if_headless():
        return Metrics(DuelRecipe(**defaults), reference, replay)


def stored(store: Store, recipe: DuelRecipe) -> str:
    """How often the stored sweep was right in a recipe's setting; "" where it was not measured."""
    wanted = {name: getattr(recipe, name) for name in ("slowdown_percent", "repeats", "neighbour", "rule")}
    for row in store.rows.values():
        if wanted.items() <= row["recipe"].items():
            return (
                f"In the stored sweep it was right in {row['shares']['right']:.0%} of the duels "
                f"({row['right_low']:.0%} to {row['right_high']:.0%} in its series)."
            )
    return ""


def _replay(store: Store) -> object:
    from mobilellm_lab.metrics.figures.replay import duel_replay

    return duel_replay(store)


def _controls(base: DuelRecipe) -> dict[str, W.Widget]:
    look = {"style": {"description_width": "6.2rem"}, "layout": {"width": "auto"}}

    def slider(description: str, values: tuple[int, ...], words: str, value: int, tooltip: str) -> W.SelectionSlider:
        options = [(words.format(option), option) for option in sorted({*values, value})]
        return W.SelectionSlider(description=description, options=options, value=value, tooltip=tooltip, **look)

    return {
        "slowdown_percent": slider("b is slower by", SLOWDOWNS, "{} %", base.slowdown_percent, "extra work, for real"),
        "repeats": slider("pairs", REPEATS, "{}", base.repeats, "each a call of a and a call of b, in random order"),
        "warmup": slider("warm-up", WARMUPS, "{}", base.warmup, "pairs made before the clock starts"),
        "neighbour": W.Checkbox(
            description="a busy neighbour",
            value=base.neighbour,
            indent=True,
            tooltip="starts a process that wants every core, and ends it with the run",
            **look,
        ),
        "rule": W.Dropdown(
            description="rule",
            options=[(rule, rule) for rule in RULES],
            value=base.rule,
            tooltip="what turns the times into a verdict",
            **look,
        ),
    }


def _warm_up() -> None:
    """One pair: the first one imports and allocates, which the reader's first run should not pay for."""
    torch.set_num_threads(1)
    for _ in DuelRun(DuelRecipe(repeats=1, warmup=0)):
        pass
