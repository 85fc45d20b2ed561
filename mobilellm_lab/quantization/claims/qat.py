"""Training with the grid in the loop, against rounding afterwards: the rule behind each verdict."""

import math

from mobilellm_lab.quantization.claims.stored import LITTLE, NAMED, one, seeds, share_of_training, span
from mobilellm_lab.quantization.study import evidence
from mobilellm_lab.quantization.study.recipe import QATRecipe
from mobilellm_lab.quantization.study.sweep_qat import BITS as TRAINED_BITS
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Evidence
from mobilellm_lab.teaching.rules import apart, graded

BATCH_SIZE = QATRecipe().batch_size  # sequences of an update
DOUBLED = math.log(2)  # a loss increase that doubles the perplexity: the model has collapsed
LOW = (2, 1.58, 1)  # bits at which rounding is in trouble
ROUNDED = ("float then rtn", "float then gptq")  # trained on in float, then rounded


def trained_is_better(store: Store) -> Evidence:
    """Per model and bits, after equally many updates: do all seeds trained with the grid lie below all others?

    The others are trained in float and then rounded, to nearest or by GPTQ. Each at its own best rate. Holds if they
    do in every case, does not hold if in none.
    """
    runs, wins, numbers = evidence.qat(store), {}, {}
    for name, model in NAMED.items():
        for bits in TRAINED_BITS:
            arms = {arm: seeds(runs, model=model, arm=arm, bits=bits) for arm in ("qat", *ROUNDED)}
            wins[model, bits] = all(apart(arms[arm], arms["qat"]) for arm in ROUNDED)
            best = min((arms[arm] for arm in ROUNDED), key=lambda loss_increases: loss_increases.median())
            if bits in (8, 4, 3, 2):
                numbers |= {f"{name}_qat_{bits}": span(arms["qat"]), f"{name}_float_{bits}": span(best)}
    return Evidence(
        verdict=graded(wins.values()),
        numbers=numbers | {"wins": str(sum(wins.values())), "cases": str(len(wins))},
    )


def trained_costs_more(store: Store, qat_store: Store) -> Evidence:
    """Per model at 2 bits: does it take more updates than rounding, and even more than a tenth of its own training?

    Rounding takes none. The second is a yes unless so few updates win back half of what rounding loses. Holds if all
    answers are yes, does not hold if none is.
    """
    answers, numbers = [], {}
    for name, model in NAMED.items():
        row = one(evidence.crossover(store, qat_store, model), bits=2)
        runs = evidence.qat(qat_store)
        steps = int(seeds(runs, "steps", model=model, arm="qat", bits=2).iloc[0])
        share = share_of_training(steps, BATCH_SIZE, model)
        half = row["float_nats"] + (row["ptq rtn median"] - row["float_nats"]) / 2
        answers += [steps > 0, steps > 0 and not (row["qat max"] <= half and share <= 0.1)]
        numbers |= {f"share_{name}": f"{100 * share:.1f}", f"back_{name}": f"{100 * row['recovered']:.0f}"}
    return Evidence(verdict=graded(answers), numbers=numbers | {"steps": str(steps), "batch": str(BATCH_SIZE)})


def trained_survives(store: Store, qat_store: Store) -> Evidence:
    """Per model and bits (2, 1.58, 1): is the worst seed trained with the grid below half of what rounding loses?

    Losses above the untrained float model's. Holds if in every case, does not hold if in none.
    """
    answers, numbers = [], {}
    for name, model in NAMED.items():
        table = evidence.crossover(store, qat_store, model)
        for bits in LOW:
            row = one(table, bits=bits)
            half = row["float_nats"] + (row["ptq rtn median"] - row["float_nats"]) / 2
            answers.append(row["qat max"] < half)
            numbers |= {
                f"{name}_rtn_{bits}": f"{row['ptq rtn median'] - row['float_nats']:.2f}",
                f"{name}_qat_{bits}": f"{row['qat median'] - row['float_nats']:.2f}",
            }
    numbers["steps"] = str(evidence.qat(qat_store)["steps"].iloc[0])
    return Evidence(verdict=graded(answers), numbers={key.replace(".", "_"): value for key, value in numbers.items()})


def four_bits_are_enough(store: Store) -> Evidence:
    """Per model at 4 bits: is training with the grid as good as in float, and better than rounding after that?

    Medians of three seeds: no more than 0.01 nats above float, and below the one that was rounded to nearest. Holds if
    for both models, does not hold if for none.
    """
    runs, answers, numbers = evidence.qat(store), [], {}
    for name, model in NAMED.items():
        trained, plain = (seeds(runs, model=model, arm=arm, bits=bits) for arm, bits in (("qat", 4), ("float", 32)))
        after = seeds(runs, model=model, arm="float then rtn", bits=4)
        answers.append(trained.median() - plain.median() <= LITTLE and trained.median() < after.median())
        numbers |= {f"{name}_qat": span(trained), f"{name}_float": span(plain), f"{name}_after": span(after)}
    return Evidence(verdict=graded(answers), numbers=numbers)


def learned_step_is_better(store: Store) -> Evidence:
    """Per model at 2 bits: do all seeds with learned steps lie below all whose steps follow the largest weights?

    Each at its own best rate. Holds if for both models, does not hold if for none.
    """
    runs, answers, numbers = evidence.qat(store), [], {}
    for name, model in NAMED.items():
        fitted, learned = (seeds(runs, model=model, arm=arm, bits=2) for arm in ("qat", "learned step"))
        answers.append(apart(fitted, learned))
        numbers |= {f"{name}_fitted": span(fitted), f"{name}_learned": span(learned)}
    return Evidence(verdict=graded(answers), numbers=numbers)


def collapses(store: Store) -> Evidence:
    """Per model: does rounding to nearest at three values a weight at least double the perplexity, in every part?

    Groups of 32. Holds if in both models, does not hold if in none.
    """
    runs = evidence.runs(store, "low")
    ternary = {model: one(runs, model=model, method="rtn", bits=1.58) for model in NAMED.values()}
    return Evidence(
        verdict=graded(run["loss_increase_low_nats"] > DOUBLED for run in ternary.values()),
        numbers={name: f"{math.exp(ternary[model]['loss_increase_nats']):.1f}" for name, model in NAMED.items()},
    )
