"""A link to a term of the glossary shows its definition, under the pointer and in the keyboard's focus."""

import re
import sys
from html import unescape

from tests.site.pages import DESK, ROOT, watched
from tests.site.small import built

sys.path.insert(0, str(ROOT / "book" / "_extensions"))
import lab_terms  # noqa: E402

GLOSSARY = """Glossary
========

.. glossary::

   KV cache
   cache
      Keys & "values" of
      all positions.

      More of it.
"""


def test_a_link_carries_the_first_paragraph_of_its_terms_definition(tmp_path):
    text = "Page\n====\n\n:term:`KV cache`, :term:`cache`, :doc:`book/glossary`.\n\n.. toctree::\n\n   book/glossary\n"
    out = built(tmp_path, "lab_terms", {"index.rst": text, "book/glossary.rst": GLOSSARY})
    page = (out / "index.html").read_text(encoding="utf-8")
    links = re.findall(r'<a class="reference internal" href="([^"]+)" title="([^"]+)" data-bs-toggle="tooltip">', page)
    assert [unescape(words) for _, words in links] == ['Keys & "values" of all positions.'] * 2
    assert all(href.startswith("book/glossary.html#term-") for href, _ in links)


def test_a_term_without_a_definition_keeps_its_link():
    link = '<a class="reference internal" href="g.html#term-x"><span class="xref std std-term">x</span></a>'
    assert lab_terms.explained(link, {}) == link


def test_the_definition_is_shown_in_the_keyboards_focus_and_goes_with_it(browser, address):
    page, seen = watched(browser, address, DESK)
    page.goto(f"{address}/book/01_constraints.html")
    page.wait_for_function("() => document.querySelector('[data-bs-toggle=tooltip][data-bs-original-title]')")
    term = page.locator("article [data-bs-toggle=tooltip]:has(.std-term)").first
    words = term.get_attribute("data-bs-original-title")
    term.focus()
    shown = page.locator(".tooltip-inner")
    shown.wait_for()
    assert shown.inner_text() == words and len(words) > 20
    assert term.get_attribute("aria-describedby") == page.locator(".tooltip").get_attribute("id")
    term.blur()
    shown.wait_for(state="detached")
    assert not seen.faults()
    page.close()
