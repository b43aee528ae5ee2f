"""Secrets from every place they may be in, and one line for every way that can fail."""

from collections.abc import Callable, Iterator
from pathlib import Path

import keyring
import keyring.backend
import pytest
from google.auth.compute_engine import _metadata
from google_stand_in import OWN_PROJECT, Answer, Google, refusal, secret, serving_google
from keyring.errors import KeyringLocked, PasswordDeleteError

from aster_operator.config.masking import MASK, mask_text
from aster_operator.config.secrets import names_a_place
from aster_operator.config.secrets_google import ENDPOINT_VARIABLE, read_google_secret
from aster_operator.config.secrets_keyring import store_keyring_secret
from aster_operator.config.settings import Settings, SettingsProblem, load_settings

WriteEnv = Callable[[str], str]
SECRET = "a-secret-nobody-may-see-7781"


def api_key(settings: Settings) -> str:
    assert settings.api_key is not None
    return settings.api_key.get_secret_value()


def problem_of(write_env: WriteEnv, reference: str) -> str:
    """The one line that `reference` leads to as ASTER_API_KEY."""
    write_env(f"ASTER_API_KEY={reference}\nASTER_API_SECRET=abc")
    with pytest.raises(SettingsProblem) as caught:
        load_settings()
    (line,) = caught.value.lines()
    assert SECRET not in line
    assert caught.value.exit_code == 2
    return line


