"""How even the batches of an epoch are: packed by their merged pairs, and by their unique sites.

    python benchmarks/batches.py --shards results/crystals/n50/shards/*.parquet

The cost of a step is that of its merged pairs.
"""

import argparse
from pathlib import Path

import numpy as np

from sitenet.shards.packing import pack
from sitenet.shards.passes import pair_limit
from sitenet.shards.streaming import StreamedStore


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--shards", type=Path, nargs="+", required=True)
    parser.add_argument("--sites", type=int, default=1200, help="unique sites of a batch")
    options = parser.parse_args()
    store = StreamedStore(options.shards, None, 2**30)
    sites, pairs = store.sites.numpy(), store.pairs.numpy()
    limit = pair_limit(store, np.arange(len(store)), options.sites)
    print(f"{len(store):,} crystals, {sites.sum():,} unique sites, {pairs.sum():,} merged pairs\n")
    print("| batches of equal | batches | standard deviation of the pairs | largest |")
    print("| --- | ---: | ---: | ---: |")
    for name, sizes, most in (("sites", sites, options.sites), ("merged pairs", pairs, limit)):
        each = np.array([pairs[batch].sum() for batch in pack(sizes, most, (0, 0))])
        mean = each.mean()
        print(f"| {name} | {len(each)} | {each.std() / mean:.1%} | {each.max() / mean:.2f} |")


if __name__ == "__main__":
    main()
