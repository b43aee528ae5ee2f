"""A certificate authority for one server run, for clients that insist on TLS (section 11.1)."""

import shutil
import ssl
import tempfile
from pathlib import Path

import trustme

__all__ = ["TemporaryAuthority"]


class TemporaryAuthority:
    """A new CA and a server certificate for `localhost`, the loopback addresses and `host`.

    `ca_file` is a PEM in a folder only this user can enter; clients verify against it, for instance through
    the `SSL_CERT_FILE` environment variable. `close` removes it.
    """

    def __init__(self, host: str) -> None:
        authority = trustme.CA()
        names = dict.fromkeys(("localhost", "127.0.0.1", "::1", host))
        self._certificate = authority.issue_cert(*names)
        self._folder = Path(tempfile.mkdtemp(prefix="aster-operator-ca-"))
        self.ca_file = self._folder / "ca.pem"
        authority.cert_pem.write_to_path(self.ca_file)

    def server_context(self) -> ssl.SSLContext:
        """A context that presents the certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._certificate.configure_cert(context)
        return context

    def close(self) -> None:
        """Remove the folder with the CA file."""
        shutil.rmtree(self._folder, ignore_errors=True)
