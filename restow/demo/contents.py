"""What is in the sample documents: JSON of the things Anchore's JSON is made of.

Paths, packages, checksums and findings, in about Anchore's proportions, because how well a document compresses
decides how much a migration has to send. Only sizes and texture matter: no reader of these documents exists.
"""

from __future__ import annotations

import functools
import gzip
import io
import itertools
import json
import random
import tarfile
import uuid
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any] | list[Any]

ANALYSIS_BYTES = (240_000, 2_800_000)
ANALYSIS_MEDIAN = 600_000
BYTES_PER_FILE = 430
"""What one file of an image adds to its analysis."""

_NAMES = (
    "acl apt attr audit bash bzip2 cairo cmake cracklib curl dbus dpkg expat fontconfig freetype gawk gcc gettext glib "
    "gmp gnupg gnutls grep gzip harfbuzz icu jansson json-c kmod krb5 lcms ldap less libarchive libffi libpng libssh "
    "libxml2 libxslt lz4 lzo mpfr ncurses nettle nghttp2 nspr nss openssl pam pango pcre2 perl pixman popt python3 "
    "readline rpm ruby sed sqlite systemd tar tcl tzdata util-linux xz zlib zstd"
)
_FOLDERS = (
    "/etc /etc/ssl/certs /lib/systemd/system /opt/app/lib /usr/bin /usr/lib/python3/dist-packages /usr/lib/ruby/gems "
    "/usr/lib/x86_64-linux-gnu /usr/sbin /usr/share/doc /usr/share/info /usr/share/locale/de/LC_MESSAGES "
    "/usr/share/man/man1 /usr/share/zoneinfo/Europe /var/lib/dpkg/info /var/cache/apt"
)
NAMES = _NAMES.split()
FOLDERS = _FOLDERS.split()
FILE_ENDINGS = ("", ".conf", ".so.1", ".py", ".pyc", ".gz", ".list", ".md5sums", "-common", "-dev.pc", "-1.0.h")
PACKAGE_ENDINGS = ("", "-dev", "-doc", "-common", "-utils", "1", "2")
SEVERITIES = ("Negligible", "Low", "Medium", "High", "Critical")
GATES = ("vulnerabilities", "dockerfile", "files", "licenses", "metadata", "packages", "passwd_file", "secret_scans")
TRIGGERS = ("package", "instruction", "exposed_ports", "suid_or_guid_set", "blacklist_exact", "attribute", "verify")
ARCHITECTURES = ("amd64", "arm64", "arm", "ppc64le", "s390x", "386")
DOCKER = "application/vnd.docker"
MANIFEST = f"{DOCKER}.distribution.manifest.v2+json"


@dataclass(frozen=True, slots=True)
class Image:
    """A container image; its documents are thrown with its ``dice``, in the order in which they are asked for."""

    digest: str
    tag: str
    packages: tuple[tuple[str, str], ...]
    """Name and version."""
    dice: random.Random


def image(dice: random.Random) -> Image:
    return Image(
        digest=_sha256(dice),
        tag=f"registry.example.com/{dice.choice(NAMES)}/{dice.choice(NAMES)}:{_version(dice)}",
        packages=tuple((name, _version(dice)) for name in dice.sample(_package_names(), dice.randint(90, 420))),
        dice=dice,
    )


def document(value: Json) -> bytes:
    """Return the payload of a JSON document."""
    return json.dumps({"document": value}).encode()


def archive(image: Image, account: str) -> bytes:
    """Return the tar.gz of an archived image."""
    members = {
        "analysis": document(analysis(image)),
        "image_content": document(content(image)),
        "image_manifest": document(manifest(image)),
        "vulnerabilities": json.dumps(vulnerabilities(image)).encode(),
    }
    about = {
        "account": account,
        "image_digest": image.digest,
        "metadata": {"image_record": json.dumps({"tag": image.tag})},
        "artifacts": [{"name": name, "dest": {"tarfile_path": name}} for name in members],
    }
    members["archive_manifest"] = json.dumps(about).encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return gzip.compress(packed.getvalue(), compresslevel=3, mtime=0)


