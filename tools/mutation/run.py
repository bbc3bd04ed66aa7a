"""Mutation test: how many small wrong changes of the science modules do the tests notice?

    python tools/mutation/run.py                         # named mutations, then a sample per module
    python tools/mutation/run.py --named                 # the named ones only
    python tools/mutation/run.py --module crystal/merging.py --count 1000
    python tools/mutation/run.py --report                # the table of what is known, nothing run

Named mutations (named.toml) are mistakes that a person could make and nobody would see in the
results, such as a label scale from test labels: the tests have to notice all of them. The others
are drawn by a seed from all changes that operators.py makes.

Outcomes are kept in .mutants.jsonl, so that a run that was stopped goes on. A mutant stays noticed
while the test file that noticed it is the same, and a survivor while all its test files are.
"""

import argparse
import os
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from kept import Kept
from operators import mutants, sample
from table import Candidate, print_table
from tests_of import ROOT, covering
from trials import Trial, outcomes

NAMED = Path(__file__).with_name("named.toml")

MODULES = [
    "crystal/complexity.py", "crystal/distances.py", "crystal/element_features.py",
    "crystal/featurise.py", "crystal/greedy_supercell.py", "crystal/lattice_reduction.py",
    "crystal/merging.py", "crystal/orbital_field.py", "crystal/primitive.py", "crystal/species.py",
    "crystal/supercell.py", "crystal/symmetry.py",
    "structure/oxidation.py", "structure/overlapping_atoms.py",
    "splits/draws.py", "splits/label_masks.py", "splits/parts.py", "splits/split.py",
    "shards/batch.py", "shards/packing.py", "shards/pair_types.py", "shards/store.py",
    "model/base.py", "model/dense.py", "model/inference.py", "model/input_features.py",
    "model/layers.py", "model/pair_block.py", "model/saving.py", "model/sitenet.py",
    "model/infomax/deep_infomax.py", "model/infomax/false_samples.py", "model/infomax/scores.py",
    "evaluate/baselines.py", "evaluate/ensemble.py", "evaluate/metrics.py",
    "evaluate/representation.py",
    "train/batches.py", "model/flat.py", "train/history.py", "train/infomax_task.py",
    "train/loop.py", "train/optimiser.py", "train/pretrain.py", "train/supervised.py",
    "train/task.py", "train/transfer.py",
    "analysis/attention.py", "analysis/correlation.py", "analysis/invariance.py",
    "analysis/long_range.py", "analysis/paired_tests.py", "analysis/range_measures.py",
    "analysis/range_readings.py", "analysis/reach.py", "analysis/supercells.py",
]  # fmt: skip
"""Where a mistake changes numbers of the science and nothing else fails."""

SPARE = 30.0
"""Seconds that a trial may take beyond three times what its tests take without a change."""


def main() -> int:
    """Run what is asked for and print the table; 1 if a named mutation survived."""
    options = _arguments()
    candidates = named() if not options.module else []
    if not options.named:
        for module in options.module or MODULES:
            candidates += drawn(f"sitenet/{module}", options.count, options.seed)
    kept = Kept(ROOT / ".mutants.jsonl")
    if not options.report:
        _run(candidates, kept, options.workers)
    return print_table(candidates, kept)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--module", action="append", help="such as crystal/merging.py")
    parser.add_argument("--count", type=int, default=4, help="mutants drawn from each module")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--named", action="store_true", help="only the named mutations")
    parser.add_argument("--report", action="store_true", help="run nothing")
    return parser.parse_args()


def named() -> list[Candidate]:
    """The mutations of named.toml. Raises ValueError for one whose text is not in its file."""
    found = []
    for entry in tomllib.loads(NAMED.read_text())["mutation"]:
        source = (ROOT / entry["file"]).read_text()
        if (times := source.count(entry["old"])) != 1:
            raise ValueError(f"{NAMED.name}: what {entry['name']!r} replaces is {times} times in "
                             f"{entry['file']}; bring it up to date")  # fmt: skip
        line = source[: source.index(entry["old"])].count("\n") + 1
        changed = source.replace(entry["old"], entry["new"]).encode()
        tests = tuple(entry.get("tests", ())) or covering(entry["file"])
        found.append(Candidate(entry["file"], line, changed, tests, entry["name"]))
    return found


def drawn(file: str, count: int, seed: int) -> list[Candidate]:
    """`count` mutants of a module, drawn by the seed."""
    source = (ROOT / file).read_bytes()
    chosen = sample(mutants(source), count, f"{seed} {file}")
    return [Candidate(file, m.line, m.applied(source), covering(file)) for m in chosen]


def _run(candidates: Sequence[Candidate], kept: Kept, workers: int) -> None:
    """Try what is not known yet, after the tests themselves."""
    missing = [c for c in candidates if kept.outcome(c) is None]
    _time_tests({test for c in missing for test in c.tests}, kept, workers)
    by_key = {c.key: c for c in missing}
    trials = [trial for c in by_key.values() if (trial := _trial(c, kept)).tests]
    for number, found in enumerate(outcomes(trials, workers), 1):
        candidate = by_key[found.key]
        kept.keep(candidate, found)
        told = f"noticed by {found.by}" if found.by else "SURVIVED"
        print(f"{number}/{len(trials)} {candidate.place}: {told} ({found.seconds:.0f} s)",
              file=sys.stderr, flush=True)  # fmt: skip


def _trial(candidate: Candidate, kept: Kept) -> Trial:
    """With the quickest test files first: most mutants need no other."""
    seconds = {test: time for test in candidate.tests if (time := kept.seconds(test)) is not None}
    limit = SPARE + 3 * sum(seconds.values())
    tests = tuple(sorted(seconds, key=seconds.__getitem__))
    return Trial(candidate.key, candidate.file, candidate.source, tests, limit)


def _time_tests(tests: set[str], kept: Kept, workers: int) -> None:
    """Time each test file without a change; those that fail then are told and not used."""
    unknown = sorted(test for test in tests if kept.seconds(test) is None)
    trials = [Trial(test, test, (ROOT / test).read_bytes(), (test,), 900) for test in unknown]
    for found in outcomes(trials, workers):
        if found.by:
            print(f"{found.key} is left out: without a change, {found.by} fails", file=sys.stderr)
            continue
        kept.keep_time(found.key, found.seconds)
        print(f"{found.key}: {found.seconds:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
