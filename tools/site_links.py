"""A hook of MkDocs: links of the documents that lead out of `docs/`, into the code, become plain text.

In a clone and on a code host they lead to the file; a site has nothing to show there.
"""

import re
from pathlib import Path
from typing import Any

__all__ = ["on_page_markdown"]

_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]+)\]\((?P<target>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:  # noqa: ARG001
    """Called by MkDocs with every page before it is rendered."""
    docs = Path(config["docs_dir"]).resolve()
    folder = (docs / page.file.src_path).parent

    def kept(found: re.Match[str]) -> str:
        target = (folder / found["target"]).resolve()
        inside = docs in target.parents and target.is_file()
        return found[0] if inside else f"`{found['text'].strip('`')}`"

    return _LINK.sub(kept, markdown)
