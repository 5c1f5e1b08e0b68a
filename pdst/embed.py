"""In: encoded images and encoders. Out: embeddings; every distinct image decoded and encoded once.

Threads decode and resize a batch; beside an accelerator they work a batch ahead of it.
What is embedded together is decided by the plan alone, never by where a run was interrupted, so a
resumed run has the same bits as an uninterrupted one.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np

from pdst.digest import Json, digest_json
from pdst.encoders.spec import Embeddings, ImageEncoder, Pixels, TextEncoder
from pdst.errors import StoreError
from pdst.images import decode_rgb, pixel_digest
from pdst.progress import Progress
from pdst.store import EmbeddedChunk, NamedEmbeddings, RunStore, chunk_identity
from pdst.types import Benchmark, Chunk, Photo

REMEMBERED = 4096
"""Distinct images whose embeddings are kept at hand, the last ones used, besides all references."""

BATCHES_IN_A_GROUP = 8
"""Chunks are embedded in groups of about so many batches, so that few batches are short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoders:
    """The two scorers. They are part of the metrics' identity."""

    clip: TextEncoder
    dino: ImageEncoder

    def all(self) -> tuple[ImageEncoder, ImageEncoder]:
        """Both, in the one order that embeddings are kept in."""
        return (self.clip, self.dino)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedOptions:
    """How to embed; none of it moves a score by more than float rounding.

    Attributes:
        batch: images a forward pass; halved by itself when memory runs out.
        workers: threads that decode and preprocess.
        overlap: decode the next batch while this one is encoded. A gain where an accelerator
            encodes; a loss on a CPU, where both want the same cores.
    """

    batch: int = 32
    workers: int = 2
    overlap: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """One image after embedding: its identity, and a vector an encoder."""

    pixels: str
    vectors: tuple[Embeddings, ...]
    """Each (D,) float32, unit norm."""


def embed_images(
    images: Iterable[Callable[[], bytes]],
    encoders: Sequence[ImageEncoder],
    options: EmbedOptions,
) -> Iterator[Embedded]:
    """Embed images in order; each is read, decoded and preprocessed once for all encoders.

    Args:
        images: each returns an image file's bytes. Taken up only as far ahead as is needed.
        encoders: what to embed with.
        options: batch size and threads.

    Raises:
        UnreadableImageError: if one cannot be decoded.
    """

    def prepare(read: Callable[[], bytes]) -> tuple[str, tuple[Pixels, ...]]:
        image = decode_rgb(read())
        return pixel_digest(image), tuple(encoder.preprocess(image) for encoder in encoders)

    reads = iter(images)
    with ThreadPoolExecutor(options.workers, thread_name_prefix="pdst-decode") as pool:

        def submit() -> list[Future[tuple[str, tuple[Pixels, ...]]]]:
            return [pool.submit(prepare, read) for read in islice(reads, options.batch)]

        try:
            waiting = submit()
            while waiting:
                ready = [future.result() for future in waiting]
                waiting = submit() if options.overlap else []
                yield from _encode(ready, encoders)
                waiting = waiting or submit()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _encode(
    ready: Sequence[tuple[str, tuple[Pixels, ...]]], encoders: Sequence[ImageEncoder]
) -> Iterator[Embedded]:
    columns = [
        _within_memory(encoder, np.stack([pixels[number] for _, pixels in ready]))
        for number, encoder in enumerate(encoders)
    ]
    for row, (digest, _) in enumerate(ready):
        yield Embedded(pixels=digest, vectors=tuple(column[row] for column in columns))


def _within_memory(encoder: ImageEncoder, pixels: Pixels) -> Embeddings:
    """Encode, in halves if a whole batch does not fit the device."""
    try:
        return encoder.encode_images(pixels)
    except RuntimeError as error:
        # torch.OutOfMemoryError by name: this module works without torch.
        if type(error).__name__ != "OutOfMemoryError" or len(pixels) == 1:
            raise
    half = len(pixels) // 2
    return np.concatenate(
        [_within_memory(encoder, pixels[:half]), _within_memory(encoder, pixels[half:])]
    )


