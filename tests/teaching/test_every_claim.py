"""Every claim of every chapter follows from its data today, names what made that data, and could turn out otherwise."""

import importlib
import random
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from layout import prose

from mobilellm_lab.deep_narrow.study.evidence import reported
from mobilellm_lab.reference import FOLDER, open_sweep, origin
from mobilellm_lab.reference.rows import seeds
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching import Claim, Claims, Evidence, Verdict, rules

ROOT = Path(__file__).parents[2]


def chapters() -> dict[str, Claims]:
    """Chapter -> its claims, for every chapter with exercises; one without claims is an error."""
    stems = [path.parts[-3] for path in sorted((ROOT / "mobilellm_lab").glob("*/exercises/__init__.py"))]
    return {stem: importlib.import_module(f"mobilellm_lab.{stem}.claims").CLAIMS for stem in stems}


CHAPTERS = chapters()
CLAIMS = [
    pytest.param(claim, id=f"{chapter}: {claim.name}") for chapter, claims in CHAPTERS.items() for claim in claims
]
MEASURED = [param for param in CLAIMS if param.values[0].data]
TIE = Verdict.NOT_DISTINGUISHABLE
KEPT = ("key", "recipe", "shape", "provenance", "training")  # what a row is, not what was measured
LABELS = ("bits", "group_size", "budget_bits", "context", "matrices")  # what a measurement inside a row is of
LOSSES = ("parts", "contexts", "sensitivity", "made", "rounded", "curve")  # fields of a row with losses in them


