"""Sphinx extension: what the site needs beyond Jupyter Book.

- Executed notebooks are cached until a notebook, the package or its data changes; Jupyter Book alone looks at the
  notebook only.
- Links to the repository appear where its address is known, so none is ever dead.
- The predictions of whoever builds the site stay out of it.
- GitHub Pages is told to serve folders whose names start with an underscore.
"""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

ROOT = Path(__file__).parents[2]
INPUTS = ("mobilellm_lab", "requirements.txt", "book/_extensions/lab_site.py", "book/_extensions/lab_execution.py")


def fingerprint(root: Path = ROOT, inputs: Sequence[str] = INPUTS) -> str:
    """16 hex digits that change when any of these files and folders does.

    Those that are not named otherwise are all that an executed page depends on, except the page itself.
    """
    digest = hashlib.sha256()
    for name in inputs:
        path = root / name
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        for file in files:
            if "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(root).as_posix()}\0".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def execution_cache(build: Path = ROOT / "_build") -> Path:
    """The folder of the pages that were executed with the package as it is now."""
    return build / "executed" / fingerprint()


def without_the_readers_own(build: Path = ROOT / "_build") -> None:
    """A page shows measurements, not what whoever executes it has predicted or kept."""
    os.environ["MOBILELLM_LAB_PROGRESS"] = str(build / "executed" / "no-progress.json")
    os.environ["MOBILELLM_LAB_MODELS"] = str(build / "executed" / "no-models")


def repository_url() -> str | None:
    """Address of the repository on GitHub, from the workflow's environment or the git remote; None if neither says."""
    if name := os.environ.get("GITHUB_REPOSITORY"):
        return f"https://github.com/{name}"
    found = re.fullmatch(r"(?:https://github\.com/|git@github\.com:)([\w.-]+/[\w.-]+?)(?:\.git)?/?", _origin())
    return f"https://github.com/{found[1]}" if found else None


def branch() -> str:
    """The branch that links into the repository name."""
    return os.environ.get("GITHUB_REF_NAME", "main")


def _origin() -> str:
    """The remote of this checkout; empty where it has none, though a repository around it or GIT_DIR might."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        return ""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(ROOT), "remote", "get-url", "origin"]
    return subprocess.run(command, env=variables, capture_output=True, text=True).stdout.strip()


def _configure(app: Sphinx, config: Config) -> None:
    cache = execution_cache(Path(app.outdir).parent)
    config.lab_fingerprint = cache.name  # another than last time: Sphinx reads every page again
    config.nb_execution_cache_path = str(cache)
    for old in cache.parent.glob("*/"):
        if old != cache:
            shutil.rmtree(old)
    without_the_readers_own(Path(app.outdir).parent)

    options = config.html_theme_options
    for name in ("repository_url", "repository_branch", "path_to_docs", "launch_buttons"):
        options.pop(name, None)  # Jupyter Book's defaults point to its own repository
    options["navbar_persistent"] = []  # the sidebar has the search already
    if url := repository_url():
        options |= {
            "repository_url": url,
            "repository_branch": branch(),
            "use_repository_button": True,
        }


def _finish(app: Sphinx, error: Exception | None) -> None:
    if error is None:
        (Path(app.outdir) / ".nojekyll").touch()


def setup(app: Sphinx) -> dict:
    app.add_config_value("lab_fingerprint", "", "env")
    app.connect("config-inited", _configure)
    app.connect("build-finished", _finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