class Memory:
    """The embeddings of images seen lately, and of all references, by pixel digest."""

    def __init__(self, capacity: int = REMEMBERED) -> None:
        """Remember up to `capacity` images besides the references."""
        self.capacity = capacity
        self.pinned: dict[str, tuple[Embeddings, ...]] = {}
        self.recent: OrderedDict[str, tuple[Embeddings, ...]] = OrderedDict()

    def get(self, pixels: str) -> tuple[Embeddings, ...] | None:
        """The vectors of an image, or None if it is not remembered."""
        return self.pinned.get(pixels) or self.recent.get(pixels)

    def pin(self, pixels: str, vectors: tuple[Embeddings, ...]) -> None:
        """Remember a reference for good."""
        self.pinned[pixels] = vectors

    def add(self, pixels: str, vectors: tuple[Embeddings, ...]) -> None:
        """Remember an image; the one longest unused is forgotten."""
        if pixels in self.pinned:
            return
        self.recent[pixels] = vectors
        self.recent.move_to_end(pixels)
        if len(self.recent) > self.capacity:
            self.recent.popitem(last=False)


def embed_chunks(
    chunks: Sequence[Chunk],
    store: RunStore,
    encoders: Encoders,
    memory: Memory,
    options: EmbedOptions,
    progress: Progress,
) -> None:
    """Embed the images of every chunk into the store, unless exactly they are embedded already.

    An image that equals, pixel for pixel, a reference or an image seen lately is not encoded again.
    """
    total = sum(len(chunk.cases) for chunk in chunks)
    done = 0
    progress("embed", done, total)
    for group in _groups(chunks, BATCHES_IN_A_GROUP * options.batch):
        identities = [store.image_identities(chunk) for chunk in group]
        kept = _kept(group, identities, store, encoders)
        if kept is None:
            kept = _embed_group(group, identities, store, encoders, memory, options)
        for embedded in kept:
            memory.add(embedded.pixels, embedded.vectors)
        done += sum(len(chunk.cases) for chunk in group)
        progress("embed", done, total)


def _groups(chunks: Sequence[Chunk], images: int) -> Iterator[list[Chunk]]:
    """Consecutive chunks of together at least so many images."""
    group: list[Chunk] = []
    for chunk in chunks:
        group.append(chunk)
        if sum(len(c.cases) for c in group) >= images:
            yield group
            group = []
    if group:
        yield group


def _kept(
    group: Sequence[Chunk],
    identities: Sequence[Sequence[str | None]],
    store: RunStore,
    encoders: Encoders,
) -> list[Embedded] | None:
    """What the store holds of a whole group, image by image; None if any of it is missing.

    All or nothing: a group that was interrupted halfway is embedded as if it had never begun.
    """
    images: list[Embedded] = []
    for chunk, pixels in zip(group, identities, strict=True):
        identity = chunk_identity(chunk, pixels)
        clip = store.read_embeddings(encoders.clip.spec.name, chunk, identity)
        dino = store.read_embeddings(encoders.dino.spec.name, chunk, identity)
        if clip is None or dino is None:
            return None
        images.extend(
            Embedded(pixels=digest, vectors=(clip.vectors[row], dino.vectors[row]))
            for row, digest in enumerate(pixels)
            if digest is not None
        )
    return images


def _embed_group(
    group: Sequence[Chunk],
    identities: Sequence[Sequence[str | None]],
    store: RunStore,
    encoders: Encoders,
    memory: Memory,
    options: EmbedOptions,
) -> list[Embedded]:
    drawn = [digest for pixels in identities for digest in pixels if digest is not None]
    known: dict[str, tuple[Embeddings, ...]] = {}
    for digest in drawn:
        vectors = memory.get(digest)
        if vectors is not None:
            known[digest] = vectors

    # Before the first is written anew: a group is whole or is embedded again, never mixed.
    for chunk in group:
        for encoder in encoders.all():
            store.forget_embeddings(encoder.spec.name, chunk)
    asked: deque[tuple[Chunk, str]] = deque()

    def unknown() -> Iterator[Callable[[], bytes]]:
        """Bytes of each distinct image that is not known, one row group in memory at a time."""
        seen = set(known)
        for chunk, pixels in zip(group, identities, strict=True):
            if all(digest is None or digest in seen for digest in pixels):
                continue
            for digest, data in zip(pixels, store.image_bytes(chunk), strict=True):
                if digest is not None and data is not None and digest not in seen:
                    seen.add(digest)
                    asked.append((chunk, digest))
                    yield partial(bytes, data)

    for embedded in embed_images(unknown(), encoders.all(), options):
        chunk, wanted = asked.popleft()
        if embedded.pixels != wanted:
            raise StoreError(
                f"{store.images_path(chunk.name)}: an image there has other pixels than when it "
                "was drawn: the file was changed, or this machine decodes it otherwise. Delete it "
                "to have it drawn again."
            )
        known[embedded.pixels] = embedded.vectors
    for chunk, pixels in zip(group, identities, strict=True):
        identity = chunk_identity(chunk, pixels)
        for number, encoder in enumerate(encoders.all()):
            rows = np.zeros((len(pixels), encoder.spec.dim), np.float32)
            for row, image in enumerate(pixels):
                if image is not None:
                    rows[row] = known[image][number]
            kept = EmbeddedChunk(images=identity, pixels=pixels, vectors=rows)
            store.write_embeddings(encoder.spec.name, chunk, kept)
    return [Embedded(pixels=digest, vectors=known[digest]) for digest in drawn]


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """All photos of a benchmark, embedded: one row a photo, the same rows for every encoder.

    Attributes:
        names: "dog6/train/00", "dog6/test/03", …
        clip, dino: (P, D) float32, unit norm.
        rows: name -> row.
    """

    names: tuple[str, ...]
    clip: Embeddings
    dino: Embeddings
    rows: dict[str, int]