@cache  # evidence only reads
def reversed_order(name: str) -> Store:
    """The stored sweep with the sign of every measured number changed, so that more is less everywhere.

    Values named validation... stay: they choose which runs are reported, and are not reported themselves.
    """

    def turn(value):
        if isinstance(value, dict):
            return {key: inner if key in LABELS else turn(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [turn(inner) for inner in value]
        return -value if isinstance(value, int | float) else value

    store = open_sweep(name)
    store.rows = {
        key: {k: v if k in KEPT or k.startswith("validation") else turn(v) for k, v in row.items()}
        for key, row in store.rows.items()
    }
    return store


def moved(name: str, by: float) -> Store:
    """The stored sweep with every loss, also of a part, raised or lowered by this much; which, is drawn."""
    draw = random.Random(name)

    def move(value):
        if isinstance(value, dict):
            return {key: inner if key in LABELS else move(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [move(inner) for inner in value]
        return value + draw.choice((-by, by)) if isinstance(value, float) else value

    store = open_sweep(name)
    store.rows = {
        key: {k: move(v) if k not in KEPT and ("loss" in k or k in LOSSES) else v for k, v in row.items()}
        for key, row in store.rows.items()
    }
    return store


@pytest.fixture(scope="module", autouse=True)
def derived_once() -> Iterator[None]:
    """Verdict, words and cards of these tests share what the stored rows gave; it takes seconds for some claims."""
    derive = Claim.derive
    of_stored_rows = cache(derive)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Claim, "derive", lambda claim, *stores: (derive if stores else of_stored_rows)(claim, *stores))
        yield


def test_there_are_claims():
    assert all(CHAPTERS.values()) and "deep_narrow" in CHAPTERS


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_at_most_twelve_claims_are_a_chapters_own(chapter):
    own = CHAPTERS[chapter].own
    assert 1 <= len(own) <= 12


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_verdict_follows_from_the_evidence(claim: Claim):
    assert claim.derive().verdict is claim.verdict
    found = claim.found()
    said = (claim.said, claim.condition, found.finding, found.flips, found.smallest)
    assert not [fault for text in said for fault in prose.faults_of_finding(text)]
    for text in (found.finding, found.flips):
        assert text.strip().endswith(".") and "{" not in text and "nan" not in text.split()
    assert claim.row()


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_command_is_the_one_that_made_the_data(claim: Claim):
    assert all((FOLDER / f"{name}.jsonl").is_file() for name in claim.data)
    if claim.data:
        assert list(claim.commands) == [made for name in claim.data for made in origin(open_sweep(name)).commands]
    elif claim.verdict is not Verdict.ONLY_QUOTED:
        (command,) = claim.commands
        module, function = command.removesuffix("()").rsplit(".", 1)
        assert getattr(importlib.import_module(module), function) is claim.evidence


@pytest.mark.parametrize("claim", [param for param in MEASURED if param.values[0].verdict is not TIE])
def test_other_data_would_lead_to_another_verdict(claim: Claim):
    """Also that the evidence reads nothing but the stores it is given."""
    assert claim.derive({name: reversed_order(name) for name in claim.data}).verdict is not claim.verdict


def arms_of(claim: Claim, stores: dict[str, Store], spreads: int) -> tuple[Verdict, list[float]]:
    """The verdict if the gap of the arms that `rules.better` compares grew by this many spreads, and all their values.

    The arms are widened as the rule sees them: which rows an arm is made of, only the evidence knows.
    """
    apart, values = rules.apart, []

    def widened(high: pd.Series, low: pd.Series) -> bool:
        values.extend([*high, *low])
        return apart(high + spreads * max(arm.max() - arm.min() for arm in (high, low)), low)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules, "apart", widened)
        return claim.derive(stores).verdict, values


def tie_faults(claim: Claim) -> list[str]:
    """Why a claim whose arms cannot be told apart does not follow from measured arms: a tie negated stays a tie."""
    stores = {name: open_sweep(name) for name in claim.data}
    kept, measured = arms_of(claim, stores, 0)
    negated = arms_of(claim, {name: reversed_order(name) for name in claim.data}, 0)[1]
    widened = arms_of(claim, stores, 3)[0]
    faults = {
        f"it is {kept} today": kept is not TIE,
        "no arms are compared by rules.better": not measured,
        "what it compares was not measured": set(measured) == set(negated),
        "three spreads between the arms change nothing": widened is TIE,
    }
    return [fault for fault, found in faults.items() if found]


def test_no_tie_would_survive_three_spreads_between_its_arms():
    ties = [claim for claims in CHAPTERS.values() for claim in claims if claim.verdict is TIE]
    assert {claim.name: found for claim in ties if (found := tie_faults(claim))} == {}


def arms(column: str, verdict: Callable[[pd.Series, pd.Series], Verdict]) -> Claim:
    """A claim about two steps of the roadmap, with this rule."""

    def found(store: Store) -> Evidence:
        """By definition."""
        high, low = (seeds(reported(store), column, study=f"roadmap: {step}") for step in ("tied embeddings", "GQA"))
        return Evidence(verdict=verdict(high, low), finding="A tie.", smallest="1 point")

    return Claim(name="toy", said="A.", source="B", verdict=TIE, flips="Never.", evidence=found, data=("deep_narrow",))


def test_a_tie_that_does_not_follow_from_measured_arms_is_found():
    assert tie_faults(arms("score", rules.better)) == []
    assert tie_faults(arms("score", lambda high, low: TIE))[0] == "no arms are compared by rules.better"
    assert tie_faults(arms("seed", rules.better)) == ["what it compares was not measured"]
    stated = arms("score", lambda high, low: (rules.better(high, low), TIE)[1])
    assert tie_faults(stated) == ["three spreads between the arms change nothing"]


@pytest.mark.parametrize("claim", MEASURED)
def test_no_verdict_hangs_on_the_last_digits_of_a_loss(claim: Claim):
    """A change of arithmetic that keeps each stored loss within 1e-4 nats keeps each verdict."""
    assert claim.derive({name: moved(name, 1e-4) for name in claim.data}).verdict is claim.verdict


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_table_needs_no_script_and_no_other_host(chapter):
    html = CHAPTERS[chapter]._repr_html_()
    assert "<script" not in html and "src=" not in html and "url(" not in html
    assert html.count("<li ") == len(CHAPTERS[chapter])
