"""Measures time and memory of training from disk instead of from memory.

python scripts/benchmark/streaming.py [--repeats 5] [--updates 1000] [key=value ...]

It runs train.py in turn with states in memory and with states read window by window
(data.memory=0); the results are the same to the last bit. The key=value are passed to all runs.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

TRAIN = Path(__file__).resolve().parents[2] / "train.py"
WHERE = {"held": "data.memory=1000000", "read": "data.memory=0"}
CODE = """
import resource, runpy, sys
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def run(folder: Path, arguments: Sequence[str]) -> tuple[float, float, str]:
    """Return seconds of training, peak memory in MB, and the scores."""
    code = f"import sys; sys.argv = {[str(TRAIN), *arguments]!r}\n{CODE}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, check=True, stdout=subprocess.PIPE, text=True
    )
    newest = max(folder.glob("runs/*/*/metrics.json"), key=lambda path: path.stat().st_mtime_ns)
    found = json.loads(newest.read_text())
    peak = int(done.stdout.rpartition("peak")[2]) / 1024
    return found["seconds"]["train"], peak, json.dumps(found["scores"]["model"])


def main() -> int:
    parser = argparse.ArgumentParser(description="Training from memory and from disk.")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--updates", type=int, default=1000)
    options, more = parser.parse_known_args()
    common = [*more, f"trainer.updates={options.updates}", "trainer.validations=1"]
    common += ["logger=none", "resume=never", "data.limits=false"]
    times: dict[str, list[float]] = {name: [] for name in WHERE}
    peaks: dict[str, list[float]] = {name: [] for name in WHERE}
    scores = set()
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), [*common, "trainer.updates=1"])  # this makes the data
        for _ in range(options.repeats):
            for name, where in WHERE.items():
                seconds, peak, score = run(Path(folder), [*common, where])
                times[name].append(seconds)
                peaks[name].append(peak)
                scores.add(score)
    ratios = [b / a for a, b in zip(times["held"], times["read"], strict=True)]
    for name in WHERE:
        print(
            f"{name}: {statistics.median(times[name]):.1f} s ({min(times[name]):.1f}-"
            f"{max(times[name]):.1f}), peak {statistics.median(peaks[name]):.0f} MB"
        )
    print(
        f"read / held: {statistics.median(ratios):.3f} ({min(ratios):.3f}-{max(ratios):.3f}), "
        f"the same scores: {len(scores) == 1}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
