"""One delivery into a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratchet_mcp.delivery.destinations import Destination, FileDestination
from ratchet_mcp.delivery.files import write
from ratchet_mcp.delivery.formats import encode, first_line
from ratchet_mcp.delivery.templates import TemplateStopped
from ratchet_mcp.errors import DeliveryRefused

if TYPE_CHECKING:
    from ratchet_mcp.delivery.outcomes import Outcome
    from ratchet_mcp.settings.delivery import DeliverySettings

MOST_PATH = 3000


def deliver(destination: Destination, root: Path | None, outcome: Outcome, settings: DeliverySettings) -> dict[str, Any]:
    """Write the file; takes time, so call it in a thread. Returns the receipt `{path, root, bytes, how}`.

    Raises `DeliveryRefused` and `DeliveryFailed`.
    """
    model = destination.model
    assert isinstance(model, FileDestination)  # noqa: S101  the caller chose by its kind
    if root is None:
        raise DeliveryRefused("No folder may be written to (delivery.roots).", details={"reason": "root"})
    fields = outcome.fields()
    header = b""
    try:
        path = destination.target.render(fields, most_bytes=MOST_PATH)
        if destination.body is not None:
            data = destination.body.render(fields, most_bytes=settings.max_bytes).encode("utf-8", "replace")
        else:
            content = outcome.content(model.content)
            data = encode(content, model.writes, most_bytes=settings.max_bytes)
            if model.exists == "append":
                header = first_line(content, model.writes)
    except TemplateStopped as error:
        raise DeliveryRefused(f"The file cannot be made: {error}.", details={"reason": "template"}) from None
    written = write(
        root,
        path,
        data,
        key=outcome.key,
        again=outcome.attempt > 1,
        mode=model.mode,
        exists=model.exists,
        create_folders=model.create_folders,
        header=header,
    )
    return {"path": written.path, "root": str(root), "bytes": written.bytes, "how": written.how}
