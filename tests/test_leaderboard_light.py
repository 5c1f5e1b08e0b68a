"""A board is kept where torch and the other heavy packages are not installed."""

from pathlib import Path

from pdst.submission.send import send
from pdst.types import Benchmark
from tests.made_submissions import sound_bundle, sound_run, written
from tests.test_light import Light, light, printed

__all__ = ["light"]  # the fixture


def test_the_whole_board_is_imported_and_kept(
    light: Light,
    tiny: Benchmark,
    tiny_folder: Path,
    tmp_path: Path,
) -> None:
    program = """
        import importlib, pkgutil
        import leaderboard
        names = [module.name for module in pkgutil.iter_modules(leaderboard.__path__)]
        assert {"accept", "judge", "log", "rank", "verify"} <= set(names), names
        for name in names:
            importlib.import_module(f"leaderboard.{name}")
        from pathlib import Path
        from leaderboard.accept import accept
        from leaderboard.judge import Judge
        from leaderboard.place import Board
        from pdst.dataset import load
        release = load(sys.argv[1])
        judge = Judge(releases={release.fingerprint: release})
        (path,) = Path(sys.argv[2]).glob("entries/*.parquet")
        judgement = judge(path, path.stem)
        print(judgement.problems, judgement.entry["name"], len(judgement.results))
    """
    run = sound_run(tmp_path / "run", tiny)
    bundle = sound_bundle(run)
    send(written(bundle, tmp_path, run), bundle.digest, str(tmp_path / "board"), title="")
    assert printed(light(program, str(tiny_folder), str(tmp_path / "board"))) == "() Made 9\n"
