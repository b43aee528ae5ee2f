"""Stores to send to: a folder, a server of the S3 protocol (moto), and Google's as a stand-in."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from google.auth.compute_engine import _metadata
from google_cloud import GoogleCloud, serving_google_cloud


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[GoogleCloud]:
    with serving_google_cloud() as cloud:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://{cloud.address}")
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", f"http://{cloud.address}")
        monkeypatch.setenv("GCE_METADATA_IP", cloud.address)
        monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", cloud.address)
        monkeypatch.setattr(_metadata, "_NO_GCE_CHECK", False)
        monkeypatch.setenv("HOME", str(tmp_path))  # nobody's own login
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
        yield cloud


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return s3_server


@pytest.fixture(params=["file", "s3", "gs"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty place in a store of each kind."""
    makers: dict[str, Callable[[], str]] = {
        "file": lambda: str(tmp_path / "store"),
        "s3": lambda: _bucket(request),
        "gs": lambda: (request.getfixturevalue("google"), "gs://bucket/aster/catalog")[1],
    }
    return makers[request.param]()


def _bucket(request: pytest.FixtureRequest) -> str:
    import s3fs

    request.getfixturevalue("s3")
    name = f"bucket-{abs(hash(request.node.nodeid))}"
    s3fs.S3FileSystem(skip_instance_cache=True).mkdir(name)
    return f"s3://{name}/catalog"
