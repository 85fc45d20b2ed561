"""Every lab's beliefs: ticked first, judged last, by a rule that can turn, in sentences by the rules of prose."""

import importlib
import json
import re
from pathlib import Path

import pytest
from layout import prose

from mobilellm_lab.teaching.beliefs import Belief, Beliefs

ROOT = Path(__file__).parents[2]
LABS = sorted((ROOT / "labs").glob("[0-9][0-9]_*.ipynb"))
labs = pytest.mark.parametrize("path", LABS, ids=lambda path: path.stem)
# Name of a belief -> numbers of a lab's run, and numbers with which its rule says the opposite.
TURNS = {
    "constraints.tops": ((7.7, 1.02), (7.7, 7.5)),
    "constraints.cache": ((59.4, 45.0), (59.4, 1.0)),
    "constraints.prompt": ((23_913, 98.6), (100, 98.6)),
    "constraints.arithmetic": ((0.031, 0.00068), (0.0005, 0.00068)),
    "constraints.battery": ((4.88, 4.39), (20.0, 4.39)),
    "constraints.heat": ((40.4, 22.6), (40.4, 40.1)),
    "constraints.tiny": ((415, 32.4), (415, 400)),
    "deep_narrow.loss": ((0.18, 8.04, 2.77), (0.18, 2.5, 2.77)),
    "deep_narrow.parameters": ((0.38, 0.47), (0.6, 0.47)),
    "deep_narrow.deeper": ((2.225, 2.276, 2.313), (2.225, 2.276, 2.1)),
    "deep_narrow.arithmetic": ((121_824, 131_264), (121_824, 60_000)),
    "deep_narrow.cache": ((288, 1024), (288, 288)),
    "deep_narrow.speed": ((389, 147), (389, 385)),
    "deep_narrow.sharing": ((2.271, 2.302, 2.367), (2.271, 2.302, 2.2)),
    "quantization.groups": ((10.0, 8.0, 4.33, 6.0), (8.0, 10.0, 4.33, 6.0)),
    "quantization.eighth": ((6.83,), (7.95,)),
    "quantization.four": ((0.655, 0.658), (0.655, 0.9)),
    "quantization.part": ((0.002, 0.28), (0.002, 0.002)),
    "quantization.closest": ((37.0, 45.9, 0.78, 0.74), (37.0, 45.9, 0.74, 0.78)),
    "quantization.data": ((1.14, 0.78, 0.74), (1.14, 1.13, 0.74)),
    "quantization.scratch": ((0.967,), (0.1,)),
    "quantization.always": ((0.6522, 0.6522), (0.64, 0.6522)),
    "quantization_more.activations": ((0.001,), (0.3,)),
    "quantization_more.calibration": ((0.0025, 0.0021), (0.0025, 0.1)),
    "quantization_more.outliers": ((0.003, 1.1), (0.003, 0.004)),
    "quantization_more.faster": ((0.12,), (1.9,)),
    "quantization_more.keys": ((0.027, 0.005, 0.003), (0.027, 0.026, 0.003)),
    "quantization_more.ends": ((0.19, 0.027, 0.001), (0.19, 0.027, 0.1)),
    "quantization_more.even": ((1.363, 1.314), (1.363, 1.4)),
    "pruning.half": ((0.023,), (0.3,)),
    "pruning.gradient": ((0.023, 0.334), (0.023, 0.01)),
    "pruning.compete": ((0.137, 0.136, 1.22), (0.137, 0.136, 0.15)),
    "pruning.file": ((1.0,), (0.54,)),
    "pruning.sparse": ((1.01, 0.54), (0.5, 0.54)),
    "pruning.zeros": ((1.0,), (1.9,)),
    "pruning.stay": ((0.0,), (0.5,)),
    "pruning.recover": ((0.91,), (0.2,)),
    "pruning.scratch": ((0.713, 0.81), (0.713, 0.70)),
    "pruning_more.pattern": ((0.018, 0.049), (0.018, 0.018)),
    "pruning_more.neurons": ((0.015, 0.004), (0.004, 0.004)),
    "pruning_more.channel": ((1e-5, 2.1), (1e-5, 2e-5)),
    "pruning_more.alone": ((0.151, 0.043), (0.043, 0.043)),
    "pruning_more.faster": ((1.16,), (1.33,)),
    "pruning_more.csr": ((0.77, 1.24), (1.1, 1.24)),
    "pruning_more.even": ((0.159, 0.103), (0.159, 0.16)),
    "pruning_more.keep": ((1.0, 0.97, 0.01), (1.0, 1.0, 1.0)),
    "pruning_more.smallest": ((0.72, 0.018), (0.018, 0.018)),
    "metrics.operations": ((1.04, 1.84), (1.04, 1.05)),
    "metrics.memory": ((4.2, 317), (4.2, 5.0)),
    "metrics.threads": ((3.1,), (0.6,)),
    "metrics.perplexity": ((12.3, 0.96), (12.3, 1.5)),
    "metrics.accuracy": ((17.5,), (3.0,)),
    "metrics.once": ((31.3,), (0.0,)),
    "metrics.pairs": ((0.3, 0.02), (0.02, 0.3)),
    "metrics.overlap": ((0.016, -0.0039, -0.0002), (0.016, -0.0039, 0.004)),
    "metrics.same": ((0.0004, 0.983), (0.0004, 1.0)),
}


