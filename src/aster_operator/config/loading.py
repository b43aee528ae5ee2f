"""From environment and file to validated settings, with every fault and remark collected on the way."""

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from aster_operator.config.env_file import EnvFile, read_env_file
from aster_operator.config.fields import allowed_text, field_extra, field_key, is_secret
from aster_operator.config.masking import mask_text, mask_value, register_secret
from aster_operator.config.problems import UserProblem, one_line
from aster_operator.config.secrets import (
    credential_path,
    file_mode_remark,
    is_placeholder,
    is_reference,
    names_a_place,
)
from aster_operator.config.venue_checks import credential_problems, cross_problems

if TYPE_CHECKING:
    from aster_operator.config.settings import Settings

__all__ = ["SettingProblem", "SettingsProblem", "load_into"]

_BOLD_LEVERAGE = 25


class SettingProblem(UserProblem):
    """One key with a value that cannot be used. `value` is masked when the key is a secret."""

    def __init__(self, key: str, value: str | None, reason: str, where: str, remedy: str) -> None:
        self.key = key
        self.value = value
        what = f"{key} {reason}" if value is None else f"{key}={value} {reason}"
        super().__init__(what, where, remedy)


class SettingsProblem(UserProblem):
    """All faults of the settings. Its lines are the lines of its `problems`, in the order of the keys.

    `warnings` are the remarks about the same settings; a mistyped key is often among them.
    """

    def __init__(self, problems: Sequence[UserProblem], warnings: Sequence[str] = ()) -> None:
        self.problems = tuple(problems)
        self.warnings = tuple(warnings)
        super().__init__("; ".join(problem.line for problem in self.problems))

    def lines(self) -> tuple[str, ...]:
        return tuple(problem.line for problem in self.problems)


class _Sources:
    """Where each key came from, for pointing at it. `secrets` are the keys a credential may stand for."""

    def __init__(self, file: EnvFile, overrides: Mapping[str, Any], secrets: frozenset[str]) -> None:
        self.secrets = secrets
        self.file = file
        self.overrides = {key.upper(): value for key, value in overrides.items()}
        self.environment = {key.upper(): value for key, value in os.environ.items() if value != ""}

    def raw(self, key: str) -> Any:
        """The text given for `key`, None when there is none (blank counts as none)."""
        for source in (self.overrides, self.environment, self.file.values):
            if source.get(key) not in (None, ""):
                return source[key]
        return f"credential:{key}" if self.is_credential(key) else None

    def is_credential(self, key: str) -> bool:
        """True when the service manager passed a credential with the name of `key`."""
        return key in self.secrets and credential_path(key) is not None

    def where(self, key: str) -> str:
        if self.overrides.get(key) not in (None, ""):
            return "command line"
        if key in self.environment:
            return "environment"
        if self.file.values.get(key):
            return self.file.where(key)
        if self.is_credential(key):
            return f"credential {credential_path(key)}"
        return self.file.where(key) if key in self.file.line_numbers else "settings"


def load_into(
    model: type["Settings"], env_file: str | None, overrides: Mapping[str, Any], *, for_trading: bool
) -> tuple["Settings", tuple[str, ...]]:
    """Validated settings and the warnings about them. Raises SettingsProblem with all faults."""
    file = read_env_file(env_file)
    fields = {field_key(field): field for field in model.model_fields.values()}
    secrets = frozenset(key for key, field in fields.items() if is_secret(field))
    sources = _Sources(file, overrides, secrets)
    problems: dict[str, UserProblem] = {}
    given: dict[str, Any] = {key: value for key in fields if (value := sources.raw(key)) is not None}
    settings = _validate(model, fields, given, sources, problems)
    for problem in cross_problems(settings, set(problems)):
        problems[problem.keys[0]] = SettingProblem(
            problem.keys[0], None, problem.reason, sources.where(problem.keys[0]), problem.remedy
        )
    found: list[UserProblem] = _bad_line_problems(file)
    found += [problems[key] for key in fields if key in problems]
    if for_trading:
        found += credential_problems(settings, settings.venue, set(problems))
    _register_secrets(settings)
    warnings = tuple(_warnings(fields, sources, settings))
    if found:
        raise SettingsProblem(found, warnings)
    return settings, warnings


