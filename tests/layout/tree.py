"""File trees of README.md (two levels) and CONTRIBUTING.md (all), drawn from the disk by `make tree`.

A file's caption is its own first line: the docstring of a module, the title of a page or notebook. What cannot carry
one is captioned here.
"""

import ast
import json
import re
import sys
from fnmatch import fnmatch
from pathlib import Path

from mobilellm_lab.cli import SWEEPS

ROOT = Path(__file__).parents[2]
TREES = {"README.md": 2, "CONTRIBUTING.md": None}  # page -> levels that it shows, None for all
START, END = "<!-- tree: written by `make tree` -->\n```\n", "```\n<!-- end of tree -->"

CAPTIONS = {
    ".ci": "what runs before a change lands: make test, timed",
    ".github": "the same on GitHub, and the website to Pages",
    ".gitignore": "what is made here and not kept",
    "CITATION.cff": "how to cite",
    "LICENSE": "Apache 2.0, for the code",
    "LICENSE-text": "CC BY 4.0, for the text",
    "Makefile": "make lab, test, site, bench: each sets up what it needs",
    "README.md": "the first page, with two levels of this tree",
    "_config.yml": "the book: Jupyter Book 1, a warning is an error",
    "_toc.yml": "the book's table of contents",
    "benchmarks": "side by side with peers, in one run",
    "benchmarks/results": "what they gave, with machine, versions and date",
    "binder": "the same environment on Binder",
    "book": "pages to read, one per chapter",
    "book/_assets": "the website's own style",
    "book/_extensions": "what the website needs beyond Jupyter Book",
    "book/images": "pictures",
    "book/references.bib": "the papers",
    "findings": "what surprised us in others' software, each a script that shows it",
    "labs": "notebooks to run, same stems",
    "mobilellm_lab/teaching/html.css": "the same pieces' style, for light and dark",
    "mobilellm_lab/teaching/html.js": "the same pieces' answers: quiz and prediction in the reader's browser",
    "mobilellm_lab/reference/models": "trained models of up to a million parameters, each with its training log",
    "mobilellm_lab/reference/metrics_bench.json": "chapter 7: a benchmark record to compare yours with",
    "pyproject.toml": "the package, its ranges and extras; settings of ruff and pytest",
    "requirements.txt": "the locked environment",
    **{f"mobilellm_lab/reference/{name}.jsonl": caption for name, (_, caption) in SWEEPS.items()},
    "tests": "mirrors mobilellm_lab; plus the labs, the website in a browser, and the rules of the house",
}
PARTS = {  # a chapter's subfolder whose `__init__.py` is empty
    "figures": "results as pictures",
    "panel": "its panel for a notebook",
    "study": "what is measured, and stored rows as tables",
}
CLOSED = (
    ".ci",
    ".github",
    "benchmarks/results",
    "binder",
    "book/_assets",
    "book/_extensions",
    "book/images",
    "findings",
    "mobilellm_lab/reference/models",
    "tests",
)


def draw(root: Path = ROOT, levels: int | None = None) -> str:
    """The tree as text, one line per file or folder with its caption, to a depth of `levels`.

    Raises:
        ValueError: a file has no caption.
    """
    rows = list(_rows(root, root, levels))
    width = max(len(name) for name, _ in rows) + 2
    return "".join(f"{name:<{width}}{caption}\n" for name, caption in rows)


def replace(page: str, tree: str) -> str:
    """The page's text with this tree between its two marks."""
    before, rest = page.split(START)
    return before + START + tree + END + rest.split(END)[1]


def _rows(folder: Path, root: Path, levels: int | None):
    ignored = [line.strip() for line in (root / ".gitignore").read_text().splitlines() if not line.startswith("#")]
    ignored.append(".git")
    depth = len(folder.relative_to(root).parts)
    indent = "  " * depth
    entries = (p for p in folder.iterdir() if not any(fnmatch(p.name, pattern) for pattern in ignored))
    for path in sorted(entries, key=lambda p: (p.is_file(), p.name)):
        name = path.relative_to(root).as_posix()
        if path.is_dir():
            if any(p.is_file() for p in path.rglob("*")):
                yield f"{indent}{path.name}/", _caption(path, name)
                if name not in CLOSED and depth + 1 != levels:
                    yield from _rows(path, root, levels)
        elif path.name != "__init__.py":  # its first line is the folder's
            yield f"{indent}{path.name}", _caption(path, name)


def _caption(path: Path, name: str) -> str:
    caption = CAPTIONS.get(name)
    if caption is None and path.is_dir() and (path / "__init__.py").exists():
        caption = _docstring(path / "__init__.py") or PARTS.get(path.name)
    elif caption is None and path.suffix == ".py":
        caption = _docstring(path)
    elif caption is None and path.suffix in (".md", ".ipynb"):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            text = "".join(json.loads(text)["cells"][0]["source"])
        title = re.search(r"^# (.+)$", text, flags=re.MULTILINE)
        caption = title and title[1].strip()
    if not caption:
        raise ValueError(f"{name} has no caption: give it a docstring or title, or an entry in tests/layout/tree.py")
    return caption


def _docstring(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    return text.splitlines()[0].rstrip(".") if text else ""


if __name__ == "__main__":
    try:
        trees = {ROOT / name: draw(levels=levels) for name, levels in TREES.items()}
    except ValueError as error:
        sys.exit(str(error))
    for path, drawn in trees.items():
        path.write_text(replace(path.read_text(encoding="utf-8"), drawn), encoding="utf-8")
