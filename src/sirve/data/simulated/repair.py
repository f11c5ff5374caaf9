"""Make the damaged parts of a dataset again, with the same checksums, and change nothing else."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from sirve.data.dataset import MANIFEST, STATS, Dataset, Manifest, locked, shard_name, write_stats
from sirve.data.simulated.generate import make, versions
from sirve.data.simulated.recipe import Recipe
from sirve.data.simulated.verify import verify
from sirve.errors import UserError, one_line
from sirve.io.hdf5 import reading


def repair(folder: Path, trust: Sequence[str], workers: int) -> Iterator[str]:
    """Repair a dataset as far as possible, and yield a line for each change.

    Intact shards are not touched, and a shard whose new checksum differs from the manifest's is
    not put in place; ``verify`` names the damage that is left. The manifest is not trusted: its
    system must lie in the packages of ``trust``. Raises UserError, before anything is changed, for
    a dataset that cannot be made again.
    """
    found = list(verify(folder))
    for damage in found:
        if damage.name == MANIFEST:
            raise UserError(f"{damage.line}; delete the folder to simulate it again")
    blocks = sorted({damage.block for damage in found if damage.block})
    recipe = Recipe.of(Dataset(folder).manifest.config, trust) if blocks else None
    if not found:
        return
    with locked(folder):  # which removes files left half written
        for damage in found:
            if damage.temporary and not (folder / damage.name).exists():
                yield f"removed {one_line(damage.name)}"
        differing = False
        if recipe is not None:
            for line, replaced in _make(recipe, folder, blocks, workers):
                differing |= not replaced
                yield line
        stale = any(damage.name == STATS for damage in found) or "train" in dict(blocks)
        if stale and not differing:
            write_stats(Dataset(folder))
            yield f"wrote {STATS}"


def _make(
    recipe: Recipe, folder: Path, blocks: Sequence[tuple[str, int]], workers: int
) -> Iterator[tuple[str, bool]]:
    """Make blocks; yield for each a line, and whether its shard is in place now."""
    manifest = Dataset(folder).manifest
    names = [shard_name(*block) for block in blocks]
    expected = {name: manifest.shards[name] for name in names if name in manifest.shards}
    for name, checksum in make(recipe, folder, blocks, workers, expected):
        if expected.get(name, checksum) != checksum:
            yield f"{folder / 'data' / name} is not replaced: {_why(folder, manifest)}", False
            continue
        if name not in expected:
            manifest.shards[name] = checksum
            manifest.save(folder)
        yield f"made data/{name} again", True


def _why(folder: Path, manifest: Manifest) -> str:
    """Return why a shard may have changed: other versions made the dataset, if they are known."""
    then, now = _versions(folder, manifest), set(versions())
    reason = "made now, it has another checksum than the manifest's"
    if then and then != now:
        others = (one_line(", ".join(sorted(words))) for words in (then - now, now - then))
        reason += "; the dataset was made with {}, here is {}".format(*others)
    return reason


def _versions(folder: Path, manifest: Manifest) -> set[str]:
    """Return the versions that made the dataset, from the first shard that can be read."""
    for name in manifest.shards:
        try:
            with reading(folder / "data" / name, "") as file:
                return {str(word) for word in file.attrs["versions"]}
        except (UserError, KeyError, TypeError):
            continue
    return set()