# --- systemd credentials --------------------------------------------------------------------------------


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory a service manager would pass."""
    folder = tmp_path / "credentials"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    return folder


def pass_credential(folder: Path, name: str, text: str | bytes) -> None:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(0o400)


def test_a_credential_with_the_name_of_a_setting_is_taken_unasked(credentials: Path) -> None:
    pass_credential(credentials, "ASTER_API_KEY", f"{SECRET}\n")
    pass_credential(credentials, "ASTER_API_SECRET", "abc")
    settings = load_settings()
    assert api_key(settings) == SECRET
    assert settings.warnings == ()
    assert mask_text(f"key {SECRET}") == f"key {MASK}"


def test_an_empty_credential_is_none(credentials: Path) -> None:
    pass_credential(credentials, "ASTER_API_KEY", "")
    assert load_settings().api_key is None


def test_environment_and_file_win_over_a_credential(credentials: Path, write_env: WriteEnv) -> None:
    pass_credential(credentials, "ASTER_API_KEY", SECRET)
    write_env("ASTER_API_KEY=from-the-file\nASTER_API_SECRET=abc")
    assert api_key(load_settings()) == "from-the-file"


def test_a_key_left_empty_in_the_file_is_left_to_the_credential(
    credentials: Path, write_env: WriteEnv
) -> None:
    pass_credential(credentials, "ASTER_API_KEY", SECRET)
    write_env("ASTER_API_KEY=\nASTER_API_SECRET=abc")
    assert api_key(load_settings()) == SECRET


def test_only_secrets_are_taken_from_credentials(credentials: Path) -> None:
    pass_credential(credentials, "LEVERAGE", "3")
    assert load_settings().leverage == 15


def test_a_database_address_with_a_password_may_be_a_credential(credentials: Path) -> None:
    pass_credential(credentials, "DATABASE_URL", "postgresql://aster:word@127.0.0.1/books")
    assert load_settings().database_url == "postgresql://aster:word@127.0.0.1/books"


def test_a_credential_can_be_named(credentials: Path, write_env: WriteEnv) -> None:
    pass_credential(credentials, "aster-key", SECRET)
    write_env("ASTER_API_KEY=credential:aster-key\nASTER_API_SECRET=abc")
    assert api_key(load_settings()) == SECRET


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f"{SECRET}\nsecond line", "holds more than one word or line"),
        (" \n", "is empty"),
        (b"\xff\xfe\x00", "is not text"),
        ("your_api_key_here", "holds example text"),
        ("x" * 5000, "is larger than 4096 bytes"),
    ],
)
def test_a_credential_that_is_no_key_is_explained(
    credentials: Path, content: str | bytes, words: str
) -> None:
    pass_credential(credentials, "ASTER_API_KEY", content)
    with pytest.raises(SettingsProblem) as caught:
        load_settings()
    (line,) = caught.value.lines()
    assert words in line
    assert f"credential {credentials / 'ASTER_API_KEY'}" in line


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("credential:absent", "which the service manager did not pass"),
        ("credential:../../etc/passwd", "letters that credentials cannot have"),
        ("credential:", "letters that credentials cannot have"),
    ],
)
def test_a_credential_that_is_not_there_is_explained(
    credentials: Path, write_env: WriteEnv, reference: str, words: str
) -> None:
    assert words in problem_of(write_env, reference)


def test_outside_a_service_there_are_no_credentials(
    write_env: WriteEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert "CREDENTIALS_DIRECTORY is not set" in problem_of(write_env, "credential:aster-key")


# --- files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "refused"), [(0o620, True), (0o602, True), (0o600, False), (0o400, False)])
def test_a_key_file_others_can_write_is_refused(
    tmp_path: Path, write_env: WriteEnv, mode: int, refused: bool
) -> None:
    path = tmp_path / "agent.key"
    path.write_text(SECRET)
    path.chmod(mode)
    if refused:
        assert "can be written by others; chmod 600" in problem_of(write_env, "./agent.key")
    else:
        write_env("ASTER_API_KEY=./agent.key\nASTER_API_SECRET=abc")
        assert api_key(load_settings()) == SECRET


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        (f"ASTER_API_KEY={SECRET}\nASTER_API_SECRET=abc", True),
        ("LEVERAGE=3", False),
        ("ASTER_API_KEY=your_api_key_here", False),
        ("ASTER_API_KEY=\nASTER_API_SECRET=", False),
    ],
)
def test_a_settings_file_with_secrets_that_others_can_read_is_remarked_on(
    write_env: WriteEnv, text: str, warned: bool
) -> None:
    path = Path(write_env(text))
    path.chmod(0o644)
    found = [line for line in load_settings().warnings if "can be read by others" in line]
    assert bool(found) is warned
    path.chmod(0o600)
    assert [line for line in load_settings().warnings if "can be read by others" in line] == []


def test_a_settings_file_that_only_says_where_secrets_are_may_be_read(
    tmp_path: Path, write_env: WriteEnv
) -> None:
    for name in ("one.key", "two.key"):
        (tmp_path / name).write_text(SECRET)
        (tmp_path / name).chmod(0o600)
    Path(write_env("ASTER_API_KEY=./one.key\nASTER_API_SECRET=two.key")).chmod(0o644)
    assert load_settings().warnings == ()


@pytest.mark.parametrize("text", ["first\nsecond", "first second", "first\tsecond"])
def test_a_secret_with_a_line_end_in_it_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("ASTER_API_KEY", text)
    monkeypatch.setenv("ASTER_API_SECRET", "abc")
    with pytest.raises(SettingsProblem) as caught:
        load_settings()
    (line,) = caught.value.lines()
    assert "holds white space" in line
    assert "second" not in line


def test_a_secret_with_a_line_end_behind_it_is_taken_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTER_API_KEY", f"{SECRET}\n")
    monkeypatch.setenv("ASTER_API_SECRET", "abc\r\n")
    assert api_key(load_settings()) == SECRET


@pytest.mark.parametrize(
    ("text", "place"),
    [("credential:a", True), ("gcp:a", True), ("keyring:a/b", True), ("/etc/key", True), ("abc", False)],
)
def test_a_place_is_told_from_a_secret(text: str, place: bool) -> None:
    assert names_a_place(text) is place


# --- Google Secret Manager ------------------------------------------------------------------------------


@pytest.fixture
def google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    """A machine of Google's, as far as the client library can tell."""
    with serving_google() as stand_in:
        for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "no-gcloud"))
        # The library reads its own environment variables once, when it is imported.
        monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", stand_in.address)
        monkeypatch.setattr(_metadata, "_NO_GCE_CHECK", False)
        monkeypatch.setenv("GCE_METADATA_IP", stand_in.address)
        monkeypatch.setenv(ENDPOINT_VARIABLE, f"http://{stand_in.address}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        read_google_secret.cache_clear()
        yield stand_in
        read_google_secret.cache_clear()


@pytest.mark.parametrize(
    ("reference", "asked"),
    [
        ("gcp:aster-api-key", f"projects/{OWN_PROJECT}/secrets/aster-api-key/versions/latest"),
        ("gcp:projects/other-desk/secrets/key", "projects/other-desk/secrets/key/versions/latest"),
        ("gcp:projects/123456/secrets/key/versions/7", "projects/123456/secrets/key/versions/7"),
    ],
)
def test_a_secret_is_read_from_secret_manager(
    google: Google, write_env: WriteEnv, reference: str, asked: str
) -> None:
    google.secrets[asked] = secret(f"{SECRET}\n")
    write_env(f"ASTER_API_KEY={reference}\nASTER_API_SECRET=abc")
    assert api_key(load_settings()) == SECRET
    assert api_key(load_settings()) == SECRET
    assert google.asked == [f"{asked}:access"]


def test_the_project_of_the_environment_wins(
    google: Google, write_env: WriteEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "third-desk")
    google.secrets["projects/third-desk/secrets/key/versions/latest"] = secret(SECRET)
    write_env("ASTER_API_KEY=gcp:key\nASTER_API_SECRET=abc")
    assert api_key(load_settings()) == SECRET


DENIED = refusal(403, "PERMISSION_DENIED", "Permission denied on resource project wrong-desk.")
DISABLED = refusal(400, "FAILED_PRECONDITION", "Secret Version is in DISABLED state.")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (DENIED, "check the project's id, and that this account may access the secret"),
        (DISABLED, "enable the newest version"),
        (refusal(503, "UNAVAILABLE", "The service is currently unavailable."), "try again later"),
        ((500, {}), "HTTP 500"),
        ((200, {"payload": {}}), "is no text"),
        ((200, {"payload": {"data": "***"}}), "is no text"),
        (secret(b"\xff\xfe"), "is no text"),
        (secret(""), "is empty"),
        (secret(f"{SECRET}\nand more"), "holds more than one word or line"),
        (secret("change_me"), "holds example text"),
    ],
)
def test_what_secret_manager_will_not_give_is_explained(
    google: Google, write_env: WriteEnv, answer: Answer, words: str
) -> None:
    google.secrets["projects/wrong-desk/secrets/key/versions/latest"] = answer
    assert words in problem_of(write_env, "gcp:projects/wrong-desk/secrets/key")


