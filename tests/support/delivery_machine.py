"""A process that delivers until it is killed: `python delivery_machine.py URL ROOT`; it prints `ready` when it is up."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
from delivery_runs import delivering, settings_for


async def main() -> None:
    async with delivering(settings_for(sys.argv[1], Path(sys.argv[2]), timeout_seconds=60)):
        print("ready", flush=True)
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main)
