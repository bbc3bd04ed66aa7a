r"""Site-Net beside CGCNN: the same crystals, split, threads and machine; errors, speed and memory.

    snakemake --cores 2 --configfile config/table.yaml mine.yaml -- \
        results/crystals/splits/band_gap.csv
    pip install --no-deps --target peers -r benchmarks/peers/requirements.txt
    PYTHONPATH=peers python benchmarks/peers/compare.py --configfile config/table.yaml mine.yaml \
        --dataset crystals --task band_gap

Takes the configuration's first run of that task, and prints a Markdown table. Each model is
featurised and trained in a process of its own, from the CIF texts of the table of structures.
Speeds are structures per second of processor time, which with one thread is the time that passes on
an idle machine.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

MODELS = ("site_net", "cgcnn")


def measure(options: argparse.Namespace) -> None:
    """Measure one model; the last line printed is its row as JSON."""
    import torch
    from crystals import Crystals, planned

    torch.set_num_threads(options.threads)
    run = planned(options.configfile, options.dataset, options.task)
    split = options.split or Path(run.setting.crystals.dataset.split(options.task, run.seed))
    crystals = Crystals.of(run, split)
    if options.model == "cgcnn":
        import cgcnn

        nonnegative = run.label["output"] == "nonnegative"
        result = cgcnn.measure(crystals, options.epochs, run.seed, nonnegative)
    else:
        import site_net

        result = site_net.measure(crystals, run, split)
    print(json.dumps(dataclasses.asdict(result) | {"unit": run.unit}))


def row(result: dict) -> str:
    """A row of the table."""
    cells = (
        result["model"],
        f"{result['mae']:.3f}",
        f"{result['best_epoch']} of {result['epochs']}",
        f"{result['featurised']:.0f}",
        f"{result['trained']:.0f}",
        f"{result['gib']:.2f}",
        f"{result['left_out']}",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure the models one after the other and print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--configfile", nargs="+", required=True, help="as for snakemake")
    parser.add_argument("--dataset", required=True, help="of the configuration")
    parser.add_argument("--task", required=True, help="one of its tasks")
    parser.add_argument("--split", type=Path, help="file; default: the pipeline's for the task")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=30, help="of CGCNN")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--model", choices=MODELS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.model:
        measure(options)
        return
    environment = os.environ | {"OMP_NUM_THREADS": str(options.threads)}
    results = []
    for model in options.models:
        command = [sys.executable, *sys.argv, "--model", model]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as job:
            last = ""
            for last in job.stdout or ():
                print(last, end="", file=sys.stderr, flush=True)
        if job.returncode:
            sys.exit(f"{model} failed")
        results.append(json.loads(last))
    print(f"{options.dataset} {options.task}, {options.threads} thread(s)\n")
    print(
        f"| | test MAE ({results[0]['unit']}) | best epoch | featurising (structures/s) "
        "| training (structures/s) | memory (GiB) | left out |"
    )
    print("| --- " + "| ---: " * 6 + "|")
    for name, mae in (results[0]["baselines"] or {}).items():
        print(f"| {name} | {mae:.3f} | | | | | |")
    for result in results:
        print(row(result))


if __name__ == "__main__":
    main()
