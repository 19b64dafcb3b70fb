"""JSON Schemas of the published language, made from the models: their types, and their docstrings as descriptions.

A docstring under a field describes it, so that what readers outside are told stands where the field is written.
"""

import ast
import inspect
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final, get_args, get_type_hints

import msgspec
from msgspec import Struct

from shared.events import KINDS
from shared.events.document import Document

Schema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, Schema]:
    """One self-contained JSON Schema per kind, of the snapshot that is the value of its records."""
    return {kind: _alone(model) for kind, model in KINDS.items()}


def components(models: Sequence[type[Document]], ref_template: str) -> dict[str, Schema]:
    """Schemas of the models and of everything inside them, by class name; `ref_template` says how they refer."""
    _, found = msgspec.json.schema_components(models, ref_template=ref_template)
    for structure in set(structures(models)):
        _describe(found[structure.__name__], structure)
    # Defaults are as the models write them; a tuple is an array to everybody else.
    plain: dict[str, Schema] = json.loads(json.dumps(found))
    return plain


def _alone(model: type[Document]) -> Schema:
    parts = components([model], "#/$defs/{name}")
    schema = parts.pop(model.__name__)
    return {"$schema": DIALECT, "$id": f"urn:forewarn:{model.kind}:v1", **schema, "$defs": parts}


def structures(annotations: Iterable[Any]) -> Iterator[type[Struct]]:
    """Every structure that the annotations name, directly or inside others."""
    for annotation in annotations:
        if isinstance(annotation, type) and issubclass(annotation, Struct):
            yield annotation
            yield from structures(get_type_hints(annotation, include_extras=True).values())
        yield from structures(get_args(annotation))


def _describe(schema: Schema, structure: type[Struct]) -> None:
    said = _field_docstrings(structure)
    for name, field in schema["properties"].items():
        parts = [said.get(name), field.pop("description", None)]
        description = " ".join(part for part in parts if part)
        if description:
            field["description"] = description
        if "$ref" in field and len(field) > 1:
            # Readers of draft 7, AsyncAPI's among them, ignore what stands beside a reference.
            field["allOf"] = [{"$ref": field.pop("$ref")}]


def _field_docstrings(structure: type[Struct]) -> dict[str, str]:
    """The string below each field, of the class and of those it inherits from."""
    found: dict[str, str] = {}
    for part in reversed(structure.__mro__):
        if issubclass(part, Struct) and part is not Struct:
            found |= _strings_below_fields(part)
    return found


def _strings_below_fields(structure: type[Struct]) -> dict[str, str]:
    definition = ast.parse(inspect.getsource(structure)).body[0]
    assert isinstance(definition, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(below.value.value)
        for field, below in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }
