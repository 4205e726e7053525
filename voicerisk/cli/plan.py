"""`voicerisk plan`."""

from pathlib import Path
from typing import Annotated

import typer

from voicerisk.cli.app import app
from voicerisk.cli.progress import console

Share = Annotated[float | None, typer.Option(min=0.0, max=1.0, help="For net benefit: give all three.")]


@app.command(epilog="Example: `voicerisk plan --prevalence 0.27 --auroc 0.75 --parameters 96`")
def plan(
    prevalence: Annotated[float, typer.Option(help="Share of callers with the outcome.")],
    auroc: Annotated[float, typer.Option(help="AUROC to expect from an honest validation.")],
    parameters: Annotated[
        float, typer.Option(help="Candidate parameters, before any selection; about 8 for a marker by sex.")
    ],
    r2: Annotated[float, typer.Option("--r2", help="Nagelkerke R2 to expect.")] = 0.15,
    threshold: Share = None,
    sensitivity: Share = None,
    specificity: Share = None,
    calls_per_caller: Annotated[float, typer.Option(min=1.0, help="Calls of a caller on average.")] = 1.0,
    icc: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Correlation between calls of one caller.")
    ] = 0.5,
    simulate: Annotated[
        int,
        typer.Option(min=0, help="Simulated studies of each size, to learn the nested procedure on."),
    ] = 0,
    markers: Annotated[int, typer.Option(min=1, help="Markers of a simulated study; a third move.")] = 12,
    callers: Annotated[
        list[int] | None, typer.Option("--callers", help="Callers of a simulated study; may be repeated.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for plan.csv, plan.md and other tables."),
    ] = None,
) -> None:
    """Say how many callers a study needs, to learn a model and to validate it."""
    from rich.box import SIMPLE
    from rich.table import Table

    from voicerisk.study.plan import plan_study, write_plan
    from voicerisk.study.power import SIZES, power_curve, spoken_power

    found = plan_study(
        prevalence,
        auroc,
        parameters,
        nagelkerke=r2,
        threshold=threshold,
        sensitivity=sensitivity,
        specificity=specificity,
        calls_per_caller=calls_per_caller,
        icc=icc,
    )
    screen = console()
    table = Table(box=SIMPLE, pad_edge=False)
    for name in found.table.columns:
        table.add_column(name, justify="left" if name in ("purpose", "criterion") else "right")
    for row in found.table.itertuples(index=False):
        table.add_row(*(str(value) for value in row))
    screen.print(table)
    for row in found.intervals.itertuples(index=False):
        screen.print(f"{row.callers:>5} callers: AUROC {auroc:.2f} ({row.lower:.2f} to {row.upper:.2f})")
    screen.print(found.paragraph, highlight=False, markup=False)
    curve = None
    if simulate:
        curve = power_curve(auroc, prevalence, markers=markers, sizes=callers or SIZES, cohorts=simulate)
        screen.print(spoken_power(curve, auroc, markers), highlight=False, markup=False)
    if out is not None:
        write_plan(found, out, curve)
        screen.print(f"Written: {out}", highlight=False, soft_wrap=True, markup=False)
