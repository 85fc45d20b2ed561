"""Replays of post-training quantization and of QAT"""

from functools import partial

import altair as alt
import pandas as pd

from mobilellm_lab.charts.replay import CHOSEN, FAINT, HEIGHT, MARKED, TEXT, Replay, Slider
from mobilellm_lab.charts.report import digits
from mobilellm_lab.quantization.grid import CHANNEL, TENSOR
from mobilellm_lab.quantization.study.evidence import ARMS, qat, runs, spread
from mobilellm_lab.quantization.study.sweep import BITS, DEEP, GROUPS, SCHEMES
from mobilellm_lab.quantization.study.sweep_qat import BITS as TRAINED_BITS
from mobilellm_lab.reference import origin
from mobilellm_lab.sweeps import Store

LEAST_INCREASE = 1e-4  # nats; what is closer to float, or better, is drawn here
ARM_WORDS = dict(
    zip(
        ARMS,
        ("RTN", "GPTQ", "float training, then RTN", "float training, then GPTQ", "QAT"),
        strict=True,
    )
)
METHODS = {"rtn": "RTN", "mse": "RTN, clipped", "gptq": "GPTQ", "awq": "AWQ"}
SCHEME_WORDS = {
    (method, symmetric): METHODS[method] + ("" if symmetric else ", affine") for method, symmetric in SCHEMES
}
GROUP_WORDS = {TENSOR: "per tensor", CHANNEL: "per channel"}
SPREAD = {"median": "loss_increase", "min": "low", "max": "high", "count": "seeds"}
PTQ = {
    "model": "model",
    "bits": "bits",
    "group_size": "scales",
    "scheme": "method",
    "loss_increase": "loss increase, nats",
    "low": "lowest",
    "high": "highest",
    "perplexity": "perplexity",
    "score": "two-hop, or bits/byte",
    "kib": "KiB on disk",
    "smaller": "times smaller",
}
QAT = {"model": "model", "bits": "bits", "arm": "method", "loss": "loss, nats, median"} | {
    "low": "lowest",
    "high": "highest",
    "loss_increase": "loss increase, nats",
    "float_nats": "float, nats",
}


def rounded(store: Store) -> pd.DataFrame:
    """A row per setting: model, bits, group_size, scheme, and the median of loss increase, perplexity, score and KiB.

    `low` and `high` are the lowest and highest loss increase: over three seeds where the method looks at data,
    else over four parts of the test sequences.
    """
    frame = runs(store, "grid")
    frame["scheme"] = [SCHEME_WORDS[pair] for pair in zip(frame["method"], frame["symmetric"], strict=True)]
    setting = ["model", "bits", "group_size", "scheme"]
    middle = frame.groupby(setting)[["perplexity", "score", "on_disk_bytes", "float_bytes"]].median()
    table = spread(frame, setting).rename(columns=SPREAD).join(middle, on=setting)
    return table.assign(kib=table["on_disk_bytes"] / 1024, smaller=table["float_bytes"] / table["on_disk_bytes"])


def ptq_replay(store: Store) -> Replay:
    """Loss increase for every measured model, number of bits, size of groups and method."""
    rows = rounded(store)
    sliders = (
        Slider(column="model", label="Model", values=DEEP, words=DEEP, start=DEEP[0]),
        Slider(column="bits", label="Bits", values=BITS, words=tuple(f"{bits} bits" for bits in BITS), start=3),
        Slider(
            column="group_size",
            label="Scales",
            values=GROUPS,
            words=tuple(GROUP_WORDS.get(size, f"groups of {size}") for size in GROUPS),
            start=32,
        ),
        Slider(
            column="scheme",
            label="Method",
            values=tuple(SCHEME_WORDS.values()),
            words=tuple(SCHEME_WORDS.values()),
            start=SCHEME_WORDS["rtn", True],
        ),
    )
    return Replay(
        (_by_bits(rows, sliders), _by_bytes(rows, sliders)),
        sliders,
        rows=rows,
        columns=PTQ,
        origin=str(origin(store)),
        title="Loss increase by bits, scales and method",
        alt=(
            "Two charts, both with the loss increase over the float model on a logarithmic axis. Against bits of a "
            "weight: the chosen method with its spread, the other methods faint. Against kibibytes on disk: all "
            "settings of the chosen model faint, the chosen one marked. The sentence below and the table say the "
            "same in numbers."
        ),
        key="Blue: the chosen method and scales, the band from lowest to highest. Orange: the chosen setting. "
        f"Grey: the others. A loss increase below {LEAST_INCREASE:g} nats is drawn there.",
        readout=partial(_ptq_said, rows),
    )


