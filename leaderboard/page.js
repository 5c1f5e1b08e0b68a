"use strict";
// In: the JSON of #data, as page_data.py makes it. Out: table, scatter and log of the page.
// What comes from an entry becomes text or an attribute of text; nothing is parsed as markup.

const data = JSON.parse(document.getElementById("data").textContent);
const entries = data.entries;
const HEADLINE = data.metrics.flatMap((metric, place) => metric.headline ? [place] : []);
const MACRO = 0, LOW = 1, HIGH = 2, RANK = 3, RANK_LOW = 4, RANK_HIGH = 5, SCORED = 6, LIVING = 7, RIGID = 8, GAP = 9;
const STEP = 100, BUBBLES = 300;
const SVG = "http://www.w3.org/2000/svg";

// --- Elements and numbers

function node(namespace, tag, attributes, children) {
  const made = namespace ? document.createElementNS(namespace, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...(children || []).filter(child => child !== null && child !== undefined));
  return made;
}
const el = (tag, attributes, ...children) => node(null, tag, attributes, children);
const svg = (tag, attributes, ...children) => node(SVG, tag, attributes, children);
const at = id => document.getElementById(id);

function number(value, signed = false, places = 3) {
  if (value === null || value === undefined) return "–";
  const text = Math.abs(value).toFixed(places);
  if (Number(text) === 0) return text;
  return (value < 0 ? "−" : signed ? "+" : "") + text;
}
function interval(low, high, signed = false) {
  if (low === null || high === null || low === undefined) return "";
  return number(low, signed) + (signed || low < 0 ? " to " : "–") + number(high, signed);
}
function percent(part, whole) {
  if (!whole) return "–";
  const share = 100 * part / whole;
  if (share > 0 && share < 1) return "<1 %";
  if (share > 99 && share < 100) return ">99 %";
  return share.toFixed(0) + " %";
}
const count = value => value.toLocaleString("en-US");
const plural = (value, word) => count(value) + " " + word + (value === 1 ? "" : word.endsWith("y") ? "ies" : "s");

function rankText(values) {
  if (!values || values[RANK] === null) return "–";
  return String(values[RANK]);
}
function rangeText(values) {
  if (!values || values[RANK_LOW] === null) return "";
  return values[RANK_LOW] === values[RANK_HIGH] ? `(${values[RANK_LOW]})` : `(${values[RANK_LOW]}–${values[RANK_HIGH]})`;
}

function axisOver(numbers, zero) {
  const shown = numbers.filter(value => value !== null && value !== undefined);
  if (zero) shown.push(0);
  if (!shown.length) return {low: 0, high: 1, step: 0.2};
  let least = Infinity, most = -Infinity;
  for (const value of shown) { least = Math.min(least, value); most = Math.max(most, value); }
  const step = [0.02, 0.05, 0.1, 0.2, 0.5, 1].find(one => (zero || one >= 0.05) && most - least <= 4 * one) || 1;
  const low = Math.floor(least / step + 1e-9) * step;
  return {low, high: Math.max(Math.ceil(most / step - 1e-9) * step, low + 2 * step), step};
}
const place = (axis, value) => Math.min(100, Math.max(0, 100 * (value - axis.low) / (axis.high - axis.low)));
function ticks(axis) {
  const made = [];
  for (let value = axis.low; value <= axis.high + axis.step / 1000; value += axis.step) made.push(value);
  return made;
}

function meter(axis, value, low, high, colour = "c0") {
  if (value === null || value === undefined) return null;
  const parts = [svg("line", {class: "track", x1: 0, x2: 100, y1: 7, y2: 7})];
  if (axis.low < 0 && axis.high > 0) {
    const zero = place(axis, 0);
    parts.push(svg("line", {class: "zero", x1: zero, x2: zero, y1: 1, y2: 13}));
  }
  if (low !== null && low !== undefined) {
    parts.push(svg("rect", {class: "span", x: place(axis, low), width: place(axis, high) - place(axis, low), y: 3, height: 8}));
  }
  parts.push(svg("line", {class: "mean", x1: place(axis, value), x2: place(axis, value), y1: 1, y2: 13}));
  return svg("svg", {class: `meter ${colour}`, viewBox: "0 0 100 14", preserveAspectRatio: "none", "aria-hidden": "true"}, ...parts);
}

// A name stands alone, so that letters written to the left move nothing beside it.
const named = entry => el("bdi", {}, entry.name);
function mixed(entry) {
  const said = [["name", entry.scripts], ["author", entry.scripts_by]].filter(([, scripts]) => scripts.length).map(([what, scripts]) => `${what} in ${scripts.join(" and ")} letters`);
  return said.length ? el("small", {class: "bad why"}, said.join(", ")) : null;
}
const badge = tier => el("span", {class: `badge t${tier}`}, data.tiers[tier]);

