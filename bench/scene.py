"""What all cases share, and what a case is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from bench.corpus import Library
from bench.places import Bucket
from bench.samples import Sample
from bench.servers import Servers

Contestants = Mapping[str, Callable[[], Sample]]
"""Who takes part, by name: a call prepares, runs once with the clock on, and clears up."""


@dataclass(frozen=True)
class Scale:
    """How large the cases are."""

    near_jobs: int
    """Documents in flight at once, for every contestant."""
    far_jobs: int
    """The same with the far S3, where width is what counts."""
    growth: tuple[int, ...]
    """Numbers of documents."""
    few_rows: int
    many_rows: int


@dataclass(frozen=True)
class Scene:
    servers: Servers
    library: Library
    scale: Scale
    far: bool = False
    """Whether S3 is far away."""

    @property
    def jobs(self) -> int:
        return self.scale.far_jobs if self.far else self.scale.near_jobs

    def away(self) -> Scene:
        """Return the same scene with S3 far away."""
        return replace(self, far=True)

    @contextlib.contextmanager
    def bucket(self) -> Iterator[Bucket]:
        """Give a new bucket for the block."""
        with self.servers.bucket() as name:
            yield Bucket(name, self.far)


@dataclass(frozen=True)
class Case:
    name: str
    title: str
    open: Callable[[Scene], AbstractContextManager[Contestants]]
    most_rounds: int | None = None
    """Fewer than asked for, where a round is long and differs little from the next."""
