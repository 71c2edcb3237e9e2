"""Which images the revisions of services run. A transaction function."""

from jubako.boxes.services.rows import ServiceKey
from jubako.store.port import Tx
from jubako.wire import images


def image_uses(tx: Tx) -> list[tuple[str, str]]:
    """Return who, and the image."""
    rows = tx.all(
        "SELECT s.project, s.location, s.service, r.revision, r.document FROM service_revisions r "
        "JOIN services s ON s.uid = r.service_uid"
    )
    return [
        (f"{ServiceKey(*row[:3])}/revisions/{row[3]}", image)
        for row in rows
        for image in sorted(images.named_in(row[4]))
    ]
