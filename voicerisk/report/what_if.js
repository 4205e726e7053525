"use strict";
// The scorer of a model file, as the package computes it: powers of the place within a knot interval.
const model = JSON.parse(document.getElementById("model").textContent);
const member = model.member, procedure = model.procedure;
const levels = model.moderator === null ? ["all"] : model.moderator.levels;
const SCORE_CLIP = 1e-6, LARGEST_LINK = 72;
function expit(link) { return 1 / (1 + Math.exp(-Math.max(-LARGEST_LINK, Math.min(LARGEST_LINK, link)))); }
function logit(p) { return Math.log(p) - Math.log1p(-p); }
function curve(effect, x) {
  const { low, high, intervals, polynomials } = effect;
  if (member.outside === "extrapolate" && (x < low || x > high)) {
    const line = polynomials[x < low ? intervals + 1 : intervals + 2], edge = x < low ? low : high;
    return line[0] + line[1] * ((x - edge) / ((high - low) / intervals));
  }
  const place = (Math.min(Math.max(x, low), high) - low) * (intervals / (high - low));
  const cell = Math.min(Math.floor(place), intervals - 1), t = place - cell, c = polynomials[cell];
  return c[0] + t * (c[1] + t * (c[2] + t * c[3]));
}
// A marker that is not measured (null) adds nothing.
function contribution(marker, level, x) {
  if (x === null) return 0;
  if (Number.isNaN(x)) return NaN;
  let sum = 0;
  for (const effect of member.effects) {
    if (effect.marker === marker && (effect.level === "all" || effect.level === level)) sum += curve(effect, x);
  }
  return sum;
}
function effectOf(level) { return Object.hasOwn(member.level_effect, level) ? member.level_effect[level] : 0; }
function base(level) { return member.offset + effectOf("all") + (level === "all" ? 0 : effectOf(level)); }
function riskOf(score, prevalence) {
  const clipped = Math.max(SCORE_CLIP, Math.min(1 - SCORE_CLIP, score)), line = procedure.recalibration;
  return 1 / (1 + Math.exp(-(line.intercept + line.slope * logit(clipped) + logit(prevalence) - logit(procedure.prevalence))));
}
// What is shown: a card a marker, with its curve, its place on it and what it adds there.
const WIDTH = 240, HEIGHT = 96, POINTS = 120, SVG = "http://www.w3.org/2000/svg";
const find = (id) => document.getElementById(id);
const sign = (value, digits) => (value > 0 ? "+" : "") + value.toFixed(digits).replace("-", "\u2212");
function element(name, parts, parent) {
  const made = document.createElement(name);
  Object.assign(made, parts);
  parent.append(made);
  return made;
}
function drawn(name, parts, parent) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(parts)) made.setAttribute(key, value);
  parent.append(made);
  return made;
}
let tallest = 1e-9;
for (const marker of model.moving) {
  const [low, high] = model.ranges[marker];
  for (const level of levels) for (let i = 0; i <= POINTS; i++) {
    tallest = Math.max(tallest, Math.abs(contribution(marker, level, low + (i / POINTS) * (high - low))));
  }
}
const up = (value) => HEIGHT / 2 - (Math.max(-tallest, Math.min(tallest, value)) / tallest) * (HEIGHT / 2 - 6);
const cards = model.moving.map((marker) => {
  const [low, high] = model.ranges[marker], place = document.createElement("fieldset");
  place.className = "card";
  place.dataset.marker = marker;
  element("legend", { textContent: model.labels[marker] }, place);
  const svg = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" }, place);
  drawn("line", { x1: 0, x2: WIDTH, y1: HEIGHT / 2, y2: HEIGHT / 2, stroke: "#8a8a8a" }, svg);
  const path = drawn("path", { fill: "none", stroke: "#005a8d", "stroke-width": 2 }, svg);
  const dot = drawn("circle", { r: 5, fill: "#d55e00" }, svg);
  const slider = element("input", { type: "range", step: "any", min: low, max: high }, place);
  slider.setAttribute("aria-label", model.labels[marker]);
  const line = element("div", { className: "line" }, place);
  const typed = element("input", { type: "number", step: "any" }, line);
  typed.setAttribute("aria-label", model.labels[marker] + ", typed");
  const adds = element("output", {}, line);
  let absent = null;
  if (member.may_be_missing.includes(marker)) {
    const label = element("label", {}, line);
    absent = element("input", { type: "checkbox" }, label);
    label.append(" not measured");
    absent.addEventListener("change", show);
  }
  // Sliders round; the typed number is what counts.
  slider.addEventListener("input", () => { typed.value = Number(slider.value).toPrecision(6); show(); });
  typed.addEventListener("input", () => { slider.value = typed.value; show(); });
  find("cards").append(place);
  return { marker, low, high, path, dot, slider, typed, adds, absent };
});
const level = find("level"), prevalence = find("prevalence");
if (level !== null) for (const name of levels) element("option", { textContent: name, value: name }, level);
if (level !== null) level.addEventListener("change", show);
if (prevalence !== null) prevalence.addEventListener("input", show);
function put(id, value, text) {
  const place = find(id);
  place.textContent = text;
  place.dataset.value = value;
}
function show() {
  const now = level === null ? "all" : level.value;
  let link = base(now), whole = true;
  put("base", link, sign(link, 2));
  const beyond = [];
  for (const card of cards) {
    const missing = card.absent !== null && card.absent.checked;
    const x = missing ? null : card.typed.value === "" ? NaN : Number(card.typed.value);
    whole = whole && !Number.isNaN(x);
    const adds = contribution(card.marker, now, x);
    link += adds;
    card.adds.textContent = missing ? "adds nothing" : Number.isNaN(x) ? "–" : `adds ${sign(adds, 3)}`;
    card.adds.dataset.value = adds;
    card.slider.disabled = card.typed.disabled = missing;
    card.dot.setAttribute("visibility", missing || Number.isNaN(x) ? "hidden" : "visible");
    const slack = 1e-5 * (card.high - card.low); // what rounding the slider's number may add
    if (x !== null && (x < card.low - slack || x > card.high + slack)) beyond.push(model.labels[card.marker]);
    if (x !== null && !Number.isNaN(x)) {
      const share = card.high > card.low ? (x - card.low) / (card.high - card.low) : 0.5;
      card.dot.setAttribute("cx", Math.max(0, Math.min(1, share)) * WIDTH);
      card.dot.setAttribute("cy", up(adds));
    }
    let d = "";
    for (let i = 0; i <= POINTS; i++) {
      const at = card.low + (i / POINTS) * (card.high - card.low);
      d += `${i ? "L" : "M"}${((i / POINTS) * WIDTH).toFixed(1)} ${up(contribution(card.marker, now, at)).toFixed(1)}`;
    }
    card.path.setAttribute("d", d);
  }
  const outside = find("outside");
  outside.hidden = beyond.length === 0;
  outside.textContent = `Beyond what the model learned from: ${beyond.join(", ")}. Do not rely on what it says there.`;
  if (!whole) {
    for (const id of ["risk", "score", "link", "decision"]) if (find(id) !== null) put(id, "", "–");
    return;
  }
  const score = expit(link);
  put("score", score, score.toFixed(3));
  put("link", link, sign(link, 2));
  if (prevalence !== null) {
    const share = Number(prevalence.value), known = share > 0 && share < 1;
    put("risk", known ? riskOf(score, share) : "", known ? `${(100 * riskOf(score, share)).toFixed(1)}%` : "–");
  }
  if (procedure === null) { put("decision", "", "No cut in this file"); return; }
  if (procedure.cut === null) { put("decision", false, "No cut was learned: not flagged"); return; }
  const flagged = Math.round(score * 1e12) / 1e12 >= procedure.cut;
  put("decision", flagged, `${flagged ? "Flagged" : "Not flagged"}: the cut is ${procedure.cut.toFixed(3)}`);
}
function reset() {
  for (const card of cards) {
    card.slider.value = model.start[card.marker];
    card.typed.value = Number(model.start[card.marker]).toPrecision(6);
    if (card.absent !== null) card.absent.checked = false;
  }
  if (level !== null) level.value = levels[0];
  if (prevalence !== null) prevalence.value = procedure.prevalence;
  show();
}
find("reset").addEventListener("click", reset);
reset();
