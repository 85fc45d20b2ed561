"""The smallest training, judgement and timing that can fail, for what the controls of a panel do with them."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest

from mobilellm_lab.deep_narrow import recipe
from mobilellm_lab.measuring import decode_throughput
from mobilellm_lab.tasks import NAMES, make

SEQUENCES = 4  # of an update: as many as a value needs to change what is learned


@pytest.fixture(scope="module", autouse=True)
def least_work() -> Iterator[None]:
    """A control's effect is compared between two runs of the same kind; what they take is tested where it is written.

    tests/tasks is about the judge, tests/measuring about the clock, tests/deep_narrow/test_recipe.py about the
    defaults of a task.
    """
    timed = partial(decode_throughput, warmup=0, repeats=1, min_time_s=0.0)
    with pytest.MonkeyPatch.context() as patch:
        for kind in {type(make(name)) for name in NAMES}:
            patch.setattr(kind, "evaluate", _on_one_batch(kind.evaluate))
        for name, usual in recipe.DEFAULTS.items():
            patch.setitem(recipe.DEFAULTS, name, replace(usual, batch_size=SEQUENCES))
        patch.setattr(recipe, "decode_throughput", lambda model, *, length: timed(model, length=min(length, 8)))
        yield


def _on_one_batch(evaluate):
    return lambda task, model, **options: evaluate(task, model, **options | {"batches": 1, "batch_size": 16})
