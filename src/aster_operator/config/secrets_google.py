"""Secrets in Google Secret Manager (`pip install "aster-operator[gcp]"`), read over its REST interface.

Who asks is settled by Google's own rules (application default credentials): the service account of the
machine, a file named by GOOGLE_APPLICATION_CREDENTIALS, or whoever ran `gcloud auth application-default
login`. The role Secret Manager Secret Accessor on the secret is all that is needed.
"""

import base64
import binascii
import importlib
import os
import re
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from aster_operator.config.problems import one_line
from aster_operator.config.secrets import checked_secret

__all__ = ["ENDPOINT_VARIABLE", "read_google_secret"]

ENDPOINT_VARIABLE = "ASTER_OPERATOR_SECRET_MANAGER_URL"
"""Environment variable with another address of Secret Manager: a regional one, or a stand-in on loopback."""

_ENDPOINT = "https://secretmanager.googleapis.com"
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_TIMEOUT_S = 10
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_PROJECT = r"(?P<project>[a-z][a-z0-9-]{4,28}[a-z0-9]|(?:[a-z0-9.-]+:)[a-z][a-z0-9-]{4,28}[a-z0-9]|\d{1,19})"
_FULL = re.compile(
    rf"projects/{_PROJECT}/secrets/(?P<name>[A-Za-z0-9_-]{{1,255}})(?:/versions/(?P<version>latest|[\w-]+))?"
)
_SHORT = re.compile(r"(?P<name>[A-Za-z0-9_-]{1,255})")


@cache
def read_google_secret(reference: str) -> str:
    """The secret `NAME`, in the machine's own project, or `projects/P/secrets/NAME[/versions/V]`.

    Asked for once in the life of a process: a new version is taken up by a restart. Raises ValueError with
    what Google answered when it has none for us.
    """
    full, short = _FULL.fullmatch(reference), _SHORT.fullmatch(reference)
    if full is None and short is None:
        raise ValueError(
            "must be written gcp:NAME or gcp:projects/PROJECT/secrets/NAME, with the project's id (6 to 30 "
            "small letters, digits and hyphens) or number"
        )
    session, own_project = _authorised_session()
    if full is not None:
        project, name, version = full["project"], full["name"], full["version"] or "latest"
    else:
        project, name, version = own_project, reference, "latest"
    if not project:
        raise ValueError(
            f"names the secret {name} without a project, and this machine has none; set GOOGLE_CLOUD_PROJECT"
        )
    path = f"projects/{project}/secrets/{name}/versions/{version}"
    return _secret_of(_ask(session, path), f"the secret {name} of project {project}")


def _authorised_session() -> tuple[Any, str | None]:
    """A session that signs its requests, and the project its credentials belong to."""
    try:
        auth = importlib.import_module("google.auth")
        errors = importlib.import_module("google.auth.exceptions")
        transport = importlib.import_module("google.auth.transport.requests")
    except ModuleNotFoundError as error:
        raise ValueError(f'needs the package {error.name}; run pip install "aster-operator[gcp]"') from None
    try:
        credentials, project = auth.default(scopes=[_SCOPE])
    except errors.GoogleAuthError:
        raise ValueError(
            "is in Google Secret Manager, and this machine has no Google credentials; run gcloud auth "
            "application-default login, or give the machine a service account"
        ) from None
    return transport.AuthorizedSession(credentials), project


def _ask(session: Any, path: str) -> Any:
    errors = importlib.import_module("google.auth.exceptions")
    requests = importlib.import_module("requests")
    try:
        answer = session.get(f"{_endpoint()}/v1/{path}:access", timeout=_TIMEOUT_S)
    except errors.GoogleAuthError as error:
        raise ValueError(f"cannot be asked for, Google gives no token ({_short(error)})") from None
    except requests.RequestException as error:
        raise ValueError(f"cannot be asked for, Secret Manager is out of reach ({_short(error)})") from None
    if answer.status_code != requests.codes.ok:
        raise ValueError(_refusal(answer, path))
    return answer


def _endpoint() -> str:
    url = os.environ.get(ENDPOINT_VARIABLE) or _ENDPOINT
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError(f"cannot be asked for, {ENDPOINT_VARIABLE} is no https address")
    return url.rstrip("/")


def _refusal(answer: Any, path: str) -> str:
    """Google's own words, with the usual cause behind them."""
    try:
        error = answer.json()["error"]
        status, message = str(error.get("status", "")), str(error.get("message", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        status, message = "", ""
    causes = {
        "PERMISSION_DENIED": "check the project's id, and that this account may access the secret",
        "NOT_FOUND": "check the project's id and the secret's name",
        "FAILED_PRECONDITION": "enable the newest version of the secret",
        "UNAUTHENTICATED": "log in anew, or check the machine's service account and its scopes",
    }
    cause = causes.get(status, "try again later")
    said = one_line(message)[:200] or "no words"
    return f"was refused by Secret Manager for {path}, HTTP {answer.status_code} {status} ({said}); {cause}"


def _secret_of(answer: Any, source: str) -> str:
    try:
        raw = base64.b64decode(answer.json()["payload"]["data"], validate=True)
        text = raw.decode("utf-8")
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise ValueError(f"cannot be read, the answer for {source} is no text") from None
    return checked_secret(text, source)


def _short(error: BaseException) -> str:
    return one_line(str(error))[:120] or type(error).__name__
