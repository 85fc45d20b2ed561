"""The file trees in README.md and CONTRIBUTING.md equal the disk."""

import difflib

import pytest
from layout import tree


@pytest.mark.parametrize(("name", "levels"), tree.TREES.items())
def test_the_page_shows_the_disk(name, levels):
    page = (tree.ROOT / name).read_text(encoding="utf-8")
    now = tree.replace(page, tree.draw(levels=levels))
    stale = difflib.unified_diff(page.splitlines(), now.splitlines(), lineterm="", n=0)
    assert not list(stale), f"{name}'s file tree is not what is on the disk: type make tree"


def test_a_new_file_changes_the_tree_and_an_ignored_one_does_not(tmp_path):
    (tmp_path / ".gitignore").write_text("__pycache__\n*.pyc\n")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text('"""A package."""\n')
    before = tree.draw(tmp_path)
    (tmp_path / "package" / "junk.pyc").write_text("")
    assert tree.draw(tmp_path) == before
    (tmp_path / "package" / "module.py").write_text('"""One idea."""\n')
    assert tree.draw(tmp_path).splitlines()[1].split(maxsplit=1) == ["module.py", "One idea"]


def test_two_levels_show_no_third(tmp_path):
    (tmp_path / ".gitignore").write_text("")
    (tmp_path / "package" / "part").mkdir(parents=True)
    for folder in ("package", "package/part"):
        (tmp_path / folder / "__init__.py").write_text('"""A package."""\n')
    (tmp_path / "package" / "part" / "module.py").write_text('"""One idea."""\n')
    assert "part/" in tree.draw(tmp_path, 2) and "module.py" not in tree.draw(tmp_path, 2)
    assert "module.py" in tree.draw(tmp_path)


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
