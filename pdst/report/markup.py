"""In: cells as plain text. Out: a Markdown table, a LaTeX tabular; every cell escaped."""

from collections.abc import Sequence

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "−": "$-$",
    "–": "--",
}


def markdown_cells(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a GitHub Markdown table; all columns but the first to the right."""
    rule = f"| {' | '.join(['---'] + ['---:'] * (len(head) - 1))} |"
    return [_markdown_row(head), rule, *map(_markdown_row, body)]


def latex_cells(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a `tabular`; needs the package booktabs."""
    return [
        rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
        r"\toprule",
        " & ".join(map(latex, head)) + r" \\",
        r"\midrule",
        *(" & ".join(map(latex, cells)) + r" \\" for cells in body),
        r"\bottomrule",
        r"\end{tabular}",
    ]


def markdown(text: str) -> str:
    """One line of text that Markdown shows as it is."""
    flat = " ".join(text.split())
    for character in "\\`*_{}[]<>|":
        flat = flat.replace(character, f"\\{character}")
    return flat


def latex(text: str) -> str:
    """One line of text that LaTeX sets as it is."""
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(markdown, cells))} |"
