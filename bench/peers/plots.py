"""The plots, one file for each database: `plots.py FIGURES DIRECTORY`, run in the environment of the others."""

# mypy: ignore-errors
# ruff: noqa: ICN001

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
# Text as text, and the same bytes for the same figures.
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "rescind", "font.size": 9})

from matplotlib import pyplot  # noqa: E402

OURS, OTHERS = "#0b6e4f", "#9aa5b1"


def plot(results: list[dict], file: Path) -> None:
    names = list(dict.fromkeys(result["data"] for result in results))
    tall = [sum(r["data"] == name for r in results) for name in names]
    figure, axes = pyplot.subplots(
        len(names), 1, figsize=(7.5, 0.28 * sum(tall) + 0.75 * len(names)), height_ratios=tall, squeeze=False
    )
    for axis, name in zip(axes[:, 0], names, strict=True):
        bars(axis, name, [r for r in results if r["data"] == name])
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None, "Creator": None}, facecolor="white")
    pyplot.close(figure)


def bars(axis, name: str, results: list[dict]) -> None:
    rates = [[r["rows"] / s / 1000 for s in r["seconds"]] for r in results]
    medians = [statistics.median(rate) for rate in rates]
    errors = [
        [m - min(r) for m, r in zip(medians, rates, strict=True)],
        [max(r) - m for m, r in zip(medians, rates, strict=True)],
    ]
    colours = [OURS if r["name"].startswith("Rescind") else OTHERS for r in results]
    axis.barh([r["name"] for r in results], medians, xerr=errors, color=colours, ecolor="#444", capsize=2)
    axis.invert_yaxis()
    axis.set_title(
        f"{name.partition(', ')[0]}, {results[0]['rows']:,} rows: thousand rows per second", loc="left", fontsize=9
    )
    axis.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    found = json.loads(Path(sys.argv[1]).read_text())["results"]
    kept = [result for result in found if result["seconds"] and not result["why"]]
    for database in dict.fromkeys(result["database"] for result in kept):
        plot([r for r in kept if r["database"] == database], Path(sys.argv[2]) / f"benchmarks-{database.lower()}.svg")
