"""Few sequences judge the models of these tests: what a control does to a model shows on the first batch."""

from collections.abc import Iterator

import pytest

from mobilellm_lab.tasks import NAMES, make


@pytest.fixture(scope="module", autouse=True)
def few_sequences() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for kind in {type(make(name)) for name in NAMES}:
            patch.setattr(kind, "evaluate", _first_batch(kind.evaluate))
        yield


def _first_batch(evaluate):
    return lambda task, model, **options: evaluate(task, model, batches=1, batch_size=16, **options)
