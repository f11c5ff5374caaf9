"use strict";
// The page that compares runs: what is chosen, and the tables. Text is set as text, never as HTML.
const root = document.documentElement;
const wrong = (words) => { root.dataset.errors = `${root.dataset.errors || ""}${words}; `; };
addEventListener("error", (event) => wrong(event.message));
addEventListener("unhandledrejection", (event) => wrong(event.reason));
const byId = (id) => document.getElementById(id);
const parsed = (id) => JSON.parse(byId(id).textContent);
const page = parsed("page");
const chosen = { section: null, on: new Set(), start: 0, column: 1, descending: true };

function element(tag, text = "", properties = {}) {
  const node = Object.assign(document.createElement(tag), properties);
  if (text) node.textContent = text;
  return node;
}

function name(text) { // which may break after a dot or an underscore
  const node = element("span");
  node.append(...text.split(/(?<=[._])/).flatMap((part) => [part, element("wbr")]));
  return node;
}

function options(select, names, value = 0) {
  select.replaceChildren(...names.map((name, k) => element("option", name, { value: k })));
  select.value = value;
  select.parentElement.hidden = names.length < 2;
}

function line(entry) { // as it is in the plots
  const styles = { dash: "dashed", dot: "dotted", dashdot: "dashed", solid: "solid" };
  const node = element("span", "", { className: "line" });
  node.style.borderTop = `.2rem ${styles[entry.dash]} ${entry.colour}`;
  return node;
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
  byId("scores").textContent = `Scores: ${section.title}`;
  byId("alike").textContent = section.alike && `These runs saw the same of the same test: ${section.alike}.`;
  byId("models").replaceChildren(...section.entries.map(box));
  options(byId("start"), section.states.starts);
  byId("seeds").hidden = !section.rows.some((row) => row.seed);
  const titles = (flag) => section.columns.filter((c) => c[flag]).map((c) => c.title);
  options(byId("cost"), titles("cost"), titles("cost").indexOf("training (s)"));
  options(byId("skill"), titles("skill"));
  fillChannels(section.states);
  show();
}

function box(entry, e) {
  const input = element("input", "", { type: "checkbox", checked: chosen.on.has(e), value: e });
  input.addEventListener("change", () => {
    if (input.checked) chosen.on.add(e); else chosen.on.delete(e);
    show();
  });
  const label = element("label");
  label.append(input, line(entry), name(entry.name));
  return label;
}

function show() {
  showTable();
  showErrors();
  showTradeoff();
  showSettings();
  return showStates();
}

function chooseStart(k) {
  const count = chosen.section.states.starts.length;
  chosen.start = (k + count) % count;
  byId("start").value = chosen.start;
  return showStates();
}

// -- tables ----------------------------------------------------------------------------------------

const rises = (column) => column.key === "valid_time"; // the more the better

function sorted(rows) {
  const { column, descending } = chosen;
  const value = (row) => (column ? row.cells[column - 1][0] : row.name);
  const known = (row) => value(row) !== null;
  const compare = (a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0);
  const inOrder = rows.filter(known).sort((a, b) => (descending ? compare(b, a) : compare(a, b)));
  return [...inOrder, ...rows.filter((row) => !known(row))]; // what is not known is last
}

function showTable() {
  const { columns, rows, entries } = chosen.section;
  const shown = rows.filter((row) => chosen.on.has(row.entry));
  const heads = shown.filter((row) => !row.seed);
  const best = columns.map((column, c) => {
    const values = heads.map((row) => row.cells[c][0]).filter((value) => value !== null);
    return column.skill && values.length > 1 ? Math[rises(column) ? "max" : "min"](...values) : null;
  });
  const body = element("tbody");
  for (const head of sorted(heads)) {
    body.append(tableRow(head, entries[head.entry], best));
    const seeds = shown.filter((row) => row.seed && row.entry === head.entry);
    body.append(...seeds.map((row) => tableRow(row, entries[row.entry], [])));
  }
  const table = element("table");
  table.append(tableHead(columns), body);
  byId("table").replaceChildren(table);
  byId("table").classList.toggle("seedless", !byId("seeds").querySelector("input").checked);
}

function tableHead(columns) {
  const row = element("tr");
  ["model", ...columns.map((column) => column.title)].forEach((title, c) => {
    const cell = element("th");
    const button = element("button", title, { type: "button" });
    if (chosen.column === c) {
      cell.setAttribute("aria-sort", chosen.descending ? "descending" : "ascending");
      button.textContent += chosen.descending ? " ↓" : " ↑";
    }
    button.addEventListener("click", () => {
      chosen.descending = chosen.column === c ? !chosen.descending : c > 0 && rises(columns[c - 1]);
      chosen.column = c;
      showTable();
    });
    cell.append(button);
    row.append(cell);
  });
  const head = element("thead");
  head.append(row);
  return head;
}

function tableRow(row, entry, best) {
  const kind = row.seed ? "seed" : entry.model ? "model" : "baseline";
  const node = element("tr", "", { className: kind });
  const first = element("td");
  if (!row.seed) first.append(line(entry), " ");
  first.append(name(row.name));
  node.append(first);
  row.cells.forEach(([value, text], c) => {
    const top = value !== null && value === best[c];
    node.append(element("td", text, { className: top ? "best" : "" }));
  });
  return node;
}

function showSettings() {
  const { settings: { keys, values }, entries } = chosen.section;
  const models = [...chosen.on].filter((e) => entries[e].model).sort((a, b) => a - b);
  const differing = [...keys.keys()].filter((k) => new Set(models.map((e) => values[e][k])).size > 1);
  const table = element("table");
  const head = element("tr");
  head.append(element("th", "setting"), ...models.map((e) => element("th", entries[e].name)));
  table.append(element("thead"), element("tbody"));
  table.tHead.append(head);
  for (const k of differing) {
    const row = element("tr");
    row.append(element("td", keys[k]), ...models.map((e) => element("td", values[e][k] ?? "–")));
    table.tBodies[0].append(row);
  }
  const none = element("p", "None: fewer than two models are chosen, or they do not differ.");
  byId("settings").replaceChildren(differing.length ? table : none);
}
