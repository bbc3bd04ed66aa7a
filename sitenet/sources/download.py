"""Download of files with known checksums, with resumption, retries and mirrors."""

import fcntl
import hashlib
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path

import requests
import urllib3

from sitenet.progress import Progress, log

BLOCK = 2**16
"""Bytes read at a time; at most this much is lost when a connection breaks."""

MIB = 2**20

WORTH_RETRYING = {408, 425, 429, 500, 502, 503, 504}
"""HTTP status codes of temporary failures; other errors are final for an address."""


class DownloadError(Exception):
    """The file could not be downloaded; the message says what was tried and how to proceed."""


class _Retry(Exception):
    """A temporary failure of one attempt."""


class _GiveUp(Exception):
    """A permanent failure of an address."""


def download(
    url: str,
    sha256: str,
    path: str | Path,
    mirrors: Sequence[str] = (),
    retries: int = 4,
    timeout: float = 30.0,
    pause: float = 1.0,
) -> None:
    """Ensure that `path` holds the file with checksum `sha256`.

    An existing file is kept if its checksum matches, and replaced otherwise. Data are written to
    `path`.part, which the next attempt or run continues, and which is renamed when it is complete
    and verified. If several processes request the same file, one downloads it and the others wait.

    Args:
        url: http or https address.
        sha256: expected checksum, hexadecimal.
        path: file to write.
        mirrors: alternative addresses of the same file, tried in order after `url`.
        retries: attempts for each address.
        timeout: seconds without response or data after which an attempt fails.
        pause: seconds before the second attempt, doubled for each further one.

    Raises:
        DownloadError: no address provided the file.
        ValueError: an address is neither http nor https.
    """
    path, addresses = Path(path), [url, *mirrors]
    for address in addresses:
        if not address.lower().startswith(("http://", "https://")):
            raise ValueError(f"cannot fetch {address}: only http and https addresses")
    if _is_right(path, sha256):
        log.info(f"{path}: already there, checksum right")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    failures = []
    with part.open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_right(path, sha256):  # downloaded by another process meanwhile
            part.unlink(missing_ok=True)
            return
        for address in addresses:
            try:
                _persist(address, sha256, part, retries, timeout, pause)
            except _GiveUp as failure:
                log.warning(f"{address}: {failure}")
                failures.append(f"  {address}: {failure}")
            else:
                os.replace(part, path)
                return
    if not _size(part):
        part.unlink(missing_ok=True)
    raise DownloadError(_advice(path, sha256, failures))


def _advice(path: Path, sha256: str, failures: list[str]) -> str:
    tried = "\n".join(failures)
    return (
        f"could not fetch {path.name}\n{tried}\nOne of these helps:\n"
        f"  - put the file by hand at {path} (sha256 {sha256})\n"
        "  - set source.url or source.mirrors of the dataset to an address you can reach\n"
        "  - behind a proxy, set the environment variable HTTPS_PROXY (or HTTP_PROXY)\n"
        "  - try again later: what has arrived is kept and continued"
    )


def _is_right(path: Path, sha256: str) -> bool:
    """Whether `path` exists and has the checksum; a mismatch is logged."""
    if not path.is_file():
        return False
    found = _checksum(path)
    if found != sha256.lower():
        log.warning(f"{path}: checksum {found[:12]}..., not {sha256[:12]}...: fetching it again")
    return found == sha256.lower()


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _persist(
    address: str, sha256: str, part: Path, retries: int, timeout: float, pause: float
) -> None:
    """Download to `part` from one address, with retries; raises _GiveUp."""
    failure = ""
    for attempt in range(retries):
        if attempt:
            wait = pause * 2 ** (attempt - 1)
            log.info(f"{address}: {failure}; again in {wait:g} s")
            time.sleep(wait)
        begun = _size(part)
        try:
            _continue(address, part, begun, timeout)
        except _Retry as problem:
            failure = str(problem)
            continue
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            failure = f"no answer within {timeout:g} s"
            continue
        except (requests.RequestException, urllib3.exceptions.HTTPError) as problem:
            failure = f"no connection ({_root(problem)})"
            continue
        found = _checksum(part)
        if found == sha256.lower():
            return
        os.truncate(part, 0)
        failure = f"wrong checksum: {found} instead of {sha256}"
        if not begun:
            raise _GiveUp(failure)
    raise _GiveUp(f"{failure} ({retries} attempts)")


def _root(problem: BaseException) -> BaseException:
    """The original cause of an exception, such as `Connection refused`."""
    while (cause := problem.__cause__ or problem.__context__) is not None:
        problem = cause
    return problem


def _continue(address: str, part: Path, begun: int, timeout: float) -> None:
    """Append the missing bytes to `part`, which has `begun` bytes; raises _Retry, _GiveUp.

    Bytes are stored as sent: gzip files must not be decompressed in transit.
    """
    headers = {"Accept-Encoding": "identity"}
    if begun:
        headers["Range"] = f"bytes={begun}-"
    with requests.get(address, headers=headers, stream=True, timeout=timeout) as answer:
        if answer.status_code == 416:  # nothing after `begun`: complete, or another file
            return
        if answer.status_code in WORTH_RETRYING:
            raise _Retry(f"HTTP {answer.status_code} {answer.reason}")
        if answer.status_code not in (200, 206):
            raise _GiveUp(f"HTTP {answer.status_code} {answer.reason}")
        resumed = answer.headers.get("Content-Range", "").startswith(f"bytes {begun}-")
        if not (answer.status_code == 206 and resumed):
            begun = 0
        length = int(answer.headers.get("Content-Length", 0))
        progress = Progress(math.ceil(length / MIB), part.stem, "MiB")
        received = 0
        with part.open("ab" if begun else "wb") as file:
            for block in answer.raw.stream(BLOCK, decode_content=False):
                file.write(block)
                received += len(block)
                progress.advance(math.ceil(received / MIB) - progress.done)
    progress.finish()
