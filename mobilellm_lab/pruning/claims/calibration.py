"""Calibration data of pruning: how many sequences, and of what"""

from itertools import product

from mobilellm_lab.pruning.study import evidence
from mobilellm_lab.pruning.study.sweep import SEQUENCES
from mobilellm_lab.quantization.study.evidence import INCREASE, LITTLE, NAMED, span
from mobilellm_lab.reference.rows import seeds
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching.claim import Claim, Evidence, Verdict
from mobilellm_lab.teaching.rules import apart, graded

WAYS = {"wanda": "Wanda", "sparsegpt": "SparseGPT"}


def more_is_better(store: Store) -> Evidence:
    """Per model, with Wanda and SparseGPT: do all seeds of 128 sequences lie below all of one, by over 0.01 nats?

    At 50 %, by medians. Holds if they do in every case, does not hold if in none.
    """
    runs = evidence.runs(store, "sequences")
    wins, said = {}, []
    for (name, model), way in product(NAMED.items(), WAYS):
        few, many = (
            seeds(runs, INCREASE, model=model, importance=way, sequences=n) for n in (SEQUENCES[0], SEQUENCES[-1])
        )
        wins[name, way] = apart(few, many) and bool(few.median() - many.median() > LITTLE)
        said.append(f"On {name} {WAYS[way]} costs {span(few)} nats with one sequence. With many it costs {span(many)}.")
    return Evidence(
        verdict=graded(wins.values()),
        line=f"{SEQUENCES[-1]} sequences are better than a single one in {sum(wins.values())} of {len(wins)} cases",
        finding=f"Half of each row removed, after one sequence or {SEQUENCES[-1]}. " + " ".join(said),
    )


MORE_DATA = Claim(
    name="more-data",
    said="Pruning gets better with more calibration data.",
    source="common practice; Wanda, arXiv 2306.11695, needs little",
    verdict=Verdict.HOLDS_WHEN,
    condition="there is something to lose, as on text. On stories one sequence costs hardly more.",
    flips="with what is estimated. A norm for each input needs few tokens, a matrix of all their products many.",
    evidence=more_is_better,
    data=("pruning",),
)


def own_data_is_better(store: Store) -> Evidence:
    """Per model and importance that looks at data: do all seeds on its own task lie below all on random tokens?

    At 50 % and 16 sequences. Holds if they do in every case, does not hold if in none.
    """
    runs = evidence.runs(store, "data")
    wins, said = {}, []
    for (name, model), way in product(NAMED.items(), WAYS):
        own, other, drawn, written = (
            seeds(runs, INCREASE, model=model, importance=way, data=data) for data in ("own", "other", "random", "self")
        )
        wins[name, way] = apart(drawn, own)
        said.append(
            f"On {name} {WAYS[way]} costs {span(own)} nats with sequences of the task. With random tokens it costs "
            f"{drawn.median():.3f}, with another task {other.median():.3f}. With what the model wrote it costs "
            f"{written.median():.3f}."
        )
    return Evidence(
        verdict=graded(wins.values()),
        line=f"The model's own task is better than random tokens in {sum(wins.values())} of {len(wins)} cases",
        finding="Half of each row removed, after 16 sequences. " + " ".join(said),
    )


OWN_DATA = Claim(
    name="own-data",
    said="Calibration data must resemble what the model will read.",
    source="common practice",
    verdict=Verdict.HOLDS_WHEN,
    condition="the model has learned real text, or SparseGPT corrects its weights.",
    flips="for Wanda on stories, which does as well with random tokens. Other sentences than the task's are no better.",
    evidence=own_data_is_better,
    data=("pruning",),
)
