"""Settings: one section a domain, read from a file, the environment and a profile."""

from ratchet_mcp.settings.batches import BatchSettings
from ratchet_mcp.settings.cache import CacheSettings
from ratchet_mcp.settings.delivery import DeliverySettings
from ratchet_mcp.settings.engine import EngineSettings, Limits
from ratchet_mcp.settings.jobs import JobSettings
from ratchet_mcp.settings.model import Settings
from ratchet_mcp.settings.network import NetworkSettings, SecretSettings
from ratchet_mcp.settings.registry import RegistrySettings, SourceSettings
from ratchet_mcp.settings.schedules import ScheduleSettings
from ratchet_mcp.settings.server import LoggingSettings, McpSettings, ServerSettings
from ratchet_mcp.settings.store import StoreSettings

__all__ = [
    "BatchSettings",
    "CacheSettings",
    "DeliverySettings",
    "EngineSettings",
    "JobSettings",
    "Limits",
    "LoggingSettings",
    "McpSettings",
    "NetworkSettings",
    "RegistrySettings",
    "ScheduleSettings",
    "SecretSettings",
    "ServerSettings",
    "Settings",
    "SourceSettings",
    "StoreSettings",
]
