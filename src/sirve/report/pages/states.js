// Forecasts and their truth at one time after another: frames and fields on a line.
const TRUTH = -1; // in place of the number of an entry
const MISSING = { vector: 65535, field: 255, frame: 255 };
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const tables = Object.fromEntries(Object.entries(page.maps).map(([key, text]) => [key, bytes(text)]));
let view = { draw() {} }, timer = null, turn = 0;

async function levels(text, kind) { // the numbers that compare/states.py encoded
  const stream = new Blob([bytes(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const raw = await new Response(stream).arrayBuffer();
  return kind === "vector" ? new Uint16Array(raw) : new Uint8Array(raw);
}

async function drawStates() {
  const { states, entries } = chosen.section;
  const mine = ++turn;
  stop();
  const numbers = [TRUTH, ...[...chosen.on].sort((a, b) => a - b).filter((e) => e in states.models)];
  const texts = numbers.map((e) => (e === TRUTH ? states.truth : states.models[e])[chosen.start]);
  const found = await Promise.all(texts.map((text) => levels(text, states.kind)));
  if (mine !== turn) return; // another choice was made meanwhile
  const truth = { name: "truth", colour: page.truth, dash: "solid", width: 2.4 };
  const panels = numbers.map((e, p) => ({
    ...(e === TRUTH ? truth : entries[e]), levels: found[p], valid: e === TRUTH ? null : states.valid[e][chosen.start],
  }));
  const slider = byId("time"), last = states.time.length - 1;
  if (Number(slider.max) !== last || slider.dataset.fresh) slider.value = Math.floor(last / 4);
  slider.max = last;
  if (slider.dataset.fresh) slider.value = Math.floor(last / 4);
  delete slider.dataset.fresh;
  byId("views").replaceChildren();
  byId("left-out").textContent = states.note;
  view = { vector: vectorView, field: fieldView, frame: frameView }[states.kind](panels, states);
  drawPortrait(panels, states);
  drawTime();
  root.dataset.ready = String(mine);
}

function drawTime() {
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
    drawTime();
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
  const last = MISSING.frame - 1;
  return (i) => {
    const a = panel.levels[i], b = truth.levels[i];
    if (a > last || b > last) return MISSING.frame;
    return Math.min(last, Math.max(0, Math.round(last / 2 + gain * (a - b))));
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
  paint(canvas, MISSING.frame, 1, table, (x) => x);
  node.append(title, element("span", short(low)), canvas, element("span", short(high)));
  return node;
}

function imagesOf(panels, states) { // shared by frames and fields on a line
  const c = Number(byId("channel").value), channel = states.channels[c];
  const table = tables[channel.signed ? "signed" : "value"], gain = Number(byId("reach").value);
  const legend = element("div", "", { className: "bars" }), reach = (channel.high - channel.low) / 2 / gain;
  legend.append(scale(`${channel.name}, truth and models`, channel.low, channel.high, table));
  if (byId("errors").checked) legend.append(scale("model − truth", -reach, reach, tables.error));
  const images = [];
  for (const panel of panels) {
    images.push({ panel, table, canvas: element("canvas"), level: (i) => panel.levels[i] });
    if (panel !== panels[0] && byId("errors").checked) {
      images.push({ panel, table: tables.error, canvas: element("canvas"), level: difference(panel, panels[0], gain) });
    }
  }
  return { c, images, legend };
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
  const { c, images, legend } = imagesOf(panels, states), channel = states.channels[c];
  const grid = element("div", "", { className: "panels strips" }), cursors = [];
  for (const panel of panels) {
    const strips = images.filter((image) => image.panel === panel).map(({ canvas, table, level }) => {
      paint(canvas, times, cells, table, (x, y) => level((x * channels + c) * cells + cells - 1 - y));
      const strip = element("div", "", { className: "strip" }), cursor = element("i");
      cursors.push(cursor);
      strip.append(canvas, cursor);
      return strip;
    });
    const ends = element("div", "", { className: "ends" }), last = states.time[times - 1];
    ends.append(element("span", "0"), element("span", `time (${chosen.section.unit}); cells upwards`), element("span", short(last)));
    grid.append(figure(panel, ...strips, ends));
  }
  const profile = element("div", "", { id: "profile", className: "plot" });
  byId("views").append(legend, grid, element("h3", "The field at the time of the line"), profile);
  const room = 0.12 * (channel.high - channel.low), ylim = [channel.low - room, channel.high + room];
  return {
    draw(k) {
      for (const cursor of cursors) cursor.style.left = `${(100 * (k + 0.5)) / times}%`;
      const x = [...Array(cells).keys()], start = (k * channels + c) * cells;
      const curves = panels.map((panel) => curveOf(panel, x, x.map((i) => start + i), channel, "field"));
      drawChart(profile, { panels: [{ curves, ylabel: channel.name, ylim, height: 1 }], xlabel: `cell of ${cells}` });
    },
  };
}
