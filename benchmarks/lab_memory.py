"""Peak resident memory of each lab as nbclient runs it, over its whole process tree."""

from pathlib import Path

from benchmarks.record import finish, mark
from mobilellm_lab.metrics import peak_memory

LABS = Path(__file__).parent.parent / "labs"
MUST_MIB, AIM_MIB = 1024.0, 600.0
# The process that executes, the kernel, and what the lab starts are added up; a server and a browser are not.
EXECUTE = """
import nbclient, nbformat
lab = nbformat.read({path!r}, as_version=4)
nbclient.NotebookClient(lab, timeout=600, resources={{"metadata": {{"path": {folder!r}}}}}).execute()
"""


def main() -> None:
    """Executes every lab once, prints the table, writes results/lab_memory.json."""
    rows = []
    for lab in sorted(LABS.glob("*.ipynb")):
        used = peak_memory(EXECUTE.format(path=str(lab), folder=str(lab.parent)))
        rows.append(
            {
                "lab": lab.stem,
                "peak MiB": f"{used.peak_mib:.0f}",
                "processes": used.processes,
                "must / aim": f"{MUST_MIB:g} / {AIM_MIB:g}",
                "": mark(-used.peak_mib, -MUST_MIB, -AIM_MIB),  # less is better
            }
        )
    finish("lab_memory", rows)
