"""The part of one machine in a training on several; started by `sitenet.train.nodes`."""

import os
import sys
from pathlib import Path

from sitenet.files import read_json
from sitenet.train.nodes import from_plain
from sitenet.train.pretrain import Pretraining
from sitenet.train.supervised import SupervisedTraining
from sitenet.train.workers import Rendezvous, start_workers

KINDS = {kind.__name__: kind for kind in (SupervisedTraining, Pretraining)}


def main(file: str) -> None:
    """Run the processes of this machine, whose number comes from Slurm."""
    described = read_json(Path(file))
    training = from_plain(KINDS[described["kind"]], described["training"])
    rendezvous = from_plain(Rendezvous, described["rendezvous"])
    start_workers(training, rendezvous, int(os.environ["SLURM_NODEID"]))


if __name__ == "__main__":
    main(sys.argv[1])
