"""The base of every model a client sends: strict types, unknown fields refused, amounts behind their currency."""

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict

from shared.http.inputs.amounts import MoneyRule


class Input(BaseModel):
    """Base of request models; immutable, fields are declared in the order in which they are checked."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a model with an amount that is declared before its currency, or without one."""
        super().__pydantic_init_subclass__(**kwargs)
        declared: set[str] = set()
        for name, field in cls.model_fields.items():
            for rule in (*field.metadata, *_metadata(field.annotation)):
                if isinstance(rule, MoneyRule) and rule.currency not in declared:
                    raise TypeError(f"{cls.__name__}.{name}: declare {rule.currency} before the amounts in it")
            declared.add(name)


def _metadata(annotation: Any) -> Iterator[Any]:
    """What is annotated anywhere inside a type, such as `Money | None`."""
    yield from getattr(annotation, "__metadata__", ())
    for part in get_args(annotation):
        yield from _metadata(part)
