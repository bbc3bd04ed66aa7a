"""Files that figures are drawn from, of any size and with values as odd as users may have them."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from sitenet.analysis.equivalent_descriptions import CHANGES
from sitenet.analysis.reach import WITHIN
from sitenet.analysis.supercell_rules import RULES
from sitenet.files import write_json
from sitenet.options.search import RANGES
from sitenet.plots import fig6, fig7
from sitenet.plots import range as range_figure
from sitenet.plots.dim_fig6 import draw_dim_fig6
from sitenet.plots.dim_fig7 import draw_dim_fig7
from sitenet.plots.dim_fig8_11 import draw_dim_fig8_11
from sitenet.plots.dim_fig9_10 import COLUMNS, MapRow, PropertyRow, draw_dim_fig9, draw_dim_fig10
from sitenet.plots.dim_fig13_s1 import draw_dim_fig13_s1
from sitenet.plots.fig5 import Fig5Run, draw_fig5
from sitenet.plots.invariance import draw_invariance
from sitenet.plots.search import draw_search
from sitenet.plots.supercells import draw_supercells

ARMS = ("infomax", "untrained", "ofm", "xrd")


@dataclass(frozen=True)
class Case:
    """What is drawn: tasks, their unit, seeds, and numbers of crystals, heads, epochs and blocks.

    spread: of all values around their mean; 0 makes them all equal. failures: fits without penalty
    and one prediction are off by this much.
    """

    names: tuple[str, ...] = ("ewald energy", "nearest distance")
    unit: str = "eV/atom"
    seeds: tuple[int, ...] = (0, 1, 2)
    crystals: int = 60
    heads: int = 3
    blocks: int = 2
    epochs: int = 12
    spread: float = 1.0
    failures: float = 50.0


class Inputs:
    """Writes the files of a case to a folder and draws each figure from them."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case, self.folder = case, folder
        self.random = np.random.default_rng(0)
        self.ids = [f"c{k}" for k in range(case.crystals)]

    @property
    def figures(self) -> dict[str, Callable[[], None]]:
        return {name[5:]: getattr(self, name) for name in dir(self) if name.startswith("draw_")}

    def draw_fig5(self) -> None:
        runs = []
        for k, name in enumerate(self.case.names):
            target = self._values()
            prediction = target + 0.1 * self._values()
            prediction[:1] += self.case.failures
            table = {"id": self.ids, "split": "test", "target": target, "prediction": prediction}
            predictions = self._parquet(f"predictions{k}", table)
            epochs = np.arange(1, self.case.epochs + 1)
            error = self.case.spread * np.exp(-epochs / 4) + 0.1
            columns = {"epoch": epochs, "train_mae": error, "val_mae": 1.1 * error}
            history = self._csv(f"history{k}", columns)
            scores = {"mae": 0.1, "r2": 0.9, "n": len(target)}
            splits = {"test": scores} if len(target) else {}
            metrics = self.folder / f"metrics{k}.json"
            write_json(metrics, {"splits": splits, "best_epoch": len(epochs)})
            runs.append(Fig5Run(name, name, self.case.unit, history, predictions, metrics))
        draw_fig5(runs, *self._out(2))

    def draw_fig6(self) -> None:
        rows = []
        levels = 10.0 ** np.arange(-6, 0.1, 0.5)
        for block, head in product(range(self.case.blocks), range(self.case.heads)):
            for d, a in product(range(1, 15, 3), range(len(levels) - 1)):
                filled = self.case.spread > 0 or a == 6
                rows.append((block + 1, head + 1, d, d + 3, levels[a], levels[a + 1], 7 * filled))
        names = ["block", "head", "distance_low", "distance_high", "attention_low",
                 "attention_high", "pairs"]  # fmt: skip
        histogram = self.folder / "attention.parquet"
        pd.DataFrame(rows, columns=names).to_parquet(histogram)
        places = product(range(1, self.case.blocks + 1), range(1, self.case.heads + 1))
        heads = [{"block": b, "head": h, "far_share": 0.6} for b, h in [*places, (0, 0)]]
        table = self.folder / "attention.csv"
        pd.DataFrame(heads).to_csv(table, index=False)
        trainings = [
            fig6.Training(name, seed, histogram, table)
            for name, seed in product(self.case.names[: 6 // self.case.heads + 1], self.case.seeds)
        ]
        fig6.draw_fig6(trainings, *self._out(3))

    def draw_fig7(self) -> None:
        measures = {"i_conf": 2 + self._values(), "primitive_length": 9 + self._values()}
        complexity = self._parquet("complexity", {"id": self.ids, **measures})
        trainings = []
        for name, seed in product(self.case.names, self.case.seeds):
            reach = {"id": self.ids, "split": "test", "even_coefficient": 0.5,
                     "long_range_coefficient": 3 + self._values()}  # fmt: skip
            path = self._parquet(f"reach{len(trainings)}", reach)
            trainings.append(fig7.Training(name, "salts", seed, path, complexity))
        fig7.draw_fig7(trainings, *self._out(4))

    def draw_range(self) -> None:
        trainings = []
        places = product(range(1, self.case.blocks + 1), range(1, self.case.heads + 1))
        heads = [
            {"block": b, "head": h, "far_share": 0.6, "mean_distance": 4.0}
            for b, h in [*places, (0, 0)]
        ]
        shares = np.linspace(0.1, 1, len(WITHIN))
        for k, (name, seed) in enumerate(product(self.case.names, self.case.seeds)):
            target, n = self._values(), self.case.crystals
            masked = np.repeat(target, len(WITHIN)) + self.case.failures * np.tile(shares, n)
            curves = {"within": np.tile(WITHIN, n), "masked_prediction": masked}
            curves |= {part: np.tile(shares, n) for part in ("attention", "even_attention")}
            curves |= {"gradient": np.tile(shares**2, n)}
            curves |= {part: np.repeat(target, len(WITHIN)) for part in ("target", "prediction")}
            coefficients = {"split": "test", "long_range_coefficient": self._values(),
                            "even_coefficient": 0.5}  # fmt: skip
            errors = [self.folder / f"range{k}.json", self.folder / f"range{k}cut.json"]
            for path in errors:
                write_json(path, {"splits": {"test": {"mae": 0.1}}})
            known = None if name == self.case.names[-1] else 3.0 + self.case.names.index(name)
            trainings.append(
                range_figure.Training(
                    name,
                    known,
                    seed,
                    self._parquet(f"coefficients{k}", pd.DataFrame(coefficients, range(n))),
                    self._csv(f"heads{k}", pd.DataFrame(heads)),
                    self._parquet(f"curves{k}", curves),
                    errors[0],
                    {5.0: errors[1]} if k == 0 else {},
                )
            )
        range_figure.draw_range(trainings, *self._out(5))

    def draw_invariance(self) -> None:
        rows = [
            {"id": name, "supercell": rule, "change": change, "delta": delta}
            for rule, change in product(RULES, CHANGES)
            for name, delta in zip(self.ids, 0.1 * self._values(), strict=True)
        ]
        table = pd.DataFrame(rows, columns=["id", "supercell", "change", "delta"])
        changes = self._parquet("changes", table)
        runs = [(name, self.case.unit, changes) for name in self.case.names]
        draw_invariance(runs, *self._out(3))

    def draw_supercells(self) -> None:
        sites = (8 + 3 * np.abs(self._values())).astype(int)
        shape = np.clip(0.9 - 0.1 * np.abs(self._values()), 0, 1)
        tables = [
            pd.DataFrame({"id": self.ids, "supercell": rule, "n_sites": sites, "filling": shape,
                          "cubicness": shape, "elongation": 1.2})
            for rule in RULES
        ]  # fmt: skip
        cells = self._parquet("cells", pd.concat(tables))
        draw_supercells([(name, 50, cells) for name in self.case.names], *self._out(3))

    def draw_dim_fig6(self) -> None:
        epochs = np.arange(1, self.case.epochs + 1)
        losses = [f"val_{a}_{b}" for a in ("local", "global") for b in ("score", "kl")]
        table = {"epoch": epochs, **dict.fromkeys(losses, 1 + self.case.spread / epochs)}
        history = self._csv("infomax", table)
        names = self.case.names
        draw_dim_fig6([history] * len(names), names, *self._out(2))

    def draw_dim_fig7(self) -> None:
        units = [self.case.unit] * len(self.case.names)
        draw_dim_fig7(self.case.names, units, self._transferred(), *self._out(3))

    def draw_dim_fig8(self) -> None:
        experiments = [(n, self.case.unit, self._represented(n)) for n in self.case.names]
        draw_dim_fig8_11(experiments, "untrained", *self._out(3))

    def draw_dim_figS1(self) -> None:
        units = [self.case.unit] * len(self.case.names)
        fixed = [path for name in self.case.names for path in self._represented(name)]
        draw_dim_fig13_s1(self.case.names, units, self._transferred(), fixed, *self._out(3))

    def draw_dim_fig9(self) -> None:
        scores = []
        for k, _ in enumerate(COLUMNS):
            found = 0.1 if len(self.ids) > 3 and self.case.spread else np.nan
            scores.append(self._csv(f"scores{k}", {"space": ["z", "map"], "silhouette": found}))
        rows = [MapRow(name, self._maps(name), scores) for name in self.case.names]
        draw_dim_fig9(rows, *self._out(3))

    def draw_dim_fig10(self) -> None:
        rows = [PropertyRow(n, n, self.case.unit, self._maps(n)) for n in self.case.names]
        draw_dim_fig10(rows, *self._out(2))

    def draw_search(self) -> None:
        trials = np.arange(1, 1 + max(2, min(8, self.case.crystals)))
        table = {"trial": trials, "outcome": ["stopped", "finished"] * (len(trials) // 2)
                 + ["finished"] * (len(trials) % 2)}  # fmt: skip
        table |= {name: np.linspace(low, high, len(trials)) for name, (low, high) in RANGES.items()}
        table["val_mae"] = 1 + self.case.spread / trials
        curves = {"trial": trials, "epoch": 1, "val_mae": table["val_mae"]}
        given = self._csv("trials", table), self._parquet("curves", curves)
        draw_search(*given, self.case.unit, *self._out(2))

    def _values(self) -> np.ndarray:
        return 5 + self.case.spread * self.random.normal(size=self.case.crystals)

    def _transferred(self) -> list[Path]:
        rows = [
            {"experiment": name, "arm": arm, "labels": labels, "seed": seed, "train": 4,
             "validation": 1, "epochs": 9, "best_epoch": 5, "val_mae": 0.1, "seconds": 1.0,
             "test_mae": 1 + self.case.spread * 0.1 * self.random.random()}
            for name, arm, labels, seed in product(
                self.case.names, ("random", "infomax"), (50, 150), range(4))
        ]  # fmt: skip
        return [self._parquet("transfer", pd.DataFrame(rows))]

    def _represented(self, name: str) -> list[Path]:
        found = []
        for arm in ARMS:
            rows = [
                {"experiment": name, "representation": arm, "model": model, "labels": labels,
                 "mask": mask, "test_mae": 1 + self.case.spread * 0.1 * self.random.random()
                 + self.case.failures * (model == "linear" and arm == "ofm")}
                for model, labels, mask in product(("linear", "ridge", "mlp"), (50, 150), range(6))
            ]  # fmt: skip
            found.append(self._parquet(f"{self.case.names.index(name)}{arm}", pd.DataFrame(rows)))
        return found

    def _maps(self, name: str) -> list[Path]:
        k = self.case.names.index(name)
        points = {"id": self.ids, "x": self._values(), "y": self._values(),
                  "halogen_metal": np.arange(len(self.ids)) % 3 == 0,
                  "target": self._values()}  # fmt: skip
        return [self._parquet(f"map{k}", points)] * len(COLUMNS)

    def _parquet(self, name: str, table: object) -> Path:
        pd.DataFrame(table).to_parquet(self.folder / f"{name}.parquet")
        return self.folder / f"{name}.parquet"

    def _csv(self, name: str, table: object) -> Path:
        pd.DataFrame(table).to_csv(self.folder / f"{name}.csv", index=False)
        return self.folder / f"{name}.csv"

    def _out(self, count: int) -> list[Path]:
        names = ("figure.pdf", "figure.parquet", "table.csv", "tasks.csv", "compared.csv")
        return [self.folder / name for name in names[:count]]
