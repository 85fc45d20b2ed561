"""What chapter 3's panel remembers: the float models it starts from, its runs, and what the repository measured"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean

from mobilellm_lab.charts import report
from mobilellm_lab.charts.report import digits
from mobilellm_lab.measuring.evaluation import EvalResult, EvalSet
from mobilellm_lab.measuring.start import Start, load_start
from mobilellm_lab.quantization.figures.live import Distance, distance_svg
from mobilellm_lab.quantization.grid import CHANNEL, TENSOR
from mobilellm_lab.quantization.study.recipe import FLOAT, QATRecipe, Recipe
from mobilellm_lab.quantization.study.run import Sizes

BATCH_TOKENS = 2048  # of one batch of the evaluation: about a tenth of a second at a million parameters
COLUMNS = "run, perplexity, loss increase, answers, as float, KiB on disk, by formula, tokens/s packed, float".split(
    ", "
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One run of the session: a model that was rounded, or trained with the grid."""

    label: str
    short: str  # the same in a word or two, for a point in a picture
    model: str  # that it started from
    evaluation: EvalResult
    float_evaluation: EvalResult  # of the model that it started from
    sizes: Sizes
    packed_per_s: float | None = None  # tokens decoded with packed weights; None where it was stopped before
    float_per_s: float | None = None

    @property
    def loss_increase_nats(self) -> float:
        """How much the loss is above the float model's, on the same sequences."""
        return self.evaluation.loss_nats - mean(self.float_evaluation.losses[: len(self.evaluation.losses)])


@dataclass
class Session:
    """What was run since the panel was made, the float models it starts from, and the repository's own runs."""

    folders: dict[str, Path]  # of the checkpoints, by name
    stored: dict[str, list[Distance]] = field(default_factory=dict)  # by name: bytes and loss increase of measured rows
    history: list[Entry] = field(default_factory=list)
    starts: dict[tuple[str, int], Start] = field(default_factory=dict)

    def start(self, name: str, tokens: int) -> Start:
        """The float model of this name, evaluated on about so many test tokens; each is read once."""
        if (name, tokens) not in self.starts:
            known = next((start for (other, _), start in self.starts.items() if other == name), None)
            found = known or load_start(self.folders[name], name=name)
            size = max(1, BATCH_TOKENS // found.task.seq_len)
            batches = max(1, tokens // (size * found.task.seq_len))
            eval_set = EvalSet(found.model, found.task, batches=batches, batch_size=size)
            self.starts[name, tokens] = replace(found, eval_set=eval_set)
        return self.starts[name, tokens]

    def distances(self, start: Start) -> str:
        """SVG of this session's runs from a float model, by bytes and loss increase, over the stored ones."""
        points = [
            (entry.sizes.on_disk.bytes, entry.loss_increase_nats, f"{number}. {entry.short}")
            for number, entry in enumerate(self.history, 1)
            if entry.model == start.name
        ]
        return distance_svg(points, self.stored.get(start.name, []), float_bytes=start.on_disk.bytes)

    def table(self) -> str:
        """HTML of every run, the newest first."""
        rows = [
            (
                entry.label,
                digits(entry.evaluation.perplexity),
                f"{entry.loss_increase_nats:+.4f}",
                ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in entry.evaluation.scores.items()),
                f"{100 * entry.evaluation.agreement:.1f} %",
                digits(entry.sizes.on_disk.bytes / 1024),
                digits(entry.sizes.theory.bytes / 1024),
                "" if entry.packed_per_s is None else digits(entry.packed_per_s),
                "" if entry.float_per_s is None else digits(entry.float_per_s),
            )
            for entry in self.history
        ]
        return report.session(COLUMNS, rows)


def short(recipe: Recipe | QATRecipe) -> str:
    """A point's name: its bits, and how it came about."""
    how = recipe.method.upper() if isinstance(recipe, Recipe) else "trained"
    return "float" if recipe.bits == FLOAT else f"{recipe.bits:g} bit{'s' * (recipe.bits != 1)}, {how}"


def label(recipe: Recipe) -> str:
    """A recipe in a few words: the grid, the method, and what differs from the defaults."""
    usual = Recipe()
    words = [recipe.model, grid_words(recipe)]
    words += [recipe.method.upper()] * (recipe.bits != FLOAT)
    words += [f"{recipe.layers} only"] * (recipe.layers != usual.layers and recipe.bits != FLOAT)
    if recipe.activation_bits != FLOAT:
        how = recipe.activation if recipe.activation == "dynamic" else f"static {recipe.ranges}"
        words.append(f"activations {recipe.activation_bits} bits {how}")
    words += [f"calibrated on {recipe.data}"] * (recipe.calibrates and recipe.data != usual.data)
    words += [f"cache {recipe.kv_bits} bits"] * (recipe.kv_bits != FLOAT)
    words += [f"outliers in {recipe.planted}"] * (recipe.planted != "none") + ["rotated"] * recipe.rotate
    return ", ".join(words)


def trained_label(recipe: QATRecipe) -> str:
    """A training in a few words."""
    words = [recipe.model, grid_words(recipe), f"trained {recipe.seconds:g} s"]
    return ", ".join(words + ["learned steps"] * recipe.learned_step)


def grid_words(recipe: Recipe | QATRecipe) -> str:
    """A grid in a few words: 4 bits in groups of 32."""
    if recipe.bits == FLOAT:
        return "float weights"
    scales = {TENSOR: "a scale a matrix", CHANNEL: "a scale a row"}
    where = scales.get(recipe.group_size, f"groups of {recipe.group_size}")
    bits = f"{recipe.bits:g} bit" + "s" * (recipe.bits != 1)
    return f"{bits}, {where}" + ", affine" * (not recipe.symmetric)
