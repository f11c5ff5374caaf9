// Vectors: each channel against time, and one channel against another.
function valueAt(panel, i, channel, kind) {
  const level = panel.levels[i], missing = MISSING[kind];
  return level === missing ? null : channel.low + ((channel.high - channel.low) * level) / (missing - 1);
}

function curveOf(panel, x, at, channel, kind) {
  const { name, colour, dash, width } = panel;
  return { name, colour, dash, width, x, y: at.map((i) => valueAt(panel, i, channel, kind)), entry: null };
}

const bounds = ({ low, high }) => [low + (high - low) / 8, high - (high - low) / 8]; // less of the room beyond

function vectorView(panels, states) {
  const paths = element("div", "", { className: "panels phase" }), series = element("div", "", { id: "series", className: "plot" });
  const canvases = panels.map(() => element("canvas")), rows = states.channels.length;
  if (rows > 1) paths.append(...panels.map((panel, p) => figure(panel, canvases[p])));
  byId("views").append(paths, series);
  const channels = states.channels.map((channel, c) => {
    const at = states.time.map((_, k) => k * rows + c), ylim = bounds(channel);
    const ends = panels.filter((panel) => panel.valid !== null && panel.valid !== undefined).map((panel) => ({
      name: `error passes ${page.threshold}`, colour: panel.colour, dash: "dot", width: 1, x: [panel.valid, panel.valid], y: ylim, entry: null,
    }));
    const curves = panels.map((panel) => curveOf(panel, states.time, at, channel, "vector"));
    return { curves: [...curves, ...ends], ylabel: channel.name, ylim, height: 1 };
  });
  drawChart(series, { panels: channels, xlabel: `time (${chosen.section.unit})`, xlim: [states.time[0], states.time.at(-1)] });
  return {
    draw(k) {
      Plotly.relayout(series, { shapes: [mark({ x0: states.time[k], x1: states.time[k], yref: "paper", y0: 0, y1: 1 }, "solid")] });
      if (rows > 1) panels.forEach((panel, p) => drawPath(canvases[p], panel, panels[0], states, k));
    },
  };
}

function drawPath(canvas, panel, truth, states, k) { // one channel against another up to now, and the whole truth
  const rows = states.channels.length, pick = [byId("channel"), byId("other")].map((select) => Number(select.value));
  const size = Object.assign(canvas, { width: 560, height: 440 });
  const context = canvas.getContext("2d"), [left, right, top, bottom] = [8, size.width - 8, 8, size.height - 40];
  const ranges = pick.map((c) => bounds(states.channels[c]));
  const place = (one, t) => {
    const [x, y] = pick.map((c, a) => {
      const value = valueAt(one, t * rows + c, states.channels[c], "vector");
      return value === null ? null : (value - ranges[a][0]) / (ranges[a][1] - ranges[a][0]);
    });
    return x === null || y === null ? null : [left + x * (right - left), bottom - y * (bottom - top)];
  };
  const path = (one, from, to, colour, width) => {
    context.beginPath();
    let down = false;
    for (let t = from; t <= to; t++) {
      const point = place(one, t);
      if (point) context[down ? "lineTo" : "moveTo"](...point);
      down = point !== null;
    }
    Object.assign(context, { strokeStyle: colour, lineWidth: width });
    context.stroke();
  };
  context.save();
  context.beginPath();
  context.rect(left, top, right - left, bottom - top);
  context.clip();
  path(truth, 0, states.time.length - 1, "#d4d4d4", 1);
  path(panel, 0, k, panel.colour, 1.2);
  path(panel, Math.max(0, k - Math.ceil(states.time.length / 25)), k, panel.colour, 4);
  for (const [one, radius] of [[truth, 9], [panel, 7]]) {
    const point = place(one, k);
    context.beginPath();
    if (point) context.arc(...point, radius, 0, 2 * Math.PI);
    context.fillStyle = one.colour;
    context.fill();
  }
  context.restore();
  context.strokeStyle = "#b5b5b5";
  context.strokeRect(left, top, right - left, bottom - top);
  Object.assign(context, { fillStyle: "#555", font: "20px system-ui, sans-serif" });
  const text = pick.map((c, a) => `${states.channels[c].name}: ${ranges[a].map(short).join(" … ")}`);
  context.fillText(`→ ${text[0]}    ↑ ${text[1]}`, left, size.height - 12, right - left);
}

function drawPortrait(panels, states) { // three channels against each other, as paths in space
  const section = byId("portrait"), rows = states.channels.length;
  if (!section) return;
  section.hidden = states.kind !== "vector" || rows < 3;
  if (section.hidden) return;
  const channels = states.channels.slice(0, 3), ranges = channels.map(bounds);
  const traces = panels.map((panel) => {
    const points = states.time.map((_, t) => {
      const point = channels.map((channel, c) => valueAt(panel, t * rows + c, channel, "vector"));
      const seen = point.every((value, c) => value !== null && value >= ranges[c][0] && value <= ranges[c][1]);
      return seen ? point : [null, null, null];
    });
    const [x, y, z] = channels.map((_, c) => points.map((point) => point[c]));
    const line = { color: panel.colour, width: 3 };
    return { type: "scatter3d", mode: "lines", x, y, z, line, opacity: 0.8, name: literal(panel.name), hoverinfo: "skip" };
  });
  const wall = { backgroundcolor: "#fff", gridcolor: "#dcdcdc", showspikes: false };
  const div = byId("phase"), back = div.clientWidth < 560 ? 1.25 : 1; // a narrow screen needs more distance
  const scene = { aspectmode: "cube", camera: { eye: { x: 1.3 * back, y: -1.3 * back, z: 0.5 * back }, center: { x: 0, y: 0, z: -0.1 } } };
  channels.forEach((channel, c) => {
    scene[`${"xyz"[c]}axis`] = { ...wall, title: { text: literal(channel.name) }, range: ranges[c] };
  });
  const legend = { orientation: "h", x: 0, y: 1, yref: "container", yanchor: "top" };
  react(div, traces, { scene, legend, showlegend: true, margin: { l: 0, r: 0, t: 30, b: 0 } });
}
