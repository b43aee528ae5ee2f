"""The documents build as a site, without a remark, with nothing that is loaded from elsewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_pages import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=110,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_every_page_is_there(site: Path) -> None:
    pages = [path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").rglob("*.md")]
    places = [page.parent if page.name == "README" else page for page in pages]
    assert [str(place) for place in places if not (site / place / "index.html").exists()] == []


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loaded = re.compile(
        r'<(?:script|img|iframe)[^>]+src="?(https?:)?//|<link[^>]+rel="?(?:stylesheet|preload|icon)[^>]+href="?https?://'
    )
    offenders = [
        str(page.relative_to(site)) for page in site.rglob("*.html") if loaded.search(page.read_text("utf-8"))
    ]
    assert offenders == []
