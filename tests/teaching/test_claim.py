"""A claim cannot say more than its evidence: stale verdicts, missing numbers and missing sources are refused."""

from dataclasses import replace

import pandas as pd
import pytest

from mobilellm_lab.reference import open_sweep, origin, sweep_names
from mobilellm_lab.teaching import Claim, Claims, Evidence, Verdict, rules

SWEEPS = sweep_names()


def evidence() -> Evidence:
    """Holds, by definition."""
    return Evidence(verdict=Verdict.HOLDS, finding="It reaches 0.61.", line="0.61 at last")


FIELDS = {
    "name": "toy",
    "said": "A toy is *better* than a < b.",
    "source": "the article, section 9",
    "verdict": Verdict.HOLDS,
    "flips": "never.",
    "evidence": evidence,
}
TOY = Claim(**FIELDS)
QUOTED = Claim(
    name="quoted",
    said="Larger is better.",
    source="a paper, table 1 (arXiv 2402.14905)",
    verdict=Verdict.ONLY_QUOTED,
    finding="It reports 44.8.",
    line="44.8",
    flips="if measured.",
)


def saying(verdict: Verdict, finding: str = "Well.", line: str = "Well", **others: str):
    def found(*stores) -> Evidence:
        """By definition."""
        return Evidence(verdict=verdict, finding=finding, line=line, **others)

    return found


def test_the_evidence_says_what_was_found_and_may_say_when_it_would_turn():
    def words(claim: Claim) -> tuple[str, str]:
        found = claim.found()
        return found.finding, found.flips

    assert words(TOY) == ("It reaches 0.61.", "never.")
    turning = replace(TOY, flips="", evidence=saying(Verdict.HOLDS, "Well.", flips="below 0.61."))
    assert words(turning) == ("Well.", "below 0.61.")
    assert words(QUOTED) == ("It reports 44.8.", "if measured.")


def test_the_evidence_is_given_exactly_the_stores_that_the_claim_names():
    seen = []

    def look(*stores) -> Evidence:
        """By definition."""
        seen.extend(stores)
        return evidence()

    claim = Claim(**FIELDS | {"evidence": look, "data": SWEEPS})
    claim.derive()
    assert [store.path for store in seen] == [open_sweep(name).path for name in SWEEPS]
    claim.derive(dict.fromkeys(SWEEPS, mine := open_sweep(SWEEPS[0])))
    assert seen[len(SWEEPS) :] == [mine] * len(SWEEPS)


def test_a_stale_verdict_is_not_shown():
    stale = replace(TOY, evidence=saying(Verdict.DOES_NOT_HOLD))
    for show in (stale.found, stale.row, Claims([stale])._repr_html_):
        with pytest.raises(ValueError, match=r"'toy'.*'holds'.*now says 'does not hold'.*found\(\)"):
            show()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"evidence": saying(Verdict.HOLDS, " ")}, "finding is empty"),
        ({"evidence": saying(Verdict.HOLDS, line="")}, "line is empty"),
        ({"flips": ""}, "flips stands in the claim or in its evidence"),
        ({"evidence": saying(Verdict.HOLDS, flips="twice.")}, "flips stands in the claim or in its evidence"),
    ],
)
def test_both_sentences_are_said_once(change, message):
    with pytest.raises(ValueError, match=message):
        replace(TOY, **change).row()
    with pytest.raises(ValueError, match="finding is empty"):
        replace(QUOTED, finding="").row()


@pytest.mark.parametrize("line", ["a" * 111, "1, 2, 3.5 and 4."])
def test_a_line_is_short_and_has_at_most_three_numbers(line):
    with pytest.raises(ValueError, match="claim 'toy': line='.*at most 110 characters and 3 numbers"):
        replace(TOY, evidence=saying(Verdict.HOLDS, line=line)).row()
    assert replace(QUOTED, line="W4A8 of GPT-2 in int8: 1.5 to 2.5 times, 125M.").row()


def test_a_tie_names_the_smallest_effect_that_could_have_been_shown():
    tie, toy = (
        replace(TOY, verdict=verdict, evidence=saying(verdict, smallest="0.02 bits per byte"))
        for verdict in (Verdict.NOT_DISTINGUISHABLE, Verdict.HOLDS)
    )
    assert "could have shown:</strong> 0.02 bits per byte.<" in tie.row() and "0.02" not in toy.row()
    with pytest.raises(ValueError, match="smallest='' with verdict 'not distinguishable': name the smallest effect"):
        Evidence(verdict=Verdict.NOT_DISTINGUISHABLE, finding="Well.")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"said": " "}, "said is empty"),
        ({"source": ""}, "source is empty"),
        ({"finding": "It is good."}, "the evidence says what was found"),
        ({"condition": "it rains"}, "`holds when` needs one"),
        ({"verdict": Verdict.HOLDS_WHEN}, "`holds when` needs one"),
        ({"data": ("weather",)}, r"data=\['weather'\]: choose from constraints"),
        ({"evidence": None}, "bind it to data, or call it only quoted"),
        ({"evidence": lambda: evidence()}, "no docstring"),
        ({"verdict": Verdict.ONLY_QUOTED}, "give it a verdict of our own"),
    ],
)
def test_a_claim_has_what_its_verdict_needs(change, message):
    with pytest.raises(ValueError, match=f"claim 'toy': .*{message}"):
        Claim(**FIELDS | change)