// --- What is shown: one key, filtered and ordered

const DINO = data.metrics.findIndex(metric => metric.id === "dino");
const state = {key: 0, find: "", by: DINO >= 0 ? DINO : 0, column: null, down: true, tiers: new Set(data.tiers.keys()), ranked: false, shown: STEP, chosen: []};
for (const entry of entries) {
  entry.words = [entry.name, entry.revision, entry.by, entry.hardware, entry.digest, ...entry.training].join("\n").toLowerCase();
}

const COLUMNS = [
  {id: "rank", title: "Rank", down: false, of: entry => entry.values[state.by] && entry.values[state.by][RANK]},
  {id: "name", title: "Method", down: false, of: entry => entry.name.toLowerCase()},
  ...HEADLINE.map(metric => ({id: data.metrics[metric].id, title: data.metrics[metric].title, metric, down: true, of: entry => entry.values[metric] && entry.values[metric][MACRO]})),
  {id: "gap", title: "Train gap", down: false, of: entry => DINO >= 0 && entry.values[DINO] ? entry.values[DINO][GAP] : null},
  {id: "copied", title: "Copied", down: false, of: entry => entry.copy_checked ? entry.copied / entry.copy_checked : null},
  {id: "at", title: "Accepted", down: true, of: entry => entry.at},
];
const columnOf = id => COLUMNS.find(column => column.id === id);

function compareBy(of, down) {
  return (one, other) => {
    const a = of(one), b = of(other);
    const none = value => value === null || value === undefined;
    if (none(a) || none(b)) return none(a) - none(b);  // what has no value stands last, either way
    if (a === b) return 0;
    return (a < b ? -1 : 1) * (down ? -1 : 1);
  };
}

function visible() {
  const words = state.find.toLowerCase().split(/\s+/).filter(Boolean);
  const found = entries.filter(entry =>
    entry.key === state.key && state.tiers.has(entry.tier) && (!state.ranked || entry.unranked === null)
    && words.every(word => entry.words.includes(word)));
  const byRank = compareBy(columnOf("rank").of, false);
  const byMean = compareBy(entry => entry.values[state.by] && entry.values[state.by][MACRO], true);
  const column = columnOf(state.column || "rank");
  const first = compareBy(column.of, state.column ? state.down : false);
  return found.sort((a, b) => first(a, b) || byRank(a, b) || byMean(a, b) || (a.digest < b.digest ? -1 : 1));
}

// --- The table

let axes = [], gapAxis = null;

function setAxes() {
  const own = entries.filter(entry => entry.key === state.key);
  axes = data.metrics.map((_, metric) => axisOver(own.flatMap(entry => entry.values[metric] ? entry.values[metric].slice(MACRO, HIGH + 1) : []), false));
  gapAxis = DINO < 0 ? axisOver([], true) : axisOver(own.map(entry => entry.values[DINO] ? entry.values[DINO][GAP] : null), true);
}

function head() {
  const key = data.keys[state.key];
  const cells = COLUMNS.map(column => {
    const sorted = (state.column || "rank") === column.id;
    const down = state.column ? state.down : false;
    const small = column.metric !== undefined ? key[data.metrics[column.metric].encoder].replace(/^(CLIP|DINO) /, "")
      : column.id === "rank" ? `by ${data.metrics[state.by].title}` : column.id === "gap" ? "DINO" : null;
    const ends = column.metric === undefined ? null : el("div", {class: "ends"}, el("span", {}, number(axes[column.metric].low, false, 2)), el("span", {}, number(axes[column.metric].high, false, 2)));
    return el("th", {scope: "col", class: `of-${column.id}${column.metric !== undefined ? " metric" : ""}`, "aria-sort": sorted ? (down ? "descending" : "ascending") : "none"},
      el("button", {type: "button", class: "sort", "data-column": column.id, onclick: () => sortBy(column)},
        column.title, el("span", {class: "arrow", "aria-hidden": "true"}, sorted ? (down ? " ↓" : " ↑") : "")),
      small ? el("small", {}, small) : null, ends);
  });
  return el("tr", {}, el("th", {scope: "col", class: "of-choose"}, el("span", {class: "hidden"}, "Compare")), ...cells);
}

function sortBy(column) {
  const same = (state.column || "rank") === column.id;
  state.down = same ? !(state.column ? state.down : false) : column.down;
  state.column = column.id;
  if (column.metric !== undefined && !same) { state.by = column.metric; at("by").value = String(column.metric); }
  state.shown = STEP;
  draw();
  at("table").querySelector(`button[data-column="${column.id}"]`).focus();
}

