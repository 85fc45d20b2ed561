// Tables, formulas and code that are wider than their column: the keyboard reaches them, a screen reader hears their
// name, and `data-more` names the sides where something is hidden, which fade (scroll.css).
(() => {
  const KINDS = {
    "Formula": "div.math mjx-container",
    "Table": ".pst-scrollable-table-container, .cell_output > .text_html, .replay-table, [role=region]",
    "Code": "pre",
  };

  const look = (box, kind) => {
    const rest = box.scrollWidth - box.clientWidth;
    const sides = [box.scrollLeft > 1 && "left", box.scrollLeft < rest - 1 && "right"].filter(Boolean).join(" ");
    box.toggleAttribute("data-more", false);
    if (rest > 1) {
      box.tabIndex = 0;
      if (!box.hasAttribute("aria-label")) box.setAttribute("aria-label", `${kind}, scrolls sideways`);
      if (!box.hasAttribute("role")) box.setAttribute("role", "group");
      if (sides) box.dataset.more = sides;
    }
  };

  const resized = new ResizeObserver((seen) => seen.forEach(({ target }) => {
    const box = target.closest("[data-scrolls]");
    if (box) look(box, box.dataset.scrolls);
  }));

  const watch = () => {
    for (const [kind, selector] of Object.entries(KINDS)) {
      for (const box of document.querySelectorAll(`.bd-article :is(${selector}):not([data-scrolls])`)) {
        box.dataset.scrolls = kind;
        box.addEventListener("scroll", () => look(box, kind), { passive: true });
        for (const part of [box, ...box.children]) resized.observe(part);
      }
    }
  };

  watch();
  window.addEventListener("load", () => {
    watch();
    window.MathJax?.startup?.promise?.then(watch);  // formulas are boxes only after they are typeset
  });
})();
