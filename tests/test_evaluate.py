"""The sentence as a whole: what a run leaves behind, and that nothing can make it say otherwise."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pdst.digest import Json
from pdst.draw import DrawOptions
from pdst.embed import EmbedOptions, Encoders
from pdst.encoders.spec import Embeddings, EncoderSpec, ImageEncoder, Pixels, TextEncoder
from pdst.errors import SettingsError, StoreError
from pdst.evaluate import Options, Settings, evaluate
from pdst.images import decode_rgb
from pdst.loading import LoadedGenerator, as_loaded
from pdst.methods.baselines import CopyTest, CopyTrain, Noise
from pdst.metrics import METRICS
from pdst.plan import PROTOCOLS, plan
from pdst.run import open_run
from pdst.types import Benchmark, Protocol
from tests.generators import Interrupting, Painter

SMALL = Protocol(name="small", captions_per_photo=3, images_per_caption=2)
"""9 test photos x 3 captions x 2 seeds = 54 images on the tiny release."""


def scores_bytes(run: Path) -> bytes:
    return (run / "scores.parquet").read_bytes()


def test_a_run_holds_every_case_in_plan_order(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    report = evaluate(tiny, Painter(), scorers, tmp_path / "run", Settings(protocol=SMALL))
    scores = open_run(tmp_path / "run").scores()
    keys = [case.key for chunk in plan(tiny, SMALL) for case in chunk.cases]
    assert scores["key"].tolist() == keys
    assert report.expected == report.drawn == len(keys) == 54
    for summary in report.metrics:
        assert summary.scored == 54
        assert summary.micro == pytest.approx(scores[summary.metric].mean(), abs=1e-12)


def test_the_images_of_a_run_are_a_plain_dataset(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    evaluate(tiny, Painter(size=24), scorers, tmp_path / "run", Settings(protocol=SMALL))
    files = sorted(str(path) for path in (tmp_path / "run/images").rglob("*.parquet"))
    loaded = datasets.load_dataset(
        "parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache")
    )
    assert len(loaded) == 54
    assert loaded[0]["image"].size == (24, 24)


def test_scores_equal_those_computed_one_pair_at_a_time(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    evaluate(tiny, Painter(), scorers, tmp_path / "run", Settings(protocol=SMALL))
    run = open_run(tmp_path / "run")
    scores = run.scores().set_index("key")

    def embed(encoder: ImageEncoder, image: Image.Image) -> Embeddings:
        return encoder.encode_images(encoder.preprocess(image)[None])[0]

    for test in tiny.test[::4]:
        subject = tiny.subject(test.subject_id)
        for drawn in run.images(test.subject_id, test.photo.image_id):
            assert drawn.encoded is not None
            image = decode_rgb(drawn.encoded)
            row = scores.loc[drawn.case.key]
            clip, dino = embed(scorers.clip, image), embed(scorers.dino, image)
            text = drawn.case.prompt.replace("{}", subject.class_noun)
            wanted = {
                "clip_t": float(clip @ scorers.clip.encode_texts([text])[0]),
                "clip_i": float(clip @ embed(scorers.clip, test.photo.image())),
                "dino": float(dino @ embed(scorers.dino, test.photo.image())),
                "clip_i_train": np.mean(
                    [clip @ embed(scorers.clip, photo.image()) for photo in subject.train]
                ),
                "dino_train": np.mean(
                    [dino @ embed(scorers.dino, photo.image()) for photo in subject.train]
                ),
            }
            for metric, value in wanted.items():
                assert row[metric] == pytest.approx(value, abs=1e-6), (drawn.case.key, metric)


def test_a_run_that_was_interrupted_while_drawing_ends_with_the_same_bytes(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    settings = Settings(protocol=SMALL)
    whole = Painter()
    evaluate(tiny, whole, scorers, tmp_path / "whole", settings)
    for at in (0, 20, 53):
        run = tmp_path / f"at-{at}"
        with pytest.raises(KeyboardInterrupt):
            evaluate(tiny, Interrupting(at), scorers, run, settings)
        again = Painter()
        # The interrupted generator and this one are of two classes: one method to the run.
        record = json.loads((run / "run.json").read_text())
        record["settings"]["generator"] = json.loads((tmp_path / "whole/run.json").read_text())[
            "settings"
        ]["generator"]
        (run / "run.json").write_text(json.dumps(record))
        evaluate(tiny, again, scorers, run, settings)
        assert again.drawn == 54 - at // 6 * 6, "complete chunks are not drawn again"
        assert scores_bytes(run) == scores_bytes(tmp_path / "whole")
        assert (run / "summary.json").read_bytes() == (tmp_path / "whole/summary.json").read_bytes()


def test_a_run_that_was_interrupted_while_embedding_ends_with_the_same_bytes(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    settings = Settings(protocol=SMALL)
    options = Options(embed=EmbedOptions(batch=2))
    evaluate(tiny, Painter(), scorers, tmp_path / "whole", settings, options)

    class StoppedError(Exception):
        pass

    for groups in (1, 2):
        run = tmp_path / f"after-{groups}"
        left = groups

        def stop(stage: str, done: int, total: int) -> None:
            nonlocal left
            left -= stage == "embed"
            if left == 0:
                raise StoppedError

        with pytest.raises(StoppedError):
            evaluate(tiny, Painter(), scorers, run, settings, options, stop)
        evaluate(tiny, Painter(), scorers, run, settings, options)
        assert scores_bytes(run) == scores_bytes(tmp_path / "whole")


def test_batch_size_moves_no_score_by_a_millionth(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    tables = []
    for batch in (1, 7, 32):
        run = tmp_path / str(batch)
        options = Options(
            draw=DrawOptions(batch=batch), embed=EmbedOptions(batch=batch, workers=batch)
        )
        evaluate(tiny, Painter(), scorers, run, Settings(protocol=SMALL), options)
        tables.append(open_run(run).scores())
    for table in tables[1:]:
        assert table["key"].equals(tables[0]["key"])
        assert table["copy_photo"].equals(tables[0]["copy_photo"])
        for metric in METRICS:
            assert np.abs(table[metric] - tables[0][metric]).max() <= 1e-6


def test_the_cheat_ceiling_is_one_and_flagged_and_noise_is_neither(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    settings = Settings(protocol=SMALL)
    cheat = evaluate(tiny, CopyTest(tiny), scorers, tmp_path / "cheat", settings)
    scores = open_run(tmp_path / "cheat").scores()
    for metric in ("clip_i", "dino"):
        assert np.abs(scores[metric] - 1).max() <= 1e-6
    assert cheat.copied == 54
    wanted = scores["subject_id"] + "/test/" + scores["image_id"]
    assert scores["copy_photo"].equals(wanted.rename("copy_photo"))
    assert any("held-out" in mark for mark in cheat.marks)

    noise = evaluate(tiny, Noise(size=64), scorers, tmp_path / "noise", settings)
    assert noise.copied == 0
    assert open_run(tmp_path / "noise").scores()["dino"].max() < 0.9


def test_copying_the_training_photos_shows_as_a_gap(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    report = evaluate(tiny, CopyTrain(), scorers, tmp_path / "run", Settings(protocol=SMALL))
    scores = open_run(tmp_path / "run").scores()
    assert report.copied == 54
    assert scores["copy_photo"].str.contains("/train/").all()
    for row in scores.iloc[::7].itertuples():
        photos = {p.image_id: p for p in tiny.subject(str(row.subject_id)).train}
        pixels = [scorers.dino.preprocess(photo.image()) for photo in photos.values()]
        vectors = scorers.dino.encode_images(np.stack(pixels))
        copied = list(photos).index(str(row.copy_photo).rpartition("/")[2])
        wanted = (1 + float(vectors[copied] @ vectors[1 - copied])) / 2
        assert row.dino_train == pytest.approx(wanted, abs=1e-6)
    assert [gap.metric for gap in report.gaps] == ["clip_i", "dino"]
    dino_gap = report.gaps[1].macro
    assert dino_gap == pytest.approx(float((scores["dino_train"] - scores["dino"]).mean()))


class Counting:
    """Another encoder's embeddings, counting what passes through it."""

    def __init__(self, encoder: TextEncoder) -> None:
        self.encoder = encoder
        self.preprocessed = 0
        self.images = 0
        self.texts: list[str] = []

    @property
    def spec(self) -> EncoderSpec:
        return self.encoder.spec

    def preprocess(self, image: Image.Image) -> Pixels:
        self.preprocessed += 1
        return self.encoder.preprocess(image)

    def encode_images(self, pixels: Pixels) -> Embeddings:
        self.images += len(pixels)
        return self.encoder.encode_images(pixels)

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        self.texts.extend(texts)
        return self.encoder.encode_texts(texts)

    def count_tokens(self, text: str) -> int:
        return self.encoder.count_tokens(text)


