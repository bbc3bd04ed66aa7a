"""Loading crystals from shards: time and memory by number of crystals, in memory and streamed.

    python benchmarks/store.py --shards results/crystals/n500/shards/*.parquet

Each line is a process of its own: `load` makes the tensors that batches are taken from, `epoch`
takes every crystal once in shuffled batches, `peak` is the most memory beyond that of the
imported packages. With --repeat the shards are read several times, as a larger data set would be.
Streamed lines hold at most --limit GiB.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import torch

from sitenet.shards.open_store import open_both
from sitenet.shards.passes import Tables
from sitenet.shards.store import CrystalStore
from sitenet.shards.streaming import StreamedStore
from sitenet.train.batches import Packs


def peak_bytes() -> int:
    """Most memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def first_ids(shards: list[Path], crystals: int) -> set[str]:
    """Ids of the first crystals."""
    ids: list[str] = []
    for shard in shards:
        ids += pq.read_table(shard, columns=["id"]).column("id").to_pylist()
    return set(ids[:crystals])


def measure(options: argparse.Namespace) -> dict[str, float]:
    """One line."""
    torch.set_num_threads(1)
    keep = first_ids(options.shards, options.crystals[0]) if options.crystals else None
    shards = options.shards * options.repeat
    before, start = peak_bytes(), time.perf_counter()
    store: Tables
    if options.sites_apart is not None:
        limit = options.limit if options.path == "streamed" else 2**20
        store = open_both(shards, keep, round(limit * 2**30), options.sites_apart)
    elif options.path == "memory":
        store = CrystalStore.from_shards(shards, keep)
    else:
        store = StreamedStore(shards, keep, round(options.limit * 2**30))
    loaded = time.perf_counter()
    for chosen, _ in Packs(store, torch.arange(len(store)), options.sites, shuffle=0).packs():
        store.batch(chosen)
    return {
        "crystals": len(store),
        "pairs": int(store.pairs.sum()),
        "load": loaded - start,
        "epoch": time.perf_counter() - loaded,
        "peak": peak_bytes() - before,
    }


def main() -> None:
    """Parse the arguments and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shards", type=Path, nargs="+", required=True)
    parser.add_argument("--crystals", type=int, nargs="*", default=[1000, 4000, 16000])
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--limit", type=float, default=1.0, help="GiB of a streamed store")
    parser.add_argument("--sites", type=int, default=1200)
    parser.add_argument("--sites-apart", type=float, help="both tables of a pre-training, with "
                        "this tolerance (A), instead of merged pairs")  # fmt: skip
    parser.add_argument("--path", choices=["memory", "streamed"], help="only this, as JSON")
    options = parser.parse_args()
    if options.path:
        print(json.dumps(measure(options)))
        return
    print("| crystals | path | merged pairs | load (s) | epoch (s) | peak (GiB) |")
    print("| ---: | --- | ---: | ---: | ---: | ---: |")
    for number in [*map(str, options.crystals), None]:
        for path in ("memory", "streamed"):
            same = ["--repeat", str(options.repeat), "--limit", str(options.limit)]
            if options.sites_apart is not None:
                same += ["--sites-apart", str(options.sites_apart)]
            same += ["--sites", str(options.sites), "--crystals", *([number] if number else [])]
            command = [sys.executable, __file__, "--path", path, *same, "--shards"]
            line = json.loads(
                subprocess.run(
                    [*command, *map(str, options.shards)],
                    check=True,
                    stdout=subprocess.PIPE,
                    text=True,
                ).stdout
            )
            print(
                f"| {line['crystals']:,} | {path} | {line['pairs']:,} | {line['load']:.1f} "
                f"| {line['epoch']:.1f} | {line['peak'] / 2**30:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
