"""What notebooks show."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trimtab._core import Decisions

__all__ = ["decisions", "report", "table"]

#: Rows that are shown.
MOST = 20


def report(headline: str, text: str) -> str:
    """Show a headline and a text as it is."""
    return f"<div><b>{html.escape(headline)}</b><pre>{html.escape(text)}</pre></div>"


def decisions(all_of_them: Decisions) -> str:
    """Show the first rows that are to be changed, or else the first rows."""
    rows, count = all_of_them._shown(MOST)
    return table(repr(all_of_them)[1:-1], rows, count=count)


def table(
    headline: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    bold: Iterable[int] = (),
    count: int | None = None,
) -> str:
    """Show the first rows of a table that has ``count`` of them, some of them in bold."""
    shown = rows[:MOST]
    more = (len(rows) if count is None else count) - len(shown)
    names = list(dict.fromkeys(name for row in shown for name in row))
    bold = set(bold)

    def line(cells: Iterable[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"

    lines = [line(map(html.escape, names), "th")]
    for index, row in enumerate(shown):
        lines.append(
            line((_cell(row.get(name)) for name in names), "th" if index in bold else "td")
        )
    left = f"<p>and {more:,} more</p>" if more else ""
    return f"<div><b>{html.escape(headline)}</b><table>{''.join(lines)}</table>{left}</div>"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return html.escape(f"{value:.4g}" if isinstance(value, float) else str(value))
