"""Whom TLS trusts. Verification cannot be switched off; a further authority can be added."""

from __future__ import annotations

import ssl
from pathlib import Path

from ratchet_mcp.errors import SettingsInvalid
from ratchet_mcp.settings.network import NetworkSettings


def make_context(settings: NetworkSettings) -> ssl.SSLContext:
    """Return the context for all connections. Raises `SettingsInvalid` when `network.ca_file` cannot be used."""
    if settings.trust_store == "system":
        import truststore

        context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    else:
        import certifi

        context = ssl.create_default_context(cafile=certifi.where())
    if settings.ca_file is not None:
        _add(context, settings.ca_file)
    return context


def _add(context: ssl.SSLContext, file: Path) -> None:
    try:
        context.load_verify_locations(cafile=file)
    except (OSError, ssl.SSLError) as error:
        why = getattr(error, "strerror", None) or str(error)
        message = f"The certificates of network.ca_file cannot be read: {file} ({why})."
        problem = {"key": "network.ca_file", "source": str(file), "message": why}
        raise SettingsInvalid(message, hint="Name a file with certificates in PEM form.", details={"problems": [problem]}) from None
