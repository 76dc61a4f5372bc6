"""A server with the part of Google Cloud Storage's XML API that obstore uses.

There is no such server of another project: the known emulators speak the JSON API
alone. So this one shows that our conditions are by generations and are acted on, not
that Google agrees.
"""

import hashlib
import json
import re
import threading
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

MADE = datetime(2026, 5, 1, tzinfo=UTC)
Answer = tuple[int, dict[str, str], bytes]


class Stored:
    """One generation of an object."""

    _numbers = count(1_700_000_000_000_000)

    def __init__(self, content: bytes, headers: dict[str, str]) -> None:
        self.content = content
        self.generation = str(next(self._numbers))
        self.tag = f'"{hashlib.md5(content).hexdigest()}"'
        self.kept = {
            name: value
            for name, value in headers.items()
            if name == "content-type" or name.startswith("x-goog-meta-")
        }

    @property
    def headers(self) -> dict[str, str]:
        return {
            **self.kept,
            "ETag": self.tag,
            "Last-Modified": format_datetime(MADE, usegmt=True),
            "x-goog-generation": self.generation,
        }


class Server(ThreadingHTTPServer):
    """The buckets; every name begins with that of its bucket."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, Stored] = {}
        self.uploads: dict[str, tuple[dict[str, str], dict[int, bytes]]] = {}
        self.requests: list[str] = []
        self.read_only: set[str] = set()  # buckets
        self.lock = threading.RLock()

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs to reach it."""
        url = f"http://127.0.0.1:{self.server_port}"
        key = {"gcs_base_url": url, "disable_oauth": True, "client_email": ""}
        key |= {"private_key": "", "private_key_id": ""}
        return {
            "GOOGLE_BASE_URL": url,
            "GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(key),
        }


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        asked = dict(parse_qsl(parts.query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server = self.server
        server.requests.append(f"{self.command} {unquote(self.path)}")
        with server.lock:
            status, headers, content = self._act(unquote(parts.path[1:]), asked, body)
        self.send_response(status)
        length = headers.pop("Content-Length", str(len(content)))
        for name, value in {**headers, "Content-Length": length}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _act(self, name: str, asked: dict[str, str], body: bytes) -> Answer:
        objects, headers = self.server.objects, self._headers()
        now = objects.get(name)
        wanted = headers.get("x-goog-if-generation-match")
        if wanted is not None and wanted != (now.generation if now else "0"):
            return 412, {}, b"<Error><Code>PreconditionFailed</Code></Error>"
        if "list-type" in asked:
            return 200, {}, self._listing(name, asked)
        if "uploads" in asked or "uploadId" in asked:
            return self._upload(name, asked, headers, body)
        if self.command == "PUT":
            return self._put(name, headers, body)
        return self._of_object(name, now, headers.get("range", ""))

    def _of_object(self, name: str, now: Stored | None, span: str) -> Answer:
        if now is None:
            return 404, {}, b"<Error><Code>NoSuchKey</Code></Error>"
        if self.command == "DELETE":
            del self.server.objects[name]
            return 204, {}, b""
        return _read(now, span)

    def _put(self, name: str, headers: dict[str, str], body: bytes) -> Answer:
        objects = self.server.objects
        if name.partition("/")[0] in self.server.read_only:
            return 403, {}, b"<Error><Code>AccessDenied</Code></Error>"
        source = headers.get("x-goog-copy-source")
        if source is not None:
            old = objects[unquote(source).lstrip("/")]
            body, headers = old.content, {**old.kept, **headers}
        objects[name] = Stored(body, headers)
        return 200, objects[name].headers, b""

    def _headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _listing(self, bucket: str, asked: dict[str, str]) -> bytes:
        root = ET.Element("ListBucketResult")
        ET.SubElement(root, "IsTruncated").text = "false"
        for name, stored in sorted(self.server.objects.items()):
            key = name.removeprefix(f"{bucket}/")
            if key == name or not key.startswith(asked.get("prefix", "")):
                continue
            one = ET.SubElement(root, "Contents")
            ET.SubElement(one, "Key").text = key
            ET.SubElement(one, "LastModified").text = MADE.isoformat()
            ET.SubElement(one, "ETag").text = stored.tag
            ET.SubElement(one, "Size").text = str(len(stored.content))
        return ET.tostring(root)

    def _upload(
        self, name: str, asked: dict[str, str], headers: dict[str, str], body: bytes
    ) -> Answer:
        uploads = self.server.uploads
        if "uploads" in asked:
            upload_id = f"upload{len(uploads) + 1}"
            uploads[upload_id] = headers, {}
            begun = f"<UploadId>{upload_id}</UploadId>"
            result = "InitiateMultipartUploadResult"
            return 200, {}, f"<{result}>{begun}</{result}>".encode()
        begun_with, parts = uploads[asked["uploadId"]]
        if self.command == "PUT":
            parts[int(asked["partNumber"])] = body
            return 200, {"ETag": f'"{hashlib.md5(body).hexdigest()}"'}, b""
        del uploads[asked["uploadId"]]
        if self.command == "DELETE":
            return 204, {}, b""
        stored = Stored(b"".join(parts[one] for one in sorted(parts)), begun_with)
        self.server.objects[name] = stored
        result = "CompleteMultipartUploadResult"
        content = f"<{result}><ETag>{stored.tag}</ETag></{result}>"
        return 200, stored.headers, content.encode()


def _read(stored: Stored, span: str) -> Answer:
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", span)
    total = len(stored.content)
    if found is None:
        return 200, {**stored.headers, "Content-Length": str(total)}, stored.content
    start = int(found[1])
    content = stored.content[start : int(found[2] or total) + 1]
    where = f"bytes {start}-{start + len(content) - 1}/{total}"
    return 206, {**stored.headers, "Content-Range": where}, content


@cache
def start() -> Server:
    """The server of this process, which ends with it."""
    server = Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
