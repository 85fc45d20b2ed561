"""The load that a lab asks for before it times, and when samples are enough."""

import pytest

from mobilellm_lab.measuring import Load, Neighbour, load, settled


@pytest.mark.parametrize(
    ("others", "cores", "share", "busy"),
    [
        (0.0, 2, 1.0, False),
        (0.4, 2, 1.0, False),  # a browser
        (1.0, 2, 1.0, True),
        (1.0, 16, 1.0, False),
        (5.0, 16, 1.0, True),
        (0.0, 2, 0.5, True),  # a container's limit
    ],
)
def test_busy_is_half_a_core_of_others_or_a_core_that_is_shared(others, cores, share, busy):
    assert Load(others=others, cores=cores, share=share).busy is busy


def test_a_load_says_itself():
    assert str(Load(others=1.6, cores=2, share=0.99)) == "other work keeps 1.6 of 2 cores busy"
    short = Load(others=1.6, cores=2, share=0.5)
    assert str(short) == "other work keeps 1.6 of 2 cores busy, and a thread gets 50% of its core"


def test_a_neighbour_that_wants_every_core_is_seen():
    with Neighbour():
        beside = load(0.5)
    assert beside.busy and beside.others > 0.5 * beside.cores
    assert 0 < beside.share <= 1


@pytest.mark.parametrize(
    ("samples", "enough"),
    [
        ([1.0], False),
        ([1.0, 1.0], True),
        ([1.0, 1.2, 1.2], True),
        ([1.0, 4.0, 4.0], False),  # one lucky sample
        ([1.0, 4.0, 4.0, 1.1, 1.0], True),
    ],
)
def test_samples_are_settled_once_half_of_them_are_near_the_fastest(samples, enough):
    assert settled(samples) is enough