def test_a_secret_that_does_not_exist_is_named(google: Google, write_env: WriteEnv) -> None:
    line = problem_of(write_env, "gcp:absent")
    assert f"projects/{OWN_PROJECT}/secrets/absent" in line
    assert "check the project's id and the secret's name" in line


@pytest.mark.parametrize(
    "reference",
    [
        "gcp:projects/No_Project/secrets/key",
        "gcp:projects/x/secrets/key",
        "gcp:projects/aster-desk/key",
        "gcp:a/b",
        "gcp:",
        "gcp:projects/aster-desk/secrets/key/versions/../../other",
    ],
)
def test_a_reference_that_cannot_be_is_never_asked_for(
    google: Google, write_env: WriteEnv, reference: str
) -> None:
    assert "must be written gcp:NAME" in problem_of(write_env, reference)
    assert google.asked == []


def test_a_machine_that_gets_no_token_is_told(google: Google, write_env: WriteEnv) -> None:
    google.gives_tokens = False
    assert "Google gives no token" in problem_of(write_env, "gcp:key")


def test_a_machine_without_google_credentials_is_told(
    google: Google, write_env: WriteEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_metadata, "_NO_GCE_CHECK", True)
    assert "this machine has no Google credentials" in problem_of(write_env, "gcp:key")


def test_a_token_is_never_sent_in_clear(
    google: Google, write_env: WriteEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENDPOINT_VARIABLE, "http://secrets.example.com")
    assert "is no https address" in problem_of(write_env, "gcp:key")


def test_an_address_nobody_listens_at_is_told(
    google: Google, write_env: WriteEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENDPOINT_VARIABLE, "http://127.0.0.1:9")
    assert "is out of reach" in problem_of(write_env, "gcp:key")


# --- the keyring of the operating system ----------------------------------------------------------------


class MemoryKeyring(keyring.backend.KeyringBackend):  # type: ignore[misc]
    """A keyring with nothing behind it."""

    priority = 1

    def __init__(self, *, locked: bool = False) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}
        self.locked = locked

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise KeyringLocked("the collection is locked")
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        raise PasswordDeleteError


@pytest.fixture
def chain() -> Iterator[MemoryKeyring]:
    before = keyring.get_keyring()
    memory = MemoryKeyring()
    keyring.set_keyring(memory)
    yield memory
    keyring.set_keyring(before)


def test_a_secret_is_stored_in_and_read_from_the_keyring(chain: MemoryKeyring, write_env: WriteEnv) -> None:
    store_keyring_secret("aster-operator/ASTER_API_KEY", SECRET)
    write_env("ASTER_API_KEY=keyring:aster-operator/ASTER_API_KEY\nASTER_API_SECRET=abc")
    assert api_key(load_settings()) == SECRET


def test_a_key_in_the_keyring_is_never_replaced(chain: MemoryKeyring) -> None:
    chain.entries["aster-operator", "key"] = SECRET
    with pytest.raises(ValueError, match="already"):
        store_keyring_secret("aster-operator/key", "another")
    assert chain.entries["aster-operator", "key"] == SECRET


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("keyring:aster-operator", "must be written keyring:SERVICE/NAME"),
        ("keyring:aster-operator/absent", "which the keyring does not hold"),
        ("keyring:aster-operator/two-lines", "holds more than one word or line"),
    ],
)
def test_what_the_keyring_does_not_hold_is_explained(
    chain: MemoryKeyring, write_env: WriteEnv, reference: str, words: str
) -> None:
    chain.entries["aster-operator", "two-lines"] = f"{SECRET}\nmore"
    assert words in problem_of(write_env, reference)


def test_a_locked_keyring_is_explained(chain: MemoryKeyring, write_env: WriteEnv) -> None:
    chain.locked = True
    assert "the collection is locked" in problem_of(write_env, "keyring:aster-operator/key")


# --- the settings file itself ---------------------------------------------------------------------------


def test_an_unknown_key_in_the_settings_file_is_named(write_env: WriteEnv) -> None:
    write_env("ASTER_API_KAY=abc\nLEVERAGE=3")
    (warning,) = load_settings().warnings
    assert "ASTER_API_KAY is no setting" in warning
    assert "did you mean ASTER_API_KEY?" in warning
