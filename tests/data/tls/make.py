"""Make the certificates of this folder, with the openssl command. They are for tests, and good until 2099.

Run once: python3 tests/data/tls/make.py
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

_CONFIG = """
[ca]
default_ca = authority
[authority]
database = {directory}/index
new_certs_dir = {directory}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = policy
copy_extensions = copy
[policy]
commonName = supplied
"""


class Authority:
    """A certificate authority in a directory; `certificate` is its own, in PEM."""

    def __init__(self, directory):
        self._directory = directory
        (directory / "index").touch()
        (directory / "ca.cnf").write_text(_CONFIG.format(directory=directory))
        self.certificate, _ = self._self_signed("authority", "CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, host, until="20990101000000Z"):
        """Return the files of a certificate and of its key for a host."""
        request, certificate, key = (self._directory / f"{host}-{until}.{kind}" for kind in ("csr", "pem", "key"))
        _openssl("req", *_key(key), "-out", request, "-subj", f"/CN={host}", "-addext", f"subjectAltName={_name(host)}")
        authority = ("-cert", self.certificate, "-keyfile", self._directory / "authority.key")
        validity = ("-startdate", "20200101000000Z", "-enddate", until)
        _openssl(
            *("ca", "-batch", "-notext", "-config", self._directory / "ca.cnf"),
            *(*authority, *validity, "-in", request, "-out", certificate),
        )
        return certificate, key

    def self_signed(self, host):
        """Return the files of a certificate that no authority vouches for, and of its key."""
        return self._self_signed(host, "CA:FALSE", f"subjectAltName={_name(host)}")

    def common_name_only(self, host):
        """Return the files of a certificate without subject alternative name, its own authority, and of its key."""
        return self._self_signed(host, "CA:TRUE")

    def _self_signed(self, name, constraint, *more):
        certificate, key = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        wanted = (f"basicConstraints=critical,{constraint}", *more)
        extensions = [word for extension in wanted for word in ("-addext", extension)]
        subject = ("-subj", f"/CN={name}", "-days", "26000")
        _openssl("req", "-x509", *_key(key), "-out", certificate, *subject, *extensions)
        return certificate, key


def _key(path):
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path)


def _name(host):
    return ("IP:" if host[0].isdigit() else "DNS:") + host


def _openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def main():
    here = Path(__file__).parent
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        authority = Authority(Path(folder))
        (here / "authority.pem").write_bytes(authority.certificate.read_bytes())
        (here / "other-authority.pem").write_bytes(Authority(Path(other)).certificate.read_bytes())
        for host in ("127.0.0.1", "localhost", "auth.example.com"):
            _keep(here / f"{host}.pem", authority.issue(host))
        _keep(here / "expired.pem", authority.issue("127.0.0.1", "20210101000000Z"))
        _keep(here / "self-signed.pem", authority.self_signed("127.0.0.1"))
        _keep(here / "common-name-only.pem", authority.common_name_only("localhost"))


def _keep(path, files):
    """Write certificate and key into one file, as Python's load_cert_chain takes them."""
    path.write_bytes(b"".join(Path(file).read_bytes() for file in files))


if __name__ == "__main__":
    main()
