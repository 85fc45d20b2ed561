"""Added fields stay out of stored dataclasses while they have their default, wherever the dataclass lies."""

import json
from dataclasses import asdict, dataclass, replace

from mobilellm_lab.stored import added, as_stored


@dataclass(frozen=True)
class Shape:
    """One field of the first day, one added."""

    dim: int
    bias: bool = added(False)


@dataclass(frozen=True)
class Plan:
    """Dataclasses in every place that a dataclass can hold them in."""

    shape: Shape
    more: tuple[Shape, ...] = ()
    named: dict[str, Shape] | None = None
    steps: list[int] | None = None


def test_an_added_field_stays_out_while_it_has_its_default():
    assert as_stored(Shape(8)) == {"dim": 8} and Shape(8) == Shape(8, False)
    assert as_stored(Shape(8, True)) == asdict(Shape(8, True)) == {"dim": 8, "bias": True}


def test_nested_dataclasses_are_stored_alike():
    plan = Plan(Shape(1), (Shape(2), Shape(3, True)), {"a": Shape(4)}, [1, 2])
    assert as_stored(plan) == {
        "shape": {"dim": 1},
        "more": ({"dim": 2}, {"dim": 3, "bias": True}),
        "named": {"a": {"dim": 4}},
        "steps": [1, 2],
    }


def test_without_added_fields_it_is_asdict_to_the_byte():
    whole = Plan(Shape(1, True), (Shape(2, True),), {"a": Shape(4, True)}, [1, 2])
    assert json.dumps(as_stored(whole)) == json.dumps(asdict(whole))
    assert as_stored(whole)["steps"] is not whole.steps


def test_what_was_stored_before_and_after_is_read_again():
    for shape in (Shape(8), replace(Shape(8), bias=True)):
        assert Shape(**as_stored(shape)) == shape
