// What is chosen on the page: a system, its models, an initial condition, a time.
function options(select, names, value = 0) {
  select.replaceChildren(...names.map((name, k) => element("option", name, { value: k })));
  select.value = value;
  select.parentElement.hidden = names.length < 2;
}

function chooseSection(k) {
  const section = parsed(`section-${k}`);
  chosen.section = section;
  chosen.on = new Set(section.entries.keys());
  section.entries.forEach((entry, e) => { if (!entry.on) chosen.on.delete(e); });
  Object.assign(chosen, { start: 0, column: 1, descending: true });
  byId("system").value = k;
  for (const button of document.querySelectorAll(".verdicts button")) {
    button.setAttribute("aria-pressed", String(button.value === String(k)));
  }
  byId("scores").textContent = page.sections > 1 ? `Scores: ${section.title}` : "Scores";
  byId("conditions").textContent = section.conditions && `Same test set, same observations: ${section.conditions}.`;
  byId("models").replaceChildren(...section.entries.map(box));
  options(byId("start"), section.states.starts);
  byId("seeds").hidden = !section.rows.some((row) => row.seed);
  const titles = (flag) => section.columns.filter((c) => c[flag]).map((c) => c.title);
  if (byId("tradeoff")) {
    options(byId("cost"), titles("cost"), titles("cost").indexOf("training (s)"));
    options(byId("skill"), titles("skill"));
  }
  fillChannels(section.states);
  return draw();
}

function box(entry, e) {
  const input = element("input", "", { type: "checkbox", checked: chosen.on.has(e), value: e });
  input.addEventListener("change", () => {
    if (input.checked) chosen.on.add(e); else chosen.on.delete(e);
    draw();
  });
  const label = element("label");
  label.append(input, line(entry), name(entry.name));
  return label;
}

function draw() {
  drawTable();
  drawChart(byId("error"), chosen.section.errors, chosen.on);
  if (byId("tradeoff")) drawTradeoff();
  if (byId("settings")) drawSettings();
  return drawStates();
}

function chooseStart(k) {
  const count = chosen.section.states.starts.length;
  chosen.start = (k + count) % count;
  byId("start").value = chosen.start;
  return drawStates();
}

function listen() {
  const on = (id, event, call) => byId(id) && byId(id).addEventListener(event, call);
  on("system", "change", (event) => chooseSection(Number(event.target.value)));
  for (const button of document.querySelectorAll(".verdicts button")) {
    button.addEventListener("click", () => chooseSection(Number(button.value)));
  }
  on("start", "change", (event) => chooseStart(Number(event.target.value)));
  on("before", "click", () => chooseStart(chosen.start - 1));
  on("after", "click", () => chooseStart(chosen.start + 1));
  on("seeds", "change", drawTable);
  for (const id of ["cost", "skill"]) on(id, "change", drawTradeoff);
  for (const id of ["channel", "other", "errors", "reach"]) on(id, "change", drawStates);
  on("time", "input", () => { stop(); drawTime(); });
  on("play", "click", play);
  chooseSection(0);
}

const charts = [...document.querySelectorAll("[data-chart]")];
for (const div of charts) drawChart(div, parsed(div.dataset.chart));
root.dataset.charts = String(charts.length);
if (page.sections) listen();
