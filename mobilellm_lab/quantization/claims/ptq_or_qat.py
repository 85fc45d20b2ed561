"""QAT against rounding after training: accuracy at few bits and at eight, and cost"""

import pandas as pd

from mobilellm_lab.quantization.study import evidence
from mobilellm_lab.quantization.study.evidence import INCREASE, NAMED, span
from mobilellm_lab.quantization.study.recipe import QATRecipe
from mobilellm_lab.quantization.study.sweep_qat import BITS as TRAINED_BITS
from mobilellm_lab.reference import MODELS
from mobilellm_lab.reference.rows import one, seeds
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import apart, better, graded, smallest_gap

BATCH_SIZE = QATRecipe().batch_size  # sequences of an update
ROUNDED = ("float then rtn", "float then gptq")  # trained on in float, then rounded


def trained_is_better(store: Store) -> Evidence:
    """Per model and bits, after equally many updates: do all seeds trained by QAT lie below all others?

    The others are trained in float and then rounded, by RTN or by GPTQ. Each at its own best rate. Holds if they
    do in every case, does not hold if in none.
    """
    runs, wins, said = evidence.qat(store), [], {name: {} for name in NAMED}
    for name, model in NAMED.items():
        for bits in TRAINED_BITS:
            arms = {arm: seeds(runs, INCREASE, model=model, arm=arm, bits=bits) for arm in ("qat", *ROUNDED)}
            wins.append(all(apart(arms[arm], arms["qat"]) for arm in ROUNDED))
            best = min((arms[arm] for arm in ROUNDED), key=pd.Series.median)
            said[name] |= {f"qat_{bits}": span(arms["qat"]), f"float_{bits}": span(best)}
    return Evidence(
        verdict=graded(wins),
        line=f"QAT wins in {sum(wins)} of {len(wins)} cases, beyond the spread of three seeds",
        finding="After equally many updates, each at its best rate, QAT is better beyond the spread of three seeds in "
        f"{sum(wins)} of {len(wins)} cases. Against it stands the better of RTN and GPTQ after training in float. "
        + " ".join(
            f"At {bits} bits on {name} QAT ends {arms[f'qat_{bits}']} nats above the float model. The other ends "
            f"{arms[f'float_{bits}']} above it."
            for bits in (2, 3, 4)
            for name, arms in said.items()
        ),
    )


TRAINING_IS_BETTER = Claim(
    name="training-is-better",
    said="Training with quantization in the loop gives more accurate models than quantizing afterwards.",
    source="the article, section 3.1",
    verdict=Verdict.HOLDS_WHEN,
    condition="the bits are so few that rounding afterwards loses something.",
    flips="to *holds* if it won at 8 bits too, where there is nothing to win. Against a model that was not trained "
    "further, the training alone would win.",
    evidence=trained_is_better,
    data=("quantization_qat",),
)


def trained_is_better_at_eight(store: Store) -> Evidence:
    """Per model at 8 bits, after equally many updates: do all seeds of QAT lie below all of RTN after float training?

    Each at its own best rate. Holds if they do for both models, does not hold if they lie above for both; not
    distinguishable if the seeds overlap for both.
    """
    runs, verdicts, said, smallest = evidence.qat(store), set(), {}, {}
    for name, model in NAMED.items():
        trained, after = (seeds(runs, INCREASE, model=model, arm=arm, bits=8) for arm in ("qat", "float then rtn"))
        verdicts.add(better(after, trained))
        said[name] = {"qat": span(trained), "after": span(after), "gap": f"{trained.median() - after.median():z.4f}"}
        smallest[name] = f"{smallest_gap(after, trained):.4f} nats on {name}"
    stories, text = said.values()
    return Evidence(
        verdict=verdicts.pop() if len(verdicts) == 1 else Verdict.HOLDS_WHEN,
        line=f"QAT and RTN differ by {stories['gap']} nats on stories and {text['gap']} on text, within the seeds",
        finding="Nats above the float model, after the same number of updates. "
        + " ".join(f"On {name} QAT ends at {cost['qat']}. RTN ends at {cost['after']}." for name, cost in said.items())
        + " Below zero, the updates have helped.",
        smallest=", ".join(smallest.values()),
    )


TRAINING_AT_EIGHT_BITS = Claim(
    name="training-at-eight-bits",
    said="Training with quantization in the loop is more accurate at 8 bits, too.",
    source="the article, section 3.1, which names no bits",
    verdict=Verdict.NOT_DISTINGUISHABLE,
    flips="to *holds* if 8 bits lost something that a training could recover. RTN loses less than seeds differ.",
    evidence=trained_is_better_at_eight,
    data=("quantization_qat",),
)


def trained_costs_more(store: Store, qat_store: Store) -> Evidence:
    """Per model at 2 bits: does it take more updates than rounding, and even more than a tenth of its own training?

    Rounding takes none. The second is a yes unless so few updates recover half of what rounding loses. Holds if all
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
        line=f"At 2 bits, {share['stories']:.1f} to {share['text']:.1f} % of the first training is enough",
        finding=f"At 2 bits {steps} updates of {BATCH_SIZE} sequences recover most of what rounding loses. They "
        f"recover {back['stories']:.0f} % on stories and {back['text']:.0f} % on text. That takes "
        f"{share['stories']:.1f} and {share['text']:.1f} % of the sequences of the first training. It also needs the "
        "training data and somebody who runs it.",
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