def _ptq_said(rows: pd.DataFrame, *, model: str, bits: int, group_size: int, scheme: str) -> str:
    found = rows[(rows["model"] == model) & (rows["bits"] == bits) & (rows["group_size"] == group_size)]
    row = found[found["scheme"] == scheme].iloc[0]
    over = f"{row['seeds']:.0f} seeds" if row["seeds"] > 1 else "four parts of the test"
    answers = f"two-hop answers {row['score']:.3f}" if "stories" in model else f"{row['score']:.3f} bits per byte"
    return (
        f"{model}, {bits} bits, {GROUP_WORDS.get(group_size, f'groups of {group_size}')}, {scheme}: the loss is "
        f"{row['loss_increase']:+.4f} nats beside float ({row['low']:+.4f} to {row['high']:+.4f}, {over}), perplexity "
        f"{digits(row['perplexity'])}, {answers}; {digits(row['kib'])} KiB on disk, {row['smaller']:.1f} times smaller."
    )


def trained(store: Store, qat_store: Store) -> pd.DataFrame:
    """A row per model, bits and arm of `evidence.crossover`: loss as median, lowest and highest of its runs."""
    after = pd.concat([runs(store, "grid"), runs(store, "low")], ignore_index=True)
    after = after[(after["group_size"] == 32) & after["symmetric"]]
    frame = pd.concat([after.assign(arm="ptq " + after["method"]), qat(qat_store)], ignore_index=True)
    frame = frame[frame["arm"].isin(ARMS) & frame["model"].isin(DEEP) & frame["bits"].isin(TRAINED_BITS)]
    setting = ["model", "bits", "arm"]
    middle = frame.groupby(setting)["loss_increase_nats"].median().rename("loss_increase")
    table = spread(frame, setting, "loss_nats").rename(columns=SPREAD | {"median": "loss"}).join(middle, on=setting)
    return table.assign(float_nats=table["loss"] - table["loss_increase"], arm=table["arm"].map(ARM_WORDS))


def qat_replay(store: Store, qat_store: Store) -> Replay:
    """Loss by bits for rounding after training and for QAT, on both deep models."""
    rows, words = trained(store, qat_store), tuple(ARM_WORDS[arm] for arm in ARMS)
    sliders = (
        Slider(column="model", label="Model", values=DEEP, words=DEEP, start=DEEP[0]),
        Slider(
            column="bits",
            label="Bits",
            values=TRAINED_BITS,
            words=tuple(f"{bits:g} bit" + "s" * (bits != 1) for bits in TRAINED_BITS),
            start=2,
        ),
        Slider(column="arm", label="Method", values=words, words=words, start=words[-1]),
    )
    return Replay(
        (_losses(rows, sliders), _ways(rows, sliders)),
        sliders,
        rows=rows,
        columns=QAT,
        origin=f"{origin(store)}; and {origin(qat_store)}",
        title="Loss by bits: rounding after training, and QAT",
        alt=(
            "Two charts. Loss on test sequences against bits of a weight: the chosen method as a line in a band from "
            "its lowest to its highest run, the other methods faint, the float model dotted. Loss of each method at "
            "the chosen number of bits. The sentence below and the table say the same in numbers."
        ),
        key="Blue: the chosen method, its band over three seeds. Orange: the chosen setting. Grey: the other methods. "
        "Dotted, and at the right a short line: the float model.",
        readout=partial(_qat_said, rows),
    )


def _qat_said(rows: pd.DataFrame, *, model: str, bits: int | float, arm: str) -> str:
    row = rows[(rows["model"] == model) & (rows["bits"] == bits) & (rows["arm"] == arm)].iloc[0]
    spread = f" ({row['low']:.3f} to {row['high']:.3f}, {row['seeds']:.0f} seeds)" if row["seeds"] > 1 else ""
    return (
        f"{model}, {bits:g} bit{'s' * (bits != 1)} in groups of 32, {arm}: loss {row['loss']:.3f} nats{spread}, "
        f"{row['loss_increase']:+.3f} beside the float model's {row['float_nats']:.3f}."
    )


def _bits_axis(bits: tuple) -> alt.X:
    axis = alt.Axis(title="bits of a weight", values=sorted(bits), grid=False, format="~g")
    scale = alt.Scale(type="log", base=2, domain=[min(bits), max(bits)], nice=False, padding=10)
    return alt.X("bits:Q", scale=scale, axis=axis)


def _loss_increase(column: str, top: float) -> alt.Y:
    decades = [LEAST_INCREASE * 10**power for power in range(6) if LEAST_INCREASE * 10**power <= top]
    axis = alt.Axis(title=None, values=decades, format="~g")
    return alt.Y(f"{column}:Q", scale=alt.Scale(type="log", domain=[LEAST_INCREASE, top], clamp=True), axis=axis)


