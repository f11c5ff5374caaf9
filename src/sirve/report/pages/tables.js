// The table of scores, which can be sorted, and the table of settings.
const rises = (column) => column.key === "valid_time" || column.key === "censored"; // more is better

function name(text) { // which may break after a dot or an underscore
  const node = element("span");
  node.append(...text.split(/(?<=[._])/).flatMap((part) => [part, element("wbr")]));
  return node;
}

function line(entry) { // a sample of the entry's line in the plots
  const styles = { dash: "dashed", dot: "dotted", dashdot: "dashed", solid: "solid" };
  const node = element("span", "", { className: "line" });
  node.style.borderTop = `.2rem ${styles[entry.dash]} ${entry.colour}`;
  return node;
}

function sorted(rows) {
  const { column, descending } = chosen;
  const value = (row) => (column ? row.cells[column - 1][0] : row.name);
  const known = (row) => value(row) !== null;
  const compare = (a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0);
  const inOrder = rows.filter(known).sort((a, b) => (descending ? compare(b, a) : compare(a, b)));
  return [...inOrder, ...rows.filter((row) => !known(row))]; // unknown values come last
}

function drawTable() {
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
      drawTable();
    });
    cell.append(button);
    row.append(cell);
  });
  const head = element("thead");
  head.append(row);
  return head;
}

function tableRow(row, entry, best) {
  const node = element("tr", "", { className: row.seed ? "seed" : entry.model ? "model" : "baseline" });
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

function drawSettings() {
  const { settings: { keys, values }, entries } = chosen.section;
  const models = [...chosen.on].filter((e) => entries[e].model).sort((a, b) => a - b);
  const differing = [...keys.keys()].filter((k) => new Set(models.map((e) => values[e][k])).size > 1);
  const table = element("table"), head = element("tr");
  head.append(element("th", "setting"), ...models.map((e) => element("th", entries[e].name)));
  table.append(element("thead"), element("tbody"));
  table.tHead.append(head);
  for (const k of differing) {
    const row = element("tr");
    row.append(element("td", keys[k]), ...models.map((e) => element("td", values[e][k] ?? "–")));
    table.tBodies[0].append(row);
  }
  const none = element("p", "None: fewer than two models are chosen, or their settings are equal.");
  byId("settings").replaceChildren(differing.length ? table : none);
}
