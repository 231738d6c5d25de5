"""The whole of the settings."""

from __future__ import annotations

from pydantic import Field

from ratchet_mcp.settings.base import Section
from ratchet_mcp.settings.batches import BatchSettings
from ratchet_mcp.settings.cache import CacheSettings
from ratchet_mcp.settings.delivery import DeliverySettings
from ratchet_mcp.settings.engine import EngineSettings, Limits
from ratchet_mcp.settings.jobs import JobSettings
from ratchet_mcp.settings.network import NetworkSettings
from ratchet_mcp.settings.registry import RegistrySettings
from ratchet_mcp.settings.schedules import ScheduleSettings
from ratchet_mcp.settings.server import LoggingSettings, McpSettings, ServerSettings
from ratchet_mcp.settings.store import StoreSettings


class Settings(Section):
    """Everything a user can set; `Settings()` is the default of each key."""

    engine: EngineSettings = Field(default_factory=EngineSettings)
    limits: Limits = Field(default_factory=Limits)
    network: NetworkSettings = Field(default_factory=NetworkSettings)
    store: StoreSettings = Field(default_factory=StoreSettings)
    jobs: JobSettings = Field(default_factory=JobSettings)
    schedules: ScheduleSettings = Field(default_factory=ScheduleSettings)
    batches: BatchSettings = Field(default_factory=BatchSettings)
    cache: CacheSettings = Field(default_factory=CacheSettings)
    delivery: DeliverySettings = Field(default_factory=DeliverySettings)
    registry: RegistrySettings = Field(default_factory=RegistrySettings)
    mcp: McpSettings = Field(default_factory=McpSettings)
    server: ServerSettings = Field(default_factory=ServerSettings)
    logging: LoggingSettings = Field(default_factory=LoggingSettings)