def _clipped(rows: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """What the charts need; a loss increase that a logarithm cannot show lies at the edge."""
    chosen = rows[[*columns, "loss_increase", "low", "high"]]
    return chosen.assign(
        **{name: chosen[name].clip(lower=LEAST_INCREASE).round(6) for name in ("loss_increase", "low", "high")}
    )


def _line(mine: alt.Chart, bits: Slider, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """The chosen way: its line, its points, and the chosen one of them."""
    return [
        mine.mark_line(color=CHOSEN, strokeWidth=2.5).encode(x=x, y=y),
        mine.mark_circle(color=CHOSEN, size=40, opacity=1).encode(x=x, y=y),
        mine.transform_filter(bits.chosen).mark_circle(color=MARKED, size=110, opacity=1).encode(x=x, y=y),
    ]


def _by_bits(rows: pd.DataFrame, sliders: tuple[Slider, ...]) -> alt.LayerChart:
    model, bits, group_size, scheme = sliders
    base = alt.Chart(_clipped(rows, ["model", "bits", "group_size", "scheme"]))
    base = base.transform_filter(f"{model.chosen} && {group_size.chosen}")
    mine, x, y = base.transform_filter(scheme.chosen), _bits_axis(BITS), partial(_loss_increase, top=rows["high"].max())
    layers = [
        base.transform_filter(f"!({scheme.chosen})")
        .mark_line(color=FAINT, opacity=0.6, strokeWidth=1.2)
        .encode(x=x, y=y("loss_increase"), detail="scheme:N"),
        mine.mark_area(color=CHOSEN, opacity=0.2).encode(x=x, y=y("low"), y2="high:Q"),
        *_line(mine, bits, x, y("loss_increase")),
    ]
    return alt.layer(*layers).properties(height=HEIGHT, title="loss increase over float, nats")


def _by_bytes(rows: pd.DataFrame, sliders: tuple[Slider, ...]) -> alt.LayerChart:
    model, bits, group_size, scheme = sliders
    data = _clipped(rows, ["model", "bits", "group_size", "scheme", "kib"])
    base = alt.Chart(data.assign(kib=data["kib"].round(1))).transform_filter(model.chosen)
    sizes = rows["kib"]
    scale = alt.Scale(type="log", base=2, domain=[sizes.min(), sizes.max()], nice=False, padding=10)
    ticks = [2**power for power in range(5, 16) if sizes.min() <= 2**power <= sizes.max()]
    x = alt.X("kib:Q", scale=scale, axis=alt.Axis(title="KiB on disk", grid=False, values=ticks, format="d"))
    y = _loss_increase("loss_increase", rows["high"].max())
    mine = base.transform_filter(f"{group_size.chosen} && {scheme.chosen}")
    layers = [
        base.mark_circle(color=FAINT, size=22, opacity=0.5).encode(x=x, y=y),
        *_line(mine, bits, x, y),
    ]
    return alt.layer(*layers).properties(height=HEIGHT, title="the same by size")


def _losses(rows: pd.DataFrame, sliders: tuple[Slider, ...]) -> alt.LayerChart:
    model, bits, arm = sliders
    base = alt.Chart(rows[["model", "bits", "arm", "loss", "low", "high", "float_nats"]].round(5))
    base = base.transform_filter(model.chosen)
    mine, x = base.transform_filter(arm.chosen), _bits_axis(TRAINED_BITS)

    def y(column: str) -> alt.Y:
        return alt.Y(f"{column}:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title=None, tickCount=5, format="~g"))

    layers = [
        base.transform_filter(f"!({arm.chosen})")
        .mark_line(color=FAINT, opacity=0.6, strokeWidth=1.2)
        .encode(x=x, y=y("loss"), detail="arm:N"),
        mine.mark_line(color=FAINT, strokeDash=[4, 3]).encode(x=x, y=y("float_nats")),
        mine.mark_area(color=CHOSEN, opacity=0.2).encode(x=x, y=y("low"), y2="high:Q"),
        *_line(mine, bits, x, y("loss")),
    ]
    return alt.layer(*layers).properties(height=HEIGHT, title="loss on test sequences, nats")


def _ways(rows: pd.DataFrame, sliders: tuple[Slider, ...]) -> alt.LayerChart:
    model, bits, arm = sliders
    base = alt.Chart(rows[["model", "bits", "arm", "loss", "low", "high", "float_nats"]].round(5))
    base = base.transform_filter(f"{model.chosen} && {bits.chosen}")
    x = alt.X(
        "loss:Q",
        scale=alt.Scale(zero=False, padding=12),
        axis=alt.Axis(title=None, tickCount=4, format="~g", grid=False),
    )
    y = alt.Y("arm:N", sort=list(arm.values), axis=None)  # the names stand above their dots, whatever the font
    names = alt.Chart(rows[["arm"]].drop_duplicates()).mark_text(**TEXT, align="left", dy=-16)
    layers = [
        base.mark_tick(color=FAINT, size=14, thickness=2).encode(x="float_nats:Q", y=y),  # below the name
        names.encode(x=alt.value(0), y=y, text="arm:N"),
        base.mark_rule(color=FAINT, strokeWidth=2).encode(x="low:Q", x2="high:Q", y=y),
        base.transform_filter(f"!({arm.chosen})").mark_circle(color=FAINT, size=60, opacity=1).encode(x=x, y=y),
        base.transform_filter(arm.chosen).mark_circle(color=MARKED, size=110, opacity=1).encode(x=x, y=y),
    ]
    return alt.layer(*layers).properties(height=HEIGHT, title="every way at these bits")
