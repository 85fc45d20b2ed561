"""Below each page stand the date of its newest measurement and, where the repository is known, where to report."""

import re
import sys
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.site.pages import PAGES, ROOT

sys.path.insert(0, str(ROOT / "book" / "_extensions"))
import lab_foot  # noqa: E402
import lab_site  # noqa: E402

MEASURED = [name for name in PAGES if re.search(r"/(\d\d_\w+|intro|make_it_fast)\.html", name)]


def test_a_chapters_date_is_that_of_its_newest_row(tmp_path):
    for name, date in (("depth", "2026-01-02"), ("depth_cost", "2026-03-04"), ("other", "2026-05-06")):
        old = '{"provenance": {"date": "2025-12-31"}}\n'
        (tmp_path / f"{name}.jsonl").write_text(f'{old}{{"provenance": {{"date": "{date}"}}}}\n{old}')
    assert lab_foot.newest("depth", tmp_path) == "2026-03-04"
    assert lab_foot.newest("", tmp_path) == "2026-05-06"
    assert lab_foot.newest("none", tmp_path) is None


def test_a_report_names_the_page():
    repository, page = "https://github.com/someone/lab", "book/03_quantization.html"
    address = urlsplit(lab_foot.report(repository, "3 · Quantization", page))
    asked = parse_qs(address.query)
    assert address.path == "/someone/lab/issues/new"
    assert asked["title"] == ["Wrong number: 3 · Quantization"]
    assert page in asked["body"][0]


def test_nothing_is_shown_where_there_is_nothing_to_say():
    assert lab_foot.foot(date=None, link=None) == ""
    assert "href" not in lab_foot.foot(date="2026-01-02", link=None)
    assert "time" not in lab_foot.foot(date=None, link="https://github.com/someone/lab/issues/new")


@pytest.mark.parametrize("name", MEASURED)
def test_every_page_with_measurements_has_their_date(site, name):
    text = (site / name).read_text(encoding="utf-8")
    (foot,) = re.findall('<p class="lab-foot">.*?</p>', text)
    assert re.search(r"<time>\d{4}-\d\d-\d\d</time>", foot)
    if chapter := re.match(r"book/\d\d_(\w+)\.html", name):
        assert lab_foot.newest(chapter[1]) in foot
    assert ("Report a wrong number" in foot) == (lab_site.repository_url() is not None)
