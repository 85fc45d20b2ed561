"""Panels over a recipe: controls that replace its fields, jobs on one torch thread, a history, a replay by name"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from functools import partial
from pkgutil import resolve_name
from typing import Any

import ipywidgets as W
import torch

from mobilellm_lab.live.panel import Job, Live, Values
from mobilellm_lab.reference import open_sweep


class RecipePanel(Live):
    """A live panel whose controls stand for a recipe, a frozen dataclass; `job` is the newest that was started.

    Args:
        base: the recipe whose fields the controls of the same name replace.
        session: what the runs share; its `history` lists their results.
        controls: as in `Live`; one that is no field of the recipe reaches `actions` and `preview` in the values.
        actions: button -> from recipe and values to a `Job`, which then runs on one torch thread.
        preview: as in `Live`, from recipe and values.
        counts: which controls count, by name; the others are hidden, and so is a heading over none that counts.
        warm_up: as in `Live`; what it returns is iterated to its end.
        options: all others of `Live`.
    """

    def __init__(
        self,
        base: Any,
        session: Any,
        controls: Mapping[str, W.Widget],
        actions: Mapping[str, Callable[[Any, Values], Job]],
        *,
        preview: Callable[[Any, Values], str],
        warm_up: Callable[[], Iterable[object]],
        counts: Callable[[Values], Mapping[str, bool]] = lambda values: {},
        **options,
    ):
        self.base, self.session, self.job = base, session, None
        self._counts, self._fields = counts, {field.name for field in fields(base)}
        self._groups = options.get("groups") or {}
        super().__init__(
            controls,
            {name: partial(self._start, make) for name, make in actions.items()},
            preview=lambda values: preview(self.recipe_of(values), values),
            warm_up=partial(_drain, warm_up),
            **options,
        )

    @property
    def history(self) -> list:
        """The result of every run of this session."""
        return self.session.history

    @property
    def recipe(self) -> Any:
        """What the controls stand for now; raises ValueError where no recipe can be so."""
        return self.recipe_of(self.values)

    def recipe_of(self, values: Values) -> Any:
        """What these values stand for."""
        return replace(self.base, **{name: value for name, value in values.items() if name in self._fields})

    def update_preview(self) -> None:
        super().update_preview()
        for name, counts in self._counts(self.values).items():
            self.controls[name].layout.display = "" if counts else "none"
        for heading, names in self._groups.items():
            counts = any(self.controls[name].layout.display != "none" for name in names)
            self.headings[heading].layout.display = "" if counts else "none"

    def _start(self, make: Callable[[Any, Values], Job], values: Values) -> Job:
        torch.set_num_threads(1)  # of the worker thread, which makes and runs the job
        self.job = make(self.recipe_of(values), values)
        return self.job


def replay_of(sweep: str, name: str) -> Callable[[], object]:
    """Draws a stored sweep by the function called `name` (module:function), which only a built page imports."""
    return lambda: resolve_name(name)(open_sweep(sweep))


def _drain(work: Callable[[], Iterable[object]]) -> None:
    torch.set_num_threads(1)
    for _ in work():
        pass