@pytest.mark.parametrize("source", ["a well-known paper", "the article, section 2", "arXiv"])
def test_what_is_only_quoted_says_where_it_stands(source):
    with pytest.raises(ValueError, match="needs an arXiv number or an address"):
        replace(QUOTED, source=source)
    assert replace(QUOTED, source="https://example.org/card").derive().verdict == Verdict.ONLY_QUOTED


def test_a_row_shows_everything_and_escapes_it():
    html = TOY.row().replace("<wbr>", "")
    for text in (
        "<em>better</em>",
        "a &lt; b",
        "section 9",
        ">holds<",
        "0.61",
        "never.",
        "Holds, by",
        "test_claim.evidence()</code>",
    ):
        assert text in html, text
    assert "As reported:" in QUOTED.row() and "44.8" in QUOTED.row() and "not measured here" in QUOTED.row()
    assert QUOTED.row().count("<details>") == TOY.row().count("<details>") - 1  # no rule where nothing is derived


def test_the_line_stands_before_what_is_folded():
    said = replace(TOY, evidence=saying(Verdict.HOLDS, "It reaches 0.61. Or so.", line="0.61 at last"))
    summary, folded = said.row().split("</summary>", 1)
    assert "0.61 at last" in summary and "Or so." in folded and "Or so." not in summary


def test_every_verdict_differs_in_word_shape_and_colour():
    shown = [
        TOY.row(),
        replace(TOY, verdict=Verdict.DOES_NOT_HOLD, evidence=saying(Verdict.DOES_NOT_HOLD)).row(),
        replace(TOY, verdict=Verdict.HOLDS_WHEN, condition="it rains.", evidence=saying(Verdict.HOLDS_WHEN)).row(),
        replace(
            TOY,
            verdict=Verdict.NOT_DISTINGUISHABLE,
            evidence=saying(Verdict.NOT_DISTINGUISHABLE, smallest="1 s"),
        ).row(),
        QUOTED.row(),
    ]
    assert "<strong>Holds when:</strong> it rains." in shown[2]
    assert len(shown) == len(Verdict)
    for start, end in (("</svg>", "</span>"), ("<svg", "</svg>"), ("--lab-mark: ", '"')):
        parts = [html.split(start)[1].split(end)[0] for html in shown]
        assert len(set(parts)) == len(shown), start


def test_a_table_shows_the_origin_of_each_data_file_once():
    read = Claim(**FIELDS | {"data": SWEEPS[:1], "evidence": saying(Verdict.HOLDS)})
    html = Claims([read, replace(read, name="again"), QUOTED])._repr_html_()
    assert html.count("<li ") == 3
    assert html.count(str(origin(open_sweep(SWEEPS[0])).machines[0])) == 1
    assert "<script" not in html and "http" not in html


def test_a_chapters_own_claims_come_first_and_the_rest_below_a_heading():
    claims = Claims([TOY], also=[QUOTED])
    assert claims == (TOY, QUOTED) and claims.own == (TOY,) and claims.also == (QUOTED,)
    own, also = claims._repr_html_().split("<strong>Also said: ")
    assert "claim-toy" in own and "claim-quoted" in also
    assert "Also said" not in Claims([TOY, QUOTED])._repr_html_()


def test_claims_are_chosen_by_where_they_are_said():
    claims = Claims([TOY, QUOTED])
    assert claims.of("Article") == (TOY,) and claims.of("paper") == (QUOTED,)
    assert Claims([TOY], also=[QUOTED]).of("paper").also == (QUOTED,)
    assert repr(claims) == "toy: holds\nquoted: only quoted"
    with pytest.raises(ValueError, match="words='book': no claim's source"):
        claims.of("book")
    with pytest.raises(ValueError, match=r"named twice: \['toy'\]"):
        Claims([TOY, TOY])


def test_two_arms_are_better_worse_or_not_distinguishable():
    low, high, between = (pd.Series(values) for values in ([1.0, 2.0, 4.0], [4.5, 5.0, 7.0], [3.0, 3.5, 5.0]))
    assert rules.better(high, low) is Verdict.HOLDS and rules.better(low, high) is Verdict.DOES_NOT_HOLD
    assert rules.better(high, between) is rules.better(between, low) is Verdict.NOT_DISTINGUISHABLE


def test_arms_are_apart_once_their_medians_differ_by_more_than_the_smallest_gap():
    one, other = pd.Series([1.0, 2.0, 4.0]), pd.Series([10.0, 10.5, 12.5])
    gap = rules.smallest_gap(one, other)
    assert gap == rules.smallest_gap(other, one) == 3.0
    for high, low in ((one, other), (other, one)):
        level = high - high.median() + low.median()
        assert rules.apart(level + 3.001, low) and not rules.apart(level + 2.4, low)
