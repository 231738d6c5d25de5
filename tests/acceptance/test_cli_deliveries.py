"""`ratchet deliveries`: what was sent, and once more, without a server."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import anyio
import pytest
from command_line import ratchet
from delivery_runs import delivering, settings_for

from ratchet_mcp.delivery.models import Delivery


@pytest.fixture
def failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Delivery:
    """A delivery that failed, because its folder was not there."""
    url, root = f"sqlite:///{tmp_path}/store.db", tmp_path / "root"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RATCHET_STORE__URL", url)
    monkeypatch.setenv("RATCHET_DELIVERY__ROOTS", json.dumps([str(root)]))
    monkeypatch.chdir(tmp_path)

    async def prepare() -> Delivery:
        async with delivering(settings_for(url, root, attempts=1)) as delivery:
            shutil.rmtree(root)
            [ended] = await delivery.deliver({"n": 1}, {"type": "file", "path": "a.json"})
            return ended

    return anyio.run(prepare)


def test_deliveries_are_listed_shown_and_sent_once_more(failed: Delivery, tmp_path: Path) -> None:
    listed = ratchet("deliveries", "list", "--status", "failed")
    assert listed.returncode == 0 and failed.id in listed.stdout and "The root" in listed.stdout
    assert json.loads(ratchet("deliveries", "list", "--json", "--execution", failed.execution_id).stdout)["deliveries"][0]["attempts"] == 1
    assert json.loads(ratchet("deliveries", "show", failed.id).stdout)["last_error"]["details"]["reason"] == "root"
    again = ratchet("deliveries", "retry", failed.id)
    assert (again.returncode, json.loads(again.stdout)["status"]) == (1, "pending"), "a server tries it again later"
    unfinished = ratchet("deliveries", "retry", failed.id)
    assert (unfinished.returncode, "delivery_unfinished" in unfinished.stderr) == (1, True)


def test_a_retry_that_succeeds_says_so(failed: Delivery, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    done = ratchet("deliveries", "retry", failed.id)
    assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "delivered"), done.stderr
    assert json.loads((tmp_path / "root" / "a.json").read_text()) == {"n": 1}


def test_an_unknown_delivery_is_told(failed: Delivery) -> None:
    missing = ratchet("deliveries", "show", "nothing")
    assert (missing.returncode, "delivery_not_found" in missing.stderr) == (1, True)
