"""The house rules that a machine can check: floors, sizes, public faces, and a few things never written."""

import ast
import functools
import importlib
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "aster_operator"
MODULES = sorted(PACKAGE.rglob("*.py"))
MIGRATIONS = PACKAGE / "database" / "migrations"

MAX_MODULE_CODE_LINES = 400
MAX_FUNCTION_CODE_LINES = 60


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT / "src").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a file: it is parsed and walked once for all rules."""
    return tuple(ast.walk(tree_of(path)))


@pytest.fixture(scope="module", autouse=True)
def _trees_are_given_back() -> Iterator[None]:
    yield
    nodes_of.cache_clear()
    tree_of.cache_clear()


def code_lines(tree: ast.AST) -> int:
    """Lines that hold code: no blank line, no comment, no docstring."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    prose: set[int] = set()
    for node in ast.walk(tree):
        # A bare string documents the module, class, function or attribute it stands in or under.
        for child in ast.iter_child_nodes(node) if isinstance(node, documented) else ():
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                prose.update(range(child.lineno, (child.end_lineno or child.lineno) + 1))
    used: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.expr | ast.arg | ast.keyword | ast.alias):
            used.update((node.lineno, node.end_lineno or node.lineno))
    return len(used - prose)


def run_tool(*command: str) -> None:
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


# --- floors and tools -----------------------------------------------------------------------------------


def test_rooms_import_only_from_rooms_below_them() -> None:
    run_tool(
        "-c", "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    )


def test_ruff_finds_nothing() -> None:
    run_tool("-m", "ruff", "check", "--no-cache", "src", "tests", "main.py")


def test_the_code_is_formatted() -> None:
    run_tool("-m", "ruff", "format", "--no-cache", "--check", "src", "tests", "main.py")


@pytest.mark.timeout(600)
def test_types_are_strict() -> None:
    run_tool("-m", "mypy")


def test_nothing_is_imported_whose_types_are_not_read() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    skipped = tuple(
        name.removesuffix("*")
        for override in project["tool"]["mypy"]["overrides"]
        if override.get("follow_imports") == "skip"
        for name in override["module"]
    )
    assert skipped
    imports = [
        f"{node.module}.{alias.name}." if isinstance(node, ast.ImportFrom) else f"{alias.name}."
        for path in MODULES
        for node in nodes_of(path)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]
    assert [name for name in imports if name.startswith(skipped)] == []


# --- sizes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_module_can_be_read_in_one_sitting(path: Path) -> None:
    lines = code_lines(tree_of(path))
    assert lines <= MAX_MODULE_CODE_LINES, (
        f"{relative(path)} has {lines} lines of code: a second reason to change?"
    )


def test_a_function_fits_a_screen() -> None:
    offenders = [
        f"{relative(path)}:{node.lineno} {node.name} has {code_lines(node)} lines of code"
        for path in MODULES
        if MIGRATIONS not in path.parents
        for node in nodes_of(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and code_lines(node) > MAX_FUNCTION_CODE_LINES
    ]
    assert offenders == []


def test_code_lines_are_counted_as_said() -> None:
    head = '"""Doc\nstring."""\n\n# comment\nA = 1\n"""About A."""\n\n'
    function = 'def f(\n    a: int,\n) -> int:\n    """Doc."""\n\n    return a\n'
    assert code_lines(ast.parse(head)) == 1
    assert code_lines(ast.parse(head + function)) == 5


# --- public faces ---------------------------------------------------------------------------------------


def listed_names(tree: ast.Module) -> list[str] | None:
    """What a module's `__all__` names; None when it has none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            getattr(name, "id", "") == "__all__" for name in node.targets
        ):
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None


def imported_names() -> dict[str, set[str]]:
    """For each of our modules, the names that others import from it."""
    found: dict[str, set[str]] = {}
    for path in MODULES:
        for node in nodes_of(path):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                found.setdefault(node.module, set()).update(alias.name for alias in node.names)
    return found


@pytest.mark.parametrize("path", [path for path in MODULES if MIGRATIONS not in path.parents], ids=relative)
def test_all_names_what_is_there(path: Path) -> None:
    exported = listed_names(tree_of(path))
    if exported is None:
        assert path.name in ("__init__.py", "__main__.py"), f"{relative(path)} has no __all__"
        return
    assert len(exported) == len(set(exported))
    module = importlib.import_module(dotted(path))
    assert [name for name in exported if not hasattr(module, name)] == []


def test_all_is_complete_others_import_nothing_else() -> None:
    offered = {dotted(path): listed_names(tree_of(path)) for path in MODULES}
    offenders = [
        f"{module} does not offer {name}"
        for module, names in imported_names().items()
        if (listed := offered.get(module)) is not None
        for name in sorted(names - set(listed))
        if f"{module}.{name}" not in offered
    ]
    assert offenders == []


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(tree_of(path)), f"{relative(path)} has no docstring"


# --- never written --------------------------------------------------------------------------------------


def is_silent(handler: ast.ExceptHandler) -> bool:
    """True for a handler that catches everything and does nothing."""
    caught = handler.type
    wide = caught is None or (isinstance(caught, ast.Name) and caught.id in ("Exception", "BaseException"))
    idle = all(
        isinstance(node, ast.Pass | ast.Continue)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in handler.body
    )
    return wide and idle


def calls(nodes: Iterable[ast.AST], name: str) -> list[ast.Call]:
    return [
        node
        for node in nodes
        if isinstance(node, ast.Call)
        and (getattr(node.func, "id", None) == name or getattr(node.func, "attr", None) == name)
    ]


def test_no_error_is_swallowed() -> None:
    offenders = [
        f"{relative(path)}:{node.lineno}"
        for path in MODULES
        for node in nodes_of(path)
        if isinstance(node, ast.ExceptHandler) and is_silent(node)
    ]
    assert offenders == []


def test_only_the_risk_gate_approves() -> None:
    makers = {relative(path) for path in MODULES if calls(nodes_of(path), "Approved")}
    assert makers <= {"src/aster_operator/strategy/risk_manager.py"}


def test_no_task_is_started_and_forgotten() -> None:
    offenders = [
        f"{relative(path)}:{node.lineno}"
        for path in MODULES
        for node in nodes_of(path)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and getattr(node.value.func, "attr", None) in ("create_task", "ensure_future")
        and getattr(getattr(node.value.func, "value", None), "id", "") in ("asyncio", "loop")
    ]
    assert offenders == []


def test_only_the_clock_reads_a_clock() -> None:
    readers = {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"}
    offenders = [
        f"{relative(path)}:{node.lineno}"
        for path in MODULES
        if path.name != "clock.py"
        for node in nodes_of(path)
        if isinstance(node, ast.Attribute)
        and getattr(node.value, "id", None) == "time"
        and node.attr in readers
    ]
    assert offenders == []


def test_no_test_sleeps_and_hopes() -> None:
    """Sleeping for zero lets other tasks run, and a loop may poll its condition; nothing else sleeps."""
    offenders = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if "sleep" not in path.read_text(encoding="utf-8"):
            continue
        polling = {
            id(call)
            for loop in nodes_of(path)
            if isinstance(loop, ast.While) and not isinstance(loop.test, ast.Constant)
            for call in calls(ast.walk(loop), "sleep")
        }
        for call in calls(nodes_of(path), "sleep"):
            yields = bool(call.args) and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0
            if not yields and id(call) not in polling:
                offenders.append(f"{relative(path)}:{call.lineno}")
    assert offenders == []
