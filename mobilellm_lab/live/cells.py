"""Long cells of a lab: a progress line, and a word about a busy machine before anything is timed"""

import time
from collections.abc import Callable, Iterable, Iterator, Sized
from html import escape
from typing import TypeVar

from IPython.display import display

from mobilellm_lab.live.panel import headless
from mobilellm_lab.measuring import load

EVERY_S = 0.2  # between two updates of a progress line
T = TypeVar("T")


def progress(steps: Iterable[T], label: str, *, of: int = 0) -> Iterator[T]:
    """Passes the steps on, and shows below the cell what share of them is done and how long the rest takes.

    Args:
        steps: things to do, of known number; or a run's steps, each of which is its share of the whole, 0 to 1, or has
            it as `progress` or `share`.
        label: of the work.
        of: how many steps there are, where they cannot say.
    """
    if headless():
        yield from steps
        return
    count = of or (len(steps) if isinstance(steps, Sized) else 0)
    start, drawn, share, line = time.monotonic(), 0.0, 0.0, display(_line(label, 0.0, 0.0), raw=True, display_id=True)
    word = "stopped"
    try:
        for number, step in enumerate(steps):
            share = number / count if count else _share(step)
            if time.monotonic() - drawn >= EVERY_S:
                drawn = time.monotonic()
                line.update(_line(label, share, drawn - start), raw=True)
            yield step
        word = "done"
    finally:
        line.update(_says(f"{label}: {word} after {time.monotonic() - start:.1f} s"), raw=True)


def check_load(stored: Callable[[], object]) -> None:
    """Before times are taken: where other work keeps the machine busy, says so and shows the stored run instead."""
    now = load()
    if not now.busy:
        return
    print(
        f"Busy: {now}. Expect the times below to be too long, and the last cell to disagree with the text. "
        "Close other programs and panels, then run the cell again."
    )
    if not headless():
        print("Here is the stored run:")
        display(stored())


def _share(step: object) -> float:
    for name in ("progress", "share"):
        step = getattr(step, name, step)
    return float(step)


def _line(label: str, share: float, taken_s: float) -> dict[str, str]:
    left = f", about {taken_s / share - taken_s:.0f} s left" if share > 0 and taken_s > 1 else ""
    bar = f'<progress value="{share:.3f}" aria-label="{escape(label)}"></progress>'
    text = f"{label}: {share:.0%}{left}"
    return {"text/html": f"{bar} {escape(text)}", "text/plain": text}


def _says(text: str) -> dict[str, str]:
    return {"text/html": escape(text), "text/plain": text}
