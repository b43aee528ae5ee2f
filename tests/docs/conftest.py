"""Programs under `tools/` as modules."""

import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType

import pytest
from markdown_pages import ROOT


@pytest.fixture(scope="session")
def tool() -> Callable[[str], ModuleType]:
    """Load `tools/NAME.py`."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"tools_{name}", ROOT / "tools" / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    return load