function metricCell(entry, metric) {
  const values = entry.values[metric], title = data.metrics[metric].title;
  if (!values) return el("td", {class: "metric", "data-title": title}, el("span", {class: "number"}, "–"));
  return el("td", {class: "metric", "data-title": title},
    el("span", {class: "number"}, number(values[MACRO])),
    meter(axes[metric], values[MACRO], values[LOW], values[HIGH]),
    el("small", {}, interval(values[LOW], values[HIGH])));
}

function row(entry) {
  const ranks = entry.values[state.by];
  const gap = DINO >= 0 && entry.values[DINO] ? entry.values[DINO][GAP] : null;
  const choose = el("input", {type: "checkbox", "aria-label": `Compare ${entry.name} ${entry.revision}`, onchange: event => toggle(entry, event.target.checked)});
  choose.checked = state.chosen.includes(entry);
  const open = event => { if (!event.target.closest("button, input, a, label")) openEntry(entry); };
  return el("tr", {"data-digest": entry.digest, onclick: open},
    el("td", {class: "of-choose"}, el("label", {class: "choose"}, choose)),
    el("td", {class: "of-rank", "data-title": `Rank by ${data.metrics[state.by].title}`}, el("span", {class: "number"}, rankText(ranks)), " ", el("small", {}, rangeText(ranks))),
    el("th", {scope: "row", class: "of-name"},
      el("button", {type: "button", class: "open", onclick: () => openEntry(entry)}, named(entry)),
      el("span", {class: "under"}, badge(entry.tier), el("small", {}, ...[entry.revision, entry.by].filter(Boolean).flatMap((text, index) => [index ? ", " : "", el("bdi", {}, text)]))),
      mixed(entry),
      entry.unranked ? el("small", {class: "bad why"}, `not ranked: ${entry.unranked}`) : null),
    ...HEADLINE.map(metric => metricCell(entry, metric)),
    el("td", {class: "of-gap", "data-title": "Train gap"}, number(gap, true)),
    el("td", {class: "of-copied", "data-title": "Copied"}, el("span", {class: entry.copied ? "bad" : null}, percent(entry.copied, entry.copy_checked))),
    el("td", {class: "of-at", "data-title": "Accepted"}, entry.at));
}

function draw() {
  const found = visible();
  at("table").tHead.replaceChildren(head());
  at("table").tBodies[0].replaceChildren(...found.slice(0, state.shown).map(row));
  const all = entries.filter(entry => entry.key === state.key).length;
  const some = Math.min(state.shown, found.length);
  at("count").textContent = `${plural(found.length, "method")}${found.length === all ? "" : ` of ${count(all)}`}${some < found.length ? `, the first ${count(some)} shown` : ""}`;
  at("more").hidden = some >= found.length;
  drawPlane(found);
  drawTray();
}

// --- The scatter: DINO to the right, CLIP-I up, CLIP-T as area, as in the paper's Fig. 5

function drawPlane(found) {
  const [x, y, size] = ["dino", "clip_i", "clip_t"].map(id => data.metrics.findIndex(metric => metric.id === id));
  const known = x < 0 || y < 0 || size < 0 ? [] : found.filter(entry => [x, y, size].every(metric => entry.values[metric] && entry.values[metric][MACRO] !== null));
  at("scatter").hidden = !known.length;
  if (!known.length) return;
  const shown = known.slice(0, BUBBLES);
  at("scatter-lead").textContent = "To the right: looks like the held-out photo to DINO. Upwards: to CLIP. Area: follows the prompt (CLIP-T), linear from the lowest shown to the highest."
    + (shown.length < known.length ? ` The first ${BUBBLES} of ${count(known.length)} in the table's order.` : "");
  const mean = (entry, metric) => entry.values[metric][MACRO];
  const across = axisOver(shown.map(entry => mean(entry, x)), false), up = axisOver(shown.map(entry => mean(entry, y)), false);
  const sizes = shown.map(entry => mean(entry, size)), least = Math.min(...sizes), most = Math.max(...sizes);
  const radius = value => Math.sqrt((most > least ? 60 + 640 * (value - least) / (most - least) : 380) / Math.PI);
  const px = value => 76 + 6.18 * place(across, value), py = value => 376 - 3.6 * place(up, value);
  const parts = [];
  for (const tick of ticks(across)) parts.push(
    svg("line", {class: "grid", x1: px(tick), x2: px(tick), y1: 16, y2: 376}),
    svg("text", {x: px(tick), y: 398, "text-anchor": "middle"}, number(tick, false, 2)));
  for (const tick of ticks(up)) parts.push(
    svg("line", {class: "grid", x1: 76, x2: 694, y1: py(tick), y2: py(tick)}),
    svg("text", {x: 68, y: py(tick) + 5, "text-anchor": "end"}, number(tick, false, 2)));
  parts.push(svg("text", {x: 385, y: 430, "text-anchor": "middle"}, "DINO"), svg("text", {transform: "translate(16 196) rotate(-90)", "text-anchor": "middle"}, "CLIP-I"));
  const bySize = [...shown].sort((a, b) => mean(b, size) - mean(a, size));
  for (const entry of bySize) {
    const chosen = state.chosen.indexOf(entry);
    parts.push(svg("circle", {class: `bubble${chosen >= 0 ? ` chosen c${chosen}` : ""}`, cx: px(mean(entry, x)), cy: py(mean(entry, y)), r: radius(mean(entry, size)), onclick: () => openEntry(entry)},
      svg("title", {}, `${entry.name}: DINO ${number(mean(entry, x))}, CLIP-I ${number(mean(entry, y))}, CLIP-T ${number(mean(entry, size))}`)));
  }
  const named = [...new Set([...state.chosen.filter(entry => shown.includes(entry)), ...shown.slice(0, 5)])];
  const taken = [];
  for (const entry of named) {
    const left = px(mean(entry, x)) > 480, top = py(mean(entry, y)) + 5;
    if (taken.some(other => Math.abs(other - top) < 16)) continue;
    taken.push(top);
    const off = radius(mean(entry, size)) + 5;
    parts.push(svg("text", {class: "name", x: px(mean(entry, x)) + (left ? -off : off), y: top, "text-anchor": left ? "end" : "start"}, entry.name.length > 28 ? entry.name.slice(0, 27) + "…" : entry.name));
  }
  at("plane").replaceChildren(svg("svg", {viewBox: "0 0 720 440", role: "img", "aria-label": "CLIP-I against DINO, a disc a method"}, ...parts));
}

