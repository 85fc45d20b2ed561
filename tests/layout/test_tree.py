"""The file tree in README.md equals the disk."""

import difflib

import pytest
from layout import tree


def test_readme_shows_the_disk():
    readme = (tree.ROOT / "README.md").read_text(encoding="utf-8")
    stale = difflib.unified_diff(readme.splitlines(), tree.replace(readme, tree.draw()).splitlines(), lineterm="", n=0)
    assert not list(stale), "README's file tree is not what is on the disk: type make tree"


def test_a_new_file_changes_the_tree_and_an_ignored_one_does_not(tmp_path):
    (tmp_path / ".gitignore").write_text("__pycache__\n*.pyc\n")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text('"""A package."""\n')
    before = tree.draw(tmp_path)
    (tmp_path / "package" / "junk.pyc").write_text("")
    assert tree.draw(tmp_path) == before
    (tmp_path / "package" / "module.py").write_text('"""One idea."""\n')
    assert tree.draw(tmp_path).splitlines()[1].split(maxsplit=1) == ["module.py", "One idea"]


def test_an_empty_init_gives_a_chapters_subfolder_its_usual_caption(tmp_path):
    (tmp_path / ".gitignore").write_text("")
    for name in ("panel", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
    with pytest.raises(ValueError, match="other has no caption"):
        tree.draw(tmp_path)
    (tmp_path / "other" / "__init__.py").write_text('"""Another."""\n')
    assert tree.draw(tmp_path).splitlines()[1].split(maxsplit=1) == ["panel/", "its panel for a notebook"]


def test_a_file_without_a_caption_is_refused(tmp_path):
    (tmp_path / ".gitignore").write_text("")
    (tmp_path / "module.py").write_text("x = 1\n")
    with pytest.raises(ValueError, match=r"module\.py has no caption"):
        tree.draw(tmp_path)
