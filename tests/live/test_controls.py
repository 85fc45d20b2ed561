"""Controls: what they offer, what they start at, and that a value of the reader's own is offered, too."""

import ipywidgets as W

from mobilellm_lab.live.controls import checkbox, choice, slider


def test_a_choice_offers_its_options_and_a_start_of_its_own():
    control = choice("bits", {"four": 4, "eight": 8}, 8, "of a weight")
    assert isinstance(control, W.Dropdown) and control.value == 8 and control.tooltip == "of a weight"
    assert control.options == (("four", 4), ("eight", 8))
    assert choice("bits", {"four": 4}, 5, "").options == (("four", 4), ("5", 5))
    assert choice("bits", {"four": 4}, 5, "").value == 5


def test_values_can_be_their_own_names():
    assert choice("tokens", (16, 1024, 0.5), 16, "").options == (("16", 16), ("1,024", 1024), ("0.5", 0.5))
    assert choice("rule", {"means": 1}.keys(), "medians", "").options == (("means", "means"), ("medians", "medians"))


def test_another_kind_of_choice_keeps_its_looks():
    control = choice("bits", {"four": 4, "eight": 8}, 4, "", kind=W.ToggleButtons, label_width="5rem")
    assert isinstance(control, W.ToggleButtons)
    assert control.style.description_width == "5rem" and control.style.button_width == "auto"
    assert isinstance(choice("bits", {"four": 4}, 4, "", kind=W.SelectionSlider), W.SelectionSlider)


def test_a_slider_reaches_as_far_as_its_start():
    assert (slider("depth", range(1, 17), 4, "").min, slider("depth", range(1, 17), 4, "").max) == (1, 16)
    far = slider("width", range(16, 129, 16), 256, "")
    assert (far.min, far.max, far.step, far.value) == (16, 256, 16, 256)


def test_a_checkbox_starts_as_told():
    assert checkbox("tied", True, "one table").value and not checkbox("tied", False, "one table").value
