"""axe sees faults where there are some."""

from tests.site.axe import faults
from tests.site.pages import DESK, watched


def test_the_check_itself(browser, address):
    page, _ = watched(browser, address, DESK)
    page.goto(f"{address}/book/intro.html")
    page.set_content("<main><button></button><p style='color: #ccc; background: #fff'>pale</p></main>")
    assert {fault.split()[0] for fault in faults(page)} >= {"button-name", "color-contrast"}
    page.close()
