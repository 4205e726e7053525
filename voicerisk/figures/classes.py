"""Several classes: which class was taken for which, and how networks learned."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from voicerisk.figures.layout import legend, line_entry, panels
from voicerisk.figures.style import DEFAULT, SeriesStyle, Style, drawing, series_style
from voicerisk.figures.wording import NO_LABELS, name_of, need, number, ordered


@drawing
def confusion(
    table: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    width_mm: float | None = None,
    style: Style = DEFAULT,
) -> Figure:
    """Draw confusion matrices, one panel a model: rows are true classes and sum to 1, counts beneath.

    Parameters
    ----------
    table : DataFrame
        Columns model, true, predicted, n (a mean over repeats need not be whole).
    labels : mapping of str to str
        Display names of models and classes.
    width_mm : float, optional
        Width in mm.
    style : Style
        Sizes, fonts and colours.

    Returns
    -------
    Figure
        One panel a model.

    Raises
    ------
    ReportError
        If columns are missing or the table is empty.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"model": "text", "true": ["no", "no", "yes", "yes"],
    ...                       "predicted": ["no", "yes", "no", "yes"], "n": [8, 2, 3, 7]})
    >>> len(confusion(table).axes)
    1
    """
    need(table, ["model", "true", "predicted", "n"], "confusion")
    models, classes = ordered(table["model"]), ordered(table["true"])
    names = [name_of(one, labels, 18) for one in classes]
    figure, axes = panels(len(models), style, width_mm, panel_mm=58.0, ratio=1.0, extra_mm=8.0)
    for panel, model in zip(axes, models, strict=True):
        rows = table[table["model"].astype(str) == model]
        counts = (
            rows.pivot(index="true", columns="predicted", values="n").loc[classes, classes].to_numpy(float)
        )
        totals = counts.sum(axis=1, keepdims=True)
        share = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
        panel.imshow(share, cmap="Greys", vmin=0, vmax=1.25)
        for (i, j), value in np.ndenumerate(share):
            n = float(counts[i, j])
            below = f"{n:.0f}" if n.is_integer() else number(n, 1)
            colour = "white" if value > 0.6 else "black"
            panel.text(j, i, f"{number(float(value))}\n({below})", ha="center", va="center", color=colour)
        panel.set_xticks(range(len(classes)), names)
        panel.set_yticks(range(len(classes)), names)
        panel.tick_params(length=0)
        for side in panel.spines.values():
            side.set_visible(False)
        panel.set_xlabel("likeliest class")
        panel.set_ylabel("true class")
        panel.set_title(name_of(model, labels))
    return figure


@drawing
def training_curves(
    table: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    width_mm: float | None = None,
    style: Style = DEFAULT,
) -> Figure:
    """Draw the loss of networks by epoch: training and held-back part, one panel a model, repeats overlaid.

    Parameters
    ----------
    table : DataFrame
        Columns model, protocol, repeat, step (epoch), train_loss, log_loss, chosen (bool).
    labels : mapping of str to str
        Display names of models.
    width_mm : float, optional
        Width in mm.
    style : Style
        Sizes, fonts and colours.

    Returns
    -------
    Figure
        One panel a model and protocol.

    Raises
    ------
    ReportError
        If columns are missing or the table is empty.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"model": "network", "protocol": "nested", "repeat": 0, "step": [1, 2, 3],
    ...     "train_loss": [0.7, 0.5, 0.3], "log_loss": [0.7, 0.6, 0.65], "chosen": [False, True, False]})
    >>> len(training_curves(table).axes)
    1
    """
    need(
        table, ["model", "protocol", "repeat", "step", "train_loss", "log_loss", "chosen"], "training curves"
    )
    keys = table[["model", "protocol"]].drop_duplicates().astype(str).to_records(index=False).tolist()
    figure, axes = panels(len(keys), style, width_mm, panel_mm=65.0, ratio=0.75, extra_mm=10.0)
    taught, held = series_style("train", style, 0), series_style("held", style, 1)
    for panel, (model, protocol) in zip(axes, keys, strict=True):
        mine = table[(table["model"].astype(str) == model) & (table["protocol"].astype(str) == protocol)]
        for _, rows in mine.groupby("repeat", sort=True):
            rows = rows.sort_values("step")
            for column, drawn, line in (("train_loss", taught, "--"), ("log_loss", held, "-")):
                panel.plot(
                    rows["step"], rows[column], color=drawn.colour, linestyle=line, linewidth=style.line_pt
                )
            best = rows[rows["chosen"].astype(bool)]
            panel.plot(best["step"], best["log_loss"], "o", color=held.colour, markersize=style.marker_pt)
        panel.set_xlabel("epoch")
        panel.set_ylabel("log loss")
        panel.set_ylim(bottom=0)
        panel.set_title(f"{name_of(model, labels)}, {name_of(protocol, labels)}")
    entries = [
        line_entry(SeriesStyle(taught.colour, "--", ""), "rows that teach", style),
        line_entry(SeriesStyle(held.colour, "-", ""), "rows that stop training", style),
        line_entry(SeriesStyle(held.colour, "-", "o"), "epoch kept", style, marker=True),
    ]
    legend(figure, entries)
    return figure
