"""Pytest plugin: the labs that nbval runs go into the website's execution cache, so that its build runs none again.

    PYTHONPATH=book/_extensions python -m pytest -p lab_nbval --nbval-lax --nbval-current-env labs

A lab is kept if all its cells ran and none failed. One whose output nbval does not record in full (a widget, an output
that is replaced later) is left to the build.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import lab_execution
import lab_site
import nbval.kernel
import pytest
from filelock import FileLock
from jupyter_cache import get_cache
from jupyter_client.manager import KernelManager
from nbformat import NotebookNode
from nbval.plugin import IPyNbCell, IPyNbFile

UNRECORDED = "unhandled iopub msg"  # what nbval prints of a message that it drops
WIDGET = "application/vnd.jupyter.widget-view+json"  # its state is in messages that nbval drops silently


@dataclass
class Run:
    """One lab while nbval runs it, from before its kernel starts."""

    memory: lab_execution.TreeMemory = field(default_factory=lambda: lab_execution.TreeMemory().__enter__())
    start: float = field(default_factory=time.monotonic)
    passed: int = 0  # cells


RUN = pytest.StashKey[Run]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--lab-cache", type=Path, default=lab_site.execution_cache(), help="execution cache of the website"
    )


def pytest_configure(config: pytest.Config) -> None:
    lab_site.without_the_readers_own()
    nbval.kernel.KernelManager = lambda **settings: KernelManager(**settings, **lab_execution.sockets())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    if isinstance(item, IPyNbCell) and RUN not in item.parent.stash:
        item.parent.stash[RUN] = run = Run()
        item.config.add_cleanup(run.memory.stop)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[pytest.TestReport]:
    report = yield
    if isinstance(item, IPyNbCell) and report.when == "call" and report.passed and _record(item, report.capstdout):
        item.parent.stash[RUN].passed += 1
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """After the last cell of a lab, while its kernel still runs."""
    if not isinstance(item, IPyNbCell) or (nextitem and nextitem.parent is item.parent):
        return
    run = item.parent.stash[RUN]
    seconds = time.monotonic() - run.start
    run.memory.__exit__()
    if run.passed == sum(cell.cell_type == "code" for cell in item.parent.nb.cells):
        _keep(item.parent, seconds, run.memory.peak)


def _record(item: IPyNbCell, printed: str) -> bool:
    """Puts what a cell gave into the notebook; False if that is not all of it."""
    cell: NotebookNode = item.cell
    cell.outputs = item.test_outputs or []
    cell.execution_count = item.cell_num + 1  # nbval has the kernel count nothing
    for output in cell.outputs:
        if output.output_type == "execute_result":
            output.execution_count = cell.execution_count
    return UNRECORDED not in printed and not any(WIDGET in output.get("data", {}) for output in cell.outputs)


def _keep(lab: IPyNbFile, seconds: float, peak_bytes: int) -> None:
    kernel = lab.kernel.kc.kernel_info(reply=True, timeout=10)["content"]
    lab.nb.metadata["language_info"] = kernel["language_info"]  # colours the code; a build asks the kernel, too
    folder = lab.config.option.lab_cache
    folder.mkdir(parents=True, exist_ok=True)
    executed = lab_execution.Executed(notebook=lab.nb, seconds=seconds, peak_bytes=peak_bytes)
    with FileLock(folder / "writing.lock"):  # several processes run labs at once
        cache = get_cache(folder)
        if not lab_execution.is_kept(cache, lab.nb):  # else a website that was built from it would be out of date
            lab_execution.keep(cache, lab.path, executed)
