"""Finding a strategy by its name, or by where its class is: `module:Class` or `path/file.py:Class`.

Modules are those that are installed, and those in the working directory.
"""

import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType

from aster_operator.strategy.base import Strategy
from aster_operator.strategy.delta_neutral import DeltaNeutralStrategy
from aster_operator.strategy.midfreq.strategy import MidFrequencyStrategy

__all__ = ["BUILT_IN", "STRATEGY_FOLDER", "StrategyNotFound", "find_strategy", "load_module"]

BUILT_IN: dict[str, type[Strategy]] = {MidFrequencyStrategy.name: MidFrequencyStrategy}

STRATEGY_FOLDER = "strategies"
"""Folder under the working directory in which `new-strategy` puts files and names are looked for."""


class StrategyNotFound(ValueError):
    """No such strategy, or what is there is none. The text says which and why, in one line."""


def find_strategy(name: str, folder: Path | None = None) -> type[Strategy]:
    """The class behind `name`: a built-in one, a file of that name in `folder`, or `where:Class`.

    `folder` None means `strategies` in the working directory. Raises StrategyNotFound.
    """
    if ":" in name:
        where, _, class_name = name.rpartition(":")
        return _class_in(load_module(where), class_name, name)
    if name in BUILT_IN:
        return BUILT_IN[name]
    file = (folder or Path(STRATEGY_FOLDER)) / f"{name.replace('-', '_')}.py"
    if not file.is_file():
        known = ", ".join(sorted((*BUILT_IN, DeltaNeutralStrategy.name)))
        raise StrategyNotFound(
            f"no strategy {name!r}: built in are {known}; there is no {file}; "
            "or say where its class is: module:Class"
        )
    module = load_module(str(file))
    found = [value for value in vars(module).values() if _is_own_strategy(value, module)]
    matching = [value for value in found if getattr(value, "name", None) == name] or found
    if len(matching) != 1:
        raise StrategyNotFound(f"{file} holds {len(found)} strategies, say which: {file}:Class")
    return _checked(matching[0], name)


def _is_own_strategy(value: object, module: ModuleType) -> bool:
    return (
        inspect.isclass(value)
        and issubclass(value, Strategy)
        and not inspect.isabstract(value)
        and value.__module__ == module.__name__
    )


def load_module(where: str) -> ModuleType:
    """A module by its import path or the path of its file. Raises StrategyNotFound."""
    try:
        if where.endswith(".py"):
            return _load_file(Path(where))
        # As `python -m` would find it; last, so that nothing in the folder takes a library's place.
        if (here := str(Path.cwd())) not in sys.path:
            sys.path.append(here)
        return importlib.import_module(where)
    except StrategyNotFound:
        raise
    except Exception as error:  # the file is somebody else's: whatever it raises, say it in one line
        raise StrategyNotFound(f"{where} cannot be loaded: {type(error).__name__}: {error}") from error


def _load_file(file: Path) -> ModuleType:
    if not file.is_file():
        raise StrategyNotFound(f"there is no file {file}")
    module_name = f"aster_operator_strategy_{file.stem}"
    spec = importlib.util.spec_from_file_location(module_name, file)
    if spec is None or spec.loader is None:
        raise StrategyNotFound(f"{file} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    return module


def _class_in(module: ModuleType, class_name: str, name: str) -> type[Strategy]:
    value = getattr(module, class_name, None)
    if value is None:
        raise StrategyNotFound(f"{name}: {module.__name__} has no {class_name}")
    return _checked(value, name)


def _checked(value: object, name: str) -> type[Strategy]:
    if not (inspect.isclass(value) and issubclass(value, Strategy)):
        raise StrategyNotFound(f"{name} is no subclass of aster_operator.strategy.base.Strategy")
    if inspect.isabstract(value):
        missing = ", ".join(sorted(value.__abstractmethods__))
        raise StrategyNotFound(f"{name} does not define {missing}")
    if not isinstance(getattr(value, "name", None), str) or not value.name:
        raise StrategyNotFound(f"{name} has no name")
    return value
