"""The floor: obstore and nothing else, over threads. ``python -m bench.floor REQUEST``, a ``Request`` as JSON.

``put`` writes payloads that are in memory already, ``get`` reads and forgets, ``copy`` has the server copy. Nothing is
checked, recorded or compared: no tool that does its work with obstore can be faster.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, assert_never

import obstore
from obstore.store import S3Store

What = Literal["put", "get", "copy"]


@dataclass(frozen=True)
class Request:
    what: What
    directory: str
    """The relative paths of its files are the keys."""
    bucket: str
    target: str
    """The bucket to copy to; read by ``copy`` only."""
    jobs: int
    most: int
    """So many documents, 0: all of them."""


def main(request: Request) -> None:
    """Do what is asked for and print what it took, as JSON."""
    directory = Path(request.directory)
    files = {key: directory / key for key in some(keys_of(directory), request.most)}
    store = _store(request)
    work: Callable[[str], object]
    match request.what:
        case "put":
            payloads = {key: path.read_bytes() for key, path in files.items()}
            work = lambda key: obstore.put(store, key, payloads[key], use_multipart=False)  # noqa: E731
        case "get":
            work = lambda key: len(obstore.get(store, key).bytes())  # noqa: E731
        case "copy":
            # Addressed like this, the target's first part is its bucket: obstore knows no copy to another one.
            whole = _store(request, virtual=True)
            work = lambda key: obstore.copy(whole, key, f"{request.target}/{key}")  # noqa: E731
        case _:
            assert_never(request.what)
    taken = timed(work, list(files), request.jobs)
    size = sum(path.stat().st_size for path in files.values())
    sys.stdout.write(json.dumps({"documents": len(files), "bytes": size, **taken}))


def keys_of(directory: Path) -> list[str]:
    """Return the relative paths of all files, in the order of their names."""
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())


def some(keys: Sequence[str], most: int) -> Sequence[str]:
    """Return ``most`` of the keys, from all over them; all for 0."""
    return keys if most in {0, len(keys)} else keys[:: max(1, len(keys) // most)][:most]


def timed(work: Callable[[str], object], keys: Sequence[str], jobs: int) -> dict[str, float]:
    """Return wall and CPU seconds of doing ``work`` to each key, ``jobs`` at once."""
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        for _ in pool.map(work, keys):
            pass
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF)
    return {"wall": wall, "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def _store(request: Request, *, virtual: bool = False) -> S3Store:
    return S3Store(
        request.bucket,
        endpoint=os.environ["ENDPOINT"],
        access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
        secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        region=os.environ["AWS_REGION"],
        virtual_hosted_style_request=virtual,
        client_options={"allow_http": True, "pool_max_idle_per_host": str(request.jobs)},
    )


if __name__ == "__main__":
    main(Request(**json.loads(sys.argv[1])))
