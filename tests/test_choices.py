"""A name that is unknown gets the one that was meant, wherever models and cards are chosen by name."""

import pytest

from mobilellm_lab import zoo
from mobilellm_lab.choices import advice
from mobilellm_lab.constraints import find_device
from mobilellm_lab.constraints.recipe import Recipe
from mobilellm_lab.reference import load_model, open_sweep
from mobilellm_lab.tasks import make


def test_the_nearest_name_or_all_of_them():
    known = ("stories-deep", "stories-wide", "MobileLLM-125M")
    assert advice("stories-dep", known) == "did you mean stories-deep?"
    assert advice("mobilellm-125m", known) == "did you mean MobileLLM-125M?"
    assert advice("xyz", known) == "choose one of stories-deep, stories-wide, MobileLLM-125M"
    assert advice("xyz", ["a"], among="a folder or one of") == "choose a folder or one of a"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: load_model("stories_deep"), "model='stories_deep': did you mean stories-deep?"),
        (lambda: load_model("MobileLLM-125M"), r"a shape of the zoo, without weights: Transformer\(zoo.SHAPES\['Mob"),
        (lambda: zoo.SHAPES["MobileLLM125M"], "shape='MobileLLM125M': did you mean MobileLLM-125M?"),
        (lambda: zoo.SHAPES["xyz"], "shape='xyz': choose one of MobileLLM-125M"),
        (lambda: Recipe(model="mobilellm-1b"), "model='mobilellm-1b': did you mean MobileLLM-1B?"),
        (lambda: find_device("iphone 13"), "device='iphone 13': did you mean iPhone 13?"),
        (lambda: open_sweep("quantisation"), "sweep='quantisation': did you mean quantization?"),
        (lambda: make("story"), "task='story': did you mean stories?"),
    ],
)
def test_a_name_that_is_nearly_right_is_found(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_a_shape_that_is_not_there_is_asked_for_as_in_any_dict():
    assert "xyz" not in zoo.SHAPES and zoo.SHAPES.get("xyz") is None
