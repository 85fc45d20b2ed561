"""A session of smaller models: the loss increase on the same sequences, its table, and distances by model."""

import pytest

from mobilellm_lab.live.compressed import Entry, Session
from mobilellm_lab.measuring import OnDisk, Theoretical
from mobilellm_lab.measuring.evaluation import EvalResult
from mobilellm_lab.reference.models import FOLDER


def entry(short: str, *losses: float, model: str = "deep", **speeds) -> Entry:
    evaluation, before = (
        EvalResult(losses=values, floor_nats=None, scores={"two_hop": 0.5}, agreement=0.9)
        for values in (losses, (1.0, 3.0, 2.0))
    )
    sizes = {"on_disk": OnDisk(bytes=2048), "theory": Theoretical(bytes=1024)}
    return Entry(
        label=f"{model}, {short}",
        short=short,
        model=model,
        evaluation=evaluation,
        float_evaluation=before,
        **sizes,
        **speeds,
    )


def test_a_stopped_run_is_compared_on_the_sequences_that_it_was_asked():
    assert entry("all", 1.5, 3.5, 2.5).loss_increase_nats == pytest.approx(0.5)
    assert entry("one", 1.5).loss_increase_nats == pytest.approx(0.5)


def test_the_table_has_every_run_the_newest_first():
    session = Session(folders={}, history=[entry("a", 1.5), entry("b", 1.5, model="wide", per_s=7.0, float_per_s=9.0)])
    table = session.table()
    assert table.index("2. wide, b") < table.index("1. deep, a")
    for cell in ("two hop 0.500", "90.0 %", "+0.5000", "<td>2</td>", "<td>1</td>", "<td>7</td>", "<td>9</td>"):
        assert cell in table
    assert Session(folders={}).table() == ""


def test_distances_are_of_one_model():
    history = [entry("a", 1.5), entry("b", 1.5, model="wide"), entry("c", 1.7)]
    stored = {"deep": [(4096, 0.1)], "wide": [(4096, 0.1), (1024, 0.2)]}
    session = Session(folders={"deep": FOLDER / "student-tiny"}, history=history, stored=stored)
    picture = session.distances(session.start("deep", 64))
    assert picture.count('class="point') == 2 and picture.count('class="stored"') == 1
    assert "3. c" in picture and "2. b" not in picture
