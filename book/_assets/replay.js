/* Moves the replays of a page: own range inputs set Vega's signals. A classic script, so that it also runs from a file.
 * Vega (about 0.3 MB compressed) is asked for only when a replay comes near the screen; without it the first picture,
 * the sentence and the table stay, and the sentence still follows the sliders. */
(function () {
  "use strict";
  const BUNDLE = new URL("lab-vega.js", document.currentScript.src).href;
  const OPTIONS = { mode: "vega", renderer: "svg", actions: false, defaultStyle: false, tooltip: false };
  let vega = null;  // promise of vega-embed, or of null where the bundle cannot be had

  function load() {
    vega = vega || new Promise((resolve) => {
      const script = document.createElement("script");
      script.onload = () => resolve(window.labVega || null);
      script.onerror = () => resolve(null);
      script.src = BUNDLE;
      document.head.append(script);
    });
    return vega;
  }

  function start(figure) {
    const data = JSON.parse(figure.querySelector(".replay-data").textContent);
    const inputs = [...figure.querySelectorAll(".replay-slider input")];
    const readout = figure.querySelector(".replay-readout");
    const views = [];

    function follow() {
      let setting = 0;
      inputs.forEach((input, i) => {
        const words = data.sliders[i].words;
        setting = setting * words.length + Number(input.value);
        const word = words[input.value];
        input.setAttribute("aria-valuetext", word);
        input.closest(".replay-slider").querySelector(".replay-words").textContent = word;
        input.style.setProperty("--at", input.value / input.max);
        for (const view of views) view.signal(data.sliders[i].name, Number(input.value));
      });
      if (readout.textContent !== data.readouts[setting]) readout.textContent = data.readouts[setting];
      return Promise.all(views.map((view) => view.runAsync()));
    }

    async function draw() {
      const embed = await load();
      if (!embed) {
        const note = document.createElement("p");
        note.className = "replay-note";
        note.textContent = "The picture cannot move here; the sentence and the table follow the sliders.";
        figure.querySelector(".replay-charts").after(note);
        return;
      }
      for (const [i, box] of [...figure.querySelectorAll(".replay-chart")].entries()) {
        const place = document.createElement("div");
        const { view } = await embed(place, data.specs[i], OPTIONS);
        await view.width(box.clientWidth).runAsync();
        box.replaceChildren(place);
        views.push(view);
        const fit = () => {
          if (box.clientWidth && box.clientWidth !== view.width()) view.width(box.clientWidth).runAsync();
        };
        // In the next frame: WebKit reports an error where an observer changes the sizes that it observes.
        new ResizeObserver(() => requestAnimationFrame(fit)).observe(box);
      }
      await follow();
      figure.dataset.drawn = "vega";
    }

    for (const input of inputs) {
      input.addEventListener("input", follow);
      input.disabled = false;
    }
    follow();
    const near = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) {
        near.disconnect();
        draw();
      }
    }, { rootMargin: "300px" });
    near.observe(figure);
  }

  document.querySelectorAll("figure.lab-replay").forEach(start);
})();
