"""Sphinx extension: seconds and peak memory of every page that runs code, measured while the website is built.

A measurement is kept in the execution cache under the hash of its notebook, so that a build that takes a page from the
cache shows what the run measured that made the page. A cached page without a measurement is executed again.
"""

import json
import threading
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import myst_nb.core.execute
import psutil
from docutils import nodes
from jupyter_cache import get_cache
from myst_nb.core.execute.cache import NotebookClientCache
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

MIB = 2**20
LIMIT_S = 60.0  # of a lab
LIMIT_MIB = 1024.0  # of a lab, over the kernel and all that it starts
# A busy machine is slow, so that only ten times the limit in seconds stops a build; memory does not depend on load.
STOP_S = 10 * LIMIT_S

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one execution of a notebook from top to bottom took."""

    seconds: float  # wall clock, from starting the kernel to its end
    peak_mib: float  # highest sum of resident memory over the kernel and all that it started
    cells: int  # code cells
    machine: str
    commit: str  # of the package, with a "+" if it was changed
    date: str  # ISO


class TreeMemory:
    """The highest resident memory of this process's descendants while the `with` block runs, in bytes.

    It looks every 20 ms; pages that two processes share are counted in both.
    """

    def __enter__(self) -> "TreeMemory":
        self.peak, self._over = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        this = psutil.Process()
        while not self._over.wait(0.02):
            self.peak = max(self.peak, sum(_resident(process) for process in this.children(recursive=True)))


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:  # it ended between the two calls
        return 0


class MeasuredClient(NotebookClientCache):
    """MyST-NB's client with a cache, which also measures what it executes."""

    def start_client(self) -> None:
        cache = get_cache(self.nb_config.execution_cache_path)
        _, key = cache.create_hashed_notebook(self.notebook)
        file = Path(self.nb_config.execution_cache_path) / "measured" / f"{key}.json"
        if not file.exists():
            for record in cache.list_cache_records():
                if record.hashkey == key:
                    cache.remove_cache(record.pk)
        with TreeMemory() as memory:
            super().start_client()
        if self.exec_metadata["succeeded"]:
            if not file.exists():
                cells = sum(cell.cell_type == "code" for cell in self.notebook.cells)
                _keep(_measurement(self.exec_metadata["runtime"], memory.peak, cells), file)
            self.exec_metadata["measured"] = json.loads(file.read_text(encoding="utf-8"))


def _measurement(seconds: float, peak_bytes: int, cells: int) -> Measurement:
    from mobilellm_lab.provenance import provenance  # here: it loads torch, which a build from the cache does not need

    made = provenance("")
    return Measurement(
        seconds=seconds,
        peak_mib=peak_bytes / MIB,
        cells=cells,
        machine=made["machine"],
        commit=made["commit"],
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
    )


def _keep(measurement: Measurement, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(asdict(measurement)), encoding="utf-8")
    part.replace(file)


def complaint(measurement: Measurement) -> str | None:
    """Why a lab with this measurement stops the build; None if it does not."""
    if measurement.peak_mib > LIMIT_MIB:
        return f"takes {measurement.peak_mib:.0f} MiB of memory, more than {LIMIT_MIB:.0f}: make its models smaller"
    if measurement.seconds > STOP_S:
        return f"takes {measurement.seconds:.0f} s, more than ten times {LIMIT_S:.0f}: train fewer steps"
    return None


class Timing(nodes.General, nodes.Element):
    """Stands for the table until every page is read."""


class TimingDirective(SphinxDirective):
    """`{lab-timing}`: the table of all pages that run code."""

    def run(self) -> list[nodes.Node]:
        self.env.metadata[self.env.docname]["lab_timing"] = True
        return [Timing()]


def measured_pages(env: BuildEnvironment) -> dict[str, Measurement]:
    """The measurements of all pages that run code, labs first, each group in the order of the names."""
    found = {}
    for name in sorted(env.found_docs, key=lambda name: (not name.startswith("labs/"), name)):
        data = NbMetadataCollector.get_exec_data(env, name)
        if data and "measured" in data:
            found[name] = Measurement(**data["measured"])
    return found


def _stale(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """The pages with the table are written again in every build, and a lab over its limit is a warning."""
    for name, measurement in measured_pages(env).items():
        if name.startswith("labs/") and (reason := complaint(measurement)):
            logger.warning("this lab %s", reason, location=name, type="lab_timing")
    return [name for name, metadata in env.metadata.items() if "lab_timing" in metadata]


def _resolve(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    for node in list(doctree.findall(Timing)):
        pages = measured_pages(app.env)
        if pages:
            node.replace_self([_table(app, docname, pages), _origin(pages)])
        else:
            node.replace_self(nodes.paragraph("", "Not measured: this build executed no page."))


def _table(app: Sphinx, docname: str, pages: dict[str, Measurement]) -> nodes.table:
    """One row a page, with a link to it, and the limits below."""
    head = ("page", "cells", "seconds", "peak MiB")
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in head), cols=len(head))
    group += nodes.thead("", _row(*(nodes.paragraph("", text) for text in head)))
    body = nodes.tbody()
    for name, measurement in pages.items():
        folder, _, stem = name.partition("/")
        title = app.env.titles[name].astext()
        link = nodes.reference("", title, internal=True, refuri=app.builder.get_relative_uri(docname, name))
        number = f"{'Lab' if folder == 'labs' else 'Page'} {stem[:2]}: " if stem[0].isdigit() else ""
        numbers = (str(measurement.cells), f"{measurement.seconds:.1f}", f"{measurement.peak_mib:.0f}")
        body += _row(
            nodes.paragraph("", "", nodes.Text(number), link), *(nodes.paragraph("", text) for text in numbers)
        )
    limits = ("limit of a lab", "", f"{LIMIT_S:.0f}", f"{LIMIT_MIB:.0f}")
    body += _row(*(nodes.paragraph("", "", nodes.emphasis("", text)) for text in limits))
    group += body
    return nodes.table("", group, classes=["lab-timing"])


def _row(*cells: nodes.Node) -> nodes.row:
    return nodes.row("", *(nodes.entry("", cell) for cell in cells))


def _origin(pages: dict[str, Measurement]) -> nodes.paragraph:
    def all_of(name: str) -> str:
        return ", ".join(dict.fromkeys(getattr(measurement, name)[:60] for measurement in pages.values()))

    commits = ", ".join(dict.fromkeys(m.commit[:7] + "+" * m.commit.endswith("+") for m in pages.values()))
    text = f"Measured while this site was built: {all_of('machine')}; commit {commits}; {all_of('date')}."
    return nodes.paragraph("", "", nodes.emphasis("", text))


def setup(app: Sphinx) -> dict:
    myst_nb.core.execute.NotebookClientCache = MeasuredClient  # where MyST-NB looks its client up
    app.add_node(Timing)
    app.add_directive("lab-timing", TimingDirective)
    app.connect("env-updated", _stale)
    app.connect("doctree-resolved", _resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
