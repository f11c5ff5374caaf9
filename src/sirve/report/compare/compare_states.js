// States beside the truth, at one time after another: frames, fields on a line, or vectors.
const TRUTH = -1; // in place of the number of an entry
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const tables = Object.fromEntries(Object.entries(page.maps).map(([key, text]) => [key, bytes(text)]));
const still = { draw() {} };
let view = still, timer = null, turn = 0;

async function levels(text, kind) { // the numbers that compare_states.py wrote
  const stream = new Blob([bytes(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const raw = await new Response(stream).arrayBuffer();
  return kind === "vector" ? new Uint16Array(raw) : new Uint8Array(raw);
}

async function showStates() {
  const { states, entries } = chosen.section;
  const mine = ++turn;
  stop();
  const numbers = [TRUTH, ...[...chosen.on].sort((a, b) => a - b).filter((e) => e in states.models)];
  const texts = numbers.map((e) => (e === TRUTH ? states.truth : states.models[e])[chosen.start]);
  const found = await Promise.all(texts.map((text) => levels(text, states.kind)));
  if (mine !== turn) return; // something else was chosen meanwhile
  const panels = numbers.map((e, p) => ({
    name: e === TRUTH ? "truth" : entries[e].name, colour: e === TRUTH ? page.truth : entries[e].colour,
    dash: e === TRUTH ? "solid" : entries[e].dash, levels: found[p],
  }));
  const slider = byId("time"), last = states.time.length - 1;
  if (Number(slider.max) !== last || slider.dataset.fresh) slider.value = Math.floor(last / 4);
  slider.max = last;
  if (slider.dataset.fresh) slider.value = Math.floor(last / 4);
  delete slider.dataset.fresh;
  byId("views").replaceChildren();
  byId("left-out").textContent = states.note;
  view = { vector: vectorView, field: fieldView, frame: frameView }[states.kind](panels, states);
  draw();
  root.dataset.ready = String(mine);
}

function draw() {
  const { states, unit } = chosen.section, k = Number(byId("time").value);
  byId("now").textContent = `${Number(states.time[k].toPrecision(4))} ${unit}`;
  view.draw(k);
}

function stop() { clearInterval(timer); timer = null; byId("play").textContent = "Play"; }

function play() {
  if (timer !== null) { stop(); return; }
  const slider = byId("time"), last = Number(slider.max), stride = Math.ceil(last / 250);
  if (Number(slider.value) >= last) slider.value = 0;
  byId("play").textContent = "Pause";
  timer = setInterval(() => {
    slider.value = Number(slider.value) + stride;
    draw();
    if (Number(slider.value) >= last) stop();
  }, 80);
}

function fillChannels({ kind, channels }) {
  const names = channels.map((channel) => channel.name);
  options(byId("channel"), names);
  options(byId("other"), names, names.length > 2 ? 2 : 1);
  byId("other").parentElement.hidden = kind !== "vector" || names.length < 2;
  byId("errors").parentElement.hidden = kind === "vector";
  byId("time").dataset.fresh = "yes";
}

// -- images ----------------------------------------------------------------------------------------

const MISSING = 255;

function paint(canvas, width, height, table, level) { // level(x, y) is a row of the table
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d"), picture = context.createImageData(width, height);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i += 4) {
      const colour = 3 * level(x, y);
      for (let j = 0; j < 3; j++) picture.data[i + j] = table[colour + j];
      picture.data[i + 3] = 255;
    }
  }
  context.putImageData(picture, 0, 0);
}

function difference(panel, truth, gain) { // of levels; zero is the middle of the table
  const middle = (MISSING - 1) / 2;
  return (i) => {
    const a = panel.levels[i], b = truth.levels[i];
    if (a === MISSING || b === MISSING) return MISSING;
    return Math.min(MISSING - 1, Math.max(0, Math.round(middle + gain * (a - b))));
  };
}

function figure(panel, ...below) {
  const node = element("figure"), caption = element("figcaption");
  caption.append(line(panel), " ", name(panel.name));
  node.append(caption, ...below);
  return node;
}

function scale(title, low, high, table) {
  const node = element("div", "", { className: "scale" }), canvas = element("canvas");
  paint(canvas, MISSING, 1, table, (x) => x);
  node.append(title, element("span", short(low)), canvas, element("span", short(high)));
  return node;
}

const short = (x) => String(Number(x.toPrecision(3)));

function bars(channel, table, gain) {
  const node = element("div", "", { className: "bars" });
  node.append(scale(`${channel.name}, truth and models`, channel.low, channel.high, table));
  const reach = (channel.high - channel.low) / 2 / gain;
  if (byId("errors").checked) node.append(scale("model − truth", -reach, reach, tables.error));
  return node;
}

function imagesOf(panels, states) { // what frames and fields share
  const c = Number(byId("channel").value), channel = states.channels[c];
  const table = tables[channel.signed ? "signed" : "value"], gain = Number(byId("reach").value);
  const withErrors = byId("errors").checked;
  const images = [];
  for (const panel of panels) {
    images.push({ panel, table, canvas: element("canvas"), level: (i) => panel.levels[i] });
    if (panel !== panels[0] && withErrors) {
      images.push({ panel, table: tables.error, canvas: element("canvas"), level: difference(panel, panels[0], gain) });
    }
  }
  return { c, images, legend: bars(channel, table, gain) };
}

function frameView(panels, states) {
  const [channels, height, width] = states.shape, { c, images, legend } = imagesOf(panels, states);
  const grid = element("div", "", { className: "panels" });
  for (const panel of panels) {
    grid.append(figure(panel, ...images.filter((image) => image.panel === panel).map((image) => image.canvas)));
  }
  byId("views").append(legend, grid);
  return {
    draw(k) {
      const start = (k * channels + c) * height * width;
      for (const { canvas, table, level } of images) {
        paint(canvas, width, height, table, (x, y) => level(start + y * width + x));
      }
    },
  };
}

function fieldView(panels, states) {
  const [channels, cells] = states.shape, times = states.time.length;
  const { c, images, legend } = imagesOf(panels, states);
  const grid = element("div", "", { className: "panels strips" }), cursors = [];
  for (const panel of panels) {
    const strips = images.filter((image) => image.panel === panel).map(({ canvas, table, level }) => {
      paint(canvas, times, cells, table, (x, y) => level((x * channels + c) * cells + cells - 1 - y));
      const strip = element("div", "", { className: "strip" }), cursor = element("i");
      cursors.push(cursor);
      strip.append(canvas, cursor);
      return strip;
    });
    grid.append(figure(panel, ...strips, ends(states)));
  }
  const profile = element("div", "", { id: "profile", className: "plot" });
  byId("views").append(legend, grid, element("h3", "The field at the time of the line"), profile);
  const channel = states.channels[c], room = 0.12 * (channel.high - channel.low);
  const layout = {
    xaxis: axis(`cell of ${cells}`), yaxis: axis(channel.name, { range: [channel.low - room, channel.high + room] }),
  };
  return {
    draw(k) {
      for (const cursor of cursors) cursor.style.left = `${(100 * (k + 0.5)) / times}%`;
      const x = [...Array(cells).keys()], start = (k * channels + c) * cells;
      react("profile", panels.map((panel) => curveOf(panel, x, x.map((i) => start + i), channel, MISSING)), layout);
    },
  };
}

function ends(states) {
  const node = element("div", "", { className: "ends" });
  const last = states.time[states.time.length - 1];
  node.append(element("span", "0"), element("span", `time (${chosen.section.unit}); cells upwards`), element("span", short(last)));
  return node;
}

// -- curves ----------------------------------------------------------------------------------------

function valueAt(panel, i, channel, missing) {
  const level = panel.levels[i];
  return level === missing ? null : channel.low + ((channel.high - channel.low) * level) / (missing - 1);
}

function curveOf(panel, x, at, channel, missing, more = {}) {
  return {
    x, y: at.map((i) => valueAt(panel, i, channel, missing)), mode: "lines", name: literal(panel.name),
    line: { color: panel.colour, dash: panel.dash, width: panel.name === "truth" ? 2.4 : 1.6 }, ...more,
    hovertemplate: `${literal(panel.name)}: %{y:.4g}<extra></extra>`,
  };
}

const ABSENT = 65535;
const bounds = ({ low, high }) => [low + (high - low) / 8, high - (high - low) / 8]; // less of the room beyond

function vectorView(panels, states) {
  const paths = element("div", "", { className: "panels phase" }), series = element("div", "", { id: "series", className: "plot" });
  const canvases = panels.map(() => element("canvas"));
  if (states.channels.length > 1) paths.append(...panels.map((panel, p) => figure(panel, canvases[p])));
  byId("views").append(paths, series);
  const rows = states.channels.length, traces = [], layout = { margin: { l: 58, r: 14, t: 10, b: 46 } };
  states.channels.forEach((channel, c) => {
    const at = states.time.map((_, k) => k * rows + c), name = c ? `y${c + 1}` : "y";
    for (const panel of panels) traces.push(curveOf(panel, states.time, at, channel, ABSENT, { yaxis: name }));
    const top = 1 - c / rows, domain = [Math.max(0, top - 0.9 / rows), top];
    layout[`yaxis${c ? c + 1 : ""}`] = axis(channel.name, { range: bounds(channel), domain, nticks: 5 });
  });
  layout.xaxis = axis(`time (${chosen.section.unit})`, { anchor: rows > 1 ? `y${rows}` : "y" });
  series.style.height = `${150 * rows + 110}px`;
  react("series", traces, layout);
  return {
    draw(k) {
      Plotly.relayout("series", { shapes: [mark({ x0: states.time[k], x1: states.time[k], yref: "paper", y0: 0, y1: 1 }, "solid")] });
      if (rows > 1) panels.forEach((panel, p) => phase(canvases[p], panel, panels[0], states, k));
    },
  };
}

function phase(canvas, panel, truth, states, k) { // one channel against another up to now, over the whole truth
  const rows = states.channels.length, pick = [byId("channel"), byId("other")].map((select) => Number(select.value));
  const size = Object.assign(canvas, { width: 560, height: 440 });
  const context = canvas.getContext("2d"), box = { left: 8, right: size.width - 8, top: 8, bottom: size.height - 40 };
  const ranges = pick.map((c) => bounds(states.channels[c]));
  const place = (one, t) => {
    const [x, y] = pick.map((c, a) => {
      const value = valueAt(one, t * rows + c, states.channels[c], ABSENT);
      return value === null ? null : (value - ranges[a][0]) / (ranges[a][1] - ranges[a][0]);
    });
    return x === null || y === null ? null : [box.left + x * (box.right - box.left), box.bottom - y * (box.bottom - box.top)];
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
  context.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  context.clip();
  path(truth, 0, states.time.length - 1, "#d4d4d4", 1);
  path(panel, 0, k, panel.colour, 1.2);
  path(panel, Math.max(0, k - Math.ceil(states.time.length / 25)), k, panel.colour, 4);
  for (const [one, radius] of [[truth, 9], [panel, 7]]) dot(context, place(one, k), one.colour, radius);
  context.restore();
  context.strokeStyle = "#b5b5b5";
  context.strokeRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  Object.assign(context, { fillStyle: "#555", font: "20px system-ui, sans-serif" });
  const text = pick.map((c, a) => `${states.channels[c].name}: ${ranges[a].map(short).join(" … ")}`);
  context.fillText(`→ ${text[0]}    ↑ ${text[1]}`, box.left, size.height - 12, box.right - box.left);
}

function dot(context, point, colour, radius) {
  if (!point) return;
  context.beginPath();
  context.arc(...point, radius, 0, 2 * Math.PI);
  context.fillStyle = colour;
  context.fill();
}

// -- what the reader does --------------------------------------------------------------------------

byId("system").addEventListener("change", (event) => chooseSection(Number(event.target.value)));
for (const button of document.querySelectorAll(".verdicts button")) {
  button.addEventListener("click", () => chooseSection(Number(button.value)));
}
byId("start").addEventListener("change", (event) => chooseStart(Number(event.target.value)));
byId("before").addEventListener("click", () => chooseStart(chosen.start - 1));
byId("after").addEventListener("click", () => chooseStart(chosen.start + 1));
byId("seeds").addEventListener("change", showTable);
for (const id of ["cost", "skill"]) byId(id).addEventListener("change", showTradeoff);
for (const id of ["channel", "other", "errors", "reach"]) byId(id).addEventListener("change", showStates);
byId("time").addEventListener("input", () => { stop(); draw(); });
byId("play").addEventListener("click", play);
chooseSection(0);
