"""Sphinx extension: the table of seconds and peak memory of every page that runs code.

`lab_execution` measures and keeps them. The limits are shown here and tested in tests/site; they never stop a build.
"""

from docutils import nodes
from lab_execution import Measurement
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

LIMIT_S = 60.0  # of a lab
LIMIT_MIB = 1024.0  # of a lab, for the kernel and all that it starts


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
    """The pages with the table, which are written again in every build."""
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
        title = app.env.titles[name].astext()
        link = nodes.reference("", title, internal=True, refuri=app.builder.get_relative_uri(docname, name))
        numbers = (str(measurement.cells), f"{measurement.seconds:.1f}", f"{measurement.peak_mib:.0f}")
        body += _row(nodes.paragraph("", "", link), *(nodes.paragraph("", text) for text in numbers))
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
    text = f"Measured when these pages were executed: {all_of('machine')}; commit {commits}; {all_of('date')}."
    return nodes.paragraph("", "", nodes.emphasis("", text))


def setup(app: Sphinx) -> dict:
    app.add_node(Timing)
    app.add_directive("lab-timing", TimingDirective)
    app.connect("env-updated", _stale)
    app.connect("doctree-resolved", _resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
