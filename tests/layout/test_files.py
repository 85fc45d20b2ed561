"""The lock, the README and the licences say what the repository does."""

import importlib
import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement

from mobilellm_lab import doctor

ROOT = Path(__file__).parents[2]


def lock() -> list[Requirement]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line.split("#")[0]) for line in lines if line.split("#")[0].strip()]


def ranges() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    return [Requirement(text) for text in project["dependencies"] + extras["lab"] + extras["book"] + extras["test"]]


def pythons() -> range:
    """The minor versions that pyproject.toml allows."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    oldest, beyond = re.search(r'^requires-python = ">=3\.(\d+),<3\.(\d+)"', text, re.MULTILINE).groups()
    return range(int(oldest), int(beyond))


def plain(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()


def test_the_lock_pins_everything_and_brings_no_cuda():
    for requirement in lock():
        assert re.fullmatch(r"==[\w.]+", str(requirement.specifier)), f"{requirement} is not pinned"
        assert not re.match("nvidia|cuda|triton", requirement.name), f"{requirement} is for CUDA"


def test_the_lock_satisfies_the_ranges():
    for version in (f"3.{minor}" for minor in pythons()):
        for system in ("linux", "darwin", "win32"):
            environment = default_environment() | {
                "python_version": version,
                "python_full_version": f"{version}.9",
                "sys_platform": system,
                "os_name": "nt" if system == "win32" else "posix",
            }
            chosen = {
                plain(r.name): str(r.specifier)[2:] for r in lock() if not r.marker or r.marker.evaluate(environment)
            }
            for wanted in ranges():
                assert wanted.specifier.contains(chosen[plain(wanted.name)], prereleases=True), wanted


def test_the_pythons_are_those_that_the_locked_packages_are_compiled_for():
    """As their metadata lists them; a new lock that drops or adds a Python moves the range."""
    common = None
    for requirement in lock():
        if requirement.marker and not requirement.marker.evaluate():
            continue
        found = distribution(requirement.name)
        if not re.search(r"^Tag: cp3\d+-cp3", found.read_text("WHEEL") or "", re.MULTILINE):
            continue  # not compiled, or for every later Python
        listed = re.findall(
            r":: Python :: 3\.(\d+)$", "\n".join(found.metadata.get_all("Classifier") or []), re.MULTILINE
        )
        if listed:  # a few list none
            common = set(map(int, listed)) & (common or set(map(int, listed)))
    assert common and sorted(common) == list(pythons())
    assert (doctor.OLDEST_PYTHON, doctor.BEYOND_PYTHON) == ((3, pythons().start), (3, pythons().stop))


def test_the_workflow_tries_what_the_readme_names():
    jobs = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))["jobs"]
    tried = set()
    for job in jobs.values():
        (version,) = [step["with"]["python-version"] for step in job["steps"] if "setup-python" in step.get("uses", "")]
        versions = job["strategy"]["matrix"]["python"] if "matrix" in version else [version]
        tried |= {(job["runs-on"], version) for version in versions}
        assert {int(version[2:]) for version in versions} <= set(pythons())
        for ignored in re.findall(r"--ignore=(\S+)", " ".join(step.get("run", "") for step in job["steps"])):
            assert (ROOT / ignored).exists(), ignored
    assert {("ubuntu-latest", "3.11"), ("ubuntu-latest", "3.13")} <= tried
    assert {system for system, _ in tried} == {"ubuntu-latest", "macos-latest", "windows-latest"}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"Python 3.{pythons().start} to 3.{pythons().stop - 1};" in readme


def test_readme_shows_both_commands_and_installs_the_locked_torch():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make lab" in readme
    assert "make test" in readme
    torch = next(str(requirement) for requirement in lock() if requirement.name == "torch")
    assert torch in readme
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:^|`)make ([a-z]+)", readme, flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), f"make {target}"


def test_links_in_readme_lead_somewhere():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", readme):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("package", sorted({path.parent for path in (ROOT / "mobilellm_lab").rglob("__init__.py")}))
def test_every_public_name_is_there(package):
    module = importlib.import_module(".".join(package.relative_to(ROOT).parts))
    names = getattr(module, "__all__", [])
    assert len(set(names)) == len(names) and all(getattr(module, name) is not None for name in names)
    if hasattr(module, "lazy_loader"):  # the first import of a module would take its name's place
        assert not {path.stem for path in package.glob("*.py")} & set(names)
