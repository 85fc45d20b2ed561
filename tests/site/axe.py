"""Serious and critical faults that axe finds on a loaded page."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

GRAVE = ("serious", "critical")
COLORS = ("color-contrast", "link-in-text-block")  # the rules that look at them

THEME = """async (theme) => {
    document.documentElement.dataset.theme = theme;
    const fades = document.getAnimations().filter(one => one instanceof CSSTransition);
    await Promise.allSettled(fades.map(one => one.finished));
}"""

# Leaves of a page what the rules for colors need: links with what stands beside them, fields, and of the texts that
# look the same the first one. Two texts look the same if they and their parents have the same tags and classes and, in
# both themes, the same color, letters and layers painted behind them, and if both show whole. (A text that something
# else overlaps is no fault to axe.) What is dropped leaves an empty element in its place, so that no selector counts
# differently. Of 7,000 texts 400 are left. The page ends at its top, in the other theme.
DISTIL = """async (outside) => {
    const theme = THEME;
    const plain = 'rgba(0, 0, 0, 0),none,1,none,normal';
    const name = (e) => e && `${e.tagName} ${e.getAttribute('class')}`;
    const looks = (texts) => {
        const known = new Map([[null, '']]);
        const behind = (e) => {
            if (!known.has(e)) {
                const s = getComputedStyle(e);
                const own = [s.backgroundColor, s.backgroundImage, s.opacity, s.filter, s.mixBlendMode].join();
                known.set(e, behind(e.parentElement) + (own === plain ? '' : `|${own}`));
            }
            return known.get(e);
        };
        return texts.map(e => {
            const s = getComputedStyle(e);
            const seen = e.checkVisibility({visibilityProperty: true, opacityProperty: true});
            return [seen, s.color, s.fontSize, s.fontWeight, s.textShadow, behind(e)].join();
        });
    };
    const place = (e) => {
        const box = e.getBoundingClientRect();
        let p = e.parentElement;
        while (p && getComputedStyle(p).overflow === 'visible') p = p.parentElement;
        const edge = (p || document.documentElement).getBoundingClientRect();
        return [box.width * box.height - 1, box.left - edge.left, box.top - edge.top, edge.right - box.right,
            edge.bottom - box.bottom].map(length => length >= 0).join();
    };
    const root = document.documentElement, first = root.dataset.theme, firsts = new Map();
    const all = [...document.body.querySelectorAll('*')].filter(e => !outside || !e.closest(outside));
    const texts = all.filter(e => [...e.childNodes].some(node => node.nodeType === 3 && node.data.trim()));
    const always = all.filter(e => e.matches('input, select, textarea'));
    for (const link of all.filter(e => e.matches('a[href]'))) always.push(...link.parentElement.children);
    const before = looks(texts), places = texts.map(place);
    await theme(first === 'dark' ? 'light' : 'dark');
    looks(texts).forEach((after, i) => {
        const e = texts[i], off = !!e.closest(':disabled, [aria-disabled=true]');
        const look = [name(e), name(e.parentElement), before[i], after, places[i], off].join();
        if (!firsts.has(look)) firsts.set(look, e);
    });
    const needed = new Set([document.body]);
    for (let e of [...always, ...firsts.values(), ...document.body.querySelectorAll('style, link')])
        for (; e && !needed.has(e); e = e.parentElement) needed.add(e);
    for (const e of [...needed].flatMap(e => [...e.children])) {
        if (needed.has(e)) continue;
        e.style.setProperty('display', 'none', 'important');
        e.replaceChildren();
    }
    scrollTo(0, 0);  // where nothing that sticks lies over a text
    return first || 'light';
}""".replace("THEME", THEME)


def faults(page: Page, *, only: tuple[str, ...] = (), skip: tuple[str, ...] = ()) -> list[str]:
    """The serious and critical violations of a loaded page, one line for each element.

    Args:
        page: that is loaded.
        only: rules to run; all where there are none.
        skip: rules to leave out.
    """
    options = {"resultTypes": ["violations"], "selectors": False}  # which axe would find for everything that passes
    options |= {"rules": {rule: {"enabled": False} for rule in skip}}
    options |= {"runOnly": list(only)} if only else {}
    return [
        f"{violation['id']} ({violation['impact']}): {node['html'][:200]}"
        for violation in Axe().run(page, options=options).response["violations"]
        if violation["impact"] in GRAVE
        for node in violation["nodes"]
    ]


def color_faults(page: Page, *, outside: str = "") -> list[str]:
    """Those against the rules for colors, in both themes, one element for all that look the same. Empties the page.

    Args:
        page: that is loaded.
        outside: selector of the part of the page to leave out.
    """
    theme = page.evaluate(DISTIL, outside)
    found = faults(page, only=COLORS)
    page.evaluate(THEME, theme)
    return found + faults(page, only=COLORS)