def beliefs_of(path: Path) -> tuple[str, Beliefs]:
    """The name by which a lab calls its beliefs, and what it is."""
    stem = path.stem[3:]
    name = "BELIEFS_MORE" if stem.endswith("_more") else "BELIEFS"
    return name, getattr(importlib.import_module(f"mobilellm_lab.{stem.removesuffix('_more')}.exercises"), name)


EVERY = {f"{known.name}.{one.name}": one for path in LABS for _, known in [beliefs_of(path)] for one in known.beliefs}


def lab_faults(cells: list[dict], name: str, known: Beliefs) -> list[str]:
    """What is wrong with the places where a lab shows its beliefs and judges them."""
    texts = ["".join(cell["source"]) for cell in cells]
    code = [text if cell["cell_type"] == "code" else "" for cell, text in zip(cells, texts, strict=True)]
    sections = [
        (int(found[1]), at) for at, text in enumerate(texts) if (found := re.search(r"^## (\d+)\.", text, re.M))
    ]
    shown = [at for at, text in enumerate(code) if text.splitlines()[-1:] == [name]]
    judged = [at for at, text in enumerate(code) if f"= {name}.judge(" in text and text.endswith("\njudged")]
    found = []
    if len(shown) != 1 or shown[0] > min(at for _, at in sections):
        found.append(f"{name} is not shown once, before section 1")
    if len(judged) != 1 or judged[0] < max(at for _, at in sections):
        found.append(f"{name}.judge(...) does not stand once, after all sections")
    if "judged.wrong" not in code[-1]:
        found.append("the last cell asserts nothing of what was judged")
    found += [f"{one.name}: no section {one.section}" for one in known.beliefs if one.section not in dict(sections)]
    return found


def test_there_are_labs():
    assert len(LABS) > 4


@labs
def test_beliefs_stand_at_the_start_and_the_end_of_a_lab(path):
    name, known = beliefs_of(path)
    assert known.name == path.stem[3:] and 5 <= len(known.beliefs) <= 9
    assert not lab_faults(json.loads(path.read_text(encoding="utf-8"))["cells"], name, known)


def test_every_belief_has_numbers_that_turn_it():
    assert set(TURNS) == set(EVERY)


@pytest.mark.parametrize("name", EVERY)
def test_a_rule_can_turn_and_says_it_in_a_few_words(name):
    here, turned = TURNS[name]
    rule = EVERY[name].rule
    assert rule(*here)[0] != rule(*turned)[0]
    said = [EVERY[name].text, rule(*here)[1]]
    assert not [fault for text in said for fault in prose.faults(text)]
    assert said[0].endswith(".") and said[1].endswith(".")


def test_some_beliefs_of_a_lab_hold():
    """Else a reader need not think before ticking."""
    for path in LABS:
        _, known = beliefs_of(path)
        holds = [one.rule(*TURNS[f"{known.name}.{one.name}"][0])[0] for one in known.beliefs]
        assert 0 < sum(holds) < len(holds) / 2, path.stem


# The rules themselves, on a small lab and on what is wrong with it.


def one(value):
    return value == 1, f"It is {value}."


def cells(*sources: str) -> list[dict]:
    return [{"cell_type": "markdown" if text.startswith("#") else "code", "source": [text]} for text in sources]


JUDGED = "judged = TOY.judge(one=(1,))\njudged"
GOOD = ("import math", "TOY", "## 1. A", "1", "# End", JUDGED, "assert not judged.wrong")
TOY = Beliefs("toy", (Belief(text="One is one.", section=1, rule=one),))


def test_a_good_lab_has_no_faults():
    assert not lab_faults(cells(*GOOD), "TOY", TOY)


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        ((GOOD[0], *GOOD[2:]), "not shown once"),
        ((GOOD[0], GOOD[2], GOOD[1], *GOOD[3:]), "not shown once"),
        ((*GOOD[:5], GOOD[6]), "does not stand once"),
        ((JUDGED, *GOOD), "does not stand once"),
        ((*GOOD[:2], JUDGED, GOOD[2], GOOD[6]), "does not stand once, after"),
        (GOOD[:6] + ("print(1)",), "asserts nothing"),
        ((*GOOD[:2], "## 2. A", *GOOD[3:]), "no section 1"),
    ],
)
def test_a_lab_that_forgets_its_beliefs_is_caught(sources, words):
    assert words in "\n".join(lab_faults(cells(*sources), "TOY", TOY))
