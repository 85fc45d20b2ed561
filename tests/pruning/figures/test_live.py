"""Chapter 4's live picture: a cell for every matrix, as opaque as it has zeros."""

import re
import xml.etree.ElementTree as ET

from mobilellm_lab.pruning.figures.live import COLOR, zeros_svg
from mobilellm_lab.pruning.masks import PrunedModel
from mobilellm_lab.pruning.unstructured import prune
from mobilellm_lab.reference import load_model

SVG = "{http://www.w3.org/2000/svg}"


def cells(svg: str) -> list[ET.Element]:
    return [part for part in ET.fromstring(svg).iter(f"{SVG}rect") if part.get("class") == "cell"]


def words(svg: str) -> list[str]:
    return [text.text for text in ET.fromstring(svg).iter(f"{SVG}text")]


def pruned(**how) -> PrunedModel:
    return prune(load_model("student-tiny").model, 0.6, **how)


def test_every_matrix_has_a_cell_with_its_share():
    shares = pruned(compare="global").zeros_by_layer()
    svg = zeros_svg(shares)
    assert [float(cell.get("fill-opacity")) for cell in cells(svg)] == [round(share, 3) for share in shares.values()]
    assert {cell.get("fill") for cell in cells(svg)} == {COLOR}
    for share in shares.values():
        assert f"{100 * share:.0f}" in words(svg)
    assert {"qkv", "out", "up", "down", "0", "1", "block"} <= set(words(svg))


def test_blocks_are_columns_and_parts_are_rows():
    places = {(cell.get("x"), cell.get("y")) for cell in cells(zeros_svg(pruned().zeros_by_layer()))}
    assert len({x for x, _ in places}) == 2 and len({y for _, y in places}) == 4 and len(places) == 8


def test_a_table_is_a_row_of_its_own():
    svg = zeros_svg(pruned(layers="all").zeros_by_layer())
    first, *rest = cells(svg)
    assert "embed" in words(svg) and float(first.get("width")) > 1.9 * float(rest[0].get("width"))


def test_the_words_for_who_does_not_see_it_hold_every_number():
    svg = zeros_svg({"blocks.3.ffn.up.weight": 0.25})
    assert "blocks.3.ffn.up 25 %" in re.search(r"<desc>(.*?)</desc>", svg)[1]


def test_nothing_pruned_is_said():
    assert "nothing pruned" in words(zeros_svg({})) and not cells(zeros_svg({}))


def test_three_digits_are_smaller_where_the_cells_are_narrow():
    def small(blocks: int, share: float) -> bool:
        return 'font-size="11"' in zeros_svg({f"blocks.{i}.ffn.up.weight": share for i in range(blocks)})

    assert small(12, 1.0) and not small(12, 0.7) and not small(6, 1.0)
