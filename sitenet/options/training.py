"""Settings of a training run."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class TrainingSettings:
    """How a model is trained; the optimiser's defaults are those of 10.1039/d3dd00005b.

    `batch_sites`: unique sites in a batch, in the mean: batches have equal numbers of merged pairs.
    `schedule`: `cosine` lowers the learning rate to zero over `max_epochs` after `warmup_epochs`,
    `constant` keeps it (as the original code does). `label_scaling`: `standard` lets the network
    predict labels in units of their spread about their mean, `none` as they are. Training stops
    after `patience` epochs without a better validation MAE. `precision`: 32-true (float32),
    64-true (float64), bf16-mixed or 16-mixed (only products in that format).
    `devices`: GPUs, or processes on the CPU, that share every batch; the result is that of one,
    except that `norm: batch` takes the statistics of each part. `nodes`: machines of a Slurm job,
    each with as many devices. `seed`: initial weights and order of the crystals. `train_size`:
    training crystals, drawn by the seed (None: all); those of a smaller number are among those of
    a larger one. `memory_gib`: most memory for crystals; of larger data sets the shards are read
    again in every epoch.
    """

    batch_sites: int = 1200
    learning_rate: float = 8.12e-4
    weight_decay: float = 1e-4
    amsgrad: bool = True
    eps: float = 1e-7
    gradient_clip: float = 1.0
    schedule: str = "cosine"
    warmup_epochs: float = 1.0
    max_epochs: int = 100
    patience: int = 30
    label_scaling: str = "standard"
    precision: str = "32-true"
    devices: int = 1
    nodes: int = 1
    train_size: int | None = None
    memory_gib: float = 8.0
    seed: int = 0

    def __post_init__(self) -> None:
        choices = {"schedule": ("cosine", "constant"), "label_scaling": ("standard", "none")}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {allowed}, not {getattr(self, name)!r}")

    @property
    def processes(self) -> int:
        """Processes that share a batch."""
        return self.devices * self.nodes

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)
