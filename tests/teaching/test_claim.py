"""A claim cannot say more than its evidence: stale verdicts, missing numbers and missing sources are refused."""

from dataclasses import replace

import pytest

from mobilellm_lab.reference import open_sweep, origin, sweep_names
from mobilellm_lab.teaching import Claim, Claims, Evidence, Verdict

SWEEPS = sweep_names()


def evidence() -> Evidence:
    """Holds, by definition."""
    return Evidence(verdict=Verdict.HOLDS, finding="It reaches 0.61.")


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
    flips="if measured.",
)


def saying(verdict: Verdict, finding: str = "Well.", flips: str = ""):
    def found(*stores) -> Evidence:
        """By definition."""
        return Evidence(verdict=verdict, finding=finding, flips=flips)

    return found


def test_the_evidence_says_what_was_found_and_may_say_when_it_would_turn():
    assert TOY.words() == ("It reaches 0.61.", "never.")
    turning = replace(TOY, flips="", evidence=saying(Verdict.HOLDS, "Well.", "below 0.61."))
    assert turning.words() == ("Well.", "below 0.61.")
    assert QUOTED.words() == ("It reports 44.8.", "if measured.")


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
    for show in (stale.words, stale.card, Claims([stale])._repr_html_):
        with pytest.raises(ValueError, match=r"'toy'.*'holds'.*now says 'does not hold'.*found\(\)"):
            show()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"evidence": saying(Verdict.HOLDS, " ")}, "finding is empty"),
        ({"flips": ""}, "flips stands in the claim or in its evidence"),
        ({"evidence": saying(Verdict.HOLDS, flips="twice.")}, "flips stands in the claim or in its evidence"),
    ],
)
def test_both_sentences_are_said_once(change, message):
    with pytest.raises(ValueError, match=message):
        replace(TOY, **change).card()
    with pytest.raises(ValueError, match="finding is empty"):
        replace(QUOTED, finding="").card()


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


def test_a_card_shows_everything_and_escapes_it():
    html = TOY.card()
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
    assert "As reported:" in QUOTED.card() and "44.8" in QUOTED.card() and "not measured here" in QUOTED.card()
    assert "<details>" not in QUOTED.card()  # no rule where nothing is derived


def test_every_verdict_differs_in_word_shape_and_colour():
    shown = [
        TOY.card(),
        replace(TOY, verdict=Verdict.DOES_NOT_HOLD, evidence=saying(Verdict.DOES_NOT_HOLD)).card(),
        replace(TOY, verdict=Verdict.HOLDS_WHEN, condition="it rains.", evidence=saying(Verdict.HOLDS_WHEN)).card(),
        QUOTED.card(),
    ]
    assert "it rains." in shown[2]
    for start, end in (("<b>", "</b>"), ("<svg", "</svg>"), ("--lab-mark: ", '"')):
        parts = [html.split(start)[1].split(end)[0] for html in shown]
        assert len(set(parts)) == len(shown), start


def test_a_list_shows_the_origin_of_each_data_file_once():
    read = Claim(**FIELDS | {"data": SWEEPS[:1], "evidence": saying(Verdict.HOLDS)})
    html = Claims([read, replace(read, name="again"), QUOTED])._repr_html_()
    assert html.count("<li ") == 3
    assert html.count(str(origin(open_sweep(SWEEPS[0])).machines[0])) == 1
    assert "<script" not in html and "http" not in html


def test_claims_are_chosen_by_where_they_are_said():
    claims = Claims([TOY, QUOTED])
    assert claims.of("Article") == (TOY,) and claims.of("paper") == (QUOTED,)
    assert repr(claims) == "toy: holds\nquoted: only quoted"
    with pytest.raises(ValueError, match="words='book': no claim's source"):
        claims.of("book")
    with pytest.raises(ValueError, match=r"named twice: \['toy'\]"):
        Claims([TOY, TOY])
