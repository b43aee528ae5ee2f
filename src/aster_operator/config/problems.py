"""Problems a person can do something about: one line each, and what to do.

UserProblem                   what happened, where, what to do; the command ends with `exit_code`
├── SettingsProblem           every fault of the settings at once (config.settings)
├── DatabaseProblem           the books cannot be opened, read or written (database.problems)
└── ...                       each room subclasses it for its own
"""

import errno
import os
import re

__all__ = ["UserProblem", "one_line", "system_error"]

_NUMBER = re.compile(r"\(os error (\d+)\)")


def one_line(text: str) -> str:
    """`text` with every run of white space, line breaks included, made one space."""
    return " ".join(text.split())


def system_error(error: BaseException) -> OSError | None:
    """The operating system's error with its number that `error` is or tells in words, as writers of tables in
    another language do ("No space left on device (os error 28)"); None when it is no such error."""
    if isinstance(error, OSError) and error.errno is not None:
        return error
    foreign = type(error).__module__.startswith("polars.")
    told = _NUMBER.search(str(error))
    if told is not None and (isinstance(error, OSError) or foreign):
        return OSError(int(told[1]), os.strerror(int(told[1])))
    if foreign and "transport error" in str(error):
        # The end of a Parquet file is written by others again, who do not say why it failed.
        return OSError(errno.EIO, "the disk did not take all of it")
    return None


class UserProblem(Exception):
    """Something only the person at the keyboard can mend.

    `what` says what is wrong, `where` names the file, key, host or command, `remedy` says what to do.
    Printed as `aster-operator: <what>, <where>: <remedy>`; never with a traceback. None of the three may
    contain a secret.
    """

    exit_code = 2
    warnings: tuple[str, ...] = ()
    """Remarks to print before the problem itself."""

    def __init__(self, what: str, where: str = "", remedy: str = "") -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        super().__init__(self.line)

    @property
    def line(self) -> str:
        """The problem as one line of text."""
        text = self.what if not self.where else f"{self.what}, {self.where}"
        return one_line(text if not self.remedy else f"{text}: {self.remedy}")

    def lines(self) -> tuple[str, ...]:
        """One line for each fault; subclasses that collect several return more than one."""
        return (self.line,)
