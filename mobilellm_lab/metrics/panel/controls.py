"""Chapter 7's panel: a duel with a known truth, and a verdict that changes while its pairs come in"""

from functools import partial

import ipywidgets as W

from mobilellm_lab.live.controls import checkbox, choice
from mobilellm_lab.live.panel import Values, static_if_headless
from mobilellm_lab.live.recipe_panel import RecipePanel, replay_of
from mobilellm_lab.metrics.duel import RULES, DuelRecipe, DuelRun
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
SERIES = f"Run {DUELS} times"
GROUPS = {"The truth": ("slowdown_percent",), "How it is measured": ("repeats", "warmup", "neighbour", "rule")}


def metrics_panel(*, reference: Reference | None = None, **defaults) -> RecipePanel:
    """The live panel of chapter 7; `defaults` are fields of `metrics.DuelRecipe` at which the controls start.

    Its `history` holds each duel's `DuelResult`.

    Args:
        reference: says in a sentence how often a recipe's setting was right elsewhere; None asks the repository's own
            sweep, and a page shows that sweep's replay in place of the controls.

    Raises:
        ValueError: a default that no recipe can have.
    """
    base, replay = DuelRecipe(**defaults), None
    if reference is None:
        reference = partial(stored, open_sweep("metrics"))
        replay = replay_of("metrics", "mobilellm_lab.metrics.figures.replay:duel_replay")
    session = Session(reference)
    with static_if_headless():
        panel = RecipePanel(
            base,
            session,
            _controls(base),
            {"Run": lambda recipe, _: Duel(session, recipe), SERIES: lambda recipe, _: Duels(session, recipe)},
            preview=_preview,
            groups=GROUPS,
            chart=duel_svg([], [], [], truth=truth(base), pairs=base.repeats),
            warm_up=_warm_up,
            replay=replay,
        )
        panel.buttons[SERIES].tooltip = "how often is the verdict wrong?"
    return panel


def _preview(recipe: DuelRecipe, values: Values) -> str:
    work = f"{recipe.slowdown_percent} % more work than a" if recipe.slowdown_percent else "the same work as a"
    beside = "beside a busy process" if recipe.neighbour else "with nothing started beside it"
    return (
        f"b does {work}: a perfect judge says “{recipe.truth}”. {recipe.repeats} pair{'s' * (recipe.repeats > 1)} "
        f"after {recipe.warmup} for warm-up, {beside}, judged by {RULE_WORDS[recipe.rule]}."
    )


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


def _controls(base: DuelRecipe) -> dict[str, W.Widget]:
    def slider(description: str, values: tuple[int, ...], words: str, value: int, tooltip: str) -> W.SelectionSlider:
        options = {words.format(option): option for option in sorted({*values, value})}
        return choice(description, options, value, tooltip, kind=W.SelectionSlider)

    neighbour = "starts a process that wants every core, and ends it with the run"
    return {
        "slowdown_percent": slider("b is slower by", SLOWDOWNS, "{} %", base.slowdown_percent, "extra work, for real"),
        "repeats": slider("pairs", REPEATS, "{}", base.repeats, "each a call of a and a call of b, in random order"),
        "warmup": slider("warm-up", WARMUPS, "{}", base.warmup, "pairs made before the clock starts"),
        "neighbour": checkbox("a busy neighbour", base.neighbour, neighbour),
        "rule": choice("rule", RULES, base.rule, "what turns the times into a verdict"),
    }


def _warm_up() -> DuelRun:
    """One pair: the first one imports and allocates, which the reader's first run should not pay for."""
    return DuelRun(DuelRecipe(repeats=1, warmup=0))