def _validate(
    model: type["Settings"],
    fields: Mapping[str, FieldInfo],
    given: dict[str, Any],
    sources: _Sources,
    problems: dict[str, UserProblem],
) -> "Settings":
    """Settings of `given`, with the default in place of every faulty value, which lands in `problems`."""
    try:
        return model(**given)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            key = str(fault["loc"][0])
            problems[key] = _field_problem(key, fields[key], given.get(key), fault["msg"], sources)
    # An init argument outranks the environment, so a faulty variable is overruled by the default here.
    kept = {key: value for key, value in given.items() if key not in problems}
    return model(**kept, **{key: fields[key].get_default() for key in problems})


def _field_problem(key: str, field: FieldInfo, raw: Any, message: str, sources: _Sources) -> SettingProblem:
    shown = mask_value(raw) if is_secret(field) else mask_text(one_line(str(raw)))
    reason = message.removeprefix("Value error, ")
    own_words = message.startswith("Value error, ")
    return SettingProblem(
        key,
        shown if raw is not None else None,
        reason if own_words else "is not allowed",
        sources.where(key),
        f"{key} must be {allowed_text(field)}. {field.description}",
    )


def _bad_line_problems(file: EnvFile) -> list[UserProblem]:
    return [
        UserProblem(
            "a line is no KEY=value", f"{file.path} line {number}", "write KEY=value, or begin it with #"
        )
        for number in file.bad_lines
    ]


def _register_secrets(settings: "Settings") -> None:
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            register_secret(value.get_secret_value())


# --- warnings -------------------------------------------------------------------------------------------


def _warnings(fields: Mapping[str, FieldInfo], sources: _Sources, settings: "Settings") -> list[str]:
    found = [_unknown_key_text(key, sources.where(key), fields) for key in _unknown_keys(fields, sources)]
    found += [
        f"{key} appears twice, {sources.file.path}: the last one counts"
        for key in dict.fromkeys(sources.file.repeated)
    ]
    for key, field in fields.items():
        raw = sources.raw(key)
        if is_placeholder(raw):
            found.append(f"{key} holds example text, {sources.where(key)}: it counts as not set")
        elif raw is not None and field_extra(field, "has_effect") is False:
            found.append(f"{key} has no effect, {sources.where(key)}: it is accepted for old files only")
        elif raw is not None and is_secret(field):
            found += _key_file_warnings(key, str(raw))
    found += _settings_file_warnings(fields, sources.file)
    if settings.leverage > _BOLD_LEVERAGE:
        found.append(
            f"LEVERAGE={settings.leverage} is above {_BOLD_LEVERAGE}: liquidation is a small move away"
        )
    return found


def _unknown_keys(fields: Mapping[str, FieldInfo], sources: _Sources) -> list[str]:
    """Keys of the file that mean nothing, and environment variables that look like ours but are not."""
    in_file = [key for key in sources.file.values if key not in fields]
    ours = [
        key
        for key in sources.environment
        if key.startswith("ASTER_") and not key.startswith("ASTER_OPERATOR_") and key not in fields
    ]
    return list(dict.fromkeys(in_file + ours))


def _unknown_key_text(key: str, where: str, fields: Mapping[str, FieldInfo]) -> str:
    near = difflib.get_close_matches(key, fields, n=1, cutoff=0.75)
    hint = f"did you mean {near[0]}?" if near else "it is ignored"
    return f"{key} is no setting, {where}: {hint}"


def _key_file_warnings(key: str, raw: str) -> list[str]:
    remark = None if is_reference(raw) else file_mode_remark(Path(raw).expanduser())
    return [] if remark is None else [f"{key} file {remark}"]


def _settings_file_warnings(fields: Mapping[str, FieldInfo], file: EnvFile) -> list[str]:
    """A settings file with a secret in clear is a key file too."""
    holds = any(
        value and not is_placeholder(value) and not names_a_place(value)
        for key, value in file.values.items()
        if key in fields and is_secret(fields[key])
    )
    remark = file_mode_remark(file.path) if holds and file.path is not None else None
    return [] if remark is None else [f"the settings file holds secrets and {remark}"]
