"""Certificates for a minute, made with the openssl program."""

import subprocess
from pathlib import Path


class Authority:
    """A CA that signs for names."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.cert, self.key = folder / f"{name}.crt", folder / f"{name}.key"
        _openssl(
            *(
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
            ),
            *("-keyout", self.key, "-out", self.cert, "-subj", f"/CN={name}"),
        )

    def sign(
        self, name: str, *, host: str = "DNS:localhost,IP:127.0.0.1", days: int = 2
    ) -> tuple[Path, Path]:
        """A certificate and its key."""
        cert, key, ask = (self.folder / f"{name}.{kind}" for kind in ("crt", "key", "csr"))
        extension = self.folder / f"{name}.ext"
        extension.write_text(f"subjectAltName={host}\n")
        _openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", key, "-out", ask, "-subj", f"/CN={name}"),
        )
        _openssl(
            *("x509", "-req", "-in", ask, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial"),
            *("-days", days, "-out", cert, "-extfile", extension),
        )
        return cert, key


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
