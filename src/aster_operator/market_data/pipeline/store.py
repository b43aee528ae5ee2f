"""One folder of an object store, by fsspec: `gs://bucket/folder`, `s3://bucket/folder`, or a path.

An object is whole or not there: object stores see to it themselves, on a file system a file is written aside
and renamed. Who may write is settled by the rules of the store's own library (application default
credentials; AWS profiles and variables). `STORAGE_EMULATOR_HOST` and `AWS_ENDPOINT_URL` name other addresses.
"""

import base64
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from aster_operator.config.masking import mask_text
from aster_operator.config.problems import one_line
from aster_operator.market_data.catalog.durable import make_folder, write_durably
from aster_operator.market_data.pipeline.problems import PipelineProblem

__all__ = ["Store", "file_md5", "file_sha256", "open_store"]

_EXTRAS: Final = {"gs": "gcp", "gcs": "gcp", "s3": "s3"}
_LIBRARIES: Final = frozenset(
    {"aiobotocore", "aiohttp", "botocore", "gcsfs", "google", "requests", "s3fs", "urllib3"}
)


class Store:
    """Objects below one address. Names are relative, with `/` between parts."""

    def __init__(self, url: str, files: Any, root: str, *, is_local: bool) -> None:
        self.url = mask_text(url)
        self.is_local = is_local
        self._files = files
        self._root = root.rstrip("/")

    def names(self, folder: str) -> list[str]:
        """Names of all objects below `folder`, sorted; empty when there are none."""
        with self._asking(folder):
            found = self._files.find(self._path(folder))
        start = len(self._root) + 1
        return sorted(str(path)[start:] for path in found)

    def read_all(self, names: Sequence[str]) -> dict[str, bytes]:
        """Contents of small objects by name, fetched side by side; those that are gone are left out."""
        if not names:
            return {}
        paths = {self._path(name): name for name in names}
        with self._asking(names[0]):
            found = self._files.cat(list(paths), on_error="return")
        for path, content in found.items():
            if isinstance(content, Exception) and not isinstance(content, FileNotFoundError):
                with self._asking(paths[path]):
                    raise content
        return {paths[path]: content for path, content in found.items() if isinstance(content, bytes)}

    def write(self, name: str, content: bytes) -> None:
        """Put a small object in place of what may be there."""
        with self._asking(name):
            if self.is_local:
                self._write_file(name, lambda aside: aside.write_bytes(content))
            else:
                self._files.pipe_file(self._path(name), content)

    def put(self, name: str, source: Path) -> None:
        """Put a file in place of what may be there, and make sure that all of it arrived.

        Compared are size and, where the store tells it, MD5; else the object is read back.
        """
        with self._asking(name):
            if self.is_local:
                self._write_file(name, lambda aside: aside.write_bytes(source.read_bytes()))
            else:
                self._files.put_file(str(source), self._path(name))
            size, md5 = self._size_and_md5(name)
            arrived = md5 if md5 is not None else self._read_back_md5(name)
        if size != source.stat().st_size or arrived != file_md5(source):
            raise PipelineProblem(
                f"{name} arrived changed", self.url, "run the command again; if it stays so, check the store"
            )

    def get(self, name: str, target: Path) -> None:
        """Fetch an object into a file."""
        with self._asking(name):
            self._files.get_file(self._path(name), str(target))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _write_file(self, name: str, write: Any) -> None:
        path = Path(self._path(name))
        make_folder(path.parent)
        write_durably(path, write)

    def _size_and_md5(self, name: str) -> tuple[int, str | None]:
        self._files.invalidate_cache()
        info = self._files.info(self._path(name))
        md5 = info.get("md5Hash")
        if md5 is not None:
            return int(info["size"]), base64.b64decode(md5).hex()
        tag = str(info.get("ETag", "")).strip('"')
        # The tag of an object that was sent in parts is no MD5, and says so by a hyphen.
        return int(info["size"]), tag if len(tag) == hashlib.md5().digest_size * 2 else None  # noqa: S324

    def _read_back_md5(self, name: str) -> str:
        digest = hashlib.md5(usedforsecurity=False)
        with self._files.open(self._path(name), "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()

    @contextmanager
    def _asking(self, name: str) -> Iterator[None]:
        """Turn what the store's library raises into a PipelineProblem."""
        try:
            yield
        except PipelineProblem:
            raise
        except Exception as error:
            library = type(error).__module__.partition(".")[0]
            if not isinstance(error, OSError) and library not in _LIBRARIES:
                raise
            words = mask_text(one_line(str(error)))[:300] or type(error).__name__
            raise PipelineProblem(
                f"{name}: {type(error).__name__}: {words}",
                self.url,
                "check the address, the network and your rights there, then run it again: what arrived stays",
            ) from error


def open_store(url: str) -> Store:
    """The store at `url`. Raises PipelineProblem for an address of no known kind, or without its package."""
    import fsspec

    scheme = urlsplit(url).scheme
    if scheme in ("", "file"):
        path = Path(url.removeprefix("file://")).expanduser().absolute()
        return Store(url, fsspec.filesystem("file"), str(path), is_local=True)
    if scheme not in _EXTRAS:
        raise PipelineProblem(
            f"{scheme}:// is no store that is known here", mask_text(url), "use gs://, s3:// or a path"
        )
    bucket = urlsplit(url).netloc
    if not bucket or "@" in bucket:
        raise PipelineProblem(
            "the address names no bucket" if not bucket else "the address holds credentials",
            mask_text(url),
            f"write {scheme}://bucket/folder; credentials come from the environment",
        )
    # The JSON interface alone: what gcsfs tries beyond it asks for another protocol, and waits for minutes.
    os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
    if scheme in ("gs", "gcs") and (project := os.environ.get("GOOGLE_CLOUD_PROJECT")):
        options["project"] = project
    try:
        files = fsspec.filesystem(scheme, **options)
    except ImportError:
        raise PipelineProblem(
            f"the packages for {scheme}:// are not installed",
            mask_text(url),
            f'pip install "aster-operator[{_EXTRAS[scheme]}]"',
        ) from None
    return Store(url, files, f"{bucket}{urlsplit(url).path}", is_local=False)


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_md5(path: Path) -> str:
    """What object stores tell of an object; it guards against accidents, not against people."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
