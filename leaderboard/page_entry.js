// In: one chosen entry, or two of one key. Out: the dialog that shows or compares them.

const SUBJECT_UNIT = 1e6;

// --- Choosing two

function toggle(entry, chosen) {
  state.chosen = state.chosen.filter(other => other !== entry);
  if (chosen) state.chosen = [...state.chosen, entry].slice(-2);
  for (const box of at("table").querySelectorAll("tbody tr")) {
    box.querySelector(".of-choose input").checked = state.chosen.some(one => one.digest === box.dataset.digest);
  }
  drawTray();
  drawPlane(visible());
}

function drawTray() {
  const tray = at("tray");
  tray.hidden = !state.chosen.length;
  if (tray.hidden) return tray.replaceChildren();
  const names = state.chosen.map((entry, index) => el("span", {class: `one c${index}`}, el("span", {class: "swatch"}, "AB"[index]), " ", named(entry),
    el("button", {type: "button", class: "drop", "aria-label": `Do not compare ${entry.name}`, onclick: () => toggle(entry, false)}, "×")));
  const ready = state.chosen.length === 2;
  return tray.replaceChildren(...names, ready
    ? el("button", {type: "button", class: "go", id: "compare", onclick: () => openComparison(...state.chosen)}, "Compare")
    : el("span", {class: "hint"}, "Choose a second one to compare."));
}

// --- The dialog

function show(title, parts, hash) {
  const dialog = at("dialog");
  const close = el("button", {type: "button", class: "close", onclick: () => dialog.close()}, "Close");
  dialog.replaceChildren(el("div", {class: "bar"}, el("h2", {id: "dialog-title"}, ...title), close), ...parts);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  setHash(hash);
}

function setHash(hash) {
  try { history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search); }
  catch { /* some hosts forbid it; the link is a convenience */ }
}

function openFromHash() {
  const digests = location.hash.slice(1).split("+").filter(text => /^[0-9a-f]{8,64}$/.test(text));
  const found = digests.map(text => entries.find(entry => entry.digest.startsWith(text))).filter(Boolean);
  if (!found.length || found.some(entry => entry.key !== found[0].key)) return;
  state.key = found[0].key;
  at("key").value = String(state.key);
  setKey();
  again();
  if (found.length === 2) openComparison(...found);
  else openEntry(found[0]);
}

const short = entry => entry.digest.slice(0, 16);

function openEntry(entry) {
  show([named(entry), " ", badge(entry.tier)], [
    entry.scripts.length + entry.scripts_by.length ? el("p", {class: "warn"}, mixed(entry)) : null,
    entry.unranked ? el("p", {class: "warn"}, `Not ranked: ${entry.unranked}.`) : null,
    provenance(entry),
    el("h3", {}, "Every metric"), everyMetric(entry),
    el("h3", {}, "Per subject"), subjectBars([entry]),
    el("h3", {}, "Sample images"), pictures(entry),
    el("h3", {}, "Decisions"), decisions(entry),
  ].filter(Boolean), short(entry));
}

function openComparison(a, b) {
  const title = [el("span", {class: "swatch c0"}, "A"), " ", named(a), el("span", {class: "against"}, " against "), el("span", {class: "swatch c1"}, "B"), " ", named(b)];
  const side = part => el("div", {class: "two"}, ...[a, b].map((entry, index) => el("section", {class: `run c${index}`}, el("h3", {}, el("span", {class: "swatch"}, "AB"[index]), " ", named(entry), " ", badge(entry.tier)), part(entry))));
  show(title, [
    el("h3", {}, "Differences, A minus B"),
    el("p", {class: "note"}, "Mean over subjects of the subject's difference; the interval comes from resampling subjects here in the browser. For pairs image by image: pdst compare."),
    differences(a, b),
    el("h3", {}, "Per subject"), subjectBars([a, b]),
    el("h3", {}, "Provenance"), side(provenance),
    el("h3", {}, "Sample images"), side(pictures),
  ], `${short(a)}+${short(b)}`);
}

