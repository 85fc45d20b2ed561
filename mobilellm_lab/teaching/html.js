// Quizzes and predictions answer here, without a kernel. A classic script that every fragment brings with it: it takes
// up the fragments that are not ready yet and leaves no name behind. The browser keeps the answers, where it may.
(function () {
  "use strict";
  const PREFIX = "mobilellm-lab:";
  const memory = {}; // what could not be kept

  function load(key) {
    try {
      return JSON.parse(localStorage.getItem(PREFIX + key)) || memory[key];
    } catch (error) {
      return memory[key];
    }
  }

  function save(key, value) {
    memory[key] = value;
    try {
      localStorage.setItem(PREFIX + key, JSON.stringify(value));
    } catch (error) {
      // no storage here (a private window, some browsers on file://): kept until the page is left
    }
  }

  function quiz(root) {
    const key = "quiz:" + root.dataset.quiz;
    const sets = [...root.querySelectorAll("fieldset")];
    const score = root.querySelector(".lab-score");
    const again = root.querySelector(".lab-foot button");
    const kept = load(key);
    // For each question the options in the order in which they were tried, and the one that is chosen now.
    const fresh = () => sets.map(() => ({ tried: [], now: -1 }));
    let answers = kept && kept.version === root.dataset.version ? kept.answers : fresh();

    const inputs = (i) => [...sets[i].querySelectorAll("input")];
    const kind = (input) => ("right" in input.dataset ? "right" : "wrong");

    function say(i, nodes, how) {
      const reason = sets[i].querySelector(".lab-reason");
      reason.replaceChildren(...nodes);
      reason.dataset.kind = how;
    }

    function show(i) {
      inputs(i).forEach((input, index) => {
        input.checked = index === answers[i].now;
        const option = input.closest(".lab-option");
        if (answers[i].tried.includes(index)) option.dataset.kind = kind(input);
        else delete option.dataset.kind;
      });
      const chosen = inputs(i)[answers[i].now];
      const text = chosen && chosen.closest(".lab-option").querySelector("details p");
      say(i, text ? [text.cloneNode(true)] : [], chosen ? kind(chosen) : "");
    }

    function count() {
      const tried = answers.filter((answer) => answer.tried.length);
      const right = answers.filter((answer, i) => answer.tried.length && kind(inputs(i)[answer.tried[0]]) === "right");
      const all = tried.length === sets.length;
      const start = all ? `${right.length} of ${sets.length}` : `${tried.length} of ${sets.length} answered, ${right.length}`;
      score.textContent = tried.length ? `${start} right at first try.` : "";
      again.hidden = !tried.length;
    }

    function choose(i, input) {
      const index = Number(input.value);
      if (!answers[i].tried.includes(index)) answers[i].tried.push(index);
      answers[i].now = index;
      save(key, { version: root.dataset.version, answers });
      show(i);
      count();
    }

    sets.forEach((set, i) => {
      set.querySelectorAll("details").forEach((details) => (details.hidden = true));
      let arrow = false; // arrow keys select every option that they pass: only a deliberate choice is an answer
      set.addEventListener("pointerdown", () => (arrow = false));
      set.addEventListener("keydown", (event) => {
        arrow = event.key.startsWith("Arrow");
        if (event.target.type === "radio" && (event.key === "Enter" || (event.key === " " && event.target.checked))) {
          event.preventDefault();
          choose(i, event.target);
        }
      });
      set.addEventListener("change", (event) => {
        if (arrow) say(i, ["Press Enter or the space bar to check this answer."], "");
        else choose(i, event.target);
      });
      show(i);
    });
    count();
    root.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
    again.addEventListener("click", () => {
      answers = fresh();
      save(key, { version: root.dataset.version, answers });
      sets.forEach((_, i) => show(i));
      count();
      inputs(0)[0].focus();
    });
  }

  // What a prediction and a comparison share: both stand beside a stored measurement and its spread.
  function beside(root) {
    const data = root.dataset;
    const [low, high, from, median, to] = [data.low, data.high, data.from, data.median, data.to].map(Number);
    const words = (value) => `${value.toFixed(Number(data.digits))} ${data.unit}`.trim();
    const inside = (value) => from <= value && value <= to;

    function verdict(value) {
      if (inside(value)) return "Inside the spread.";
      const side = value > median ? "high" : "low";
      if (data.unit === "times" && value > 0 && median > 0) {
        return `Outside the spread: too ${side} by a factor of ${Math.max(value / median, median / value).toFixed(1)}.`;
      }
      return `Outside the spread: ${words(Math.abs(value - median))} too ${side}.`;
    }

    function show(value) {
      const row = root.querySelector(".lab-row-yours");
      row.querySelector("strong").textContent = words(value);
      row.querySelector("span").textContent = verdict(value);
      const mark = root.querySelector(".lab-yours");
      mark.style.left = `${Math.min(100, Math.max(0, (100 * (value - low)) / (high - low)))}%`;
      row.hidden = mark.hidden = false;
      root.querySelector(".lab-record").textContent = record(data.prediction);
    }

    return { key: "prediction:" + data.prediction, low, high, inside, show };
  }

  // Only the first commit to a question counts: after it the measurement is known.
  function record(name) {
    const firsts = { [name]: load("prediction:" + name) };
    const start = PREFIX + "prediction:";
    try {
      for (const key of Object.keys(localStorage)) {
        if (key.startsWith(start)) firsts[key.slice(start.length)] = load(key.slice(PREFIX.length));
      }
    } catch (error) {
      // no storage: only this one counts
    }
    const all = Object.values(firsts).map((kept) => kept.commits[0]);
    const plural = all.length === 1 ? "" : "s";
    const hits = all.filter((first) => first.inside).length;
    return `Your record: ${all.length} first prediction${plural}, ${hits} inside the measured spread.`;
  }

  function prediction(root) {
    const { key, low, high, inside, show } = beside(root);
    const form = root.querySelector("form");
    const input = form.querySelector("input");
    const button = form.querySelector("button");
    const problem = root.querySelector(".lab-problem");
    const panel = root.querySelector(".lab-panel");
    const again = root.querySelector(".lab-again");

    function wrong() {
      const range = root.querySelector(".lab-range").textContent;
      if (input.value === "" && !input.validity.badInput) return "";
      if (Number.isNaN(input.valueAsNumber)) return `That is not a number. ${range}`;
      const outside = input.valueAsNumber < low || input.valueAsNumber > high;
      return outside ? `${input.value} is outside the range. ${range}` : "";
    }

    function reveal(value) {
      show(value);
      [form.hidden, panel.hidden, again.hidden] = [true, false, false];
    }

    function ask() {
      [form.hidden, panel.hidden, again.hidden] = [false, true, true];
      button.disabled = input.value === "" || wrong() !== "";
    }

    root.querySelector("details").replaceWith(panel); // folded only where no script runs
    input.addEventListener("input", () => {
      button.disabled = input.value === "" || wrong() !== "";
      if (wrong() === "") {
        problem.textContent = "";
        input.removeAttribute("aria-invalid");
      }
    });
    input.addEventListener("change", () => {
      problem.textContent = wrong();
      if (wrong()) input.setAttribute("aria-invalid", "true");
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const value = input.valueAsNumber;
      const commits = (load(key) || { commits: [] }).commits;
      save(key, { commits: [...commits, { value, inside: inside(value), at: new Date().toISOString() }] });
      reveal(value);
      panel.focus();
      document.dispatchEvent(new CustomEvent(PREFIX + "commit"));
    });
    again.addEventListener("click", () => {
      ask();
      input.select();
      input.focus();
    });
    const kept = load(key);
    if (kept) reveal(kept.commits[kept.commits.length - 1].value);
    else ask();
  }

  function comparison(root) {
    const { key, show } = beside(root);
    const none = root.querySelector(".lab-none");
    if (!none) return; // the kernel knew the prediction

    function update() {
      const kept = load(key);
      none.hidden = Boolean(kept);
      if (kept) show(kept.commits[kept.commits.length - 1].value);
    }

    document.addEventListener(PREFIX + "commit", update);
    update();
  }

  // Chromium connects a page to its storage only once the browser process has taken note of the new page. A script that
  // asks earlier gets a storage that keeps nothing, without an error: seen in 1 of 50 visits on a busy machine. The
  // answer to any question of the page comes after that note.
  async function noted() {
    try {
      await navigator.permissions.query({ name: "persistent-storage" });
    } catch (error) {
      // this browser does not know the question, and connects at once
    }
  }

  const parsed = Object.entries({ quiz, prediction, comparison }).flatMap(([name, start]) =>
    [...document.querySelectorAll(`.lab-${name}:not([data-ready])`)].map((root) => [root, start]));
  noted().then(() => {
    for (const [root, start] of parsed) {
      if ("ready" in root.dataset) continue; // another fragment's script took it up
      root.dataset.ready = "";
      start(root);
    }
  });
})();
