"""Sphinx extension: the scripts that move replays, on the pages that have one, and nowhere else.

Vega is one self-hosted bundle in `_static`, made once by `vl_convert` and kept between builds. No page names it:
`book/_assets/replay.js` asks for it when a replay comes near the screen.
"""

from pathlib import Path

import vl_convert
from sphinx.application import Sphinx

VEGA_LITE = "5.20"  # as in mobilellm_lab/charts/replay.py
SNIPPET = "window.labVega = vegaEmbed;"  # Vega and Vega-Lite come with it
BUNDLE = "lab-vega.js"


def bundle(folder: Path) -> str:
    """The bundle as a classic script without globals but `labVega`; kept in `folder` under its versions."""
    kept = folder / f"{VEGA_LITE}-{vl_convert.__version__}.js"
    if not kept.exists():
        # In a function: a script's own top-level names would be everybody's.
        text = f"(function () {{\n{vl_convert.javascript_bundle(SNIPPET, vl_version=VEGA_LITE)}\n}})();\n"
        folder.mkdir(parents=True, exist_ok=True)
        temporary = kept.with_suffix(".tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(kept)
    return kept.read_text(encoding="utf-8")


def _add_to_page(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    if 'class="lab-replay"' in context.get("body", ""):
        app.add_css_file("replay.css")
        app.add_js_file("replay.js", loading_method="defer")


def _write(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        out = Path(app.outdir)
        (out / "_static" / BUNDLE).write_text(bundle(out.parent / "vega"), encoding="utf-8")


def setup(app: Sphinx) -> dict:
    app.connect("html-page-context", _add_to_page)
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
