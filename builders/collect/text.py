"""In: a text file that somebody saved with a program of theirs. Out: its text, or what to do."""

from pathlib import Path

from builders.pipeline.settings import WorkspaceError


def read_utf8(path: Path) -> str:
    """The text, without a byte order mark; line ends stay as they are.

    Raises:
        WorkspaceError: if it is no UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WorkspaceError(f"{path} is no UTF-8 text ({error}). Save it as UTF-8.") from error