def photo_name(subject_id: str, split: str, image_id: str) -> str:
    """What a photo of a benchmark is called in a run: "dog6/train/00"."""
    return f"{subject_id}/{split}/{image_id}"


def embed_references(
    benchmark: Benchmark,
    store: RunStore,
    encoders: Encoders,
    memory: Memory,
    options: EmbedOptions,
    progress: Progress,
) -> References:
    """Embed every training and test photo of the benchmark, once a run, and pin them in memory.

    Raises:
        UnreadableImageError: if a photo is damaged.
    """
    photos: dict[str, Photo] = {}
    for subject in benchmark.subjects:
        for photo in subject.train:
            photos[photo_name(subject.subject_id, "train", photo.image_id)] = photo
    for test in benchmark.test:
        photos[photo_name(test.subject_id, "test", test.photo.image_id)] = test.photo
    of = digest_json(["references", benchmark.fingerprint])
    clip = store.read_named(encoders.clip.spec.name, "references", of)
    dino = store.read_named(encoders.dino.spec.name, "references", of)
    if clip is None or dino is None:
        embedded: list[Embedded] = []
        progress("references", 0, len(photos))
        reads = (photo.encoded for photo in photos.values())
        for one in embed_images(reads, encoders.all(), options):
            embedded.append(one)
            progress("references", len(embedded), len(photos))
        clip, dino = (
            NamedEmbeddings(
                names=tuple(photos),
                pixels=tuple(one.pixels for one in embedded),
                vectors=np.stack([one.vectors[number] for one in embedded]),
            )
            for number in range(2)
        )
        store.write_named(encoders.clip.spec.name, "references", of, clip)
        store.write_named(encoders.dino.spec.name, "references", of, dino)
    for pixels, *vectors in zip(clip.pixels, clip.vectors, dino.vectors, strict=True):
        memory.pin(pixels, tuple(vectors))
    return References(
        names=clip.names,
        clip=clip.vectors,
        dino=dino.vectors,
        rows={name: row for row, name in enumerate(clip.names)},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """All scored texts of a run, embedded once each.

    Attributes:
        vectors: (T, D) float32, unit norm.
        rows: text -> row.
        over_long: how many were cut to fit the encoder.
    """

    vectors: Embeddings
    rows: dict[str, int]
    over_long: int


def embed_texts(
    texts: Iterable[str], store: RunStore, encoder: TextEncoder, progress: Progress, batch: int = 64
) -> Texts:
    """Embed every distinct text once."""
    distinct = tuple(dict.fromkeys(texts))
    listed: list[Json] = list(distinct)
    of = digest_json(["texts-1", listed])
    kept = store.read_named(encoder.spec.name, "texts", of)
    if kept is None:
        parts = []
        for start in range(0, len(distinct), batch):
            parts.append(encoder.encode_texts(distinct[start : start + batch]))
            progress("texts", min(start + batch, len(distinct)), len(distinct))
        kept = NamedEmbeddings(names=distinct, vectors=np.concatenate(parts))
        store.write_named(encoder.spec.name, "texts", of, kept)
    context = encoder.spec.context
    return Texts(
        vectors=kept.vectors,
        rows={text: row for row, text in enumerate(distinct)},
        over_long=0
        if context is None
        else sum(encoder.count_tokens(text) > context for text in distinct),
    )