function provenance(entry) {
  const link = url => /^https?:\/\//.test(url || "") ? el("a", {href: url, rel: "noreferrer noopener", target: "_blank"}, url.replace(/^https?:\/\//, "")) : null;
  const failures = Object.entries(entry.failures).map(([code, times]) => `${code}: ${count(times)}`).join(", ");
  const hours = entry.seconds >= 5400 ? `${(entry.seconds / 3600).toFixed(1)} hours` : entry.seconds >= 90 ? `${Math.round(entry.seconds / 60)} minutes` : `${Math.round(entry.seconds || 0)} s`;
  const facts = [
    ["Revision", entry.revision], ["By", entry.by], ["Paper", link(entry.paper)], ["Code", link(entry.code)],
    ["Trained on", entry.training.join(", ")], ["Hardware", entry.hardware], ["Took", entry.seconds ? hours : ""],
    ["Images", `${count(entry.drawn)} of ${count(entry.expected)} drawn, ${count(entry.distinct_images)} distinct`],
    ["Failures", failures], ["Copied", `${count(entry.copied)} of ${count(entry.copy_checked)}, ${count(entry.copied_test)} of held-out photos`],
    ["Attached", entry.attached ? plural(entry.attached, "image") : "no images"],
    ["Checked", entry.checked ? `${plural(entry.checked, "image")} scored by the board` : ""],
    ["Accepted", entry.at], ["PDST", entry.pdst], ["Digest", el("code", {}, entry.digest)],
  ];
  return el("dl", {class: "provenance"}, ...facts.filter(([, value]) => value).map(([what, value]) => el("div", {}, el("dt", {}, what), el("dd", {}, value))));
}

function everyMetric(entry) {
  const names = ["Metric", "Rank", "Mean", "95 % interval", "Living", "Rigid", "Train gap", "Scored"];
  const rows = data.metrics.flatMap((metric, index) => {
    const v = entry.values[index];
    if (!v) return [];
    return [el("tr", {}, el("th", {scope: "row"}, metric.title),
      el("td", {}, `${rankText(v)} ${rangeText(v)}`), el("td", {}, number(v[MACRO])), el("td", {}, interval(v[LOW], v[HIGH])),
      el("td", {}, number(v[LIVING])), el("td", {}, number(v[RIGID])), el("td", {}, number(v[GAP], true)),
      el("td", {class: metric.headline && v[SCORED] < entry.expected ? "bad" : null}, `${count(v[SCORED] || 0)} of ${count(entry.expected)}`))];
  });
  return el("div", {class: "wide", tabindex: 0, role: "region", "aria-label": "Every metric"}, el("table", {class: "detail"},
    el("thead", {}, el("tr", {}, ...names.map(name => el("th", {scope: "col"}, name)))), el("tbody", {}, ...rows)));
}

const subjectMean = (entry, column, subject) => {
  const value = entry.subjects[column] ? entry.subjects[column][subject] : null;
  return value === null || value === undefined ? null : value / SUBJECT_UNIT;
};

function subjectBars(shown) {
  const names = data.keys[shown[0].key].subjects;
  const last = HEADLINE.length - 1;
  const order = [...names.keys()].sort((a, b) => (subjectMean(shown[0], last, b) ?? -2) - (subjectMean(shown[0], last, a) ?? -2));
  const scales = HEADLINE.map((_, column) => axisOver(shown.flatMap(entry => entry.subjects[column] || []).map(value => value === null ? null : value / SUBJECT_UNIT), true));
  const bar = (entry, index, column, subject) => {
    const value = subjectMean(entry, column, subject), axis = scales[column], zero = place(axis, 0), end = value === null ? zero : place(axis, value);
    return el("div", {class: `barline c${index}`},
      svg("svg", {viewBox: "0 0 100 9", preserveAspectRatio: "none", "aria-hidden": "true"},
        svg("rect", {x: Math.min(zero, end), width: Math.abs(end - zero), y: 0, height: 9}), svg("line", {class: "zero", x1: zero, x2: zero, y1: 0, y2: 9})),
      el("span", {}, number(value)));
  };
  return el("div", {class: "subjects"},
    el("div", {class: "who head"}, "Subject"), ...HEADLINE.map(metric => el("div", {class: "head"}, data.metrics[metric].title)),
    ...order.flatMap(subject => [el("div", {class: "who"}, names[subject]),
      ...HEADLINE.map((_, column) => el("div", {}, ...shown.map((entry, index) => bar(entry, index, column, subject))))]));
}

