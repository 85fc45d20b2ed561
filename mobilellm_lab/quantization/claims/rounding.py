"""Post-training rounding as papers report it, in W8A8 and at three values"""

import math

from mobilellm_lab.quantization.study import evidence
from mobilellm_lab.quantization.study.evidence import INCREASE, NAMED
from mobilellm_lab.quantization.study.sweep import DEEP, WIDE
from mobilellm_lab.reference.rows import one
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import graded

HALF_A_POINT = 0.5  # of accuracy in percent
DOUBLED = math.log(2)  # a loss increase that doubles the perplexity: the model has collapsed


def eight_bits_each(store: Store) -> Evidence:
    """Weights and activations in 8 bits, per model: a file of at most a third, and less than half a point lost?

    Points of accuracy: two-hop questions on stories, the next byte on text. Weights per channel, activations
    with one per token. Holds if for every model, does not hold if for none.
    """
    runs, plain = evidence.runs(store, "activations"), evidence.runs(store, "float")
    runs = runs[(runs["bits"] == 8) & (runs["activation_bits"] == 8)]
    answers, lost = [], {}
    for model in DEEP + WIDE:
        run, before = one(runs, model=model), one(plain, model=model)
        column = "two_hop" if model.startswith("stories") else "accuracy"
        lost[model] = 100 * (before[column] - run[column])
        answers.append(3 * run["on_disk_bytes"] <= run["float_bytes"] and lost[model] < HALF_A_POINT)
    return Evidence(
        verdict=graded(answers),
        line=f"At most {max(lost.values()):.2f} points lost by four models; the paper reports up to 0.4",
        finding="Weights have a scale per channel, activations one per token. On two-hop questions "
        f"`stories-deep` loses {lost['stories-deep']:.2f} points and `stories-wide` {lost['stories-wide']:.2f}. On the "
        f"next byte `text-deep` loses {lost['text-deep']:.2f} and `text-wide` {lost['text-wide']:.2f}. Below zero is a "
        "gain. The paper reports gaps of 0.0 to 0.4 points.",
    )


W8A8 = Claim(
    name="w8a8",
    said="With 8 bits for weights and activations, rounded after training, less than half a point is lost.",
    source="the MobileLLM paper, its section on quantization, arXiv 2402.14905",
    verdict=Verdict.HOLDS,
    flips="if some channels were far larger than the rest, as in models of billions of parameters.",
    evidence=eight_bits_each,
    data=("quantization",),
)


def collapses(store: Store) -> Evidence:
    """Per model: does RTN at three values a weight at least double the perplexity, in every part?

    Groups of 32. Holds if in both models, does not hold if in none.
    """
    runs = evidence.runs(store, "low")
    ternary = {name: one(runs, model=model, method="rtn", bits=1.58) for name, model in NAMED.items()}
    perplexity = {name: math.exp(run[INCREASE]) for name, run in ternary.items()}
    return Evidence(
        verdict=graded(run["loss_increase_low_nats"] > DOUBLED for run in ternary.values()),
        line=f"Perplexity is {perplexity['stories']:.1f} times float's on stories, {perplexity['text']:.1f} on text",
        finding=f"The perplexity is {perplexity['stories']:.1f} times the float model's on stories, and "
        f"{perplexity['text']:.1f} times on text. For a model of 600M the paper reports 37.6 points and a perplexity "
        "of 660,000. Training reaches 55.5 points there.",
    )


TERNARY_COLLAPSES = Claim(
    name="ternary-collapses",
    said="With three values for a weight, RTN collapses.",
    source="ParetoQ, arXiv 2502.02631, its table",
    verdict=Verdict.HOLDS,
    flips="if models were trained so that their weights lie near three values, which is what QAT does.",
    evidence=collapses,
    data=("quantization",),
)
