"""Many crystals in one panel: as points, or as cells coloured by their number."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from sitenet.plots import style

Float = NDArray[np.float64]

FEW = 2000
"""Panels of fewer crystals show each as a point; cells would mostly hold one."""

CELLS = 60  # in each direction


class Clouds:
    """The panels of one figure, which are drawn alike: all as points, or all as cells."""

    def __init__(self, sizes: Sequence[int]) -> None:
        """`sizes`: number of crystals of each panel."""
        self.as_points = max(sizes, default=0) < FEW
        self._size = float(np.clip(2400 / max(1, *sizes), 3.0, 9.0))
        self._meshes: list[QuadMesh] = []
        self._most = 0  # crystals in a cell

    def draw(self, axes: Axes, x: Float, y: Float) -> PathCollection | QuadMesh:
        """Draw crystals at (x, y), each (n,), within the limits of `axes`, which must be set."""
        if self.as_points:
            return axes.scatter(x, y, s=self._size, color=style.BLUE, alpha=0.5, linewidths=0)
        edges = [np.linspace(*limits, CELLS + 1) for limits in (axes.get_xlim(), axes.get_ylim())]
        counts = np.histogram2d(x, y, bins=edges)[0].T
        self._most = max(self._most, int(counts.max()))
        shown = np.ma.masked_equal(counts, 0)
        self._meshes.append(axes.pcolormesh(*edges, shown, rasterized=True))
        return self._meshes[-1]

    def explain(self, figure: Figure, axes: Any, what: str) -> list[Line2D]:
        """Draw the colour bar of all cells beside `axes`; of points, return the legend's entry."""
        if self.as_points:
            return [Line2D([], [], marker="o", linestyle="", markeredgewidth=0, alpha=0.7,
                           color=style.BLUE, markersize=3, label=what)]  # fmt: skip
        norm = LogNorm(1, max(2, self._most))
        for mesh in self._meshes:
            mesh.set_norm(norm)
        bar = figure.colorbar(self._meshes[0], ax=axes, label=f"{what}s per cell", pad=0.015)
        style.plain_ticks(bar.ax.yaxis)
        return []
