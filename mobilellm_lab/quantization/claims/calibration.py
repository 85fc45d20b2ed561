"""The article's calibration before rounding, with representative data or a random input"""

from mobilellm_lab.quantization.study import evidence
from mobilellm_lab.quantization.study.evidence import INCREASE, LITTLE, NAMED, in_parts, rounded, span
from mobilellm_lab.quantization.study.recipe import CALIBRATION_SEQUENCES
from mobilellm_lab.reference.rows import one, seeds
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import apart, graded


def calibration_is_essential(store: Store) -> Evidence:
    """Per model and purpose: does what looks at data lose less than what needs none, by more than 0.01 nats?

    Weights of 3 bits: GPTQ, and AWQ, against the better of two ways to round to nearest. Activations of 8 bits: a
    static range against one for each token. Medians of three seeds. Holds if always, does not hold if never.
    """
    grid, activations = evidence.runs(store, "grid"), evidence.runs(store, "activations")
    grid = grid[grid["symmetric"] & (grid["bits"] == 3) & (grid["group_size"] == 32)]
    plain = activations[(activations["bits"] == 32) & (activations["activation_bits"] == 8)]
    answers, said = [], {}
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
    stories, text = said.values()
    return Evidence(
        verdict=graded(answers),
        finding=f"Without any data, weights of 8 bits cost {stories['weights']} nats on stories and {text['weights']} "
        f"on text; activations of 8 bits with a range for each token cost {stories['dynamic']} and {text['dynamic']}, "
        f"with a static range from calibration {stories['static']} and {text['static']}. At 3 bits data help: GPTQ "
        f"loses {text['gptq']} on text, AWQ {text['awq']}, and rounding without data {text['nearest']}; on stories it "
        f"is {stories['gptq']}, {stories['awq']} and {stories['nearest']}.",
    )


CALIBRATION_IS_ESSENTIAL = Claim(
    name="calibration-is-essential",
    said="Quantizing after training needs calibration with representative data.",
    source="the article, section 3.1",
    verdict=Verdict.HOLDS_WHEN,
    condition="the bits are few and the model is sensitive: here at 3 bits on text.",
    flips="in the article's static flow, where it holds by construction: a range that is never measured again has to "
    "be measured once.",
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
    stories, text = said.values()
    return Evidence(
        verdict=graded(answers),
        finding=f"After {CALIBRATION_SEQUENCES} sequences of random tokens, static activations of 8 bits cost "
        f"{stories['static_random']} nats on stories, after the model's own kind of text {stories['static_own']}; on "
        f"text {text['static_random']} and {text['static_own']}. What chooses codes by data does care: GPTQ at 3 bits "
        f"loses {text['gptq_random']} on text instead of {text['gptq_own']}, AWQ {text['awq_random']} instead of "
        f"{text['awq_own']}; on stories {stories['gptq_random']} instead of {stories['gptq_own']}, and "
        f"{stories['awq_random']} instead of {stories['awq_own']}. In brackets the lowest and the highest of three "
        "seeds.",
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


CLAIMS = (CALIBRATION_IS_ESSENTIAL, RANDOM_INPUT_WILL_DO)
