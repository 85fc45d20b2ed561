"""A sentence of the article or a paper, with the rows it is checked against: a stale verdict cannot be shown."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from string import Formatter
from types import MappingProxyType

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
    """What stored rows or a formula say: the verdict they lead to, and the numbers for the sentences."""

    verdict: Verdict
    numbers: Mapping[str, str]  # placeholder -> number as it is printed

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", MappingProxyType(dict(self.numbers)))


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
    finding: str  # what we found; {placeholders} are filled from the evidence's numbers
    flips: str  # when the verdict would turn; may have placeholders too
    evidence: Callable[..., Evidence] | None  # called with the stores of `data`; its docstring is the rule, and shown
    data: tuple[str, ...] = ()  # the stored sweeps that the evidence reads; () if it computes by itself
    command: str = ""  # what made `data`, joined by " and " where several did; or the call that derives it

    def __post_init__(self) -> None:
        for field in ("name", "said", "source", "finding", "flips"):
            if not getattr(self, field).strip():
                self._refuse(f"{field} is empty: every claim has one")
        if unknown := set(self.data) - set(sweep_names()):
            self._refuse(f"data={sorted(unknown)}: choose from {', '.join(sweep_names())}")
        if bool(self.condition) != (self.verdict is Verdict.HOLDS_WHEN):
            self._refuse(f"condition={self.condition!r}: `holds when` needs one, no other verdict has one")
        if self.verdict is Verdict.ONLY_QUOTED:
            if self.evidence is not None or self.data or self.command:
                self._refuse("only quoted, yet it has evidence, data or command: give it a verdict of our own")
            if not CITATION.search(self.source):
                self._refuse(f"source={self.source!r}: what is only quoted needs an arXiv number or an address")
        elif self.evidence is None or not self.command:
            self._refuse("no evidence or no command: bind it to data, or call it only quoted")
        elif not inspect.getdoc(self.evidence):
            self._refuse("evidence has no docstring: say by which rule it derives the verdict")

    def derive(self, stores: Mapping[str, Store] | None = None) -> Evidence:
        """The evidence as `stores` (sweep -> store; None: those of the repository) give it."""
        if self.evidence is None:
            return Evidence(verdict=Verdict.ONLY_QUOTED, numbers={})
        return self.evidence(*(open_sweep(name) if stores is None else stores[name] for name in self.data))

    def words(self) -> tuple[str, str]:
        """`finding` and `flips` with the numbers in place.

        Raises:
            ValueError: the evidence leads to another verdict, a placeholder has no number, or a number no place.
        """
        found = self.derive()
        if found.verdict != self.verdict:
            self._refuse(
                f"stated as '{self.verdict}', but its evidence now says '{found.verdict}': "
                f"read what changed ({self.command or 'no command'}), then mend the claim"
            )
        texts = (self.finding, self.flips)
        wanted = {field for text in texts for _, field, _, _ in Formatter().parse(text) if field is not None}
        if missing := wanted - set(found.numbers):
            self._refuse(f"no number for {sorted(missing)}: the evidence has {sorted(found.numbers)}")
        if unused := set(found.numbers) - wanted:
            self._refuse(f"numbers {sorted(unused)} are in no sentence: use them or leave them out")
        return tuple(text.format_map(found.numbers) for text in texts)

    def card(self) -> str:
        """HTML of this claim; raises as `words` does."""
        finding, flips = self.words()
        if self.verdict is Verdict.ONLY_QUOTED:
            heading, ground = "As reported", "Quoted, not measured here."
        elif self.data:
            files, commands = " and ".join(f"`{name}.jsonl`" for name in self.data), self.command.split(" and ")
            heading, ground = "Found", f"Data: {files}, made by `{'` and `'.join(commands)}`."
        else:
            heading, ground = "Found", f"Computed anew whenever this is shown: `{self.command}`."
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
