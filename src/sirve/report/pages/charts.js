"use strict";
// Helpers and charts. Text is set as text; Plotly reads mark-up in names, so ``literal`` escapes it.
const root = document.documentElement;
const wrong = (words) => { root.dataset.errors = `${root.dataset.errors || ""}${words}; `; };
addEventListener("error", (event) => wrong(event.message));
addEventListener("unhandledrejection", (event) => wrong(event.reason));
const byId = (id) => document.getElementById(id);
const parsed = (id) => JSON.parse(byId(id).textContent);
const literal = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const short = (x) => String(Number(x.toPrecision(3)));
const page = parsed("page");
const chosen = { section: null, on: new Set(), start: 0, column: 1, descending: true };

function element(tag, text = "", properties = {}) {
  const node = Object.assign(document.createElement(tag), properties);
  if (text) node.textContent = text;
  return node;
}

const FONT = { family: "system-ui, 'Segoe UI', Roboto, Arial, sans-serif", size: 13, color: "#333" };
const AXIS = {
  gridcolor: "#ececec", linecolor: "#b5b5b5", tickcolor: "#b5b5b5", ticks: "outside", ticklen: 4,
  zeroline: false, automargin: true,
};

function axis(title, more = {}) {
  const decades = more.range ? more.range[1] - more.range[0] : 2;
  const dtick = decades < 1.6 ? "D2" : decades > 9 ? 2 : 1;
  const power = more.type === "log" ? { exponentformat: "power", dtick } : {};
  return { ...AXIS, ...power, title: { text: literal(title), standoff: 8 }, ...more };
}

function react(div, traces, layout) {
  const mouse = matchMedia("(hover: hover)").matches;
  const look = {
    font: FONT, margin: { l: 58, r: 14, t: 10, b: 46 }, paper_bgcolor: "#fff", plot_bgcolor: "#fff",
    showlegend: false, hovermode: "x", hoverlabel: { namelength: 40 },
  };
  if (!mouse) look.dragmode = false; // a finger scrolls the page
  const config = { responsive: true, displaylogo: false, displayModeBar: mouse && "hover" };
  return Plotly.react(div, traces, { ...look, ...layout }, config);
}

// A chart of figures/chart.py; of curves with an entry, those of the entries in ``on``.
function drawChart(div, { panels, xlabel, xlim }, on = null) {
  const one = panels.length === 1, unit = one ? 330 : 125, gap = panels.some((panel) => panel.title) ? 44 : 22;
  const inner = panels.reduce((sum, panel) => sum + unit * panel.height, gap * (panels.length - 1));
  const layout = { shapes: [], annotations: [] }, traces = [], names = new Set(), narrow = div.clientWidth < 560;
  let top = 1;
  panels.forEach((panel, p) => {
    const share = (unit * panel.height) / inner, yaxis = p ? `y${p + 1}` : "y";
    const curves = panel.curves.filter((curve) => on === null || curve.entry === null || on.has(curve.entry));
    const scale = panel.log ? { type: "log" } : { nticks: one ? 8 : 5, exponentformat: "power" };
    if (panel.ylim) scale.range = panel.ylim.map((value) => (panel.log ? Math.log10(value) : value));
    layout[`yaxis${p ? p + 1 : ""}`] = axis(panel.ylabel || "", { ...scale, domain: [Math.max(0, top - share), top] });
    traces.push(...curves.filter((curve) => curve.low).flatMap((curve) => band(curve, yaxis)));
    traces.push(...curves.map((curve) => trace(curve, yaxis, names)));
    for (const [level, label] of panel.levels || []) {
      layout.shapes.push({ ...mark({ xref: "paper", x0: 0, x1: 1, y0: level, y1: level }, "dot"), yref: yaxis });
      const y = panel.log ? Math.log10(level) : level;
      layout.annotations.push(words(label, { xref: "paper", x: 1, xanchor: "left", yref: yaxis, y }));
    }
    const head = { xref: "paper", x: 0, xanchor: "left", yref: "paper", y: top, yanchor: "bottom", font: { size: narrow ? 10.5 : 13 } };
    if (panel.title) layout.annotations.push(words(literal(panel.title), head));
    top -= share + gap / inner;
  });
  const legend = { orientation: "h", x: 0, y: 1, yref: "container", yanchor: "top", traceorder: "normal" };
  const room = (names.size ? 24 + 20 * Math.ceil(names.size / (narrow ? 1.5 : 4)) : 6) + (gap > 22 ? 20 : 0);
  layout.xaxis = axis(xlabel, { anchor: one ? "y" : `y${panels.length}`, ...(xlim ? { range: xlim } : {}) });
  const margin = { l: 62, r: 34, t: room, b: 48 };
  div.style.height = `${inner + margin.t + margin.b}px`;
  return react(div, traces, { ...layout, margin, legend, showlegend: names.size > 0 && names.size < 13 });
}