// --- Controls

function setUp() {
  const key = at("key");
  data.keys.forEach((one, index) => key.append(el("option", {value: index}, `${one.benchmark}, ${one.protocol}, ${one.clip} and ${one.dino}${one.twin ? ` (key ${one.id})` : ""}`)));
  key.closest("label").hidden = data.keys.length < 2;
  HEADLINE.forEach(metric => at("by").append(el("option", {value: metric}, data.metrics[metric].title)));
  at("by").value = String(state.by);
  data.tiers.forEach((_, tier) => {
    const box = el("input", {type: "checkbox", onchange: event => { event.target.checked ? state.tiers.add(tier) : state.tiers.delete(tier); again(); }});
    box.checked = true;
    at("tiers").append(el("label", {class: "check"}, box, badge(tier)));
  });
  at("controls").addEventListener("submit", event => event.preventDefault());
  key.addEventListener("change", () => { state.key = Number(key.value); state.chosen = []; setKey(); again(); });
  at("find").addEventListener("input", event => { state.find = event.target.value; again(); });
  at("by").addEventListener("change", event => { state.by = Number(event.target.value); state.column = null; again(); });
  at("ranked").addEventListener("change", event => { state.ranked = event.target.checked; again(); });
  at("more").addEventListener("click", () => {
    const before = state.shown;
    state.shown += STEP;
    draw();
    const next = at("table").tBodies[0].rows[before];
    if (next) next.querySelector("button.open").focus();
  });
}
function again() { state.shown = STEP; draw(); }

function setKey() {
  setAxes();
  const key = data.keys[state.key];
  const facts = {Benchmark: key.benchmark, Fingerprint: key.fingerprint.slice(0, 12), Protocol: key.protocol, Subjects: key.subjects.length, Encoders: `${key.clip}, ${key.dino}`, "As of": data.at};
  if (key.twin) facts.Key = `${key.id}: another key has the same words`;
  at("facts").replaceChildren(...Object.entries(facts).map(([what, value]) => el("div", {}, el("dt", {}, what), el("dd", {}, String(value)))));
}

function setLog() {
  const refused = data.log.filter(one => one.event !== "accepted" && one.event !== "verified").length;
  at("log-summary").textContent = `The last ${plural(data.log.length, "decision")} of ${count(data.decisions)}, ${count(refused)} of them against an entry`;
  const fill = () => {
    if (at("log-rows").rows.length) return;
    at("log-rows").replaceChildren(...data.log.map(one => el("tr", {}, el("td", {}, one.at),
      el("td", {class: one.event === "refused" || one.event === "refuted" ? "bad" : null}, one.tier && one.event === "verified" ? `${one.event}: ${one.tier}` : one.event),
      el("td", {}, one.name || "–", el("small", {}, one.digest.slice(0, 12))), el("td", {class: "reason"}, one.reason, el("small", {}, `by ${one.by}`)))));
  };
  at("log-details").addEventListener("toggle", fill);
}
