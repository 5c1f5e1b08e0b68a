"""The command line: the only place that prints or reads the environment.

`pdst-eval` (evaluating.py) draws and scores; `pdst` (reading.py) reads releases, metrics and runs.
"""


def main() -> None:
    """The command `pdst`."""
    from pdst.cli.reading import reading

    reading()


def eval_main() -> None:
    """The command `pdst-eval`."""
    from pdst.cli.evaluating import evaluation

    evaluation()