def analysis(image: Image) -> Json:
    dice = image.dice
    low, high = ANALYSIS_BYTES
    count = int(min(max(dice.lognormvariate(0, 0.8) * ANALYSIS_MEDIAN, low), high) / BYTES_PER_FILE)
    paths = sorted(dice.sample(_paths(), count))
    about = [_file(path, int(dice.paretovariate(0.6) * 100)) for path in paths]
    report = {
        "package_list": {
            "pkgs.all": {"base": dict(image.packages)},
            "pkgs.allinfo": {"base": {name: json.dumps(_package(name, version)) for name, version in image.packages}},
        },
        "file_list": {
            "files.all": {"base": dict.fromkeys(paths, "0o644")},
            "files.allinfo": {"base": dict(zip(paths, about, strict=True))},
        },
        "file_checksums": {"files.sha256sums": {"base": dict(zip(paths, _hexes(dice, count, 64), strict=True))}},
    }
    image_report = {"meta": {"imagename": image.digest, "humanname": image.tag}, "distro": "debian"}
    return [{"image": {"imagedata": {"image_report": image_report, "analysis_report": report}}}]


def content(image: Image) -> Json:
    dice = image.dice
    paths = sorted(dice.sample(_paths(), dice.randint(300, 1_500)))
    files = {
        path: {"filename": path, "mode": "0644", "sha256": checksum, "size": len(path) * 97}
        for path, checksum in zip(paths, _hexes(dice, len(paths), 64), strict=True)
    }
    packages = [{"package": name, **_package(name, version)} for name, version in image.packages]
    return {"os": packages, "files": files, "npm": {}, "gem": {}, "python": {}, "java": {}}


def sbom(image: Image) -> Json:
    layers = [_sha256(image.dice) for _ in range(6)]
    identities = _hexes(image.dice, len(image.packages), 16)
    artifacts = [
        {
            "id": identity,
            "name": name,
            "version": version,
            "type": "deb",
            "foundBy": "dpkgdb-cataloger",
            "locations": [{"path": f"/var/lib/dpkg/info/{name}.list", "layerID": image.dice.choice(layers)}],
            "licenses": ["GPL-2", "LGPL-2.1"],
            "cpes": [f"cpe:2.3:a:{vendor}:{name}:{version}:*:*:*:*:*:*:*" for vendor in (name, "debian")],
            "purl": f"pkg:deb/debian/{name}@{version}?arch=amd64&distro=debian-12",
            "metadata": {"package": name, "source": name, "maintainer": f"The {name} maintainers", "installedSize": 91},
        }
        for (name, version), identity in zip(image.packages, identities, strict=True)
    ]
    return {"artifacts": artifacts, "source": {"type": "image", "target": image.tag}, "schema": {"version": "1.1.0"}}


def vulnerabilities(image: Image) -> Json:
    return [
        {
            "vulnerability": {
                "vulnerability_id": (
                    cve := f"CVE-{image.dice.randint(2016, 2026)}-{image.dice.randint(1_000, 49_999)}"
                ),
                "severity": image.dice.choice(SEVERITIES),
                "link": f"https://security-tracker.debian.org/tracker/{cve}",
                "cvss_scores_nvd": [{"base_score": image.dice.randint(10, 98) / 10, "id": cve, "version": "3.1"}],
            },
            "artifact": {"name": name, "version": version, "pkg_type": "dpkg", "location": "pkgdb"},
            "fix": {"versions": [f"{version}+deb12u1"], "wont_fix": False, "observed_at": "2026-01-05T00:00:00Z"},
            "match": {"detected_at": "2026-01-06T11:20:34Z"},
        }
        for name, version in image.dice.choices(image.packages, k=image.dice.randint(40, 300))
    ]


