"""Quantization-aware training (QAT), as ParetoQ and LSQ have it: the rule behind each verdict"""

from mobilellm_lab.quantization.study import evidence
from mobilellm_lab.quantization.study.evidence import INCREASE, LITTLE, NAMED, span
from mobilellm_lab.reference.rows import one, seeds
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import apart, graded

LOW = (2, 1.58, 1)  # bits at which rounding is in trouble


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
        finding=f"After {evidence.qat(qat_store)['steps'].iloc[0]} updates, in nats above the float model: at 2 bits "
        f"{qat['stories', 2]:.2f} where rounding loses {rtn['stories', 2]:.2f} on stories, and {qat['text', 2]:.2f} "
        f"where it loses {rtn['text', 2]:.2f} on text; at three values {qat['stories', 1.58]:.2f} instead of "
        f"{rtn['stories', 1.58]:.2f}, and {qat['text', 1.58]:.2f} instead of {rtn['text', 1.58]:.2f}; at one bit "
        f"{qat['stories', 1]:.2f} instead of {rtn['stories', 1]:.2f}, and {qat['text', 1]:.2f} instead of "
        f"{rtn['text', 1]:.2f}. The paper's 125M model goes from 48.5 points in 16 bits to 47.1, 46.5 and 43.7.",
    )


TRAINING_SURVIVES = Claim(
    name="training-survives",
    said="Where rounding collapses, QAT still works, down to a single bit.",
    source="ParetoQ, arXiv 2502.02631, its table",
    verdict=Verdict.HOLDS,
    flips="if so short a training could not win back half, as may be so in a large model of which every weight is "
    "needed.",
    evidence=trained_survives,
    data=("quantization", "quantization_qat"),
)


def four_bits_are_enough(store: Store) -> Evidence:
    """Per model at 4 bits: is QAT as good as in float, and better than rounding after that?

    Medians of three seeds: no more than 0.01 nats above float, and below the one that was rounded to nearest. Holds if
    for both models, does not hold if for none.
    """
    runs, answers, said = evidence.qat(store), [], {}
    for name, model in NAMED.items():
        arms = {"qat": 4, "float": 32, "float then rtn": 4}
        trained, plain, after = (seeds(runs, INCREASE, model=model, arm=arm, bits=bits) for arm, bits in arms.items())
        answers.append(trained.median() - plain.median() <= LITTLE and trained.median() < after.median())
        said[name] = {"qat": span(trained), "float": span(plain), "after": span(after)}
    stories, text = said.values()
    return Evidence(
        verdict=graded(answers),
        finding=f"In nats above the float model that all start from: on stories {stories['qat']} in 4 bits and "
        f"{stories['float']} after the same training in float, {stories['after']} if that is rounded; on text "
        f"{text['qat']}, {text['float']} and {text['after']}. The paper reports a mean accuracy of 48.5 in 16 and "
        "48.7 in 4 bits at 125M, 62.1 and 62.5 at 1B; its 4-bit models have seen more training than those of 16 bits, "
        "ours have not.",
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
    stories, text = said.values()
    return Evidence(
        verdict=graded(answers),
        finding=f"In nats above the float model: {stories['learned']} with learned steps and {stories['fitted']} with "
        f"fitted ones on stories, {text['learned']} and {text['fitted']} on text. The learned ones start from cut "
        "ranges, so a part of the gain may be that of cutting.",
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


CLAIMS = (TRAINING_SURVIVES, FOUR_BITS_ARE_NO_WORSE, LEARNED_STEP)
