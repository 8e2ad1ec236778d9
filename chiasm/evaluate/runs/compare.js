"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const PAGE = 12;
const at = (id) => document.getElementById(id);
const state = { task: 0, first: 0, second: 1, slice: "", text: "", group: "worse", from: 0 };

// Everything that a model or a data set said goes through textContent, never through markup.
function made(tag, kind, text) {
  const element = document.createElement(tag);
  element.className = kind;
  if (text !== undefined) element.textContent = text;
  return element;
}

const task = () => data.tasks[state.task];
const full = (run) => run.score === 1;
const GROUPS = {
  worse: { name: (a, b) => `${a} right, ${b} wrong`, holds: (a, b) => a.score > b.score },
  better: { name: (a, b) => `${b} right, ${a} wrong`, holds: (a, b) => a.score < b.score },
  neither: { name: () => "both wrong", holds: (a, b) => a.score === b.score && !full(a) },
  both: { name: () => "both right", holds: (a, b) => a.score === b.score && full(a) },
  all: { name: () => "all", holds: () => true },
};

function options(id, names, chosen) {
  at(id).replaceChildren(...names.map(([value, name]) => {
    const option = made("option", "", name);
    option.value = value;
    option.selected = String(value) === String(chosen);
    return option;
  }));
}

const numbered = (names) => names.map((name, number) => [number, name]);

function slices() {
  const found = new Set();
  for (const question of task().questions)
    for (const [kind, value] of Object.entries(question.slices)) found.add(`${kind}: ${value}`);
  return [["", "all"], ...[...found].sort().map((name) => [name, name])];
}

function words(question) {
  const said = question.runs.flatMap((run) => (run ? run.answers.map((one) => one.answer ?? one.error ?? "") : []));
  return [question.id, question.prompt, question.gold, ...said].join("\n").toLowerCase();
}

function inView() {
  return task().questions.filter((question) => {
    if (!question.runs[state.first] || !question.runs[state.second]) return false;
    if (state.slice && !Object.entries(question.slices).some(([kind, value]) => `${kind}: ${value}` === state.slice)) return false;
    return !state.text || words(question).includes(state.text.toLowerCase());
  });
}

const sort = (group, question) => GROUPS[group].holds(question.runs[state.first], question.runs[state.second]);

function answer(label, run) {
  const box = made("div", "answers");
  for (const one of run.answers) {
    const kind = one.score === 1 ? "right" : one.score > 0 ? "part" : "wrong";
    const mark = { right: "✓", part: "~", wrong: "✗" }[kind];
    const line = made("div", `answer ${kind}`);
    const way = run.answers.length > 1 ? ` (${one.way})` : "";
    const points = kind === "part" ? ` ${one.score.toFixed(2)}` : "";
    line.append(made("div", "small", `${mark} ${label}${way}${points}`), one.error ?? one.answer ?? "");
    if (one.error) line.append(made("div", "small", "no answer was given"));
    else if (one.parsed === null) line.append(made("div", "small", "the answer could not be read"));
    else if (String(one.parsed) !== (one.answer ?? "").trim())
      line.append(made("div", "small", `read as ${typeof one.parsed === "string" ? one.parsed : JSON.stringify(one.parsed)}`));
    box.append(line);
  }
  if (run.judged) box.append(made("div", "small", `against ${task().runs[0]}, the judge: ${run.judged}`));
  return box;
}

function card(question) {
  const box = made("article", "card");
  for (const place of question.pictures) {
    if (typeof place === "string") {
      box.append(made("p", "gone", place));
      continue;
    }
    const picture = made("img", "");
    picture.src = data.pictures[place];
    picture.alt = `picture of question ${question.id}`;
    box.append(picture);
  }
  const kinds = Object.entries(question.slices).map(([kind, value]) => `${kind}: ${value}`);
  box.append(made("div", "small", [question.id, ...kinds].join(" · ")), made("div", "prompt", question.prompt));
  box.append(made("div", "small", `right: ${question.gold}`));
  question.runs.forEach((run, number) => {
    if (run) box.append(answer(task().runs[number], run));
  });
  return box;
}

function draw() {
  const runs = task().runs;
  options("task", numbered(data.tasks.map((one) => one.name)), state.task);
  options("first", numbered(runs), state.first);
  options("second", numbered(runs), state.second);
  options("slice", slices(), state.slice);
  const view = inView();
  at("groups").replaceChildren(...Object.entries(GROUPS).map(([group, { name }]) => {
    const count = view.filter((question) => sort(group, question)).length;
    const button = made("button", "", `${name(runs[state.first], runs[state.second])} (${count})`);
    button.dataset.group = group;
    button.setAttribute("aria-pressed", group === state.group);
    button.onclick = () => change({ group });
    return button;
  }));
  const shown = view.filter((question) => sort(state.group, question));
  const to = Math.min(state.from + PAGE, shown.length);
  at("where").textContent = shown.length ? `${state.from + 1} to ${to} of ${shown.length}` : "none";
  at("back").disabled = state.from === 0;
  at("on").disabled = to === shown.length;
  at("cards").replaceChildren(...shown.slice(state.from, to).map(card));
}

function change(what) {
  Object.assign(state, { from: 0 }, what);
  draw();
}

at("task").onchange = (event) => change({ task: Number(event.target.value), first: 0, second: 1, slice: "" });
at("first").onchange = (event) => change({ first: Number(event.target.value) });
at("second").onchange = (event) => change({ second: Number(event.target.value) });
at("slice").onchange = (event) => change({ slice: event.target.value });
at("text").oninput = (event) => change({ text: event.target.value });
at("back").onclick = () => change({ from: Math.max(0, state.from - PAGE) });
at("on").onclick = () => change({ from: state.from + PAGE });
draw();
