"""Certificates of a private authority, made with the openssl command."""

from __future__ import annotations

import subprocess

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

    def make_directory(self, path):
        """Fill a directory as SSL_CERT_DIR wants it: OpenSSL looks certificates up by a hash of their subject."""
        (path / "authority.pem").write_bytes(self.certificate.read_bytes())
        _openssl("rehash", path)

    def _self_signed(self, name, constraint, extension):
        certificate, key = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        extensions = ("-addext", f"basicConstraints=critical,{constraint}", "-addext", extension)
        subject = ("-subj", f"/CN={name}", "-days", "3650")
        _openssl("req", "-x509", *_key(key), "-out", certificate, *subject, *extensions)
        return certificate, key


def _key(path):
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path)


def _name(host):
    return ("IP:" if host[0].isdigit() else "DNS:") + host


def _openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