function differences(a, b) {
  const names = ["Metric", "A minus B", "95 % interval", "A", "B", "A higher for"];
  const rows = data.metrics.flatMap((metric, index) => {
    const one = a.values[index], other = b.values[index];
    if (!one || !other || one[MACRO] === null || other[MACRO] === null) return [];
    const column = HEADLINE.indexOf(index);
    const apart = column < 0 ? [] : data.keys[a.key].subjects.map((_, subject) => [subjectMean(a, column, subject), subjectMean(b, column, subject)]).filter(([x, y]) => x !== null && y !== null).map(([x, y]) => x - y);
    const found = apart.length > 1 ? resampled(apart) : null;
    const clear = found && (found.low > 0 || found.high < 0);
    return [el("tr", {}, el("th", {scope: "row"}, metric.title),
      el("td", {class: clear ? "clear" : null}, number(one[MACRO] - other[MACRO], true)),
      el("td", {}, found ? interval(found.low, found.high, true) : ""),
      el("td", {}, number(one[MACRO])), el("td", {}, number(other[MACRO])),
      el("td", {}, apart.length ? `${apart.filter(value => value > 0).length} of ${plural(apart.length, "subject")}` : ""))];
  });
  return el("div", {class: "wide", tabindex: 0, role: "region", "aria-label": "Differences"}, el("table", {class: "detail"},
    el("thead", {}, el("tr", {}, ...names.map(name => el("th", {scope: "col"}, name)))), el("tbody", {}, ...rows)));
}

// The 95 % interval of a mean by resampling; the same numbers give the same interval.
function resampled(values, times = 4000) {
  let seed = 1;
  const random = () => {  // mulberry32
    seed = (seed + 0x6D2B79F5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const means = Array.from({length: times}, () => {
    let sum = 0;
    for (let draw = 0; draw < values.length; draw++) sum += values[Math.floor(random() * values.length)];
    return sum / values.length;
  }).sort((x, y) => x - y);
  return {low: means[Math.floor(0.025 * times)], high: means[Math.ceil(0.975 * times) - 1]};
}

function pictures(entry) {
  if (!entry.samples.length) return el("p", {class: "note"}, entry.attached ? "Its images could not be shown." : "No images were attached.");
  return el("div", {class: "samples"}, ...entry.samples.map(sample => el("figure", {class: sample.copy_of ? "copied" : null},
    /^images\/[0-9a-f]{64}\/\d+\.webp$/.test(sample.file) ? el("img", {src: sample.file, alt: `generated image of ${sample.subject}: ${sample.prompt}`, loading: "lazy", decoding: "async"}) : null,
    el("figcaption", {}, el("span", {class: "what"}, sample.subject), el("span", {}, sample.prompt), el("span", {}, `DINO ${number(sample.dino)}`), el("span", {}, `CLIP-T ${number(sample.clip_t)}`),
      sample.copy_of ? el("span", {class: "bad"}, `copy of ${sample.copy_of}`) : null))));
}

function decisions(entry) {
  const found = data.log.filter(one => one.digest === entry.digest);
  if (!found.length) return el("p", {class: "note"}, `Accepted ${entry.at}; the rest is in log.parquet.`);
  return el("ul", {class: "plain"}, ...found.map(one => el("li", {}, `${one.at} ${one.event}${one.tier ? ` (${one.tier})` : ""}: ${one.reason} (by ${one.by})`)));
}

// --- Start

at("dialog").addEventListener("close", () => setHash(""));
at("dialog").addEventListener("click", event => { if (event.target === at("dialog")) at("dialog").close(); });
window.addEventListener("hashchange", openFromHash);
if (data.keys.length) {
  setUp();
  setKey();
  setLog();
  draw();
  openFromHash();
} else {
  at("controls").hidden = true;
  at("scatter").hidden = true;
  at("count").textContent = "No accepted entry yet.";
  setLog();
}
