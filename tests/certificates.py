"""Certificates for a test: an authority of its own, and what it signs or does not sign, made by openssl."""

import ssl
import subprocess
from pathlib import Path

from tests.programs import need

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
RSA_KEY = ("-newkey", "rsa:2048", "-nodes")


class Authority:
    """A certificate authority in `folder`; whoever is to trust it has SSL_CERT_FILE name its `file`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._openssl = need("openssl")
        self.file = folder / "authority.pem"
        self._run("req", "-x509", *KEY, "-keyout", "authority.key", "-out", "authority.pem", "-subj", "/CN=Authority",
                  "-addext", "keyUsage=critical,keyCertSign")  # fmt: skip

    def certify(self, *names: str, days: int = 1, itself: bool = False, rsa: bool = False) -> ssl.SSLContext:
        """A server's side of TLS, with a certificate of `make`."""
        key, certificate = self.make(*names, days=days, itself=itself, rsa=rsa)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        return context

    def make(self, *names: str, days: int = 1, itself: bool = False, rsa: bool = False) -> tuple[Path, Path]:
        """A key and its certificate for DNS names and addresses; `itself`: signed by nobody else."""
        stem = f"{len(list(self._folder.iterdir()))}"
        kinds = ",".join(f"{'IP' if name[-1].isdigit() or ':' in name else 'DNS'}:{name}" for name in names)
        (self._folder / f"{stem}.ext").write_text(f"subjectAltName={kinds}\nauthorityKeyIdentifier=keyid\n")
        kind = RSA_KEY if rsa else KEY
        self._run("req", *kind, "-keyout", f"{stem}.key", "-out", f"{stem}.csr", "-subj", f"/CN={names[0][:64]}")
        signer = ("-signkey", f"{stem}.key") if itself else ("-CA", self.file.name, "-CAkey", "authority.key")
        self._run("x509", "-req", "-in", f"{stem}.csr", *signer, "-days", str(days), "-set_serial", stem,
                  "-extfile", f"{stem}.ext", "-out", f"{stem}.pem")  # fmt: skip
        return self._folder / f"{stem}.key", self._folder / f"{stem}.pem"

    def _run(self, *command: str) -> None:
        subprocess.run([self._openssl, *command], cwd=self._folder, check=True, capture_output=True)


def record_names(context: ssl.SSLContext) -> list[str | None]:
    """The server names (SNI) that clients will ask this side for, as they come."""
    asked: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    return asked
