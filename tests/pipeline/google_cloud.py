"""Google on loopback: the metadata server of a machine, Cloud Storage's JSON interface, BigQuery's REST.

Built after Google's published reference. The real libraries (google-auth, gcsfs, google-cloud-bigquery) speak
to it. Queries are run by SQLite, which takes BigQuery's names in back quotes and `@name` parameters as they
are; of a job only what the client reads is told.
"""

import base64
import hashlib
import io
import json
import re
import sqlite3
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pyarrow.parquet as pq

TOKEN = "ya29.of-a-machine"
PROJECT = "aster-desk"
_KINDS = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN"}


class GoogleCloud:
    """What the stand-in holds. `refuse` maps a part of a path to how many requests of it fail from now on."""

    def __init__(self) -> None:
        self.address = ""
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, dict[str, Any]] = {}
        self.tables: dict[str, dict[str, Any]] = {}
        self.datasets: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.database = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self.lock = threading.Lock()
        self.refuse: dict[str, int] = {}
        self.truncate_next_object = False
        self.writes: list[str] = []

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.database.execute(sql).fetchall()


class Refusal(Exception):
    def __init__(self, code: int, message: str, reason: str = "invalid") -> None:
        super().__init__(message)
        self.code = code
        self.body = {
            "error": {"code": code, "message": message, "errors": [{"reason": reason, "message": message}]}
        }


