// Quizzes, predictions and beliefs answer here, without a kernel. A classic script that every fragment brings with it:
// it takes up the fragments that are not ready yet and leaves no name behind. The browser keeps the answers, where it may.
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
    const [low, high, median] = [data.low, data.high, data.median].map(Number);
    const words = (value) => `${value.toFixed(Number(data.digits))} ${data.unit}`.trim();

    function verdict(start, end) {
      const byFactor = data.unit === "times" && start > 0 && median > 0;
      const distance = (a, b) => (byFactor ? `a factor of ${(b / a).toFixed(1)}` : words(b - a));
      const spans = start < end ? `, which spans ${distance(start, end)}` : "";
      if (median > end) return `The measurement lies ${distance(end, median)} above your interval${spans}.`;
      if (median < start) return `The measurement lies ${distance(median, start)} below your interval${spans}.`;
      return `The measurement lies inside your interval${spans}.`;
    }

    function show(commit) {
      const [start, end] = ends(commit);
      const row = root.querySelector(".lab-row-yours");
      const typed = start < end ? `${start} to ${end}` : `${end}`;
      row.querySelector("strong").textContent = `${typed} ${data.unit}`.trim();
      row.querySelector("span").textContent = verdict(start, end);
      const mark = root.querySelector(".lab-yours");
      const scale = data.axis === "logarithmic" ? Math.log : Number;
      const share = (value) => (scale(value) - scale(low)) / (scale(high) - scale(low));
      const place = (value) => 100 * share(Math.min(high, Math.max(low, value)));
      mark.style.left = `${place(start)}%`;
      mark.style.right = `${100 - place(end)}%`;
      row.hidden = mark.hidden = false;
      root.querySelector(".lab-record").textContent = record();
    }

    return { low, high, median, show };
  }

  // What a reader did with a question; until 0.3.0 that was one number, not the two ends of an interval.
  const keptOf = (root) => load("prediction:" + root.dataset.prediction) || { commits: [] };
  const ends = (commit) => ("value" in commit ? [commit.value, commit.value] : [commit.low, commit.high]);
  const answered = (kept) => Boolean(kept.skipped || kept.commits.length);

  // Only the first interval for a question counts, and not after it was skipped: then the measurement is known.
  function record() {
    const kept = { ...memory };
    try {
      for (const key of Object.keys(localStorage)) {
        if (key.startsWith(PREFIX)) kept[key.slice(PREFIX.length)] = load(key.slice(PREFIX.length));
      }
    } catch (error) {
      // no storage: what was done on this page counts
    }
    const firsts = Object.entries(kept)
      .filter(([key, one]) => key.startsWith("prediction:") && !one.skipped && one.commits.length)
      .map(([, one]) => one.commits[0])
      .filter((first) => !("value" in first));
    if (!firsts.length) return "";
    const held = firsts.filter((first) => first.inside).length;
    const one = held ? "Your first interval held the measurement" : "Your first interval missed the measurement";
    const many = `Your first interval held the measurement in ${held} of ${firsts.length} questions`;
    return `${firsts.length === 1 ? one : many}; the aim is 80 %.`;
  }

  // The part of the page that a question stands in; what follows it there waits (html.css) until it is answered.
  const cellOf = (root) => root.closest("section > *");

  function cover(root) {
    const cell = cellOf(root);
    if (!cell) return;
    cell.classList.add("lab-asked");
    cell.classList.toggle("lab-waits", !answered(keptOf(root)));
  }

  function prediction(root) {
    const { low, high, median, show } = beside(root);
    const key = "prediction:" + root.dataset.prediction;
    const form = root.querySelector("form");
    const inputs = [...form.querySelectorAll("input")];
    const button = form.querySelector("button[type=submit]");
    const problem = root.querySelector(".lab-problem");
    const panel = root.querySelector(".lab-panel");
    const again = root.querySelector(".lab-again");
    const cell = cellOf(root);

    function wrong(input) {
      const range = root.querySelector(".lab-range").textContent;
      if (input.value === "" && !input.validity.badInput) return "";
      if (Number.isNaN(input.valueAsNumber)) return `That is not a number. ${range}`;
      const outside = input.valueAsNumber < low || input.valueAsNumber > high;
      if (outside) return `${input.value} is outside the range. ${range}`;
      const [start, end] = inputs.map((one) => one.valueAsNumber);
      const turned = input === inputs[1] && start >= end;
      return turned ? `${inputs[1].value} is not above ${inputs[0].value}. The low end comes first.` : "";
    }

    const whole = () => inputs.every((input) => input.value !== "" && wrong(input) === "");

    function uncover() {
      if (cell) cell.classList.remove("lab-waits");
    }

    function reveal(kept) {
      if (kept.commits.length) show(kept.commits[kept.commits.length - 1]);
      [form.hidden, panel.hidden, again.hidden] = [true, false, false];
      uncover();
    }

    function ask() {
      [form.hidden, panel.hidden, again.hidden] = [false, true, true];
      button.disabled = !whole();
    }

    function answer(kept) {
      save(key, kept);
      reveal(kept);
      panel.focus();
      document.dispatchEvent(new CustomEvent(PREFIX + "commit"));
    }

    // A link into what is covered opens it; the question stays.
    function follow() {
      const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
      if (!target || !cell || !cell.classList.contains("lab-waits") || cell.contains(target)) return;
      const after = cell.compareDocumentPosition(target) & Node.DOCUMENT_POSITION_FOLLOWING;
      if (after && cell.parentElement.contains(target)) {
        uncover();
        target.scrollIntoView();
      }
    }

    root.querySelector("details").replaceWith(panel); // folded only where no script runs
    for (const input of inputs) {
      input.addEventListener("input", () => {
        button.disabled = !whole();
        if (inputs.every((one) => wrong(one) === "")) {
          problem.textContent = "";
          for (const one of inputs) one.removeAttribute("aria-invalid");
        }
      });
      input.addEventListener("change", () => {
        problem.textContent = inputs.map(wrong).find(Boolean) || "";
        for (const one of inputs) {
          if (wrong(one)) one.setAttribute("aria-invalid", "true");
          else one.removeAttribute("aria-invalid");
        }
      });
    }
    form.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !inputs.includes(event.target) || whole()) return;
      event.preventDefault(); // the button is not ready: to the end that is missing or wrong
      const next = inputs.find((input) => input.value === "" || wrong(input));
      if (next.value === "" && next === event.target) {
        problem.textContent = `The ${next === inputs[0] ? "low" : "high"} end is missing.`;
      }
      next.focus();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const [start, end] = inputs.map((input) => input.valueAsNumber);
      const made = { low: start, high: end, inside: start <= median && median <= end, at: new Date().toISOString() };
      const kept = keptOf(root);
      answer({ ...kept, commits: [...kept.commits, made] });
    });
    form.querySelector(".lab-skip").addEventListener("click", () => {
      const kept = keptOf(root);
      answer(answered(kept) ? kept : { commits: [], skipped: true });
    });
    again.addEventListener("click", () => {
      ask();
      inputs[0].select();
      inputs[0].focus();
    });
    cover(root);
    if (answered(keptOf(root))) reveal(keptOf(root));
    else ask();
    follow();
    document.addEventListener("DOMContentLoaded", follow);
    window.addEventListener("hashchange", follow);
  }

  function comparison(root) {
    const { show } = beside(root);
    const none = root.querySelector(".lab-none");
    if (!none) return; // the kernel knew the prediction

    function update() {
      const { commits } = keptOf(root);
      none.hidden = commits.length > 0;
      if (commits.length) show(commits[commits.length - 1]);
    }

    document.addEventListener(PREFIX + "commit", update);
    update();
  }

  // Which sentences the reader ticked before a lab; a run's judgement of them may stand on the same page.
  const ticked = (root) => load("beliefs:" + root.dataset.beliefs) || [];

  function beliefs(root) {
    const inputs = [...root.querySelectorAll("input")];
    for (const input of inputs) input.checked = ticked(root).includes(input.value);
    root.addEventListener("change", () => {
      save("beliefs:" + root.dataset.beliefs, inputs.filter((input) => input.checked).map((input) => input.value));
      document.dispatchEvent(new CustomEvent(PREFIX + "tick"));
    });
  }

  function judgement(root) {
    const rows = [...root.querySelectorAll("li")];

    function update() {
      const mine = rows.filter((row) => ticked(root).includes(row.dataset.belief));
      for (const row of rows) row.querySelector(".lab-ticked").hidden = !mine.includes(row);
      const wrong = mine.filter((row) => row.dataset.kind === "wrong").length;
      root.querySelector(".lab-score").textContent = mine.length
        ? `You ticked ${mine.length} of ${rows.length} sentences; this run refutes ${wrong} of them.`
        : "You ticked no sentence at the start of this lab.";
    }

    document.addEventListener(PREFIX + "tick", update);
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

  const parsed = Object.entries({ quiz, prediction, comparison, beliefs, judgement }).flatMap(([name, start]) =>
    [...document.querySelectorAll(`.lab-${name}:not([data-ready])`)].map((root) => [root, start]));
  for (const [root, start] of parsed) {
    if (start === prediction) cover(root); // before what follows is drawn
  }
  noted().then(() => {
    for (const [root, start] of parsed) {
      if ("ready" in root.dataset) continue; // another fragment's script took it up
      root.dataset.ready = "";
      start(root);
    }
  });
})();
