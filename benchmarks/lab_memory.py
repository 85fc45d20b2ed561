"""Peak resident memory over the whole process tree: of each lab as nbclient runs it, and of the five-depth button."""

from pathlib import Path

from benchmarks.record import finish, mark
from mobilellm_lab.measuring import peak_memory

LABS = Path(__file__).parent.parent / "labs"
MUST_MIB, AIM_MIB = 1024.0, 600.0
# Counted are the process that executes, the kernel, and what the lab starts; a server and a browser are not.
EXECUTE = """
import nbclient, nbformat
lab = nbformat.read({path!r}, as_version=4)
nbclient.NotebookClient(lab, timeout=600, resources={{"metadata": {{"path": {folder!r}}}}}).execute()
"""
FIVE_DEPTHS = """
from mobilellm_lab.deep_narrow.panel import deep_narrow_panel
panel = deep_narrow_panel()
panel.run("Train five depths")
assert len(panel.result) == 5
"""


def main() -> None:
    """Runs every job once, prints the table, writes results/lab_memory.json."""
    jobs = {lab.stem: EXECUTE.format(path=str(lab), folder=str(lab.parent)) for lab in sorted(LABS.glob("*.ipynb"))}
    jobs["five depths, two cores"] = FIVE_DEPTHS
    rows = []
    for name, code in jobs.items():
        used = peak_memory(code)
        rows.append(
            {
                "what": name,
                "peak MiB": f"{used.peak_mib:.0f}",
                "processes": used.processes,
                "must / aim": f"{MUST_MIB:g} / {AIM_MIB:g}",
                "": mark(-used.peak_mib, -MUST_MIB, -AIM_MIB),  # less is better
            }
        )
    finish("lab_memory", rows)