class _Handler(BaseHTTPRequestHandler):
    google: GoogleCloud
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def do_PATCH(self) -> None:
        self._answer("PATCH")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def _answer(self, method: str) -> None:
        self.url = urlsplit(self.path)
        self.query = {key: values[0] for key, values in parse_qs(self.url.query).items()}
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            self.body = zlib.decompress(self.body, 31)
        try:
            with self.google.lock:
                self._route(method, self.url.path)
        except Refusal as refusal:
            self._json(refusal.body, refusal.code)

    def _route(self, method: str, path: str) -> None:
        if path.startswith("/computeMetadata") or path == "/":
            self._metadata(path)
            return
        for part, times in self.google.refuse.items():
            if part in path and times > 0:
                self.google.refuse[part] = times - 1
                raise Refusal(403, f"{PROJECT} does not have access to it", "forbidden")
        # Cloud Storage's emulators are spoken to without a token; BigQuery's with one.
        if "/bigquery/" in path and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Refusal(401, "Request had invalid authentication credentials.", "authError")
        if "/bigquery/" in path:
            self._bigquery(method, path)
        else:
            self._storage(method, path)

    # --- metadata ---------------------------------------------------------------------------------

    def _metadata(self, path: str) -> None:
        if path.endswith("/token"):
            self._json({"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"})
        elif path.endswith("/project/project-id"):
            self._send(200, PROJECT.encode(), "application/text")
        elif path.endswith("/service-accounts/default/"):
            self._json({"email": "robot@aster-desk", "scopes": ["cloud-platform"], "aliases": []})
        else:
            self._send(200, b"", "application/text")

    # --- Cloud Storage ----------------------------------------------------------------------------

    def _storage(self, method: str, path: str) -> None:
        if path.startswith("/upload/"):
            self._store_object(method)
            return
        found = re.fullmatch(r"(?:/download)?/storage/v1/b/([^/]+)/o(?:/(.+))?", path)
        if found is None or found[1] != "bucket":
            raise Refusal(404, "The specified bucket does not exist.", "notFound")
        if found[2] is None:
            prefix = self.query.get("prefix", "")
            names = sorted(name for name in self.google.objects if name.startswith(prefix))
            self._json({"kind": "storage#objects", "items": [self._object(name) for name in names]})
            return
        name = unquote(found[2])
        if name not in self.google.objects:
            raise Refusal(404, f"No such object: bucket/{name}", "notFound")
        if self.query.get("alt") == "media":
            self._send(200, self.google.objects[name], "application/octet-stream")
        else:
            self._json(self._object(name))

    def _object(self, name: str) -> dict[str, Any]:
        content = self.google.objects[name]
        return {
            "kind": "storage#object",
            "name": name,
            "bucket": "bucket",
            "size": str(len(content)),
            "md5Hash": base64.b64encode(hashlib.md5(content).digest()).decode(),  # noqa: S324 - as Google does
            "generation": "1",
            "timeCreated": "2026-02-01T00:00:00.000Z",
            "updated": "2026-02-01T00:00:00.000Z",
        }

    def _store_object(self, method: str) -> None:
        if self.query.get("uploadType") == "multipart":
            meta, content = self._multipart()
            self._keep_object(json.loads(meta)["name"], content)
        elif method == "POST":
            meta = json.loads(self.body or b"{}")
            self._start_upload({"name": meta.get("name") or self.query["name"], "content": b""})
        else:
            upload = self._continue_upload()
            if upload is not None:
                self._keep_object(upload["name"], upload["content"])

    def _keep_object(self, name: str, content: bytes) -> None:
        if self.google.truncate_next_object:
            self.google.truncate_next_object = False
            content = content[: len(content) // 2]
        self.google.objects[name] = content
        self.google.writes.append(name)
        self._json(self._object(name))

    def _multipart(self) -> tuple[bytes, bytes]:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        first, _ = message_from_bytes(head + self.body).get_payload()  # type: ignore[misc]
        boundary = re.findall(r"boundary=[\"']?([^\"';]+)", self.headers["Content-Type"])[0].encode()
        # The parser would change line ends in the content: its bytes are taken from the body itself.
        raw = self.body.split(b"--" + boundary)[2]
        content = re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[1]
        return first.get_payload(decode=True), content.removesuffix(b"\n").removesuffix(b"\r")

    def _start_upload(self, upload: dict[str, Any]) -> None:
        number = f"upload-{len(self.google.uploads)}"
        self.google.uploads[number] = upload
        place = f"http://{self.google.address}{self.url.path}?uploadType=resumable&upload_id={number}"
        self._send(200, b"{}", "application/json", {"Location": place})

    def _continue_upload(self) -> dict[str, Any] | None:
        """The upload when it is complete; else it was told to go on."""
        upload = self.google.uploads[self.query["upload_id"]]
        upload["content"] += self.body
        last, total = re.findall(r"(?:-(\d+)|\*)/(\d+|\*)", self.headers["Content-Range"])[0]
        if total == "*" or (last and int(last) + 1 < int(total)):
            self._send(308, b"", "text/plain", {"Range": f"bytes=0-{len(upload['content']) - 1}"})
            return None
        return upload

    # --- BigQuery ---------------------------------------------------------------------------------

    def _bigquery(self, method: str, path: str) -> None:
        if path.startswith(("/upload/", "/resumable/")):
            if method == "POST" and self.query.get("uploadType") == "multipart":
                meta, content = self._multipart()
                self._run_load(json.loads(meta), content)
            elif method == "POST":
                self._start_upload({"job": json.loads(self.body), "content": b""})
            elif (upload := self._continue_upload()) is not None:
                self._run_load(upload["job"], upload["content"])
            return
        place = path.split(f"/projects/{PROJECT}/")
        if len(place) != 2:
            raise Refusal(404, "Not found: Project", "notFound")
        parts = place[1].split("/")
        if parts[0] == "datasets":
            self._tables(method, parts)
        elif parts[0] == "jobs" and method == "POST":
            self._run_query(json.loads(self.body))
        elif parts[0] == "queries" and method == "POST":
            self._quick_query(json.loads(self.body))
        elif parts[0] == "queries":
            self._json(self._results(self.google.jobs[parts[1]]))
        else:
            self._json(self.google.jobs[parts[1]]["resource"])

    def _tables(self, method: str, parts: list[str]) -> None:
        if method == "POST" and len(parts) == 1:
            resource = json.loads(self.body)
            self.google.datasets[resource["datasetReference"]["datasetId"]] = resource
            self._json(resource)
            return
        if parts[1] not in self.google.datasets:
            raise Refusal(404, f"Not found: Dataset {PROJECT}:{parts[1]}", "notFound")
        if method == "POST":
            resource = json.loads(self.body)
            name = f"{PROJECT}.{parts[1]}.{resource['tableReference']['tableId']}"
            if name in self.google.tables:
                raise Refusal(409, f"Already Exists: Table {name}", "duplicate")
            self.google.tables[name] = resource
            self._create(name, resource["schema"]["fields"])
            self._json(resource)
            return
        name = f"{PROJECT}.{parts[1]}.{parts[3]}"
        if method == "DELETE":
            self.google.tables.pop(name, None)
            self.google.database.execute(f"DROP TABLE IF EXISTS `{name}`")
            self._send(204, b"", "application/json")
        elif method == "PATCH":
            known = [field["name"] for field in self.google.tables[name]["schema"]["fields"]]
            fields = json.loads(self.body)["schema"]["fields"]
            if [field["name"] for field in fields][: len(known)] != known:
                raise Refusal(400, "Provided Schema does not match", "invalid")
            for field in fields[len(known) :]:
                self.google.database.execute(f"ALTER TABLE `{name}` ADD COLUMN `{field['name']}`")
            self.google.tables[name]["schema"] = {"fields": fields}
            self._json(self.google.tables[name])
        else:
            self._json(self.google.tables[name])

    def _create(self, name: str, fields: list[dict[str, Any]]) -> None:
        columns = ", ".join(
            f"`{field['name']}`{' NOT NULL' if field.get('mode') == 'REQUIRED' else ''}" for field in fields
        )
        self.google.database.execute(f"CREATE TABLE `{name}` ({columns})")

    def _run_load(self, job: dict[str, Any], content: bytes) -> None:
        config = job["configuration"]["load"]
        target = config["destinationTable"]
        name = f"{target['projectId']}.{target['datasetId']}.{target['tableId']}"
        rows = pq.read_table(io.BytesIO(content)).to_pylist()
        assert config["sourceFormat"] == "PARQUET"
        if config["writeDisposition"] == "WRITE_TRUNCATE":
            self.google.database.execute(f"DROP TABLE IF EXISTS `{name}`")
        self._create(name, config["schema"]["fields"])
        marks = ", ".join("?" for _ in config["schema"]["fields"])
        for row in rows:
            values = [row[field["name"]] for field in config["schema"]["fields"]]
            plain = [json.dumps(value) if isinstance(value, list) else value for value in values]
            plain = [value if isinstance(value, int | float | str | None) else str(value) for value in plain]
            self.google.database.execute(f"INSERT INTO `{name}` VALUES ({marks})", plain)  # noqa: S608
        self.google.writes.append(name)
        statistics = {"load": {"outputRows": str(len(rows)), "outputBytes": "1", "inputFiles": "1"}}
        self._json(self._job(job, statistics)["resource"])

    def _job(self, job: dict[str, Any], statistics: dict[str, Any]) -> dict[str, Any]:
        number = job.get("jobReference", {}).get("jobId", f"job-{len(self.google.jobs)}")
        resource = job | {
            "id": number,
            "jobReference": {"projectId": PROJECT, "jobId": number, "location": "US"},
            "status": {"state": "DONE"},
            "statistics": {"creationTime": "1", "startTime": "1", "endTime": "2"} | statistics,
        }
        self.google.jobs[number] = {"resource": resource, "rows": [], "names": []}
        return self.google.jobs[number]

    def _run_query(self, job: dict[str, Any]) -> None:
        done = self._job(job, {"query": {"statementType": "SELECT"}})
        self._execute(done, job["configuration"]["query"])
        self._json(done["resource"])

    def _quick_query(self, request: dict[str, Any]) -> None:
        done = self._job({"configuration": {"query": request}}, {"query": {"statementType": "SELECT"}})
        self._execute(done, request)
        self._json(self._results(done))

    def _execute(self, done: dict[str, Any], query: dict[str, Any]) -> None:
        values = {
            parameter["name"]: int(parameter["parameterValue"]["value"])
            if parameter["parameterType"]["type"] == "INT64"
            else parameter["parameterValue"]["value"]
            for parameter in query.get("queryParameters", [])
        }
        cursor = self.google.database.cursor()
        try:
            for statement in filter(str.strip, query["query"].split(";")):
                cursor.execute(statement, values)
        except sqlite3.Error as error:
            if cursor.connection.in_transaction:
                cursor.execute("ROLLBACK")
            code, reason = (404, "notFound") if "no such table" in str(error) else (400, "invalidQuery")
            raise Refusal(code, f"Not found or invalid: {error}", reason) from None
        done["names"] = [column[0] for column in cursor.description or []]
        done["rows"] = cursor.fetchall() if cursor.description else []

    def _results(self, done: dict[str, Any]) -> dict[str, Any]:
        return {
            "jobReference": done["resource"]["jobReference"],
            "jobComplete": True,
            "totalRows": str(len(done["rows"])),
            "schema": {"fields": [{"name": name, "type": "STRING"} for name in done["names"]]},
            "rows": [{"f": [{"v": value} for value in row]} for row in done["rows"]],
        }

    # --- answers ----------------------------------------------------------------------------------

    def _json(self, body: object, code: int = 200) -> None:
        self._send(code, json.dumps(body).encode(), "application/json; charset=UTF-8")

    def _send(self, code: int, body: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        try:
            self.end_headers()
            self.wfile.write(body)
        except BrokenPipeError:  # who asked has gone
            self.close_connection = True


@contextmanager
def serving_google_cloud() -> Iterator[GoogleCloud]:
    google = GoogleCloud()
    handler = type("Handler", (_Handler,), {"google": google})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    google.address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield google
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        google.database.close()
