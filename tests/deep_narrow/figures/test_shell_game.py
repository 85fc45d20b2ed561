"""The stepping picture of a shell game: every step shows the game's own states, by keyboard and without a script."""

import re

import pytest
from playwright.sync_api import Browser, Page

from mobilellm_lab.deep_narrow.figures.shell_game import COLORS, ShellGame
from mobilellm_lab.tasks.shells import Shells

CUPS = """() => [...document.querySelectorAll('.lab-cup')].sort(
    (a, b) => a.getBoundingClientRect().x - b.getBoundingClientRect().x).map(cup => cup.textContent).join('')"""


def luminance(color: str) -> float:
    """Relative luminance of #rrggbb. Source: WCAG 2.2."""
    channels = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.fixture
def page(browser: Browser) -> Page:
    page = browser.new_page(viewport={"width": 390, "height": 800}, reduced_motion="reduce")
    yield page
    page.close()


@pytest.mark.parametrize("task", [Shells(), Shells(n_cups=4, seq_len=5), Shells(n_cups=5, even_only=True, seq_len=3)])
def test_the_states_are_the_tasks_own(task):
    game, batch = ShellGame(task, index=3), task.batch(3, 1, split="validation")
    assert game.moves == [task.spell(move) for move in batch.tokens[0].tolist()]
    assert game.states[0] == task.spell(0)
    for move, before, after in zip(game.moves, game.states, game.states[1:], strict=False):
        assert after == "".join(before["ABCDE".index(cup)] for cup in move)
    assert game.states[1:] == [task.spell(state) for state in batch.targets[0].tolist()]
    assert game._repr_html_().count('type="radio"') == task.seq_len + 1


def test_it_needs_no_script_no_id_and_no_other_host():
    html = ShellGame()._repr_html_()
    assert not re.search(r"<script|\sid=|\son\w+=|src=|url\(", html)
    assert ShellGame()._repr_html_() == html


def test_every_step_moves_the_cups_and_says_so_by_keyboard(page):
    game = ShellGame()
    page.set_content(game._repr_html_())
    page.locator("input").first.focus()
    for step, state in enumerate(game.states):
        if step:
            page.keyboard.press("ArrowRight")
        assert page.evaluate(CUPS) == state
        assert page.locator("input:checked").input_value() == str(step)
        (said,) = page.locator(".lab-said p:visible").all_inner_texts()
        assert state in said and said.startswith(f"Token {step}, {game.moves[step - 1]}:" if step else "The cups stand")
        shown = page.locator(".lab-moved").evaluate_all("all => all.filter(g => getComputedStyle(g).display != 'none')")
        assert len(shown) == bool(step)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_arrows_lead_from_the_old_place_of_each_cup_to_its_new_one():
    game = ShellGame()
    for step, (move, before, after) in enumerate(zip(game.moves, game.states, game.states[1:], strict=False), start=1):
        group = re.search(rf'lab-moved-{step}" .*?</g>', game._repr_html_())[0]
        arcs = re.findall(r"M(\d+) 62Q\S+ \S+ (\d+) 56", group)
        found = {(int(start) // 100, int(end) // 100) for start, end in arcs}
        assert found == {
            (before.index(cup), after.index(cup)) for cup in "ABC" if before.index(cup) != after.index(cup)
        }
        assert bool(found) == (move != "ABC")


def test_two_games_on_one_page_do_not_move_each_other(page):
    page.set_content(ShellGame(index=3)._repr_html_() + ShellGame(index=3)._repr_html_() + ShellGame()._repr_html_())
    page.locator("figure").nth(0).locator("label").nth(4).click()
    assert page.locator("input:checked").evaluate_all("all => all.map(input => input.value)") == ["4", "0", "0"]


def test_the_letters_on_the_cups_can_be_read():
    assert all((1 + 0.05) / (luminance(color) + 0.05) >= 4.5 for color in COLORS)
    assert len(COLORS) == 5  # as many cups as a task may have


def test_the_name_of_a_step_says_where_the_cups_stand(page):
    game = ShellGame()
    page.set_content(game._repr_html_())
    for step, (move, state) in enumerate(zip(game.moves, game.states[1:], strict=True), start=1):
        name = f"Token {step}, {' '.join(move)}. The cups stand {' '.join(state)}."
        assert page.get_by_role("radio", name=name, exact=True).count() == 1
