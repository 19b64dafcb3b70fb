"""Documents generated from the code and committed: `python -m forewarn.documents` writes them anew.

Tests compare them with what the code says now. What stands in them is each generator's business.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

from forewarn.canvases import canvas
from forewarn.kafka_rights import kafka_rights
from forewarn.services import all_services
from shared.events.asyncapi import asyncapi_document
from shared.events.schemas import schemas

ROOT: Final = Path(__file__).parent.parent


def documents() -> dict[str, str]:
    """Text of every generated document, by its path in the repository."""
    events = {f"docs/schemas/{kind}.json": _json(schema) for kind, schema in schemas().items()}
    rights = {"deploy/kafka/rights": kafka_rights(all_services())}
    return {"docs/asyncapi.json": _json(asyncapi_document()), **events, **rights, **_canvases()}


def write(folder: Path) -> None:
    """Write all of them into a folder; those no longer generated are left for a person to delete."""
    for name, text in documents().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _canvases() -> dict[str, str]:
    paths = {f"services/{service.name}/README.md": service for service in all_services()}
    return {path: canvas(service, (ROOT / path).read_text(encoding="utf-8")) for path, service in paths.items()}


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write(ROOT)
    sys.stdout.write(f"{len(documents())} documents written\n")