function band({ x, low, high, colour }, yaxis) {
  const look = { x, yaxis, mode: "lines", line: { width: 0 }, hoverinfo: "skip", showlegend: false };
  return [{ ...look, y: low }, { ...look, y: high, fill: "tonexty", fillcolor: `${colour}2b` }];
}

function trace({ name, x, y, colour, dash = "solid", width = 1.6, marker = "" }, yaxis, names) {
  const found = { x, y, yaxis, name: literal(name), mode: "lines", line: { color: colour, dash, width } };
  Object.assign(found, { showlegend: Boolean(name) && !names.has(name), legendgroup: literal(name) });
  if (name) names.add(name);
  if (marker === "dot") Object.assign(found, { mode: "lines+markers", marker: { size: 5 } });
  if (marker === "circle" || marker === "triangle") {
    const symbol = marker === "circle" ? "circle" : "triangle-right";
    Object.assign(found, { mode: "markers", cliponaxis: false, marker: { symbol, size: 10, color: "#fff", line: { color: colour, width: 2.5 } } });
    return { ...found, hovertemplate: `${literal(name)}: %{x:.3g}<extra></extra>` };
  }
  return { ...found, hovertemplate: `${name ? `${literal(name)}: ` : ""}%{y:.4g}<extra></extra>` };
}

function mark(place, dash) { return { type: "line", ...place, line: { color: "#555", width: 1.2, dash } }; }
function words(text, place) { return { text, showarrow: false, font: { size: 11, color: "#555" }, ...place }; }

function logRange(values) {
  const known = values.filter((value) => value > 0);
  if (!known.length) return [-2, 1];
  return [Math.log10(Math.max(Math.min(...known), 1e-12) / 1.5), Math.log10(Math.max(...known) * 1.5)];
}

function padded(values, share, least = 0) {
  const [low, high] = logRange(values), room = share * (high - low) + least;
  return [low - room, high + room];
}

function drawTradeoff() { // cost against skill of the chosen models
  const { columns, rows, entries } = chosen.section;
  const pick = (id) => columns.map((column, c) => [column, c]).filter(([column]) => column[id])[byId(id).value];
  const [cost, x] = pick("cost"), [skill, y] = pick("skill");
  const points = rows.filter((row) => chosen.on.has(row.entry) && !row.seed && entries[row.entry].model)
    .filter((row) => row.cells[x][0] > 0 && row.cells[y][0] !== null);
  points.sort((a, b) => a.cells[y][0] - b.cells[y][0]);
  const traces = points.map((row, p) => {
    const { name, colour } = entries[row.entry], [value, , low, high] = row.cells[y];
    const bars = low === undefined ? {} : { error_y: { type: "data", array: [high - value], arrayminus: [value - low], color: colour, thickness: 1.6, width: 5 } };
    return {
      x: [row.cells[x][0]], y: [value], mode: "markers+text", name: literal(name), text: [` ${literal(name.slice(0, 24))} `],
      textposition: p % 2 ? "middle left" : "middle right", textfont: { size: 11, color: colour }, cliponaxis: false,
      marker: { color: colour, size: 11 }, ...bars,
      hovertemplate: `${literal(name)}<br>%{x:.3g}, %{y:.3g}<extra></extra>`,
    };
  });
  const values = (c) => points.map((row) => row.cells[c][0]);
  const vertical = skill.key === "valid_time" ? { rangemode: "tozero" } : { type: "log", range: padded(values(y), 0.1) };
  react(byId("tradeoff"), traces, {
    hovermode: "closest", margin: { l: 58, r: 24, t: 24, b: 46 },
    xaxis: axis(cost.title, { type: "log", range: padded(values(x), 0.12, 0.25) }), yaxis: axis(skill.title, vertical),
  });
}
