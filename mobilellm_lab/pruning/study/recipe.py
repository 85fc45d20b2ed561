"""Recipe of one-shot pruning, every choice a field"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from mobilellm_lab.choices import advice
from mobilellm_lab.pruning.calibration import DATA
from mobilellm_lab.pruning.importance import CALIBRATED, IMPORTANCES
from mobilellm_lab.pruning.layers import LAYER_CHOICES, LOOKING
from mobilellm_lab.pruning.sensitivity import SCANNED
from mobilellm_lab.pruning.structured import BY_BLOCK, STRUCTURES
from mobilellm_lab.quantization.grid import Grid
from mobilellm_lab.quantization.quantized import LAYERS

SINGLE = ("weight", "2:4")  # granularities that leave zeros; the others leave a smaller model
GRANULARITIES = (*SINGLE, *STRUCTURES)
SCOPES = ("uniform", "global", "sensitivity")
FLOAT = 32  # "bits" of weights that stay in float32
BITS = (FLOAT, 8, 4, 3, 2)  # of a symmetric grid, which has a code for 0; that of 1 bit has none
GROUP_SIZE = 32  # neighbouring weights that share a scale
COMPARED = ("row", "matrix")  # weights among which the lowest scores are sought, where the scope is not global
DATA_DRIVEN = ("taylor", *CALIBRATED)  # importances that look at data
SPREAD = ("weight", *BY_BLOCK)  # granularities whose amount may differ by layer
MOST_SEQUENCES = 128
SCAN_AMOUNTS = (0.3, 0.5, 0.7, 0.9)  # amounts that a sensitivity scan tries for every layer alone
LOOKS = ("data", "sequences", "length")  # fields of what is looked at
HOW = ("importance", "granularity", "compare", "scope", "layers", "choice", *LOOKS)  # fields of what and how is removed


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One setting of the controls.

    A field that does not count in a setting must have its default, so that each setting is one recipe: see `idle`.

    Raises:
        ValueError: a field out of range, or two that mean nothing together; names it, its value and a remedy, before
            any time is spent.
    """

    model: str = "stories-deep"  # name of the float model, which is passed beside the recipe
    amount: int | float = 0.5  # share of the prunable weights, or of the groups, to remove; 0 leaves it dense
    importance: str = "l1"  # of a weight, or of a group by its weights: one of IMPORTANCES
    granularity: str = "weight"  # what is removed as one: one of GRANULARITIES
    compare: str = "row"  # which single weights compete: those of an output row, or of a matrix
    scope: str = "uniform"  # the same amount in every layer, one ranking for all, or amounts by a sensitivity scan
    data: str = "own"  # what is calibrated on: one of DATA
    sequences: int = 16  # to calibrate on
    length: int = 0  # tokens of each; 0 takes the task's
    layers: str = "blocks"  # which matrices single weights are removed from: one of LAYERS
    choice: str = "influence"  # how whole layers are chosen: one of LAYER_CHOICES
    bits: int = FLOAT  # of a weight afterwards, rounded to nearest in groups of 32; 32 leaves it float
    seed: int = 0  # of the calibration sequences, and of what "random" removes

    def __post_init__(self) -> None:
        offered = {"importance": IMPORTANCES, "granularity": GRANULARITIES, "compare": COMPARED, "scope": SCOPES}
        offered |= {"data": DATA, "layers": LAYERS, "choice": LAYER_CHOICES}
        for name, values in offered.items():
            if (value := getattr(self, name)) not in values:
                raise ValueError(f"{name}={value!r}: {advice(value, values)}")
        if self.bits not in BITS:
            raise ValueError(f"bits={self.bits}: choose one of {', '.join(map(str, BITS))}")
        if not (math.isfinite(self.amount) and 0 <= self.amount < 1):
            raise ValueError(f"amount={self.amount}: the share to remove, give 0 or more and less than 1")
        object.__setattr__(self, "amount", float(self.amount))  # 0 and 0.0 are one recipe
        if not 1 <= self.sequences <= MOST_SEQUENCES:
            raise ValueError(f"sequences={self.sequences}: calibrate on 1 to {MOST_SEQUENCES}")
        if self.length < 0 or self.length == 1:
            raise ValueError(f"length={self.length}: give 2 tokens or more, or 0 for the task's own")
        for name, why in idle(vars(self)).items():
            if (value := getattr(self, name)) != (usual := getattr(Recipe, name)):
                raise ValueError(f"{name}={value!r} does not count {why}: leave it at {usual!r}")
        if self.importance == "sparsegpt" and self.granularity not in SINGLE:
            raise ValueError(
                f"importance='sparsegpt' with granularity={self.granularity!r}: it updates single weights; choose "
                "granularity='weight' or '2:4', or another importance"
            )
        if self.scope == "sensitivity" and self.granularity not in SCANNED:
            raise ValueError(
                f"scope='sensitivity' with granularity={self.granularity!r}: {' and '.join(SCANNED)} can be scanned, "
                "choose scope='uniform' or 'global'"
            )
        if self.scope == "sensitivity" and self.amount >= SCAN_AMOUNTS[-1]:
            raise ValueError(
                f"amount={self.amount} with scope='sensitivity': a layer is scanned up to {SCAN_AMOUNTS[-1]}, give less"
            )
        if self.importance in CALIBRATED and self.scope == "global" and self.layers in ("all", "embedding"):
            raise ValueError(
                f"importance={self.importance!r} with scope='global' and layers={self.layers!r}: the embedding table "
                "has no inputs to be scored by; choose layers='blocks', or scope='uniform'"
            )

    @property
    def calibrates(self) -> bool:
        """Whether it looks at data."""
        return _calibrates(vars(self))

    @property
    def draws(self) -> bool:
        """Whether the seed makes a difference."""
        drawn = self.choice if self.granularity == "layer" else self.importance
        return self.calibrates or (self.amount > 0 and drawn == "random")

    @property
    def grid(self) -> Grid:
        """What weights are rounded to afterwards; not asked for where they stay in float."""
        return Grid(bits=self.bits, group_size=GROUP_SIZE)


def idle(values: Mapping[str, object]) -> dict[str, str]:
    """Fields that do not count beside these values of all fields, each with the reason."""
    why, granularity = {}, values["granularity"]
    of_granularity = f"with granularity={granularity!r}"
    if granularity == "2:4":
        why["amount"] = f"{of_granularity}, which removes two of four"
    elif not values["amount"]:
        return dict.fromkeys(HOW, "with amount=0, which removes nothing")
    if granularity != "weight":
        why["compare"] = of_granularity
    elif values["scope"] == "global":
        why["compare"] = "with scope='global', where all weights compete"
    if granularity not in SINGLE:
        why["layers"] = of_granularity
    if granularity not in SPREAD:
        why["scope"] = of_granularity
    why["importance" if granularity == "layer" else "choice"] = of_granularity
    if not _calibrates(values):
        why |= dict.fromkeys(LOOKS, "where nothing is calibrated")
    return why


def plain(values: Mapping[str, object]) -> Recipe:
    """The recipe of these fields, with the default in those that do not count.

    Raises:
        ValueError: what no recipe can be.
    """
    whole = {field.name: field.default for field in fields(Recipe)} | dict(values)
    return Recipe(**whole | {name: getattr(Recipe, name) for name in idle(whole)})


def _calibrates(values: Mapping[str, object]) -> bool:
    if values["granularity"] == "layer":
        return bool(values["amount"]) and values["choice"] in LOOKING
    return bool(values["amount"]) and values["importance"] in DATA_DRIVEN
