"""The prose of pages, labs and README keeps the rules that can be counted."""

import pytest
from layout import prose
from layout.tree import ROOT

PAGES = sorted([*(ROOT / "book").glob("*.md"), *(ROOT / "labs").glob("*.ipynb"), ROOT / "README.md"])
PAGE = """---
title: 1 2 3 4 5
---

# 1, 2, 3, 4 and 5 in a heading

Between 1 and 2 bits: it {text}

```python
a = [1, 2, 3, 4, 5]
```

| 1 | 2 | 3 | 4 | 5 |
"""


def test_there_are_pages():
    assert len(PAGES) > 10


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_sentences_are_short_and_hold_three_numbers_at_most(path):
    assert not prose.faults(prose.text_of(path))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("costs {glue:text}`a` nats.", ""),
        ("costs {glue:text}`a` of `5, 6, 7` in chapter 3 {cite:p}`someone2024`. It takes 4 of 5 bits.", ""),
        ("costs {glue:text}`a` to {glue:text}`b` nats.", "4 numbers: Between 1 and 2 bits: it costs N to N nats."),
        ("costs 0.3 to -0.4 nats.", "4 numbers"),
        ("costs this: something.", "2 colons"),
        (" ".join(["is"] * 25), "31 words"),
    ],
)
def test_what_breaks_a_rule_is_found_and_nothing_else(text, fault):
    found = prose.faults(PAGE.format(text=text))
    assert found[0].startswith(fault) if fault else not found


def test_in_a_finding_a_value_and_its_spread_are_one_number():
    """On a page they are three: there a table is at hand."""
    text = "At 2 bits one loses 0.5 (0.4 to 0.6) nats, the other -0.1 (-0.2 to 0.1)."
    assert prose.faults(text) == [f"7 numbers: {text}"]
    assert not prose.faults_of_finding(text)
    assert prose.faults_of_finding(text.replace("one loses", "one of 3 loses"))[0].startswith("4 numbers")
