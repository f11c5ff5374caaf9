// Curves and points, by Plotly, which takes some mark-up in names for its own: ``literal`` escapes.
const FONT = { family: "system-ui, 'Segoe UI', Roboto, Arial, sans-serif", size: 13, color: "#333" };
const AXIS = {
  gridcolor: "#ececec", linecolor: "#b5b5b5", tickcolor: "#b5b5b5", ticks: "outside", ticklen: 4,
  zeroline: false, automargin: true,
};
const literal = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

function axis(title, more = {}) {
  const narrow = more.range && more.range[1] - more.range[0] < 1.6; // less than two decades
  const power = more.type === "log" ? { exponentformat: "power", dtick: narrow ? "D2" : 1 } : {};
  return { ...AXIS, ...power, title: { text: literal(title), standoff: 8 }, ...more };
}

function react(id, traces, layout) {
  const mouse = matchMedia("(hover: hover)").matches;
  const look = {
    font: FONT, margin: { l: 58, r: 14, t: 10, b: 46 }, paper_bgcolor: "#fff", plot_bgcolor: "#fff",
    showlegend: false, hovermode: "x", hoverlabel: { namelength: 40 },
  };
  if (!mouse) look.dragmode = false; // a finger scrolls the page
  const config = { responsive: true, displaylogo: false, displayModeBar: mouse && "hover" };
  return Plotly.react(id, traces, { ...look, ...layout }, config);
}

function logRange(values, most) { // of a logarithmic axis
  const known = values.filter((value) => value > 0);
  if (!known.length) return [-2, 1];
  const low = Math.max(Math.min(...known), 1e-12), high = Math.min(Math.max(...known), most);
  return [Math.log10(low / 1.5), Math.log10(Math.max(high, low) * 1.5)];
}

function inFront() { // entries that are chosen, models last
  const { entries } = chosen.section;
  return [...chosen.on].sort((a, b) => entries[a].model - entries[b].model || a - b);
}

function showErrors() {
  const { entries, curves, unit, ceiling } = chosen.section;
  const traces = [], drawn = [page.threshold / 2, 2];
  for (const e of inFront()) {
    const { name, colour, dash, model } = entries[e];
    const { x, low, middle, high, seeds } = curves[e];
    const quiet = { x, mode: "lines", hoverinfo: "skip" };
    if (model) {
      traces.push({ ...quiet, y: low, line: { width: 0 } });
      traces.push({ ...quiet, y: high, line: { width: 0 }, fill: "tonexty", fillcolor: `${colour}2b` });
      for (const y of seeds) traces.push({ ...quiet, y, line: { color: colour, width: 0.7 } });
    }
    const look = { color: colour, dash, width: model ? 2.2 : 1.5 };
    const hovertemplate = `${literal(name)}: %{y:.3g}<extra></extra>`;
    traces.push({ x, y: middle, mode: "lines", name: literal(name), line: look, hovertemplate });
    drawn.push(...middle, ...(model ? low.filter((value) => value > 1e-14) : []));
  }
  const range = logRange(drawn.filter((value) => value !== null), 100);
  const shapes = [mark({ xref: "paper", x0: 0, x1: 1, y0: page.threshold, y1: page.threshold }, "dot")];
  const annotations = [words(`${page.threshold}`, { xref: "paper", x: 1, xanchor: "right", y: Math.log10(page.threshold), yanchor: "bottom" })];
  if (ceiling !== null) {
    shapes.push(mark({ x0: ceiling, x1: ceiling, yref: "paper", y0: 0, y1: 1 }, "dashdot"));
    annotations.push(words("the solver's own ceiling", { x: ceiling, xanchor: "right", yref: "paper", y: 0, yanchor: "bottom", textangle: -90 }));
  }
  react("error", traces, {
    shapes, annotations, xaxis: axis(`time (${unit})`, { rangemode: "tozero" }),
    yaxis: axis("error (standard deviations)", { type: "log", range, ...(range[1] - range[0] > 9 ? { dtick: 2 } : {}) }),
  });
}

function mark(place, dash) { return { type: "line", ...place, line: { color: "#555", width: 1.2, dash } }; }
function words(text, place) { return { text, showarrow: false, font: { size: 11, color: "#555" }, ...place }; }

function showTradeoff() {
  const { columns, rows, entries } = chosen.section;
  const pick = (flag, id) => columns.map((column, c) => [column, c]).filter(([column]) => column[flag])[byId(id).value];
  const [cost, x] = pick("cost", "cost"), [skill, y] = pick("skill", "skill");
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
  const [low, high] = logRange(values(x), Infinity), room = 0.12 * (high - low) + 0.25;
  const vertical = skill.key === "valid_time" ? { rangemode: "tozero" } : { type: "log", range: padded(values(y)) };
  react("tradeoff", traces, {
    hovermode: "closest", margin: { l: 58, r: 24, t: 24, b: 46 },
    xaxis: axis(cost.title, { type: "log", range: [low - room, high + room] }), yaxis: axis(skill.title, vertical),
  });
}

function padded(values) {
  const [low, high] = logRange(values, Infinity), room = 0.1 * (high - low);
  return [low - room, high + room];
}