def test_every_distinct_image_and_text_is_encoded_once(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    photos = 3 * (2 + 3)
    texts = 9 * 3 + 3 * 3  # without the class noun, three subjects share each caption
    one_image = Painter(replace=lambda _, __: Image.new("RGB", (20, 20), "teal"))
    for name, generator, distinct in (
        ("all different", Painter(), 54),
        ("always the same", one_image, 1),
        ("a reference", CopyTest(tiny), 0),
    ):
        clip = Counting(scorers.clip)
        counted = replace(scorers, clip=clip)
        options = Options(embed=EmbedOptions(batch=4))
        settings = Settings(protocol=SMALL)
        evaluate(tiny, generator, counted, tmp_path / name, settings, options)
        assert clip.images == clip.preprocessed == photos + distinct, name
        assert len(clip.texts) == len(set(clip.texts)) == texts, name
        before = clip.images
        evaluate(tiny, generator, counted, tmp_path / name, settings, options)
        assert clip.images == before, "a finished run encodes nothing"


def test_a_changed_setting_is_an_error_that_names_it(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    evaluate(tiny, Painter(), scorers, run, Settings(protocol=PROTOCOLS["quick"]))
    before = scores_bytes(run)
    with pytest.raises(SettingsError, match=r"image_format: was \"png\", now \"webp\""):
        evaluate(
            tiny,
            Painter(),
            scorers,
            run,
            Settings(protocol=PROTOCOLS["quick"], image_format="webp"),
        )
    with pytest.raises(SettingsError, match=r"protocol\.id.*\n.*protocol\.images_per_caption"):
        evaluate(
            tiny,
            Painter(),
            scorers,
            run,
            Settings(protocol=replace(PROTOCOLS["quick"], images_per_caption=2)),
        )
    with pytest.raises(SettingsError, match=r"generator\.info\.revision: was \"1\", now \"2\""):
        evaluate(tiny, Painter(revision="2"), scorers, run, Settings(protocol=PROTOCOLS["quick"]))
    assert scores_bytes(run) == before


def test_other_encoders_need_rescore_and_no_new_image(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    from benchmarks.tiny import write_dino
    from pdst.encoders import load_dino

    settings = Settings(protocol=SMALL)
    run = tmp_path / "run"
    evaluate(tiny, Painter(), scorers, run, settings)
    other = replace(scorers, dino=load_dino(str(write_dino(tmp_path / "other", seed=7))))
    with pytest.raises(SettingsError, match=r"encoders\.dino\.weights_digest"):
        evaluate(tiny, Painter(), other, run, settings)
    painter = Painter()
    evaluate(tiny, painter, other, run, settings, Options(rescore=True))
    assert painter.drawn == 0
    evaluate(tiny, Painter(), other, tmp_path / "fresh", settings)
    assert open_run(run).scores().equals(open_run(tmp_path / "fresh").scores())


def test_scores_carry_what_they_mean(tiny: Benchmark, scorers: Encoders, tmp_path: Path) -> None:
    evaluate(tiny, Painter(), scorers, tmp_path / "run", Settings(protocol=SMALL))
    metadata = pq.read_schema(tmp_path / "run/scores.parquet").metadata
    assert metadata[b"pdst.benchmark"].decode() == tiny.fingerprint
    assert metadata[b"pdst.protocol"].decode() == SMALL.id
    digests = json.loads(metadata[b"pdst.metrics"])
    assert digests["dino"] == METRICS["dino"].digest(scorers.dino.spec)
    assert set(digests) == set(METRICS)


def test_jpeg_images_are_scored_as_they_are_kept(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    noisy = Painter(size=40)
    evaluate(tiny, noisy, scorers, tmp_path / "run", Settings(protocol=SMALL, image_format="jpeg"))
    run = open_run(tmp_path / "run")
    test = tiny.test[0]
    drawn = run.images(test.subject_id, test.photo.image_id)[0]
    assert drawn.encoded is not None
    kept = decode_rgb(drawn.encoded)
    vector = scorers.dino.encode_images(scorers.dino.preprocess(kept)[None])[0]
    photo = scorers.dino.encode_images(scorers.dino.preprocess(test.photo.image())[None])[0]
    assert run.scores()["dino"][0] == pytest.approx(float(vector @ photo), abs=1e-6)


def test_a_second_process_is_refused_while_one_writes(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    run = tmp_path / "run"

    def meanwhile(drawn: int) -> None:
        with pytest.raises(StoreError, match="written by another process"):
            evaluate(tiny, Painter(), scorers, run, Settings(protocol=SMALL))

    painter = Painter(before=lambda drawn: meanwhile(drawn) if drawn == 0 else None)
    assert evaluate(tiny, painter, scorers, run, Settings(protocol=SMALL)).drawn == 54


def test_a_folder_of_something_else_is_left_alone(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    (tmp_path / "thesis.tex").write_text("chapter one")
    with pytest.raises(StoreError, match="not a run folder"):
        evaluate(tiny, Painter(), scorers, tmp_path, Settings(protocol=SMALL))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_damaged_chunk_is_drawn_again(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = tmp_path / "run"
    evaluate(tiny, Painter(), scorers, run, Settings(protocol=SMALL))
    before = scores_bytes(run)
    victim = next((run / "images").rglob("*.parquet"))
    victim.write_bytes(victim.read_bytes()[:1000])
    painter = Painter()
    evaluate(tiny, painter, scorers, run, Settings(protocol=SMALL))
    assert painter.drawn == 6
    assert "Drawing it again" in caplog.text
    assert scores_bytes(run) == before


def test_limits_and_subjects_are_marked(tiny: Benchmark, scorers: Encoders, tmp_path: Path) -> None:
    subject = tiny.subjects[1].subject_id
    report = evaluate(
        tiny,
        Painter(),
        scorers,
        tmp_path / "run",
        Settings(protocol=SMALL, subjects=(subject,), limit=4),
    )
    assert report.expected == 4
    assert list(report.metrics[0].per_subject) == [subject]
    assert {"--limit 4", f"--subjects {subject}"} <= set(report.marks)


def test_results_are_gone_before_anything_that_they_came_from_changes(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    settings = Settings(protocol=SMALL)
    evaluate(tiny, Painter(replace=lambda n, i: None if n == 3 else i), scorers, run, settings)
    assert open_run(run).finished
    retry = Options(draw=DrawOptions(retry_failed=True))

    class StoppedError(Exception):
        pass

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "embed":
            raise StoppedError

    with pytest.raises(StoppedError):
        evaluate(tiny, Painter(), scorers, run, settings, retry, stop)
    assert not open_run(run).finished
    evaluate(tiny, Painter(), scorers, run, settings)
    assert open_run(run).finished


def test_null_and_left_out_and_true_and_one_are_different_settings(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    def loaded(arguments: dict[str, Json]) -> LoadedGenerator:
        return replace(as_loaded(Painter()), arguments=arguments)

    settings = Settings(protocol=PROTOCOLS["quick"])
    for number, (was, now) in enumerate(
        [({}, {"size": None}), ({"lora": True}, {"lora": 1}), ({"words": [0]}, {"words": [False]})]
    ):
        run = tmp_path / str(number)
        evaluate(tiny, loaded(dict(was)), scorers, run, settings)  # type: ignore[arg-type]
        with pytest.raises(SettingsError, match=r"generator\.arguments\.\w+: was"):
            evaluate(tiny, loaded(dict(now)), scorers, run, settings)  # type: ignore[arg-type]


def test_scores_of_another_session_are_not_read(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    evaluate(tiny, Painter(), scorers, run, Settings(protocol=SMALL))
    record = json.loads((run / "run.json").read_text())
    record["metrics"]["clip_t"] = "0" * 64
    (run / "run.json").write_text(json.dumps(record))
    with pytest.raises(StoreError, match="disagree about metrics"):
        open_run(run).scores()


def test_a_run_killed_at_its_first_write_can_be_begun_again(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / ".run.json.123.partial").write_text("{")
    assert evaluate(tiny, Painter(), scorers, run, Settings(protocol=SMALL)).drawn == 54
    assert not list(run.rglob(".*.partial"))


def test_a_kept_image_that_was_changed_is_not_scored_as_another(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    settings = Settings(protocol=SMALL)
    evaluate(tiny, Painter(), scorers, run, settings)
    path = next((run / "images").rglob("*.parquet"))
    table = pq.read_table(path)
    images = table.column("image").to_pylist()
    images[0], images[1] = images[1], images[0]
    changed = table.set_column(7, "image", [images])
    pq.write_table(changed.cast(table.schema), path)
    for embedded in (run / "embeddings").rglob(f"{path.parent.name}/{path.name}"):
        embedded.unlink()
    with pytest.raises(StoreError, match="other pixels than when it was drawn"):
        evaluate(tiny, Painter(), scorers, run, settings)


def test_row_groups_are_bounded_by_bytes(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdst.store.GROUP_BYTES", 3_000)
    run = tmp_path / "run"
    evaluate(tiny, Painter(size=32), scorers, run, Settings(protocol=SMALL, image_format="jpeg"))
    path = next((run / "images").rglob("*.parquet"))
    assert pq.ParquetFile(path).num_row_groups > 1
    assert len(open_run(run).images(path.parent.name, path.stem)) == 6


def test_code_that_changed_in_between_stays_marked(
    tiny: Benchmark, scorers: Encoders, tmp_path: Path
) -> None:
    settings = Settings(protocol=SMALL)
    first = replace(as_loaded(Painter()), source_digest="a" * 64)
    second = replace(first, source_digest="b" * 64)
    run = tmp_path / "run"
    evaluate(tiny, first, scorers, run, settings)
    with pytest.raises(SettingsError, match="source_digest"):
        evaluate(tiny, second, scorers, run, settings)
    report = evaluate(tiny, second, scorers, run, settings, Options(accept_changed_code=True))
    assert any("several versions" in mark for mark in report.marks)
