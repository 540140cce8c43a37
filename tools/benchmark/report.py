"""The table: what each server did, and the first one's ratio to it, paired round by round."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable

from benchmark.load import Result
from benchmark.scenarios import Scenario


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One server's part of a scenario: a result for each round, or the reason that there is none."""

    server: str
    rounds: tuple[Result, ...] = ()
    reason: str = ""


def table(scenario: Scenario, rows: list[Row]) -> str:
    """Returns the table as text; ratios are those of the first row's server."""
    base = rows[0]
    header = ["server", f"median {scenario.unit}", "min-max", f"{base.server} / it", "min-max"]
    if any(result.cpu_us for row in rows for result in row.rounds):
        header += ["CPU us/request", f"it / {base.server}"]
    lines = [header]
    notes = []
    for row in rows:
        if row.rounds:
            lines.append([*_cells(row, base), *_cpu_cells(row, base)][: len(header)])
            if failed := sum(result.errors for result in row.rounds):
                notes.append(f"{row.server}: {failed} requests failed")
        else:
            notes.append(f"{row.server}: {row.reason}")
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    texts = [
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    return "\n".join([*texts, *notes])


def _cells(row: Row, base: Row) -> list[str]:
    values = [result.value for result in row.rounds]
    cells = [row.server, _number(statistics.median(values)), _span(values, _number)]
    if not base.rounds:
        return [*cells, "", ""]
    pairs = zip(base.rounds, row.rounds, strict=True)
    ratios = [ours.value / other.value for ours, other in pairs if other.value > 0]
    if not ratios:
        return [*cells, "", ""]
    return [*cells, _ratio(statistics.median(ratios)), _span(ratios, _ratio)]


def _cpu_cells(row: Row, base: Row) -> list[str]:
    """Returns the CPU time of a request, and how many times that of the first server's it is."""
    median = statistics.median(result.cpu_us for result in row.rounds)
    pairs = zip(base.rounds, row.rounds, strict=False)
    ratios = [other.cpu_us / ours.cpu_us for ours, other in pairs if ours.cpu_us > 0]
    return [f"{median:.1f}", _ratio(statistics.median(ratios)) if ratios else ""]


def _span(values: list[float], text: Callable[[float], str]) -> str:
    return f"{text(min(values))}-{text(max(values))}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"


def _ratio(value: float) -> str:
    return f"{value:.2f}"
