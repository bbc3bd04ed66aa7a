"""t-SNE maps of representations, and the separation of a chemical class in them.

As in doi:10.1039/d4dd00202d, Figs. 9 and 10: the test set's vectors are mapped to a plane with a
perplexity of 5 % of the points, and compounds of a halogen and a metal are marked. scikit-learn's
t-SNE is used: at perplexities of several hundred the attractive forces dominate the cost, and
packages that accelerate the repulsive forces by Fourier transforms are not faster (0.4 s per
iteration for 20,000 points).
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sitenet.options.representation import MapSettings
from sitenet.progress import log
from sitenet.shards.vectors import read_vectors
from sitenet.splits.parts import read_parts
from sitenet.structure.elements import symbols
from sitenet.tables import read_by_id, read_ids, write_table

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

HALOGENS = frozenset({9, 17, 35, 53, 85})


def halogen_and_metal(numbers: list[NDArray[np.integer]]) -> Bool:
    """Whether each of n crystals, given by atomic numbers, contains a halogen and a metal: (n,).

    Metals are those of pymatgen's `is_metal`: alkali to post-transition metals, lanthanoids and
    actinoids, without metalloids.
    """
    from pymatgen.core import Element

    metals = {z for z, symbol in symbols().items() if Element(symbol).is_metal}
    present = [set(np.unique(z).tolist()) for z in numbers]
    return np.array([bool(z & HALOGENS and z & metals) for z in present], dtype=bool)


def plane(vectors: Float, settings: MapSettings) -> Float:
    """t-SNE of `vectors` (n, width) to a plane, (n, 2), initialised with principal components.

    Raises ValueError for fewer than 4 points.
    """
    from sklearn.manifold import TSNE

    if len(vectors) < 4:
        raise ValueError(f"a map needs 4 points or more, not {len(vectors)}")
    perplexity = min(max(settings.perplexity * len(vectors), 2.0), (len(vectors) - 1) / 3)
    # With one thread the result is reproducible; sums over threads are not.
    tsne = TSNE(perplexity=perplexity, init="pca", random_state=settings.seed, n_jobs=1)
    return tsne.fit_transform(vectors).astype(np.float64)


def apartness(points: Float, label: Bool) -> float:
    """Mean silhouette of the two classes of `label` (n,) among `points` (n, d), -1 to 1.

    0 means that points are as far from their own class as from the other one, positive values that
    the classes are separated (P. J. Rousseeuw, doi:10.1016/0377-0427(87)90125-7). NaN if a class
    has no points.
    """
    from sklearn.metrics import silhouette_score

    return float(silhouette_score(points, label)) if 0 < label.sum() < len(label) else np.nan


def write_map(
    structures: Path,
    split: Path,
    column: str,
    embeddings: Path,
    settings: MapSettings,
    out: Path,
    scores: Path,
) -> None:
    """Write the t-SNE map of the test set's vectors.

    Args:
        structures: table of structures, with the label in `column`.
        split: CSV of id, split.
        embeddings: table of id, z; other crystals are left out.
        out: Parquet to write: id, x, y, halogen_metal, target.
        scores: CSV to write, with a row for each space (z and map): space, points, halogen_metal
            (number of them), silhouette.
    """
    known = set(read_ids(embeddings))
    tested = read_parts(split).drawn("test", settings.points, settings.seed)
    ids = [name for name in tested if name in known]
    vectors = read_vectors([embeddings], ids).astype(np.float64)
    table = read_by_id(structures, ids, ["numbers", column])
    label = halogen_and_metal(list(table["numbers"]))
    log.info(f"t-SNE of {len(ids):,} crystals, {label.sum():,} of them with a halogen and a metal")
    points = plane(vectors, settings)
    found = pd.DataFrame({
        "space": ["z", "map"],
        "points": len(ids),
        "halogen_metal": int(label.sum()),
        "silhouette": [apartness(vectors, label), apartness(points, label)],
    })  # fmt: skip
    log.info(f"silhouette: {found.silhouette[0]:.3f} in Z, {found.silhouette[1]:.3f} on the map")
    result = pd.DataFrame({"id": ids, "x": points[:, 0], "y": points[:, 1],
                           "halogen_metal": label, "target": table[column]})  # fmt: skip
    write_table(out, result)
    write_table(scores, found)
