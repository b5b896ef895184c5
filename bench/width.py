"""Width: the same move with more and more documents in flight. The default of ``--jobs`` goes by it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace

from bench.moves import to_s3
from bench.places import Table
from bench.samples import Sample
from bench.scene import Contestants, Scene

WIDTHS = (8, 16, 32, 64)


@contextlib.contextmanager
def widths(scene: Scene) -> Iterator[Contestants]:
    corpus = scene.library.corpus("mixed")

    def of(jobs: int) -> Callable[[], Sample]:
        wide = replace(scene, scale=replace(scene.scale, near_jobs=jobs, far_jobs=jobs))
        return lambda: to_s3(wide, corpus, corpus.template, Table("db"))

    yield {f"--jobs {jobs}": of(jobs) for jobs in WIDTHS}
