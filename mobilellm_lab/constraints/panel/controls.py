"""Chapter 1's panel: a model and a device in; room, speed and charge out, and the same model decoding here."""

from functools import partial

import ipywidgets as W

from mobilellm_lab.charts.report import digits, short
from mobilellm_lab.constraints import BITS, DEVICES, MODELS, Machine, Recipe, Run, cores
from mobilellm_lab.constraints.figures.live import decode_svg
from mobilellm_lab.constraints.panel.jobs import Decoding, Measuring, Session, said
from mobilellm_lab.live import controls
from mobilellm_lab.live.panel import Values, static_if_headless
from mobilellm_lab.live.recipe_panel import RecipePanel, replay_of

DEPTHS = range(1, 33)
WIDTHS = range(64, 1025, 64)
CONTEXTS = (16, 128, 512, 2048, 8192)  # tokens
BATCHES = (1, 2, 4, 8, 16)
TOKENS = (32, 128, 512)
MEASURE = "Measure this machine"

GROUPS = {
    "Model": ("model", "depth", "width", "bits"),
    "Work": ("context", "batch", "tokens"),
    "Where": ("device", "threads"),
}


class Constraints(RecipePanel):
    """The panel; `history` holds the `Result` of every run of this session."""

    @property
    def machine(self) -> Machine | None:
        """The probes that runs are predicted from; None before the first."""
        return self.session.machine


def constraints_panel(*, machine: Machine | None = None, **defaults) -> Constraints:
    """The live panel of chapter 1; `defaults` are fields of `Recipe` at which the controls start.

    Args:
        machine: measured before; without it the first run measures what it is predicted from.

    Raises:
        ValueError: a default that no recipe can have.
    """
    base, session = Recipe(**{"tokens": 128} | defaults), Session(machine=machine)
    with static_if_headless():
        panel = Constraints(
            base,
            session,
            _controls(base),
            {
                "Run": lambda recipe, _: Decoding(session, recipe),
                MEASURE: lambda *_: Measuring(session),
            },
            preview=_preview,
            counts=lambda values: dict.fromkeys(("depth", "width"), values["model"] == "own"),
            groups=GROUPS,
            chart=decode_svg([], {}, x_max=base.tokens),
            warm_up=_warm_up,
            replay=replay_of("constraints", "mobilellm_lab.constraints.figures.replay:machine_replay"),
        )
        panel.buttons[MEASURE].tooltip = "bandwidth, arithmetic and the cost of starting an operation"
    return panel


def _preview(recipe: Recipe, values: Values) -> str:
    run = Run(recipe)  # refuses a model that is larger than this machine's memory
    verdict = {True: "fits", False: "too large", None: "room unknown"}[run.fit.fits]
    here = "" if recipe.runs_here else f" · {recipe.bits} bits are predicted, not run here"
    return (
        f"{run.fit.workload.parameters:,} parameters · {digits(run.fit.total_mib)} MiB on {recipe.device}: "
        f"{verdict} · {short(run.decode.bytes_moved)}B and {short(run.decode.operations)}FLOP a step · "
        f"{said(run.decode.tokens_per_s)} tokens/s by its roofline{here}"
    )


def _controls(base: Recipe) -> dict[str, W.Widget]:
    choice, slider = (partial(kind, label_width="5rem") for kind in (controls.choice, controls.slider))

    models = {"depth and width": "own"} | {name: name for name in MODELS if name != "own"}
    threads = {f"{count} core" + "s" * (count > 1): count for count in sorted({1, cores()})}
    return {
        "model": choice("model", models, base.model, "a published shape with random weights, or your own"),
        "depth": slider("depth", DEPTHS, base.depth, "layers"),
        "width": slider("width", WIDTHS, base.width, "dim, the residual stream"),
        "bits": choice("bits", BITS, base.bits, "of a weight; 32 and 16 are run here", kind=W.ToggleButtons),
        "context": choice("context", CONTEXTS, base.context, "tokens in the KV cache", kind=W.SelectionSlider),
        "batch": choice("batch", BATCHES, base.batch, "sequences decoded together", kind=W.SelectionSlider),
        "tokens": choice("tokens", TOKENS, base.tokens, "written in one run", kind=W.ToggleButtons),
        "device": choice("device", DEVICES.keys(), base.device, "the card that is calculated with"),
        "threads": choice("here on", threads, base.threads, "torch threads of the real run", kind=W.ToggleButtons),
    }


def _warm_up() -> Decoding:
    """The smallest run, probes included: a process's first operations take longer than all that follow."""
    return Decoding(Session(), Recipe(depth=1, width=64, tokens=1))
