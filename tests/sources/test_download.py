"""Downloads against a server on this machine that misbehaves in the ways real ones do."""

import hashlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from sitenet.sources.download import DownloadError, download

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT; `requests` keeps (path, Range header) of each request in order."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, str | None]] = []

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        """Keep the test output clean."""

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.requests.append((self.path, wanted))
        count = sum(path == self.path for path, _ in self.server.requests)
        match self.path:
            case "/missing":
                self.send_error(404)
            case "/busy" if count <= 2:
                self.send_error(500)
            case "/other":
                self.reply(b"another file")
            case "/truncated" if count == 1:
                self.reply(CONTENT, cut=200_000)
            case "/no-range":
                self.reply(CONTENT)
            case _:
                self.reply(CONTENT, wanted)

    def reply(self, content: bytes, wanted: str | None = None, cut: int | None = None) -> None:
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if wanted and start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:cut])


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join(5)


def fetch(url: str, path: Path, **options: object) -> None:
    settings = {"retries": 3, "timeout": 5.0, "pause": 0.01}
    download(url, SHA256, path, **(settings | options))  # type: ignore[arg-type]


def test_good_file_is_fetched_once_and_then_reused(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.json.gz"
    fetch(server.url("good"), path)
    fetch(server.url("good"), path)
    assert path.read_bytes() == CONTENT
    assert server.requests == [("/good", None)]
    assert list(path.parent.iterdir()) == [path]


def test_cached_file_with_wrong_checksum_is_replaced(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT[:-1] + b"?")
    fetch(server.url("good"), path)
    assert path.read_bytes() == CONTENT


def test_wrong_checksum_is_refused(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "file"
    with pytest.raises(DownloadError, match="wrong checksum"):
        fetch(server.url("other"), path)
    assert list(tmp_path.iterdir()) == []


def test_truncated_transfer_is_resumed(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "file"
    fetch(server.url("truncated"), path)
    assert path.read_bytes() == CONTENT
    (_, first), (_, second) = server.requests
    assert first is None
    assert second is not None
    assert 100_000 < int(second.removeprefix("bytes=").rstrip("-")) <= 200_000


@pytest.mark.parametrize("name", ["good", "no-range"])
def test_partial_file_of_an_earlier_run(server: Server, tmp_path: Path, name: str) -> None:
    path = tmp_path / "file"
    path.with_name("file.part").write_bytes(CONTENT[:1000])
    fetch(server.url(name), path)
    assert path.read_bytes() == CONTENT
    assert server.requests == [(f"/{name}", "bytes=1000-")]


@pytest.mark.parametrize("stale", [b"x" * 1000, b"x" * 400_000, CONTENT])
def test_partial_file_that_is_wrong_or_already_whole(
    server: Server, tmp_path: Path, stale: bytes
) -> None:
    path = tmp_path / "file"
    path.with_name("file.part").write_bytes(stale)
    fetch(server.url("good"), path)
    assert path.read_bytes() == CONTENT
    assert len(server.requests) == (1 if stale == CONTENT else 2)


def test_missing_file_is_not_asked_for_again(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="HTTP 404"):
        fetch(server.url("missing"), tmp_path / "file")
    assert len(server.requests) == 1


def test_server_errors_are_retried(server: Server, tmp_path: Path) -> None:
    fetch(server.url("busy"), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert len(server.requests) == 3


def test_server_errors_end(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"HTTP 500 .*\(2 attempts\)"):
        fetch(server.url("busy"), tmp_path / "file", retries=2)


def test_mirror_is_used_when_the_first_address_fails(server: Server, tmp_path: Path) -> None:
    fetch(server.url("missing"), tmp_path / "file", mirrors=[server.url("other"), server.url("a")])
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert [path for path, _ in server.requests] == ["/missing", "/other", "/a"]


def test_without_network_the_message_says_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    path, url = tmp_path / "file.json.gz", f"http://127.0.0.1:{port}/file.json.gz"
    with pytest.raises(DownloadError) as caught:
        fetch(url, path)
    for part in (url, "no connection", str(path), SHA256, "source.url", "HTTPS_PROXY"):
        assert part in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_two_callers_fetch_once(server: Server, tmp_path: Path) -> None:
    callers = [
        threading.Thread(target=fetch, args=(server.url("good"), tmp_path / "file"))
        for _ in range(4)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(10)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
    assert len(server.requests) == 1


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/a"])
def test_other_schemes_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ValueError, match="only http and https"):
        fetch(url, tmp_path / "file")
