"""A prediction: the reader commits an 80 % interval first, and then sees the measurement with its spread."""

from collections.abc import Callable
from dataclasses import dataclass

from mobilellm_lab.teaching import html, progress

Number = int | float


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A measured value with its spread."""

    median: Number
    low: Number  # of the spread
    high: Number
    origin: str  # where the rows come from: str(reference.origin(store))
    note: str  # what the spread is: "three seeds, lowest to highest"

    def __post_init__(self):
        if not self.low <= self.median <= self.high:
            raise ValueError(f"low={self.low}, median={self.median}, high={self.high}: they must rise in this order")

    def __contains__(self, value: Number) -> bool:
        return bool(self.low <= value <= self.high)  # the ends may be numpy's


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A question about a measured number."""

    name: str  # "cost"; names do not repeat in the course
    question: str  # `code`, *em*, **strong**
    unit: str  # "", "times", "tokens/s", ...
    low: Number  # range and step of the fields where the reader writes
    high: Number
    step: Number
    reference: Callable[[], Measured]  # reads stored rows; called when it is shown
    explain: str  # one or two sentences, shown with the measurement
    digits: int = 2  # after the decimal point

    def __post_init__(self):
        if not self.question.strip():
            raise ValueError(f"question='' in prediction {self.name!r}: ask something")
        if not self.low < self.high:
            raise ValueError(f"low={self.low}, high={self.high} in prediction {self.name!r}: low must be below high")
        if not 0 < self.step <= self.high - self.low:
            raise ValueError(f"step={self.step} in prediction {self.name!r}: above 0 and no more than high - low")

    def parse(self, text: str) -> float:
        """The number that a reader wrote, with a point or a comma.

        Raises:
            ValueError: no number, or outside the range; says which numbers will do.
        """
        try:
            value = float(text.strip().replace(",", "."))
        except ValueError:
            raise ValueError(f"{text.strip()!r} is not a number. {self.range}") from None
        if not self.low <= value <= self.high:  # nan is outside too
            raise ValueError(f"{text.strip()} is outside the range. {self.range}")
        return value

    def interval(self, low: str, high: str) -> tuple[float, float]:
        """The two ends that a reader wrote.

        Raises:
            ValueError: one of them as in `parse`, or the second is not above the first.
        """
        start, end = self.parse(low), self.parse(high)
        if not start < end:
            raise ValueError(f"{high.strip()} is not above {low.strip()}. The low end comes first.")
        return start, end

    @property
    def range(self) -> str:
        """Which numbers will do, in words."""
        return f"A number from {self.low:g} to {self.high:g}{f' {self.unit}' if self.unit else ''}."

    def commit(self, low: Number, high: Number) -> None:
        """Keeps the reader's interval on this machine, with whether the stored measurement lies inside.

        Raises:
            ValueError: the file of predictions is damaged, or cannot be written; names it.
        """
        progress.commit(self.name, low, high, inside=bool(low <= self.reference().median <= high))

    def skip(self) -> None:
        """Keeps that the reader wants the measurement without a prediction; raises as `commit` does."""
        progress.skip(self.name)

    @property
    def committed(self) -> tuple[Number, Number] | None:
        """The interval that the reader committed last, None if there is none."""
        made = progress.commits(self.name)
        return (made[-1].low, made[-1].high) if made else None

    @property
    def answered(self) -> bool:
        """Whether the reader has committed an interval, or skipped."""
        return self.committed is not None or progress.skipped(self.name)

    def compare(self, measured: Number) -> "Comparison":
        """The reader's interval and a measurement made here beside the stored one."""
        return Comparison(prediction=self, here=measured, yours=self.committed, stored=self.reference())

    def show(self, value: Number) -> str:
        """A measured value with its unit."""
        return f"{value:.{self.digits}f} {self.unit}".strip()

    def show_interval(self, low: Number, high: Number) -> str:
        """The reader's interval as it was typed, with its unit; a single value where both ends are equal."""
        return f"{' to '.join(f'{end:.10g}' for end in dict.fromkeys((low, high)))} {self.unit}".strip()

    def verdict(self, low: Number, high: Number, stored: Measured) -> str:
        """Whether the measurement lies inside an interval, else how far away; and how wide the interval is."""
        by_factor = self.unit == "times" and low > 0 and stored.median > 0

        def distance(start: Number, end: Number) -> str:
            return f"a factor of {end / start:.1f}" if by_factor else self.show(end - start)

        spans = f", which spans {distance(low, high)}" if low < high else ""  # until 0.3.0 it was one number
        if stored.median > high:
            return f"The measurement lies {distance(high, stored.median)} above your interval{spans}."
        if stored.median < low:
            return f"The measurement lies {distance(stored.median, low)} below your interval{spans}."
        return f"The measurement lies inside your interval{spans}."

    def __repr__(self) -> str:
        return f"Prediction: {self.question} {self.range}"

    def _repr_html_(self) -> str:
        stored = self.reference()
        return html.prediction(
            name=self.name,
            question=self.question,
            unit=self.unit,
            range_words=self.range,
            field=(self.low, self.high, self.step),
            digits=self.digits,
            spread=(stored.low, stored.median, stored.high),
            rows=_stored_row(self, stored),
            explain=self.explain,
            origin=stored.origin,
        )


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A prediction, the measurement made here, and the stored one with its spread."""

    prediction: Prediction
    here: Number  # measured just now on this machine
    yours: tuple[Number, Number] | None  # the interval committed before; None if there is none
    stored: Measured

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """Which, value, remark; no value where nothing was committed."""
        ask, yours = self.prediction, ("", "")
        if self.yours is not None:
            yours = (ask.show_interval(*self.yours), ask.verdict(*self.yours, self.stored))
        place = "inside" if self.here in self.stored else "outside"
        here = (ask.show(self.here), f"One run on this machine, {place} the stored spread.")
        return [("yours", *yours), ("here", *here), *_stored_row(ask, self.stored)]

    def __repr__(self) -> str:
        lines = [f"{html.LABELS[which]}: {value or 'none committed'}. {remark}" for which, value, remark in self.rows]
        lines += [self.prediction.explain, *self._record, f"Stored measurement: {self.stored.origin}"]
        return "\n".join(line.strip() for line in lines)

    def _repr_html_(self) -> str:
        ask, stored = self.prediction, self.stored
        return html.comparison(
            name=ask.name,
            question=ask.question,
            unit=ask.unit,
            field=(ask.low, ask.high),
            digits=ask.digits,
            spread=(stored.low, stored.median, stored.high),
            rows=self.rows,
            marks=(self.yours, self.here),
            explain=ask.explain,
            record="".join(self._record),
            origin=stored.origin,
        )

    @property
    def _record(self) -> list[str]:
        return [] if self.yours is None else [str(progress.record(self.prediction.name))]


def _stored_row(ask: Prediction, stored: Measured) -> list[tuple[str, str, str]]:
    spread = f"{stored.low:.{ask.digits}f} to {stored.high:.{ask.digits}f}"
    return [("stored", ask.show(stored.median), f"{spread}, {stored.note}.")]
