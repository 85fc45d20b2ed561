"""Trained models that tests of chapter 3 begin with, read and calibrated once; no test may change them."""

from collections.abc import Iterator

import pytest

from mobilellm_lab.checkpoints import fingerprint
from mobilellm_lab.quantization.calibration import Calibration, calibrate, calibration_data
from mobilellm_lab.reference import ReferenceModel, load_model


def unchanged(name: str) -> Iterator[ReferenceModel]:
    found = load_model(name)
    before = fingerprint(found.model)
    yield found
    assert fingerprint(found.model) == before, f"a test changed {name}, which others begin with"


@pytest.fixture(scope="session")
def stories() -> Iterator[ReferenceModel]:
    yield from unchanged("stories-deep")


@pytest.fixture(scope="session")
def text() -> Iterator[ReferenceModel]:
    yield from unchanged("text-deep")


@pytest.fixture(scope="session")
def small() -> Iterator[ReferenceModel]:
    """A tenth of the others' weights, for what is true of any trained model."""
    yield from unchanged("student-small")


@pytest.fixture(scope="session")
def seen_stories(stories) -> tuple[ReferenceModel, Calibration]:
    return stories, calibrate(stories.model, calibration_data(stories.task))


@pytest.fixture(scope="session")
def seen_text(text) -> tuple[ReferenceModel, Calibration]:
    return text, calibrate(text.model, calibration_data(text.task))


@pytest.fixture(scope="session")
def seen_small(small) -> tuple[ReferenceModel, Calibration]:
    return small, calibrate(small.model, calibration_data(small.task))