def evaluation(image: Image) -> Json:
    dice = image.dice
    header = ["Image_Id", "Repo_Tag", "Trigger_Id", "Gate", "Trigger", "Check_Output", "Gate_Action"]
    rows = [
        [
            image.digest,
            image.tag,
            dice.randbytes(16).hex(),
            dice.choice(GATES),
            dice.choice(TRIGGERS),
            f"{dice.choice(SEVERITIES)} finding in {name} {version}",
            dice.choice(("go", "warn", "stop")),
        ]
        for name, version in dice.choices(image.packages, k=dice.randint(20, 180))
    ]
    return {"result": {"header": header, "row_count": len(rows), "rows": rows}, "final_action": "warn"}


def policy(dice: random.Random) -> Json:
    rules = [
        {
            "id": uuid_text(dice),
            "gate": dice.choice(GATES),
            "trigger": dice.choice(TRIGGERS),
            "action": dice.choice(("WARN", "STOP")),
            "params": [{"name": "severity", "value": dice.choice(SEVERITIES)}],
        }
        for _ in range(dice.randint(12, 40))
    ]
    return {
        "id": uuid_text(dice),
        "name": f"{dice.choice(NAMES)} policy",
        "version": "1_0",
        "policies": [{"id": uuid_text(dice), "name": "default", "version": "1_0", "rules": rules}],
        "mappings": [{"registry": "*", "repository": "*", "image": {"type": "tag", "value": "*"}}],
    }


def manifest(image: Image) -> Json:
    dice = image.dice
    layers = [
        {
            "mediaType": f"{DOCKER}.image.rootfs.diff.tar.gzip",
            "size": dice.randint(200, 90_000_000),
            "digest": _sha256(dice),
        }
        for _ in range(dice.randint(12, 28))
    ]
    config = {"mediaType": f"{DOCKER}.container.image.v1+json", "size": 7_000, "digest": _sha256(dice)}
    return {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}


def parent_manifest(image: Image) -> Json:
    manifests = [
        {
            "mediaType": MANIFEST,
            "size": image.dice.randint(1_500, 6_000),
            "digest": _sha256(image.dice),
            "platform": {"os": "linux", "architecture": architecture, "variant": variant},
        }
        for architecture, variant in itertools.product(ARCHITECTURES, ("v1", "v2"))
    ]
    return {"schemaVersion": 2, "mediaType": f"{DOCKER}.distribution.manifest.list.v2+json", "manifests": manifests}


def uuid_text(dice: random.Random) -> str:
    return str(uuid.UUID(bytes=dice.randbytes(16), version=4))


def _file(path: str, size: int) -> str:
    # Anchore keeps what it knows of a file as JSON inside its JSON. Not json.dumps: this is called 100,000 times.
    return (
        f'{{"name": "{path}", "fullpath": "{path}", "type": "file", "mode": 33188, "uid": 0, "gid": 0, "size": {size}, '
        '"linkdst": null, "linkdst_fullpath": null, "othernames": {}}'
    )


def _package(name: str, version: str) -> dict[str, str]:
    return {
        "version": version,
        "sourcepkg": f"{name}-{version}",
        "release": "N/A",
        "arch": "amd64",
        "origin": f"The {name} maintainers (maintainer)",
        "license": "GPL-2+ LGPL-2.1+ public-domain",
        "size": "8192",
        "type": "dpkg",
    }


@functools.cache
def _paths() -> tuple[str, ...]:
    parts = itertools.product(FOLDERS, NAMES, FILE_ENDINGS)
    return tuple(f"{folder}/{name}{ending}" for folder, name, ending in parts)


@functools.cache
def _package_names() -> tuple[str, ...]:
    return tuple(f"{name}{ending}" for name in NAMES for ending in PACKAGE_ENDINGS)


def _hexes(dice: random.Random, count: int, length: int) -> list[str]:
    """Return ``count`` random hex strings of ``length`` digits, cut from one draw: that is what makes it fast."""
    text = dice.randbytes(count * length // 2).hex()
    return [text[start : start + length] for start in range(0, len(text), length)]


def _sha256(dice: random.Random) -> str:
    return f"sha256:{dice.randbytes(32).hex()}"


def _version(dice: random.Random) -> str:
    return f"{dice.randint(0, 9)}.{dice.randint(0, 40)}.{dice.randint(0, 12)}-{dice.randint(1, 6)}"
