"use strict";
const root = document.documentElement;
addEventListener("error", (event) => { root.dataset.errors = `${root.dataset.errors || ""}${event.message}; `; });
const spec = (node) => JSON.parse(document.getElementById(node.dataset.spec).textContent);
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const choosers = []; // functions (section, forecast) that show another forecast

function plot(div) {
  const { data, layout } = spec(div);
  const mouse = matchMedia("(hover: hover)").matches;
  if (!mouse) layout.dragmode = false; // a finger scrolls the page
  if (layout.scene && div.clientWidth < 560) {
    for (const axis of "xyz") layout.scene.camera.eye[axis] *= 1.45; // step back, to see all of it
  }
  const displayModeBar = mouse && "hover";
  Plotly.newPlot(div, data, layout, { responsive: true, displaylogo: false, displayModeBar });
  choosers.push((section, k) => {
    if (!section.contains(div) || !data.some((trace) => trace.meta)) return;
    Plotly.restyle(div, { visible: data.map((trace) => !trace.meta || trace.meta.forecast === k) });
  });
}

function player(div) {
  const { time, shape: [height, width], maps, panels } = spec(div);
  const tables = Object.fromEntries(Object.entries(maps).map(([key, text]) => [key, bytes(text)]));
  const canvases = [...div.querySelectorAll("canvas")];
  const [button, slider, output] = ["button", "input", "output"].map((tag) => div.querySelector(tag));
  let images, timer = null, fresh = true; // a fresh page shows the middle, and plays from the start

  function choose(k) { images = panels.map((panel) => bytes(panel.forecasts[k])); }
  function draw() {
    const frame = Number(slider.value);
    canvases.forEach((canvas, p) => {
      const context = canvas.getContext("2d");
      const picture = context.createImageData(width, height);
      const table = tables[panels[p].map], start = frame * width * height;
      for (let i = 0; i < width * height; i++) {
        const colour = 3 * images[p][start + i];
        for (let j = 0; j < 3; j++) picture.data[4 * i + j] = table[colour + j];
        picture.data[4 * i + 3] = 255;
      }
      context.putImageData(picture, 0, 0);
    });
    output.textContent = time[frame];
  }
  function stop() { clearInterval(timer); timer = null; button.textContent = "Play"; }
  function advance() {
    const frame = Number(slider.value) + 1;
    if (frame >= time.length) { stop(); return; }
    slider.value = frame;
    draw();
  }

  for (const canvas of canvases) { canvas.width = width; canvas.height = height; }
  slider.max = time.length - 1;
  slider.value = Math.floor(time.length / 2);
  slider.addEventListener("input", () => { fresh = false; stop(); draw(); });
  button.addEventListener("click", () => {
    if (timer !== null) { stop(); return; }
    if (fresh || Number(slider.value) >= time.length - 1) { slider.value = 0; draw(); }
    fresh = false;
    button.textContent = "Pause";
    timer = setInterval(advance, 150);
  });
  choosers.push((section, k) => { if (section.contains(div)) { choose(k); draw(); } });
  choose(0);
  draw();
}

document.querySelectorAll("div.plot").forEach(plot);
document.querySelectorAll("div.player").forEach(player);
for (const select of document.querySelectorAll("select")) {
  select.value = "0"; // a browser may remember another choice over a reload
  select.addEventListener("change", () => {
    const section = select.closest(".forecasts");
    for (const show of choosers) show(section, Number(select.value));
  });
}
root.dataset.ready = String(document.querySelectorAll("div.plot, div.player").length);
