"""Signatures of the package checked at every call: shapes by jaxtyping, all other types by beartype alone."""

import re
from pathlib import Path

from beartype import BeartypeConf
from beartype.claw import beartype_package
from jaxtyping import install_import_hook

PACKAGE = Path(__file__).parents[1] / "mobilellm_lab"
CONF = BeartypeConf(
    claw_is_pep526=False,  # signatures, not assignments
    violation_type=TypeError,  # as jaxtyping raises
    warning_cls_on_decorator_exception=None,  # a signature that cannot be checked is an error
)


def shaped() -> list[str]:
    """The modules whose signatures speak of shapes."""
    return [
        ".".join((PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        for path in sorted(PACKAGE.rglob("*.py"))
        if re.search(r"^(from|import) jaxtyping\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]


def check() -> None:
    """Before the package is imported. jaxtyping binds each call's arguments anew, so it is there for shapes alone."""
    beartype_package(PACKAGE.name, conf=CONF)
    install_import_hook(shaped(), "beartype.beartype")
