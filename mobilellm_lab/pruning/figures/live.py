"""Chapter 4's live picture: share of zeros of every matrix as a heat map"""

import re
from collections.abc import Mapping

from mobilellm_lab.charts.svg import BOTTOM, CHAR, HEIGHT, TOP, WIDTH, outlined, picture, words

COLOR = "#0072b2"  # as opaque as there are zeros, so that the ground of the page is 0 %
MATRIX = re.compile(r"blocks\.(\d+)\.\w+\.(\w+)\.weight")
LEFT, RIGHT = 62, WIDTH - 8
NUMBERED = 3.4 * CHAR  # the width of a cell that two digits fit in
ROOMY = 5 * CHAR  # the same of three with the outline around them, which a narrower cell has in smaller print


def zeros_svg(shares: Mapping[str, float]) -> str:
    """An SVG with a cell for every matrix, by block and part; a matrix outside the blocks is a row of its own.

    `shares` are those of `PrunedModel.zeros_by_layer`: 0 to 1 by state_dict name.
    """
    found = {name: MATRIX.fullmatch(name) for name in shares}
    blocks = sorted({int(match[1]) for match in found.values() if match})
    rows = list(dict.fromkeys(match[2] if match else name.removesuffix(".weight") for name, match in found.items()))
    parts = [words(LEFT, 14, "zeros of each matrix (%), by block", weight=600)]
    if not shares:
        parts.append(words((LEFT + RIGHT) / 2, HEIGHT / 2, "nothing pruned", "middle", opacity=0.6))
        return picture("zeros of each matrix", "nothing pruned", parts)
    height, width = (HEIGHT - TOP - BOTTOM) / len(rows), (RIGHT - LEFT) / max(1, len(blocks))
    for row, name in enumerate(rows):
        parts.append(words(LEFT - 6, TOP + (row + 0.5) * height + 5, name, "end"))
    for column, block in enumerate(blocks):
        if len(blocks) <= 16 or block % 2 == 0:
            parts.append(words(LEFT + (column + 0.5) * width, HEIGHT - BOTTOM + 18, f"{block}", "middle"))
    if blocks:
        parts.append(words(RIGHT, HEIGHT - 4, "block", "end"))
    for name, share in shares.items():
        match = found[name]
        y = TOP + rows.index(match[2] if match else name.removesuffix(".weight")) * height
        x = LEFT + blocks.index(int(match[1])) * width if match else LEFT
        across = width if match else RIGHT - LEFT
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{across:.1f}" height="{height:.1f}" fill="{COLOR}" '
            f'fill-opacity="{share:.3f}" stroke="currentColor" stroke-opacity="0.25" class="cell"/>'
        )
        if across >= NUMBERED:
            percent = f"{100 * share:.0f}"
            number = outlined(x + across / 2, y + height / 2 + 5, percent, "middle")
            parts.append(f'<g font-size="11">{number}</g>' if len(percent) == 3 and across < ROOMY else number)
    said = "; ".join(f"{name.removesuffix('.weight')} {100 * share:.0f} %" for name, share in shares.items())
    return picture("zeros of each matrix", said, parts)
