"""The settings of commands that run something in the terminal and end."""

from __future__ import annotations

from pathlib import Path

from ratchet_mcp.settings import Settings


def for_one_run(config: Path | None, profile: str | None) -> Settings:
    """Load the settings for one run: no spare worker, and a log that only warns unless the user set its level."""
    from ratchet_mcp.settings.loader import load_with_origins

    loaded = load_with_origins(config, profile, {"engine": {"spare_workers": 0}, "delivery": {"send": False}})
    settings = loaded.settings
    if loaded.origin("logging", "level").kind == "default":
        settings = settings.model_copy(update={"logging": settings.logging.model_copy(update={"level": "WARNING"})})
    return settings
