"""A sentence of the article or a paper, with the rows it is checked against: a stale verdict cannot be shown."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from mobilellm_lab.reference import open_sweep, origin, sweep_names
from mobilellm_lab.sweeps import Store
from mobilellm_lab.teaching import claim_cards

CITATION = re.compile(r"arXiv \d{4}\.\d{4,5}|https?://\S+")


class Verdict(StrEnum):
    """What the evidence says of a claim."""

    HOLDS = "holds"
    HOLDS_WHEN = "holds when"
    DOES_NOT_HOLD = "does not hold"
    ONLY_QUOTED = "only quoted"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What stored rows or a formula say: the verdict they lead to, and its sentences with their numbers in place."""

    verdict: Verdict
    finding: str  # what we found
    flips: str = ""  # when the verdict would turn, where that depends on the numbers


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
        elif self.finding:
            self._refuse(f"finding={self.finding!r}: the evidence says what was found")
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
            return Evidence(verdict=Verdict.ONLY_QUOTED, finding=self.finding)
        return self.evidence(*(open_sweep(name) if stores is None else stores[name] for name in self.data))

    def words(self) -> tuple[str, str]:
        """What was found, and when the verdict would turn.

        Raises:
            ValueError: the evidence leads to another verdict, or one of the two is said nowhere, or twice.
        """
        found = self.derive()
        if found.verdict != self.verdict:
            self._refuse(
                f"stated as '{self.verdict}', but its evidence now says '{found.verdict}': "
                f"read what changed ({' and '.join(self.commands)}), then mend the claim"
            )
        if not found.finding.strip():
            self._refuse("finding is empty: every claim has one")
        if bool(self.flips.strip()) == bool(found.flips.strip()):
            self._refuse("flips stands in the claim or in its evidence: say it in one of them")
        return found.finding, self.flips or found.flips

    def card(self) -> str:
        """HTML of this claim; raises as `words` does."""
        finding, flips = self.words()
        if self.verdict is Verdict.ONLY_QUOTED:
            heading, ground = "As reported", "Quoted, not measured here."
        elif self.data:
            files = " and ".join(f"`{name}.jsonl`" for name in self.data)
            heading, ground = "Found", f"Data: {files}, made by `{'` and `'.join(self.commands)}`."
        else:
            heading, ground = "Found", f"Computed anew whenever this is shown: `{self.commands[0]}`."
        return claim_cards.card(
            name=self.name,
            said=self.said,
            source=self.source,
            verdict=str(self.verdict),
            condition=self.condition,
            heading=heading,
            finding=finding,
            flips=flips,
            ground=ground,
            rule=inspect.getdoc(self.evidence) if self.evidence else "",
        )

    def _refuse(self, why: str) -> None:
        raise ValueError(f"claim {self.name!r}: {why}")


class Claims(tuple[Claim, ...]):
    """Claims in the order in which they are read; the last value of a cell shows them as cards.

    Raises:
        ValueError: two claims have the same name.
    """

    def __new__(cls, claims: Iterable[Claim]):
        self = super().__new__(cls, claims)
        names = [claim.name for claim in self]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"claims named twice: {sorted(twice)}; a name stands once")
        return self

    def of(self, words: str) -> "Claims":
        """Those whose source contains `words`, as in `CLAIMS.of("article")`.

        Raises:
            ValueError: no source does.
        """
        chosen = Claims(claim for claim in self if words.casefold() in claim.source.casefold())
        if not chosen:
            raise ValueError(
                f"words={words!r}: no claim's source has them; sources: {sorted({c.source for c in self})}"
            )
        return chosen

    def __repr__(self) -> str:
        return "\n".join(f"{claim.name}: {f'{claim.verdict} {claim.condition}'.strip()}" for claim in self)

    def _repr_html_(self) -> str:
        sweeps = dict.fromkeys(name for claim in self for name in claim.data)
        return claim_cards.cards([claim.card() for claim in self], [str(origin(open_sweep(name))) for name in sweeps])
