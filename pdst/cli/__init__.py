"""The command line: the only place that prints or reads the environment.

`pdst-eval` (evaluating.py) draws and scores; `pdst` (reading.py) reads releases, metrics and runs;
`pdst-report` (reporting.py) makes a page of them; `pdst-submit` (submitting.py) brings one to a
leaderboard.
"""


def main() -> None:
    """The command `pdst`."""
    from pdst.cli.reading import reading

    reading()


def eval_main() -> None:
    """The command `pdst-eval`."""
    from pdst.cli.evaluating import evaluation

    evaluation()


def report_main() -> None:
    """The command `pdst-report`."""
    from pdst.cli.reporting import report

    report()


def submit_main() -> None:
    """The command `pdst-submit`."""
    from pdst.cli.submitting import submission

    submission()


def train_main() -> None:
    """The command `pdst-train`."""
    from pdst.cli.training import training

    training()
