"""Opens a page in a real browser and does what a reader does."""

import re
import shutil
import subprocess
from pathlib import Path

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


# A reader of the report of one run: another initial condition, and the film, change the pictures.
CHOOSE = """
<script>
(async () => {
  const wait = () => new Promise((done) => setTimeout(done, 400));
  const canvases = () => [...document.querySelectorAll("#views canvas")].map((c) => c.toDataURL());
  const paths = () => ["series", "phase"].flatMap((id) => {
    const plot = document.getElementById(id);
    const drawn = plot && plot.data ? plot.data.filter((trace) => trace.y.length > 2) : [];
    return drawn.map((trace) => JSON.stringify(Array.from(trace.y)));
  });
  await wait();
  const images = canvases().join(), curves = paths();
  const select = document.getElementById("start");
  select.value = "1";
  select.dispatchEvent(new Event("change"));
  await wait();
  const wrong = paths().filter((path, k) => path === curves[k]);
  if (canvases().join() === images) wrong.push("start");
  const stopped = canvases().join();
  document.getElementById("play").click();
  await wait();
  document.getElementById("play").click();
  if (canvases().join() === stopped) wrong.push("play");
  document.documentElement.dataset.chosen = String(wrong.length);
  document.documentElement.dataset.paths = String(curves.length);
})();
</script></body>"""


# A reader of the comparison: records what is on the page after each action.
COMPARED = """
<script>
(async () => {
  const wait = () => new Promise((done) => setTimeout(done, 400));
  const all = (query) => [...document.querySelectorAll(query)];
  const change = async (id, value) => {
    document.getElementById(id).value = value;
    document.getElementById(id).dispatchEvent(new Event("change"));
    await wait();
  };
  const pixels = () => all("#views canvas").map((canvas) => canvas.toDataURL()).join();
  const heads = () => all("#table tbody tr:not(.seed) td:first-child");
  const names = () => heads().map((cell) => cell.textContent.trim());
  const click = async (node) => { node.click(); await wait(); };
  const seen = [];
  for (const option of all("#system option")) {
    await change("system", option.value);
    const one = { title: document.getElementById("scores").textContent, rows: names() };
    one.conditions = document.getElementById("conditions").textContent;
    one.curves = document.getElementById("error").data.length;
    one.before = pixels().length;
    const first = pixels();
    await change("start", 1);
    one.start = pixels() !== first;
    const stopped = pixels();
    await click(document.getElementById("play"));
    one.played = pixels() !== stopped;
    await click(document.getElementById("play"));
    await click(all("#table th button")[0]);
    one.ascending = names();
    await click(all("#table th button")[0]);
    one.descending = names();
    await click(all("#models input")[0]);
    one.fewer = names();
    one.panels = all("#views figcaption").map((caption) => caption.textContent.trim());
    seen.push(one);
  }
  document.documentElement.dataset.seen = JSON.stringify(seen);
})();
</script></body>"""


# Records for every system the width of the page and of its window.
MEASURED = """
<script>
(async () => {
  const root = document.documentElement, found = [];
  for (const option of document.querySelectorAll("#system option")) {
    await chooseSection(option.value);
    await new Promise((done) => setTimeout(done, 400));
    found.push([root.scrollWidth, root.clientWidth]);
  }
  parent.postMessage(found, "*");
})();
</script></body>"""

HEARD = """
<script>
addEventListener("message", (event) => {
  document.documentElement.dataset.widths = event.data.join(" ");
});
</script></body>"""


def narrow_widths(page: Path, folder: Path, width: int = 390) -> list[list[int]]:
    """Return the widths that MEASURED records in a narrow frame; a window cannot be that narrow."""
    inner, outer = folder / "inner.html", folder / "outer.html"
    inner.write_text(page.read_text("utf-8").replace("</body>", MEASURED), "utf-8")
    frame = (
        f'<iframe src="{inner.name}" style="width: {width}px; height: 900px; border: 0"></iframe>'
    )
    outer.write_text(f"<!doctype html><html><body>{frame}</body></html>", "utf-8")
    document = in_browser(outer, folder, HEARD)
    widths = re.search('data-widths="([^"]*)"', document)
    assert widths is not None
    return [[int(x) for x in pair.split(",")] for pair in widths[1].split(" ")]


def in_browser(page: Path, folder: Path, script: str = CHOOSE) -> str:
    """Return the document after its own scripts and then ``script`` have run."""
    assert CHROMIUM is not None
    copy = folder / "page.html"
    copy.write_text(page.read_text("utf-8").replace("</body>", script), "utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-dev-shm-usage", "--no-first-run"]
    flags += ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-extensions"]
    flags += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=30000"]
    command = [CHROMIUM, *flags, "--enable-logging=stderr", "--dump-dom", copy.as_uri()]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    console = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
    assert not [line for line in console if re.search("Uncaught|Refused|Error|violates", line)]
    return result.stdout
