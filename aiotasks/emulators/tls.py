"""https on this machine: a certificate for `localhost`, made anew each time, that nobody else trusts."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["localhost_context"]


def localhost_context(certificate: Path) -> ssl.SSLContext:
    """A context to serve `localhost` and 127.0.0.1 with.

    Args:
        certificate: Where to write the self-signed certificate that clients are to trust, in PEM. The keys never
            leave this process.
    """
    certificate.parent.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(certificate))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context
