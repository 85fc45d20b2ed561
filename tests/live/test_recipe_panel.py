"""Panels over a recipe: controls replace its fields, hide where they do not count, and a job has one torch thread."""

from dataclasses import dataclass, field

import ipywidgets as W
import pytest
import torch
from live.panel_harness import choices, each_value, press, shared_panel, until

from mobilellm_lab.live import RecipePanel
from mobilellm_lab.live import panel as live
from mobilellm_lab.live.recipe_panel import replay_of
from mobilellm_lab.reference import open_sweep


@dataclass(frozen=True)
class Bread:
    flour_g: int = 500
    salt_g: int = 10
    yeast: bool = True

    def __post_init__(self):
        if self.salt_g > self.flour_g:
            raise ValueError(f"salt_g={self.salt_g}: take no more than flour")


@dataclass
class Oven:
    history: list = field(default_factory=list)


class Baking:
    def __init__(self, session: Oven, recipe: Bread, minutes: int):
        self.session, self.recipe, self.minutes, self.threads = session, recipe, minutes, 0

    def __iter__(self):
        self.threads = torch.get_num_threads()
        yield 1.0

    def result(self):
        self.session.history.append((self.recipe, self.minutes))
        return self.recipe

    def status(self):
        return ""

    chart = numbers = report = status


def make(**options) -> RecipePanel:
    oven = Oven()
    return RecipePanel(
        Bread(salt_g=12),
        oven,
        {
            "flour_g": W.IntSlider(value=500, min=10, max=1000, step=490),
            "yeast": W.Checkbox(value=True),
            "minutes": W.IntText(value=40),
        },
        {"Run": lambda recipe, values: Baking(oven, recipe, values["minutes"])},
        preview=lambda recipe, values: f"{recipe.flour_g} g for {values['minutes']} minutes",
        counts=lambda values: {"minutes": values["yeast"]},
        **{"warm_up": tuple} | options,
    )


panel = shared_panel(make)


@each_value(make(), but=["minutes"])
def test_controls_replace_fields_of_the_recipe(panel, name, value):
    if (name, value) == ("flour_g", 10):
        with pytest.raises(ValueError, match="salt_g=12: take no more"):
            panel.controls[name].value = value
            panel.recipe  # noqa: B018
        assert "salt_g=12" in panel.preview.value and panel.buttons["Run"].disabled
        return
    panel.controls[name].value = value
    assert getattr(panel.recipe, name) == value and panel.recipe.salt_g == 12


def test_a_control_that_is_no_field_reaches_job_and_preview(panel):
    assert choices(panel, "flour_g") == [10, 500, 990]
    panel.controls["minutes"].value = 50
    assert "500 g for 50 minutes" in panel.preview.value
    assert press(panel) == Bread(salt_g=12) and panel.history[-1] == (Bread(salt_g=12), 50)


def test_a_control_that_does_not_count_is_hidden(panel):
    assert panel.controls["minutes"].layout.display == ""
    panel.controls["yeast"].value = False
    assert panel.controls["minutes"].layout.display == "none"


def test_a_job_runs_on_one_torch_thread(panel):
    torch.set_num_threads(2)
    try:
        press(panel)
        assert panel.job.threads == 1
    finally:
        torch.set_num_threads(1)


def test_the_warm_up_is_iterated_to_its_end(monkeypatch):
    monkeypatch.setattr(live, "display", lambda *objects, **options: None)
    monkeypatch.setattr(live, "headless", lambda: False)
    seen = []
    make(warm_up=lambda: map(seen.append, range(3))).show()
    until(lambda: seen == [0, 1, 2])


def test_a_replay_is_found_by_its_name():
    for name in ("metrics", "constraints"):
        store = replay_of(name, "builtins:vars")()
        assert store["path"].stem == name and len(store["rows"]) == len(open_sweep(name).rows)
