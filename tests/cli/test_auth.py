"""`auth` from no key at all to an agent that trades on the embedded exchange."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_calls import Run
from served_venue import Venue, served_venue

from aster_operator.exchange.credentials import AgentCredentials
from aster_operator.runtime import key_check
from aster_operator.runtime.key_check import check_signing, new_agent_key

WALLET = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


@pytest.fixture(scope="module")
def venue() -> Iterator[Venue]:
    with served_venue() as found:
        yield found


def settings_of(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


def test_a_newcomer_gets_from_no_key_to_an_agent_that_may_trade(
    run: Run, venue: Venue, tmp_path: Path
) -> None:
    owner = venue.accounts[0]
    at_venue = ("--base-url", venue.rest, "--ws-url", venue.ws, "--json")
    (tmp_path / "wallet.key").write_text(owner.private_key)
    (tmp_path / "wallet.key").chmod(0o600)

    made = run("auth", "new-agent", "--wallet", owner.user, "--store", "file", "--out", "agent.key")
    assert made.returncode == 0, made.stderr
    assert "withdrawals    OFF" in made.stderr
    secret = (tmp_path / "agent.key").read_text().strip()
    assert secret not in made.stdout + made.stderr
    assert (tmp_path / "agent.key").stat().st_mode & 0o777 == 0o600

    environment = settings_of(made.stdout)
    early = run("auth", "check", "--venue", "sim", *at_venue, environment=environment)
    assert early.returncode == 1
    (refused,) = [check for check in json.loads(early.stdout)["checks"] if not check["ok"]]
    assert refused["name"] == "accepted"
    assert f"approve the agent {environment['ASTER_SIGNER_ADDRESS']}" in refused["remedy"]

    approved = run("auth", "approve", *at_venue, "--wallet-key", "wallet.key", environment=environment)
    assert approved.returncode == 0, approved.stderr
    assert json.loads(approved.stdout)["permissions"] == {
        "perpetuals": True,
        "spot": False,
        "withdraw": False,
    }

    done = run("auth", "check", "--venue", "sim", *at_venue, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {check["name"]: check["detail"] for check in json.loads(done.stdout)["checks"]}
    assert found["permission to withdraw"] == "off, as it should be"
    assert found["permission to trade perpetuals"] == "on"
    assert found["own key"] == f"signs as {environment['ASTER_SIGNER_ADDRESS']}"
    doctor = run("doctor", "--venue", "sim", *at_venue, environment=environment)
    assert '"credentials","ok":true' in doctor.stdout


def test_the_key_of_the_main_wallet_is_called_what_it_is(run: Run, venue: Venue) -> None:
    done = run(
        "auth", "check", "--venue", "sim", "--base-url", venue.rest, "--ws-url", venue.ws,
        environment=venue.agent(0),
    )  # fmt: skip
    assert done.returncode == 1
    assert "THIS IS THE MAIN WALLET'S OWN KEY" in done.stdout


def test_a_v1_key_is_kept_and_checked(run: Run, venue: Venue, tmp_path: Path) -> None:
    account = venue.accounts[1]
    source = (
        "import io, sys; from aster_operator.cli.entry import main; "
        f"sys.stdin = io.StringIO('{account.api_key}\\n{account.api_secret}\\n'); sys.exit(main())"
    )
    kept = run("auth", "add-key", "--store", "file", "--out", "v1", "--json", source=source)
    assert kept.returncode == 0, kept.stderr
    assert account.api_secret not in kept.stdout + kept.stderr
    settings = json.loads(kept.stdout)["settings"]
    assert settings == {
        "ASTER_API_KEY": str(tmp_path / "v1.key"),
        "ASTER_API_SECRET": str(tmp_path / "v1.secret"),
    }
    done = run(
        "auth", "check", "--venue", "sim", "--base-url", venue.rest, "--ws-url", venue.ws,
        environment=settings,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "withdrawals must be off" in done.stdout


def test_a_script_may_take_the_key_away_through_a_pipe(run: Run) -> None:
    done = run("auth", "new-agent", "--wallet", WALLET, "--store", "stdout", "--json")
    answer = json.loads(done.stdout)
    key = AgentCredentials(WALLET, answer["agent_address"], answer["private_key"])
    assert all(check.ok for check in check_signing(key))
    plain = run("auth", "new-agent", "--wallet", WALLET, "--store", "stdout")
    assert re.fullmatch(r"[0-9a-f]{64}\n", plain.stdout)
    assert plain.stdout.strip() not in plain.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["auth"], "there is nobody to ask, standard input: pass one of the commands of auth"),
        (["auth", "new-agent"], "pass --wallet"),
        (["auth", "new-agent", "--wallet", "0x12", "--store", "stdout"], "is no wallet address"),
        (["auth", "new-agent", "--wallet", WALLET], "pass --store"),
        (["auth", "new-agent", "--wallet", WALLET, "--store", "cloud"], "'cloud' is not one of"),
        (["auth", "new-agent", "--wallet", WALLET, "--store", "file", "--out", "no/such/a.key"], "a.key"),
        (["auth", "new-agent", "--wallet", WALLET, "--store", "keyring"], "or choose another --store"),
        (["auth", "add-key", "--store", "stdout"], "nothing to print"),
        (["auth", "add-key", "--store", "file"], "as two lines"),
        (["auth", "approve"], "--wallet-key"),
        (["auth", "approve", "--wallet-key", "absent.key"], "cannot be read"),
    ],
)
def test_bad_input_ends_with_one_line(run: Run, arguments: list[str], words: str) -> None:
    # No keyring of the machine the tests run on is ever touched.
    done = run(*arguments, environment={"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"})
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert words in line


def test_a_key_is_never_overwritten(run: Run, tmp_path: Path) -> None:
    (tmp_path / "agent.key").write_text("mine")
    done = run("auth", "new-agent", "--wallet", WALLET, "--store", "file", "--out", "agent.key")
    assert done.returncode == 2
    assert "keys are never overwritten" in done.stderr
    assert (tmp_path / "agent.key").read_text() == "mine"


def test_a_key_that_cannot_be_written_leaves_nothing_behind(run: Run) -> None:
    done = run("auth", "new-agent", "--wallet", WALLET, "--store", "file", "--out", "/dev/full/agent.key")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_an_installation_that_signs_wrongly_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_check, "_VECTOR_HMAC_SIGNATURE", "00" * 32)
    (bad,) = [check for check in check_signing(None) if not check.ok]
    assert bad.name == "signing vectors, V1"
    assert "do not trade with this one" in bad.remedy


def test_randomness_outside_the_curve_is_drawn_again() -> None:
    draws = iter([bytes(32), b"\xff" * 32, bytes.fromhex("11" * 31 + "a5")])
    address, secret = new_agent_key(lambda _length: next(draws))
    assert address == "0x5eDcBC07dCDa1079E06Bf434B17836D7A762f6FB"
    assert secret.reveal() == "11" * 31 + "a5"
