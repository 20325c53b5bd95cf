"""A server on this machine that speaks the hub's protocol as far as its client asks: one repository, one revision.

It may be slow, cut a file off in the middle, refuse (401, 404), or have one byte wrong; `asked` is all that it was.
"""

import contextlib
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

REVISION = "0123456789abcdef0123456789abcdef01234567"
CODES = {401: ("GatedRepo", "Access to it is restricted."), 404: ("RepoNotFound", "Not found.")}


def git_sha1(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Hub(ThreadingHTTPServer):
    """`files` by name are those of the repository's one `revision`; the `large` ones are in LFS, and have a sha256."""

    daemon_threads = True

    def __init__(self, repository, files, kind="models", revision=REVISION):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repository, self.files, self.kind, self.revision = repository, files, kind, revision
        self.large = {name for name in files if name.endswith((".safetensors", ".parquet"))}
        self.refuses = 0  # with this status
        self.cut = {}  # how often a file breaks off in its middle
        self.wrong = set()  # files with one byte changed on the way
        self.asked = []

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def tags(self, name):
        content = self.files[name]
        return hashlib.sha256(content).hexdigest() if name in self.large else git_sha1(content)

    def tree(self):
        for name, content in self.files.items():
            entry = {"type": "file", "path": name, "size": len(content), "oid": git_sha1(content)}
            if name in self.large:
                entry["lfs"] = {"oid": self.tags(name), "size": len(content), "pointerSize": 134}
            yield entry


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, *, body):
        hub, path = self.server, unquote(urlsplit(self.path).path)
        hub.asked.append((self.command, path, self.headers.get("Range", "")))
        if path == "/":
            self.say(200, b"", {})
        elif hub.refuses or hub.repository not in path:
            code, words = CODES[hub.refuses or 404]
            self.say(hub.refuses or 404, b"{}", {"X-Error-Code": code, "X-Error-Message": words}, body=body)
        elif path.startswith(f"/api/{hub.kind}/{hub.repository}/"):
            self.api(path, body)
        else:
            self.file(path, body)

    def api(self, path, body):
        question, revision = path.split(f"{self.server.repository}/")[1].split("/")[:2]
        if revision != self.server.revision:
            self.say(404, b"{}", {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "no such revision"}, body=body)
            return
        about = {"id": self.server.repository, "sha": revision, "siblings": []}
        content = [*self.server.tree()] if question == "tree" else about
        self.say(200, json.dumps(content).encode(), {"Content-Type": "application/json"}, body=body)

    def file(self, path, body):
        hub = self.server
        name = path.partition(f"/resolve/{hub.revision}/")[2]
        if name not in hub.files:
            self.say(404, b"", {"X-Error-Code": "EntryNotFound"}, body=body)
            return
        content = hub.files[name]
        if name in hub.wrong:
            content = bytes([content[0] ^ 1]) + content[1:]
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
        about = {"ETag": f'"{hub.tags(name)}"', "X-Repo-Commit": hub.revision, "Accept-Ranges": "bytes"}
        if name in hub.large:
            about |= {"X-Linked-Etag": f'"{hub.tags(name)}"', "X-Linked-Size": str(len(content))}
        if start:
            about["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self.say(206 if start else 200, content[start:], about, body=body, name=name)

    def say(self, status, content, headers, *, body=False, name=""):
        self.send_response(status)
        for key, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(key, value)
        self.end_headers()
        if not body:
            return
        hub = self.server
        if hub.cut.get(name, 0):
            hub.cut[name] -= 1
            content, self.close_connection = content[: len(content) // 2], True
        with contextlib.suppress(OSError):  # the client has gone
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(repository, files, kind="models", revision=REVISION):
    """A hub with one repository, for as long as the block lasts."""
    with Hub(repository, files, kind, revision) as hub:
        thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()
