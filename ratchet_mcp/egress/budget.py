"""How much of the network is left to one run."""

from __future__ import annotations

from ratchet_mcp.errors import FetchLimit
from ratchet_mcp.settings.network import NetworkSettings


class Budget:
    """Counts requests and bytes of one run."""

    def __init__(self, settings: NetworkSettings) -> None:
        self._settings = settings
        self.requests = self.up = self.down = 0

    @property
    def response_bytes(self) -> int:
        """Return the most that the body of one response may have, decoded."""
        return self._settings.response_bytes

    def request(self, host: str | None) -> None:
        """Count one fetch. Raises `FetchLimit`."""
        maximum = self._settings.requests
        if self.requests >= maximum:
            raise _over(host, "requests", f"The run has made {maximum} requests already", maximum)
        self.requests += 1

    def send(self, host: str, size: int) -> None:
        """Count a body that is about to be sent. Raises `FetchLimit`."""
        maximum = self._settings.total_up_bytes
        if self.up + size > maximum:
            raise _over(host, "total_up_bytes", f"The run would send more than {maximum} bytes", maximum)
        self.up += size

    def receive(self, host: str, size: int) -> None:
        """Count a piece of a body that came. Raises `FetchLimit`."""
        self.down += size
        maximum = self._settings.total_down_bytes
        if self.down > maximum:
            raise _over(host, "total_down_bytes", f"The run has received more than {maximum} bytes", maximum)


def _over(host: str | None, limit: str, message: str, maximum: int) -> FetchLimit:
    return FetchLimit(f"{message} (network.{limit}).", details={"host": host, "limit": limit, "maximum": maximum})
