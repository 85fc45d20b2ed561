"""Common beliefs about a lab's topic: ticked at its start, and judged at its end by what the run measured"""

from collections.abc import Callable
from dataclasses import dataclass

from mobilellm_lab.teaching import html

Number = int | float
Rule = Callable[..., tuple[bool, str]]  # numbers of a run -> whether the belief holds there, and what was measured


@dataclass(frozen=True, kw_only=True)
class Belief:
    """A sentence that a reader may believe, and the rule by which a run confirms or refutes it."""

    text: str
    section: int  # of the lab, where it is measured
    rule: Rule

    @property
    def name(self) -> str:
        """That of its rule; the reader's browser keeps ticks by it."""
        return self.rule.__name__


@dataclass(frozen=True)
class Beliefs:
    """A lab's beliefs. A cell shows them as a list to tick, and the reader's browser keeps the ticks.

    Raises:
        ValueError: two beliefs have the same name.
    """

    name: str  # of the lab, "quantization_more"; names do not repeat in the course
    beliefs: tuple[Belief, ...]

    def __post_init__(self) -> None:
        names = [one.name for one in self.beliefs]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"beliefs named twice: {sorted(twice)}; a name stands once")

    def judge(self, **numbers: tuple[Number, ...]) -> "Judgement":
        """Each belief with the verdict of this run, whose numbers are given by name of belief, as its rule takes them.

        Raises:
            ValueError: the numbers of a belief are missing, or belong to none.
        """
        names = [one.name for one in self.beliefs]
        if wrong := set(numbers) ^ set(names):
            raise ValueError(f"numbers for {sorted(wrong)} are missing or unknown: give them for {', '.join(names)}")
        return Judgement(self.name, tuple(Judged(one, *one.rule(*numbers[one.name])) for one in self.beliefs))

    def __repr__(self) -> str:
        return "\n".join(f"- {one.text}" for one in self.beliefs)

    def _repr_html_(self) -> str:
        return html.beliefs(self.name, [(one.name, one.text) for one in self.beliefs])


@dataclass(frozen=True)
class Judged:
    """A belief, whether it holds in a run, and what was measured there."""

    belief: Belief
    holds: bool
    found: str


@dataclass(frozen=True)
class Judgement:
    """All beliefs of a lab as one run judges them. A cell shows which of them its reader had ticked."""

    name: str
    rows: tuple[Judged, ...]

    @property
    def wrong(self) -> frozenset[str]:
        """Names of the beliefs that this run refutes."""
        return frozenset(row.belief.name for row in self.rows if not row.holds)

    def __repr__(self) -> str:
        return "\n".join(
            f"{'Holds' if row.holds else 'Wrong'} here: {row.belief.text} {row.found} (section {row.belief.section})"
            for row in self.rows
        )

    def _repr_html_(self) -> str:
        return html.judgement(
            self.name,
            [(row.belief.name, row.belief.text, bool(row.holds), row.found, row.belief.section) for row in self.rows],
        )
