"""What is checked on a page, with mouse and keyboard: it is whole, and every slider, quiz and prediction answers."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from release.window import Late, Window

REST_S = 0.1  # a picture that has not changed for so long is at rest
LOADED = """return document.readyState === 'complete' && !document.querySelector(
    'meta[http-equiv=Refresh], :is(.lab-quiz, .lab-prediction):not([data-ready])');"""
FIND = "return [...(arguments[1] || document).querySelectorAll(arguments[0])];"
FOCUS = "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'}); arguments[0].focus();"
TEXT = "return arguments[0].textContent.trim().replace(/\\s+/g, ' ');"
WIDE = """const wide = document.documentElement.scrollWidth;
return wide > innerWidth ? `${wide} px wide on a screen of ${innerWidth} px` : '';"""
SLIDER = """const [input] = arguments, figure = input.closest('.lab-replay');
let picture = 0;
for (const letter of figure.querySelector('.replay-charts').innerHTML) {
    picture = (31 * picture + letter.charCodeAt(0)) % 4294967296;
}
return {
    value: Number(input.value), last: Number(input.max), words: input.getAttribute('aria-valuetext'), picture,
    readout: figure.querySelector('.replay-readout').textContent, name: input.closest('label').textContent.trim(),
};"""
SHOWN = "return arguments[0].checkVisibility();"
KEPT = """return [...document.querySelectorAll('.lab-prediction .lab-panel')].every((e) => e.checkVisibility())
    && [...document.querySelectorAll('.lab-quiz fieldset')].every((e) => e.querySelector('input:checked'));"""


@dataclass
class Found:
    """What on a page answered its reader, and what is wrong with the page."""

    width: int = 0  # of the screen in pixels, as far as the browser went
    settings: int = 0  # steps that the sliders took
    answers: int = 0  # of quizzes
    predictions: int = 0
    faults: list[str] = field(default_factory=list)

    def __iadd__(self, other: "Found") -> "Found":
        self.settings += other.settings
        self.answers += other.answers
        self.predictions += other.predictions
        return self

    def nothing(self) -> str:
        """Names of what was not found at all."""
        counts = {"slider": self.settings, "quiz": self.answers, "prediction": self.predictions}
        return ", ".join(what for what, count in counts.items() if not count)

    def __str__(self) -> str:
        if self.faults:
            return "FAILED: " + "; ".join(self.faults)
        counts = {"slider steps": self.settings, "quiz answers": self.answers, "predictions": self.predictions}
        return ", ".join(["passed", *(f"{count} {what}" for what, count in counts.items() if count)])


def check(window: Window, url: str, *, size: tuple[int, int], fresh: str, keeps: bool) -> Found:
    """Loads a page, tries everything on it, turns the screen and back, and says what it found.

    Args:
        window: of the browser.
        url: of the page.
        size: width and height of the screen in pixels.
        fresh: what is added to the address so that the page forgets earlier answers.
        keeps: whether answers must still be there after the page was loaded again.
    """
    found = Found(width=window.resize(*size))
    window.go(url + ("&" if "?" in url else "?") + fresh)
    _try(found, lambda: window.wait("the page", LOADED))
    if "?q=" in url:
        _try(found, lambda: window.wait("a search result", "return document.querySelector('#search-results a');"))
    window.run("scrollTo(0, document.body.scrollHeight);")  # for what loads lazily
    for part, trial in (
        (".lab-prediction", _prediction),  # first, since sliders below it wait for the answer
        (".lab-replay input[type=range]", _slider),
        (".lab-quiz fieldset", _question),
    ):
        for element in window.run(FIND, part):
            _try(found, lambda trial=trial, element=element: trial(window, element, found))
    for turned in (size, size[::-1], size):
        window.resize(*turned)
        _try(found, lambda: _fits(window))
    found.faults += window.run("return window.releaseSeen;")
    if keeps and found.answers + found.predictions and not found.faults:
        window.go(url)
        _try(found, lambda: window.wait("the answers after a reload", KEPT))
    return found


def _fits(window: Window) -> None:
    """The page is no wider than the screen, once the pictures have followed it."""
    try:
        window.wait_for("a page that fits", lambda: not window.run(WIDE))
    except Late as late:
        raise Late(window.run(WIDE)) from late


def _slider(window: Window, slider: object, found: Found) -> None:
    """Every position from the first to the last, by keyboard: a new picture and a new sentence each time."""
    window.run(FOCUS, slider)
    window.wait("a moving picture", "return arguments[0].closest('.lab-replay').dataset.drawn;", slider)
    window.run(FOCUS, slider)  # which it only takes once it is enabled
    before = _at_rest(window, slider)
    if before["value"] > 0:
        window.press("Home")
        before = _moved(window, slider, before, 0)
    while before["value"] < before["last"]:
        window.press("ArrowRight")
        before = _moved(window, slider, before, before["value"] + 1)
        found.settings += 1


def _moved(window: Window, slider: object, before: dict, value: int) -> dict:
    """State of a slider after a key, as soon as everything has followed."""
    for what, changed in (
        (f"position {value}", lambda now: now["value"] == value),
        ("another word", lambda now: now["words"] != before["words"]),
        ("another sentence", lambda now: now["readout"] != before["readout"]),
        ("another picture", lambda now: now["picture"] != before["picture"]),
    ):
        window.wait_for(
            f"{what} at position {value} of the slider {before['name']}",
            lambda changed=changed: changed(window.run(SLIDER, slider)),
        )
    return _at_rest(window, slider)


def _at_rest(window: Window, slider: object) -> dict:
    """State of a slider once two readings agree: a picture may change in more than one go."""
    readings = [window.run(SLIDER, slider)]

    def agree() -> bool:
        time.sleep(REST_S)
        readings.append(window.run(SLIDER, slider))
        return readings[-1] == readings[-2]

    window.wait_for("a picture at rest", agree)
    return readings[-1]


def _question(window: Window, question: object, found: Found) -> None:
    """Every option, by mouse and by keyboard in turn: each shows a reason of its own."""
    reason = window.run(FIND, ".lab-reason", question)[0]
    for number, option in enumerate(window.run(FIND, "label", question), 1):
        before = window.run(TEXT, reason)
        radio = window.run(FIND, "input", option)[0]
        window.run(FOCUS, radio)
        if number % 2:
            window.click(option)
        else:
            window.press("Space")
        name = window.run(TEXT, window.run(FIND, "legend", question)[0])[:40]
        window.wait_for(
            f"a reason for option {number} of the question {name!r}",
            lambda before=before: window.run(TEXT, reason) not in ("", before),
        )
        found.answers += 1


def _prediction(window: Window, card: object, found: Found) -> None:
    """The widest interval that may be predicted, typed and committed: only then the measurement is shown."""
    measured = window.run(FIND, ".lab-panel", card)[0]
    if window.run(SHOWN, measured):
        raise Late("a prediction that waits for its reader")
    fields = window.run(FIND, "input[type=number]", card)
    for number, end in zip(fields, ("min", "max"), strict=True):
        window.run(FOCUS, number)
        window.press(*window.run(f"return arguments[0].{end};", number))
    window.click(window.run(FIND, "button[type=submit]", card)[0])
    window.wait("the measurement of a prediction", SHOWN, measured)
    found.predictions += 1


def _try(found: Found, trial: Callable[[], object]) -> None:
    try:
        trial()
    except Late as late:
        found.faults.append(str(late))
