"""In: finished runs. Out: tables for terminal, Markdown, LaTeX; one self-contained HTML page."""
