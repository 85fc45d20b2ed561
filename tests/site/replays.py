"""Replays of a page, driven inside the browser: every slider value in one call."""

from playwright.sync_api import ElementHandle, Page

from tests.site.pages import PATIENCE_MS, uncover

CONTRAST = 4.5  # of text against its background (WCAG AA)
PICTURE = "figure => [...figure.querySelectorAll('.replay-chart')].map(box => box.innerHTML).join('')"
CHANGED = f"([figure, before]) => ({PICTURE})(figure) !== before"
MOVE = """([figure, which, value]) => {
    const input = figure.querySelectorAll('.replay-slider input')[which];
    input.value = value;
    input.dispatchEvent(new Event('input', {bubbles: true}));
}"""

# For each slider its start, and for each of its values what the figure says and a checksum of what it shows.
# A value waits until the picture has moved and two readings agree; the limit only catches a picture that stays.
SWEEP = """async (figure, limitMs) => {
    const inputs = [...figure.querySelectorAll('.replay-slider input')];
    const words = [...figure.querySelectorAll('.replay-words')];
    const picture = () => [...figure.querySelectorAll('.replay-chart')].map(box => box.innerHTML).join('');
    const checksum = (text) => [...text].reduce((sum, letter) => (31 * sum + letter.charCodeAt(0)) % 4294967296, 0);
    const turn = () => new Promise(done => setTimeout(done));
    const move = async (input, value) => {
        if (Number(input.value) === value) return true;
        const before = picture(), end = performance.now() + limitMs;
        input.value = value;
        input.dispatchEvent(new Event('input', {bubbles: true}));
        while (picture() === before && performance.now() < end) await turn();
        for (let last = null; picture() !== last && performance.now() < end; await turn()) last = picture();
        return performance.now() < end;
    };
    const sliders = [];
    for (const [which, input] of inputs.entries()) {
        const start = Number(input.value), values = [];
        for (let value = 0; value <= Number(input.max); value++) {
            if (!await move(input, value)) break;
            values.push({
                heard: input.getAttribute('aria-valuetext'), shown: words[which].innerText,
                sentence: figure.querySelector('.replay-readout').innerText, picture: checksum(picture()),
            });
        }
        await move(input, start);
        sliders.push({start, values});
    }
    return {sliders, data: JSON.parse(figure.querySelector('.replay-data').textContent)};
}"""

# The lowest contrast between a text of the figure and what lies behind it.
FAINTEST = """figure => {
    const numbers = (color) => (color.match(/[\\d.]+/g) || []).map(Number);
    const light = (color) => {
        const [r, g, b] = numbers(color).map(c => c / 255)
            .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (e) => {
        for (; e; e = e.parentElement) {
            const color = getComputedStyle(e).backgroundColor, alpha = numbers(color)[3];
            if (alpha === undefined || alpha === 1) return color;
        }
        return 'rgb(255, 255, 255)';
    };
    const texts = [...figure.querySelectorAll('svg text')].map(e => [getComputedStyle(e).fill, e]);
    for (const e of figure.querySelectorAll('figcaption, span, p')) texts.push([getComputedStyle(e).color, e]);
    return Math.min(...texts.map(([color, e]) => {
        const [a, b] = [light(color), light(behind(e))].sort((x, y) => x - y);
        return (b + 0.05) / (a + 0.05);
    }));
}"""

# Left and right edges of the parts of a figure, and of its pictures; whether the table shows; the page's width.
EXTENT = """figure => {
    const edges = (parts) => parts.map(e => e.getBoundingClientRect()).map(box => [box.left, box.right]);
    return {
        parts: edges([figure, ...figure.querySelectorAll('.replay-chart svg, .replay-slider, p')]),
        pictures: edges([...figure.querySelectorAll('.replay-chart svg')]),
        table: figure.querySelector('table').checkVisibility(),
        page: document.documentElement.scrollWidth,
    };
}"""


def drawn(page: Page) -> list[ElementHandle]:
    """The replays of the page, each once Vega has drawn it."""
    uncover(page)
    figures = page.query_selector_all("figure.lab-replay")
    for figure in figures:
        figure.scroll_into_view_if_needed()
        page.wait_for_function("figure => figure.dataset.drawn === 'vega'", arg=figure)
    return figures


def sweep(figure: ElementHandle, *, limit_ms: int = PATIENCE_MS) -> dict:
    """Data of a replay, and what it says and shows at every value; a slider ends at the first value that it misses."""
    return figure.evaluate(SWEEP, limit_ms)


def sentence(figure: ElementHandle) -> str:
    """What the figure says of its setting."""
    return figure.query_selector(".replay-readout").inner_text()


def unfolded(figure: ElementHandle) -> tuple[int, dict]:
    """Width of the page, and the extent of everything while the table of a figure is unfolded."""
    before, summary = figure.evaluate("() => document.documentElement.scrollWidth"), figure.query_selector("summary")
    summary.click()
    extent = figure.evaluate(EXTENT)
    summary.click()
    return before, extent
