"""Every chapter's live panel in a real JupyterLab: its curve grows while other cells answer, and it stops."""

import re
from collections.abc import Iterator

import pytest
from labs.jupyterlab import (
    OTHER,
    POINTS,
    ROOT,
    STOPPED,
    long_run,
    notebook,
    opened,
    panel_cells,
    run_cell,
    seconds_until,
    served,
)
from playwright.sync_api import Browser

LABS = sorted(path.stem for path in (ROOT / "labs").glob("*.ipynb") if panel_cells(path.stem))


def test_there_are_panels():
    assert "02_deep_narrow" in LABS


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[str]:
    labs = {stem: notebook(stem, long_run(stem), OTHER) for stem in LABS}
    with served(tmp_path_factory.mktemp("jupyterlab"), labs) as address:
        yield address


@pytest.mark.parametrize("stem", LABS)
def test_it_draws_at_once_lets_other_cells_run_and_stops(server, browser: Browser, record_property, stem):
    page = opened(browser, server, stem, until=("text=answer 1", ".mobilellm-live button"))
    panel = page.locator(".mobilellm-live").first
    assert page.locator("polyline.curve").count() == 0  # nothing runs until the button is pressed
    panel.locator("button", has_text=re.compile("^Run$")).click()  # its icon is a part of its accessible name
    first = seconds_until(page, f"() => {POINTS} > 1")
    run_cell(page, 2)
    other = seconds_until(page, "() => document.body.innerText.includes('answer 2')")
    seen = page.evaluate(POINTS)
    seconds_until(page, f"() => {POINTS} > {seen}")  # it still runs
    panel.get_by_role("button", name="Stop").click()
    stop = seconds_until(page, STOPPED)
    page.wait_for_selector(".lab-table", timeout=60_000)  # what it had is kept
    assert panel.get_by_role("button", name="Stop").is_disabled()
    for name, value in {"first_point_s": first, "other_cell_s": other, "stop_s": stop}.items():
        record_property(name, round(value, 3))
        print(f"{stem} {name} {value:.3f}")
    page.close()
