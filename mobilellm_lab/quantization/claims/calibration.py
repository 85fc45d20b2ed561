"""Calibration before rounding, with representative data or a random input"""

from mobilellm_lab.quantization.study import evidence
from mobilellm_lab.quantization.study.evidence import INCREASE, LITTLE, NAMED, in_parts, rounded, span
from mobilellm_lab.quantization.study.recipe import CALIBRATION_SEQUENCES
from mobilellm_lab.reference.rows import one, seeds
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import apart, graded


def calibration_is_essential(store: Store) -> Evidence:
    """Per model and purpose: does what looks at data lose less than what needs none, by more than 0.01 nats?

    Weights of 3 bits: GPTQ, and AWQ, against the better of RTN with and without clipping. Activations of 8 bits: a
    static range against one for each token. Medians of three seeds. Holds if always, does not hold if never.
    """
    grid, activations = evidence.runs(store, "grid"), evidence.runs(store, "activations")
    grid = grid[grid["symmetric"] & (grid["bits"] == 3) & (grid["group_size"] == 32)]
    plain = activations[(activations["bits"] == 32) & (activations["activation_bits"] == 8)]
    answers, said, medians = [], {}, {}
    for name, model in NAMED.items():
        nearest = min(one(grid, model=model, method=how)[INCREASE] for how in ("rtn", "mse"))
        dynamic = one(plain, model=model, activation="dynamic")
        looked = {how: seeds(grid, INCREASE, model=model, method=how) for how in ("gptq", "awq")}
        static = seeds(plain, INCREASE, model=model, activation="static", ranges="minmax")
        answers += [nearest - increases.median() > LITTLE for increases in looked.values()]
        answers.append(dynamic[INCREASE] - static.median() > LITTLE)
        said[name] = {how: span(increases) for how, increases in looked.items()} | {"nearest": f"{nearest:.3f}"}
        said[name] |= {"weights": in_parts(rounded(store, 8)[name])}
        said[name] |= {"dynamic": in_parts(dynamic), "static": span(static)}
        medians[name] = looked["gptq"].median()
    text = said["text"]
    return Evidence(
        verdict=graded(answers),
        line=f"At 3 bits GPTQ loses {medians['text']:.3f} nats on text, rounding without data {text['nearest']}",
        finding="Loss increase in nats, in brackets its spread. "
        + " ".join(
            f"At 3 bits on {name} rounding without data loses {cost['nearest']}. GPTQ loses {cost['gptq']}. AWQ loses "
            f"{cost['awq']}. At 8 bits weights lose {cost['weights']} without data. Activations with a range for each "
            f"token lose {cost['dynamic']}. With a static range from calibration they lose {cost['static']}."
            for name, cost in said.items()
        ),
    )


CALIBRATION_IS_ESSENTIAL = Claim(
    name="calibration-is-essential",
    said="Quantizing after training needs calibration with representative data.",
    source="the article, section 3.1",
    verdict=Verdict.HOLDS_WHEN,
    condition="the bits are few and the model is sensitive: here at 3 bits on text.",
    flips="in the article's static flow, where it holds by construction, since a range that is never measured again "
    "has to be measured once.",
    evidence=calibration_is_essential,
    data=("quantization",),
)


def random_input_will_do(store: Store) -> Evidence:
    """Per model and recipe: is calibration on random tokens as good as on the model's own kind of text?

    Recipes: a static range for 8-bit activations, GPTQ and AWQ at 3 bits. It is as good unless all three seeds lie
    above all of the other. Holds if it always is, does not hold if it never is.
    """
    data = evidence.runs(store, "data")
    answers, said = [], {name: {} for name in NAMED}
    for recipe, column in (("static", "activation"), ("gptq", "method"), ("awq", "method")):
        for name, model in NAMED.items():
            arm = {column: recipe, "model": model}
            own, random = (seeds(data, INCREASE, data=kind, **arm) for kind in ("own", "random"))
            answers.append(not apart(random, own))
            said[name] |= {f"{recipe}_own": span(own), f"{recipe}_random": span(random)}
            if (recipe, name) == ("gptq", "text"):
                share = 100 * (random.median() / own.median() - 1)
    return Evidence(
        verdict=graded(answers),
        line=f"Static ranges do not mind random tokens; GPTQ loses {share:.0f} % more on text",
        finding=f"Calibrated on {CALIBRATION_SEQUENCES} sequences, loss increase in nats, in brackets the lowest and "
        "the highest of three seeds. "
        + " ".join(
            f"{words} on {name} lose {cost[f'{recipe}_random']} after random tokens. After the model's own kind of "
            f"text they lose {cost[f'{recipe}_own']}."
            for recipe, words in {
                "static": "Static activations of 8 bits",
                "gptq": "Weights of 3 bits by GPTQ",
                "awq": "Weights of 3 bits by AWQ",
            }.items()
            for name, cost in said.items()
        ),
    )


RANDOM_INPUT_WILL_DO = Claim(
    name="random-input-will-do",
    said="To calibrate, a random input is enough.",
    source="the article, section 3.1, its sample",
    verdict=Verdict.HOLDS_WHEN,
    condition="only ranges are collected, and the input is one that the model can read.",
    flips="where real text makes outliers that random tokens do not. And the sample's own random input is a picture, "
    "which a language model cannot read at all.",
    evidence=random_input_will_do,
    data=("quantization",),
)
