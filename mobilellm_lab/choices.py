"""Advice on a name that is not among the known ones"""

import difflib
from collections.abc import Iterable


def advice(name: str, known: Iterable[str], *, among: str = "one of") -> str:
    """ "did you mean X?" where a known name is close, whatever its case; else "choose one of" all of them."""
    by_lower = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f"did you mean {by_lower[close[0]]}?" if close else f"choose {among} {', '.join(by_lower.values())}"
