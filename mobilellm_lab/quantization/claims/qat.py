"""Quantization-aware training (QAT) as ParetoQ and LSQ report it"""

from mobilellm_lab.quantization.study import evidence
from mobilellm_lab.quantization.study.evidence import INCREASE, LITTLE, NAMED, span
from mobilellm_lab.reference.rows import one, seeds
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import apart, graded

LOW = (2, 1.58, 1)  # bits at which RTN collapses


def trained_survives(store: Store, qat_store: Store) -> Evidence:
    """Per model and bits (2, 1.58, 1): is the worst seed trained by QAT below half of what rounding loses?

    Losses above the untrained float model's. Holds if in every case, does not hold if in none.
    """
    answers, rtn, qat = [], {}, {}
    for name, model in NAMED.items():
        table = evidence.crossover(store, qat_store, model)
        for bits in LOW:
            row = one(table, bits=bits)
            rtn[name, bits], qat[name, bits] = row[["ptq rtn median", "qat median"]] - row["float_nats"]
            answers.append(row["qat max"] - row["float_nats"] < rtn[name, bits] / 2)
    return Evidence(
        verdict=graded(answers),
        line=f"At one bit QAT ends {qat['text', 1]:.2f} nats above float on text, RTN {rtn['text', 1]:.2f}",
        finding=f"Loss increase in nats, QAT after {evidence.qat(qat_store)['steps'].iloc[0]} updates. "
        + " ".join(
            f"{words} on {name} QAT loses {qat[name, bits]:.2f}, RTN {rtn[name, bits]:.2f}."
            for bits, words in {2: "At 2 bits", 1.58: "At three values", 1: "At one bit"}.items()
            for name in NAMED
        )
        + " In the paper a model of 125M has 48.5 points in half precision and 43.7 with signs alone.",
    )


TRAINING_SURVIVES = Claim(
    name="training-survives",
    said="Where rounding collapses, QAT still works, down to a single bit.",
    source="ParetoQ, arXiv 2502.02631, its table",
    verdict=Verdict.HOLDS,
    flips="if so short a training could not recover half, as may be so in a large model of which every weight is "
    "needed.",
    evidence=trained_survives,
    data=("quantization", "quantization_qat"),
)


def four_bits_are_enough(store: Store) -> Evidence:
    """Per model at 4 bits: is QAT as good as training in float, and better than RTN after that?

    Medians of three seeds: no more than 0.01 nats above float, and below RTN. Holds if
    for both models, does not hold if for none.
    """
    runs, answers, said = evidence.qat(store), [], {}
    for name, model in NAMED.items():
        arms = {"qat": 4, "float": 32, "float then rtn": 4}
        trained, plain, after = (seeds(runs, INCREASE, model=model, arm=arm, bits=bits) for arm, bits in arms.items())
        answers.append(trained.median() - plain.median() <= LITTLE and trained.median() < after.median())
        said[name] = {"qat": span(trained), "float": span(plain), "after": span(after)}
    return Evidence(
        verdict=graded(answers),
        line="At 4 bits, QAT ends within 0.01 nats of the same training in float",
        finding="Nats above the float model that all start from. "
        + " ".join(
            f"On {name} QAT in 4 bits ends at {cost['qat']}. The same training in float ends at {cost['float']}. "
            f"Rounded to 4 bits, that is {cost['after']}."
            for name, cost in said.items()
        )
        + " At 125M the paper reports 48.7 points, and 48.5 in half precision. Its 4-bit models have seen more "
        "training, ours have not.",
    )


FOUR_BITS_ARE_NO_WORSE = Claim(
    name="four-bits-are-no-worse",
    said="After QAT, models of 4 bits are as good as those of 16.",
    source="ParetoQ, arXiv 2502.02631, its table",
    verdict=Verdict.HOLDS,
    flips="if 4 bits took more than so few updates could win back. Then the question is how many.",
    evidence=four_bits_are_enough,
    data=("quantization_qat",),
)


def learned_step_is_better(store: Store) -> Evidence:
    """Per model at 2 bits: do all seeds with learned steps lie below all whose steps follow the largest weights?

    Each at its own best rate. Holds if for both models, does not hold if for none.
    """
    runs, answers, said = evidence.qat(store), [], {}
    for name, model in NAMED.items():
        fitted, learned = (seeds(runs, INCREASE, model=model, arm=arm, bits=2) for arm in ("qat", "learned step"))
        answers.append(apart(fitted, learned))
        said[name] = {"fitted": span(fitted), "learned": span(learned)}
    return Evidence(
        verdict=graded(answers),
        line=f"At 2 bits text loses {learned.median():.3f} nats with learned steps, {fitted.median():.3f} without",
        finding="Nats above the float model. "
        + " ".join(
            f"On {name} learned steps end at {cost['learned']}. Fitted ones end at {cost['fitted']}."
            for name, cost in said.items()
        )
        + " The learned ones start from clipped ranges, so a part of the gain may be that of clipping.",
    )


LEARNED_STEP = Claim(
    name="learned-step",
    said="At 2 bits, steps of the grid that are learned with the weights are better than steps that follow the "
    "largest weights.",
    source="LSQ, arXiv 1902.08153",
    verdict=Verdict.HOLDS,
    flips="at many bits, where a fitted step loses nothing.",
    evidence=learned_step_is_better,
    data=("quantization_qat",),
)
