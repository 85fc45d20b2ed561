"""A sentence of the article or a paper, with the rows it is checked against: a stale verdict cannot be shown."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from mobilellm_lab.reference import open_sweep, origin, sweep_names
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching import claim_cards

CITATION = re.compile(r"arXiv \d{4}\.\d{4,5}|https?://\S+")
NUMBER = re.compile(r"(?<![\w.,-])\d[\d.,]*")  # 125M, 0.61 and 4-bit, but not the digits of W4A8, GPT-2 and int8
LINE = 110  # characters of a line at most
NUMBERS = 3  # in a line at most


class Verdict(StrEnum):
    """What the evidence says of a claim."""

    HOLDS = "holds"
    HOLDS_WHEN = "holds when"
    DOES_NOT_HOLD = "does not hold"
    NOT_DISTINGUISHABLE = "not distinguishable"
    ONLY_QUOTED = "only quoted"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What stored rows or a formula say: the verdict they lead to, and its sentences with their numbers in place.

    Raises:
        ValueError: two arms cannot be told apart, and `smallest` is missing.
    """

    verdict: Verdict
    finding: str  # what we found
    line: str = ""  # the same in one line, for the table
    flips: str = ""  # when the verdict would turn, where that depends on the numbers
    smallest: str = ""  # effect that the data could have shown: "0.02 bits per byte"; only read if they show none

    def __post_init__(self) -> None:
        if self.verdict is Verdict.NOT_DISTINGUISHABLE and not self.smallest.strip():
            raise ValueError(
                f"smallest={self.smallest!r} with verdict '{self.verdict}': name the smallest effect that the data "
                "could have shown, with its unit (`rules.smallest_gap`)"
            )


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim, restated, with the verdict that its evidence must lead to.

    Raises:
        ValueError: a field that the verdict needs is empty, or one that it cannot have is not.
    """

    name: str  # stem of ids: "fewer-parameters"
    said: str  # restated in our words, never copied
    source: str  # where it is said: "the article, section 2"
    verdict: Verdict  # must be the one that `evidence` derives
    condition: str = ""  # finishes "holds when ..."; empty for every other verdict
    finding: str = ""  # what is reported, if it is only quoted; else `evidence` says what we found
    line: str = ""  # the same in one line, for the table
    flips: str = ""  # when the verdict would turn; empty where `evidence` says it
    evidence: Callable[..., Evidence] | None = None  # called with the stores of `data`; its docstring is the rule
    data: tuple[str, ...] = ()  # the stored sweeps that the evidence reads; () if it computes by itself

    def __post_init__(self) -> None:
        for field in ("name", "said", "source"):
            if not getattr(self, field).strip():
                self._refuse(f"{field} is empty: every claim has one")
        if unknown := set(self.data) - set(sweep_names()):
            self._refuse(f"data={sorted(unknown)}: choose from {', '.join(sweep_names())}")
        if bool(self.condition) != (self.verdict is Verdict.HOLDS_WHEN):
            self._refuse(f"condition={self.condition!r}: `holds when` needs one, no other verdict has one")
        if self.verdict is Verdict.ONLY_QUOTED:
            if self.evidence is not None or self.data:
                self._refuse("only quoted, yet it has evidence or data: give it a verdict of our own")
            if not CITATION.search(self.source):
                self._refuse(f"source={self.source!r}: what is only quoted needs an arXiv number or an address")
        elif self.evidence is None:
            self._refuse("no evidence: bind it to data, or call it only quoted")
        elif self.finding or self.line:
            self._refuse(f"finding={self.finding!r}, line={self.line!r}: the evidence says what was found")
        elif not inspect.getdoc(self.evidence):
            self._refuse("evidence has no docstring: say by which rule it derives the verdict")

    @property
    def commands(self) -> tuple[str, ...]:
        """What made `data`, or the call that derives the evidence; () if it is only quoted."""
        if self.evidence is None or self.data:
            return tuple(f"mobilellm-lab sweep {name}" for name in self.data)
        return (f"{self.evidence.__module__}.{self.evidence.__qualname__}()",)

    def derive(self, stores: Mapping[str, Store] | None = None) -> Evidence:
        """The evidence as `stores` (sweep -> store; None: those of the repository) give it."""
        if self.evidence is None:
            return Evidence(verdict=Verdict.ONLY_QUOTED, finding=self.finding, line=self.line)
        return self.evidence(*(open_sweep(name) if stores is None else stores[name] for name in self.data))

    def found(self) -> Evidence:
        """The evidence of the repository, with `flips` in it wherever that is said.

        Raises:
            ValueError: it leads to another verdict, its line is too long, or a sentence is said nowhere, or twice.
        """
        found = self.derive()
        if found.verdict != self.verdict:
            self._refuse(
                f"stated as '{self.verdict}', but its evidence now says '{found.verdict}': "
                f"read what changed ({' and '.join(self.commands)}), then mend the claim"
            )
        for field in ("finding", "line"):
            if not getattr(found, field).strip():
                self._refuse(f"{field} is empty: every claim has one")
        if bool(self.flips.strip()) == bool(found.flips.strip()):
            self._refuse("flips stands in the claim or in its evidence: say it in one of them")
        if len(found.line) > LINE or len(NUMBER.findall(found.line)) > NUMBERS:
            self._refuse(f"line={found.line!r}: at most {LINE} characters and {NUMBERS} numbers")
        return replace(found, flips=self.flips or found.flips)

    def row(self) -> str:
        """HTML of this claim as a row of the table, its evidence folded behind it; raises as `found` does."""
        found = self.found()
        if self.verdict is Verdict.ONLY_QUOTED:
            heading, ground = "As reported", "Quoted, not measured here."
        elif self.data:
            files = " and ".join(f"`{name}.jsonl`" for name in self.data)
            heading, ground = "Found", f"Data: {files}, made by `{'` and `'.join(self.commands)}`."
        else:
            heading, ground = "Found", f"Computed anew whenever this is shown: `{self.commands[0]}`."
        tie = self.verdict is Verdict.NOT_DISTINGUISHABLE
        evidence = {
            str(self.verdict).capitalize(): self.condition,
            "Said in": f"{self.source}.",
            heading: found.finding,
            "Smallest effect that the data could have shown": f"{found.smallest}." if tie else "",
            "It would flip": found.flips,
        }
        return claim_cards.row(
            name=self.name,
            said=self.said,
            verdict=str(self.verdict),
            line=found.line,
            evidence={head: text for head, text in evidence.items() if text},
            ground=ground,
            rule=inspect.getdoc(self.evidence) if self.evidence else "",
        )

    def _refuse(self, why: str) -> None:
        raise ValueError(f"claim {self.name!r}: {why}")


class Claims(tuple[Claim, ...]):
    """A chapter's claims in the order in which they are read; the last value of a cell shows them as a table.

    `own` are the chapter's; `also`, its near-twins and what is only quoted, follow in a short table of their own.

    Raises:
        ValueError: two claims have the same name.
    """

    own: tuple[Claim, ...]
    also: tuple[Claim, ...]

    def __new__(cls, own: Iterable[Claim], also: Iterable[Claim] = ()):
        own, also = tuple(own), tuple(also)
        self = super().__new__(cls, own + also)
        self.own, self.also = own, also
        names = [claim.name for claim in self]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"claims named twice: {sorted(twice)}; a name stands once")
        return self

    def of(self, words: str) -> "Claims":
        """Those whose source contains `words`, as in `CLAIMS.of("article")`.

        Raises:
            ValueError: no source does.
        """
        chosen = Claims(*([one for one in part if words.casefold() in one.source.casefold()] for part in self.parts))
        if not chosen:
            raise ValueError(
                f"words={words!r}: no claim's source has them; sources: {sorted({c.source for c in self})}"
            )
        return chosen

    @property
    def parts(self) -> tuple[tuple[Claim, ...], tuple[Claim, ...]]:
        """The chapter's own, and the rest."""
        return self.own, self.also

    def __repr__(self) -> str:
        return "\n".join(f"{claim.name}: {f'{claim.verdict} {claim.condition}'.strip()}" for claim in self)

    def _repr_html_(self) -> str:
        sweeps = dict.fromkeys(name for claim in self for name in claim.data)
        own, also = ([claim.row() for claim in part] for part in self.parts)
        return claim_cards.table(own, also, [str(origin(open_sweep(name))) for name in sweeps])
