"""One measurement held against its goal, as every benchmark of the project prints it."""

from dataclasses import dataclass

__all__ = ["Row", "bounded", "compared", "line"]


@dataclass
class Row:
    """One measurement; `goal` is a bound of `ratio`, of `ours` where there is no peer, or "reported"."""

    name: str
    unit: str
    ours: float
    peer: float | None
    peer_name: str | None
    ratio: float | None
    goal: str
    ok: bool


def bounded(
    name: str, unit: str, ours: float, *, least: float | None = None, most: float | None = None
) -> Row:
    """A number by itself: reported, or held to a bound."""
    ok = (least is None or ours >= least) and (most is None or ours <= most)
    goal = "reported"
    if least is not None:
        goal = f"ours >= {least:g}"
    elif most is not None:
        goal = f"ours <= {most:g}"
    return Row(name, unit, round(ours, 3), None, None, None, goal, ok)


def compared(
    name: str,
    unit: str,
    ours: float,
    goal: float,
    *,
    peer: float | None = None,
    peer_name: str | None = None,
    at_least: bool = False,
) -> Row:
    """Ours over the peer's held to `goal`; the number itself where there is no peer."""
    if not peer:
        return bounded(name, unit, ours, least=goal) if at_least else bounded(name, unit, ours, most=goal)
    ratio = ours / peer
    ok = ratio >= goal if at_least else ratio <= goal
    text = f"ratio {'>=' if at_least else '<='} {goal:g}"
    return Row(name, unit, round(ours, 3), round(peer, 3), peer_name, round(ratio, 4), text, ok)


def line(row: Row) -> str:
    """The row for people."""
    verdict = "    " if row.goal == "reported" else "ok  " if row.ok else "MISS"
    against = ""
    if row.peer is not None:
        against = f"  {row.peer_name}: {row.peer:,.2f} {row.unit}, ratio {row.ratio:,.3f}"
    return f"{verdict}  {row.name}: {row.ours:,.2f} {row.unit}{against}  (goal {row.goal})"
