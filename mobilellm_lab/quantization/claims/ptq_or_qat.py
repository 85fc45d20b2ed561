"""Training with the grid in the loop, against rounding afterwards, as the article has it"""

import pandas as pd

from mobilellm_lab.quantization.study import evidence
from mobilellm_lab.quantization.study.evidence import INCREASE, NAMED, span
from mobilellm_lab.quantization.study.recipe import QATRecipe
from mobilellm_lab.quantization.study.sweep_qat import BITS as TRAINED_BITS
from mobilellm_lab.reference import MODELS
from mobilellm_lab.reference.rows import one, seeds
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import apart, graded

BATCH_SIZE = QATRecipe().batch_size  # sequences of an update
ROUNDED = ("float then rtn", "float then gptq")  # trained on in float, then rounded


def trained_is_better(store: Store) -> Evidence:
    """Per model and bits, after equally many updates: do all seeds trained with the grid lie below all others?

    The others are trained in float and then rounded, to nearest or by GPTQ. Each at its own best rate. Holds if they
    do in every case, does not hold if in none.
    """
    runs, wins, said = evidence.qat(store), {}, {name: {} for name in NAMED}
    for name, model in NAMED.items():
        for bits in TRAINED_BITS:
            arms = {arm: seeds(runs, INCREASE, model=model, arm=arm, bits=bits) for arm in ("qat", *ROUNDED)}
            wins[model, bits] = all(apart(arms[arm], arms["qat"]) for arm in ROUNDED)
            best = min((arms[arm] for arm in ROUNDED), key=pd.Series.median)
            said[name] |= {f"qat_{bits}": span(arms["qat"]), f"float_{bits}": span(best)}
    stories, text = said.values()
    return Evidence(
        verdict=graded(wins.values()),
        finding="After equally many updates, each at its best rate, it is better beyond the spread of three seeds in "
        f"{sum(wins.values())} of {len(wins)} cases. At 2 bits the story model is {stories['qat_2']} nats above the "
        f"float model it came from, and {stories['float_2']} if it is trained in float and then rounded, the better "
        f"of two ways; the text model {text['qat_2']} and {text['float_2']}. At 3 bits it is {stories['qat_3']} and "
        f"{stories['float_3']}, {text['qat_3']} and {text['float_3']}; at 4 {stories['qat_4']} and "
        f"{stories['float_4']}, {text['qat_4']} and {text['float_4']}; at 8 bits {stories['qat_8']} and "
        f"{stories['float_8']}, {text['qat_8']} and {text['float_8']}.",
    )


TRAINING_IS_BETTER = Claim(
    name="training-is-better",
    said="Training with quantization in the loop gives more accurate models than quantizing afterwards.",
    source="the article, section 3.1",
    verdict=Verdict.HOLDS_WHEN,
    condition="the bits are so few that rounding afterwards loses something.",
    flips="to *holds* if it won at 8 bits too, where there is nothing to win. A comparison with a model that was not "
    "trained further would be won by the training alone.",
    evidence=trained_is_better,
    data=("quantization_qat",),
)


def trained_costs_more(store: Store, qat_store: Store) -> Evidence:
    """Per model at 2 bits: does it take more updates than rounding, and even more than a tenth of its own training?

    Rounding takes none. The second is a yes unless so few updates win back half of what rounding loses. Holds if all
    answers are yes, does not hold if none is.
    """
    answers, back, share = [], {}, {}
    for name, model in NAMED.items():
        row, spec = one(evidence.crossover(store, qat_store, model), bits=2), MODELS[model]
        steps = int(seeds(evidence.qat(qat_store), "steps", model=model, arm="qat", bits=2).iloc[0])
        back[name] = 100 * row["recovered"]
        share[name] = 100 * steps * BATCH_SIZE / (spec.steps * spec.batch_size)  # of the sequences it was trained on
        half = row["float_nats"] + (row["ptq rtn median"] - row["float_nats"]) / 2
        answers += [steps > 0, steps > 0 and not (row["qat max"] <= half and share[name] <= 10)]
    return Evidence(
        verdict=graded(answers),
        finding=f"At 2 bits {steps} updates of {BATCH_SIZE} sequences win back {back['stories']:.0f} % of what "
        f"rounding loses on stories, and {back['text']:.0f} % on text. That is {share['stories']:.1f} and "
        f"{share['text']:.1f} % of the sequences that the models were trained on. It also needs the training data and "
        "somebody who runs it.",
    )


TRAINING_COSTS_MORE = Claim(
    name="training-costs-more",
    said="Training with quantization in the loop needs more training resources.",
    source="the article, section 3.1",
    verdict=Verdict.HOLDS_WHEN,
    condition="it is compared with rounding, which needs none.",
    flips="to *holds* if a finished model could not be the start, so that all of its training had to be repeated.",
    evidence=trained_costs_more,
    data=("quantization", "quantization_qat"),
)


CLAIMS = (TRAINING_IS_BETTER, TRAINING_COSTS_MORE)
