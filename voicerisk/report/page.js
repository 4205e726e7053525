"use strict";
// Who follows a link into a closed section sees it open.
for (const link of document.querySelectorAll("nav a, a.term")) {
  link.addEventListener("click", () => {
    const part = document.querySelector(link.getAttribute("href")).closest("details.part");
    if (part) part.open = true;
  });
}
// Sorting: a button in each head cell; numbers by their first number, texts by the reader's alphabet.
function key(cell) {
  const text = cell.textContent.trim().replace(/\u2212/g, "-").replace(/\u2009/g, "").replace(/^</, "");
  const found = text.match(/^-?\.?\d[\d.]*/);
  return found ? parseFloat(found[0]) : text === "–" || text === "" ? null : text;
}
function compare(a, b) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b));
}
for (const table of document.querySelectorAll("table.publication")) {
  table.querySelectorAll("thead th").forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    while (head.firstChild) button.append(head.firstChild);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = table.tBodies[0];
      const rows = [...body.rows].map((row, place) => ({ row, place, key: key(row.cells[column]) }));
      rows.sort((a, b) => {
        if (a.key === null || b.key === null) return compare(a.key, b.key) || a.place - b.place;
        return (down ? -1 : 1) * compare(a.key, b.key) || a.place - b.place;
      });
      body.append(...rows.map((entry) => entry.row));
    });
  });
}
// Values: the nearest point under the pointer; arrow keys walk along a line, page keys change the line.
function number(value) { return String(value).replace("-", "\u2212"); }
for (const frame of document.querySelectorAll(".values")) {
  const svg = frame.querySelector("svg");
  const lines = JSON.parse(frame.querySelector("script").textContent);
  const tip = document.createElement("output");
  tip.className = "tip";
  tip.hidden = true;
  frame.append(tip);
  let at = [0, 0];
  function show(line, index) {
    at = [line, index];
    const chosen = lines[line], [x, y, a, b] = chosen.points[index];
    tip.textContent = `${chosen.series}: ${chosen.x_label} ${number(a)}, ${chosen.y_label} ${number(b)}`;
    tip.hidden = false;
    const box = svg.viewBox.baseVal, place = svg.getBoundingClientRect(), outer = frame.getBoundingClientRect();
    const left = place.left - outer.left + ((x - box.x) / box.width) * place.width;
    const top = place.top - outer.top + ((y - box.y) / box.height) * place.height;
    tip.style.left = Math.max(0, Math.min(left + 8, outer.width - tip.offsetWidth)) + "px";
    tip.style.top = Math.max(0, top - tip.offsetHeight - 8) + "px";
  }
  svg.addEventListener("mousemove", (event) => {
    const box = svg.viewBox.baseVal, place = svg.getBoundingClientRect();
    const x = box.x + ((event.clientX - place.left) / place.width) * box.width;
    const y = box.y + ((event.clientY - place.top) / place.height) * box.height;
    let best = [Infinity, 0, 0];
    lines.forEach((line, i) => line.points.forEach((point, j) => {
      const far = (point[0] - x) ** 2 + (point[1] - y) ** 2;
      if (far < best[0]) best = [far, i, j];
    }));
    if (best[0] < 20 ** 2) show(best[1], best[2]); else tip.hidden = true;
  });
  svg.addEventListener("mouseleave", () => { tip.hidden = true; });
  frame.addEventListener("blur", () => { tip.hidden = true; });
  frame.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: 1, ArrowLeft: -1 }, jumps = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key === "Escape") { tip.hidden = true; return; }
    if (!(event.key in steps) && !(event.key in jumps)) return;
    event.preventDefault();
    let [line, index] = at;
    if (event.key in jumps) line = (line + jumps[event.key] + lines.length) % lines.length;
    else if (!tip.hidden) index += steps[event.key];
    show(line, Math.max(0, Math.min(index, lines[line].points.length - 1)));
  });
}
// Sound: a line runs over the figure while a call plays; a click in the figure goes to that time.
for (const audio of document.querySelectorAll("figure audio")) {
  const svg = audio.closest("figure").querySelector("svg"), box = svg.viewBox.baseVal;
  const left = Number(audio.dataset.left), right = Number(audio.dataset.right), seconds = Number(audio.dataset.seconds);
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  for (const [name, value] of Object.entries({ class: "now", y1: box.y, y2: box.y + box.height, stroke: "#b34700" })) {
    line.setAttribute(name, value);
  }
  svg.append(line);
  function follow() {
    const x = left + (audio.currentTime / seconds) * (right - left);
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
    if (!audio.paused) requestAnimationFrame(follow);
  }
  for (const event of ["play", "seeked", "loadedmetadata"]) audio.addEventListener(event, follow);
  follow();
  svg.addEventListener("click", (event) => {
    const place = svg.getBoundingClientRect();
    const x = box.x + ((event.clientX - place.left) / place.width) * box.width;
    const time = ((x - left) / (right - left)) * seconds;
    if (time >= 0 && time <= seconds) audio.currentTime = time;
  });
}
