"""Sphinx extension: executes the pages that the execution cache lacks, before Sphinx reads them, and measures them.

A measurement is kept in the cache under the hash of its notebook, so that a build that takes a page from the cache
shows what the run measured that made the page. A cached page without a measurement is executed again. Labs measure the
machine, so each runs alone; pages of the book compute from stored rows, as many at a time as there are cores.
"""

import json
import os
import tempfile
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import ModuleType

import myst_nb.core.execute
import psutil
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.cache.main import JupyterCacheBase
from jupyter_cache.executors.utils import single_nb_execution
from jupyter_client.manager import AsyncKernelManager
from lab_progress import say
from myst_nb.core.execute.cache import NotebookClientCache
from myst_nb.core.read import create_nb_reader
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.parallel import ParallelTasks, SerialTasks, parallel_available

MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one execution of a notebook from top to bottom took."""

    seconds: float  # wall clock, from starting the kernel to its end
    peak_mib: float  # most memory that the kernel and all that it started held together, a shared page counted once
    cells: int  # code cells
    machine: str
    commit: str  # of the package, with a "+" if it was changed
    date: str  # ISO


@dataclass(frozen=True, kw_only=True)
class Executed:
    """A notebook with its outputs, and what running it took. Sent from the process that ran it."""

    notebook: NotebookNode
    seconds: float
    peak_bytes: int


def sockets() -> dict[str, str]:
    """Settings of a kernel that talks over files that only its owner may open, where the system has them.

    Over TCP a kernel warns on every page that nothing is encrypted.
    """
    if os.name != "posix":
        return {}
    # Not Jupyter's own name: it depends on the working folder, and two kernels would share it.
    return {"transport": "ipc", "ip": os.path.join(tempfile.gettempdir(), f"kernel-{uuid.uuid4().hex[:12]}")}


class SocketKernelManager(AsyncKernelManager):
    """Starts kernels that talk over `sockets`."""

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings, **sockets())


class TreeMemory:
    """The most memory that this process's descendants hold together while the `with` block runs, in bytes.

    It looks every 50 ms; a page that two processes share is counted once.
    """

    def __enter__(self) -> "TreeMemory":
        from mobilellm_lab.measuring import memory  # here: it loads torch, which a build from the cache does not need

        self._over, self._thread = threading.Event(), ThreadPoolExecutor(1)
        self._peak = self._thread.submit(self._watch, memory)
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        self.peak = self._peak.result()  # raises what went wrong in the thread
        self._thread.shutdown()

    def stop(self) -> None:
        """Ends the looking; a process that is interrupted would wait for its thread otherwise."""
        self._over.set()

    def _watch(self, memory: ModuleType) -> int:
        this, peak = psutil.Process(), 0
        while not self._over.wait(0.05):
            sizes = memory.resident_bytes(this.children(recursive=True))
            peak = max(peak, memory.together(sizes, least=peak))
        return peak


def measured_file(cache: JupyterCacheBase, notebook: NotebookNode) -> Path:
    """Where the measurement of a notebook is kept, whether or not it was executed yet."""
    return cache.path / "measured" / f"{cache.create_hashed_notebook(notebook)[1]}.json"


def is_kept(cache: JupyterCacheBase, notebook: NotebookNode) -> bool:
    """Whether the cache has both the notebook's outputs and their measurement."""
    key = cache.create_hashed_notebook(notebook)[1]
    known = any(record.hashkey == key for record in cache.list_cache_records())
    return known and measured_file(cache, notebook).exists()


def keep(cache: JupyterCacheBase, path: Path, executed: Executed) -> None:
    """Writes an executed notebook and its measurement where a build finds them."""
    from mobilellm_lab.provenance import provenance  # here: it loads torch

    made = provenance("")
    measurement = Measurement(
        seconds=executed.seconds,
        peak_mib=executed.peak_bytes / MIB,
        cells=sum(cell.cell_type == "code" for cell in executed.notebook.cells),
        machine=made["machine"],
        commit=made["commit"],
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
    )
    data = {"execution_seconds": executed.seconds}
    bundle = CacheBundleIn(executed.notebook, str(path), data=data)
    cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)  # an empty cell is not counted
    file = measured_file(cache, executed.notebook)
    file.parent.mkdir(exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(asdict(measurement)), encoding="utf-8")
    part.replace(file)


class CachedClient(NotebookClientCache):
    """MyST-NB's client with a cache, which hands the measurement on. What failed it runs again, to report it."""

    def start_client(self) -> None:
        file = measured_file(get_cache(self.nb_config.execution_cache_path), self.notebook)
        super().start_client()
        if file.exists():
            self.exec_metadata["measured"] = json.loads(file.read_text(encoding="utf-8"))


def _read(env: BuildEnvironment, name: str) -> NotebookNode | None:
    """The page as the parser will read it; None if it runs no code."""
    path = env.doc2path(name)
    text = Path(path).read_text(encoding="utf-8")
    reader = create_nb_reader(path, env.myst_config, env.mystnb_config, text)
    notebook = reader and reader.read(text)
    return notebook if notebook and any(cell.cell_type == "code" for cell in notebook.cells) else None


def _execute(page: tuple[Path, NotebookNode], *, timeout: int) -> Executed | None:
    """Runs a page in a kernel of its own; None if a cell fails."""
    path, notebook = page
    say(f"executing {path.parent.name}/{path.stem}")
    with TreeMemory() as memory:
        done = single_nb_execution(
            notebook,
            cwd=str(path.parent),
            timeout=timeout,
            allow_errors=False,
            kernel_manager_class=SocketKernelManager,
        )
    return None if done.err else Executed(notebook=notebook, seconds=done.time, peak_bytes=memory.peak)


def _execute_ahead(app: Sphinx, env: BuildEnvironment, names: list[str]) -> None:
    cache = get_cache(env.mystnb_config.execution_cache_path)
    missing = {}
    for name in names:
        notebook = _read(env, name)
        if notebook and not is_kept(cache, notebook):
            missing[name] = (Path(env.doc2path(name)), notebook)
    if not missing:
        return
    import mobilellm_lab.measuring.memory  # noqa: F401  once, before the processes start that need it

    left = len(missing)

    def finish(page: tuple[Path, NotebookNode], executed: Executed | None) -> None:
        nonlocal left
        left -= 1
        if executed:
            keep(cache, page[0], executed)
            say(f"executed {page[0].parent.name}/{page[0].stem} in {executed.seconds:.0f} s, {left} left to execute")

    execute = partial(_execute, timeout=env.mystnb_config.execution_timeout)
    say(f"{left} pages to execute")
    labs = [page for name, page in missing.items() if name.startswith("labs/")]
    others = [page for name, page in missing.items() if not name.startswith("labs/")]
    for pages, cores in ((labs, 1), (others, os.cpu_count() or 1)):
        tasks = ParallelTasks(cores) if parallel_available else SerialTasks()
        for page in pages:
            tasks.add_task(execute, page, finish if parallel_available else partial(finish, page))
        tasks.join()


def setup(app: Sphinx) -> dict:
    myst_nb.core.execute.NotebookClientCache = CachedClient  # where MyST-NB looks its client up
    # What is run again to be reported talks over socket files as well.
    myst_nb.core.execute.cache.single_nb_execution = partial(
        single_nb_execution, kernel_manager_class=SocketKernelManager
    )
    app.connect("env-before-read-docs", _execute_ahead, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
