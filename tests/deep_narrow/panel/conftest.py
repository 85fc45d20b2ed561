"""Few sequences judge the models of these tests."""

from collections.abc import Iterator

import pytest

from mobilellm_lab.tasks import NAMES, make


@pytest.fixture(scope="module", autouse=True)
def few_sequences() -> Iterator[None]:
    """What a control does is compared between two runs of the same judge; tests/tasks is about the judge itself."""
    with pytest.MonkeyPatch.context() as patch:
        for kind in {type(make(name)) for name in NAMES}:
            patch.setattr(kind, "evaluate", _on_one_batch(kind.evaluate))
        yield


def _on_one_batch(evaluate):
    return lambda task, model, **options: evaluate(task, model, batches=1, batch_size=16, **options)
