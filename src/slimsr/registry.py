"""One registry class, used for models and for methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from slimsr.errors import RegistryError, did_you_mean

T = TypeVar("T")


class Registry(Generic[T]):
    """Names and the classes that they stand for.

    Args:
        kind: what is registered ("model", "method"); used in messages.
    """

    def __init__(self, kind: str):
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a class decorator that enters the class under ``name``.

        Raises:
            ValueError: the name is taken (a fault in our code); the registry is left unchanged.
        """

        def enter(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._entries[name] = entry
            return entry

        return enter

    def get(self, name: str) -> T:
        """Return the entry of that name.

        Raises:
            RegistryError: nothing has that name; the message lists those that exist.
        """
        if not isinstance(name, str) or name not in self._entries:
            hint = did_you_mean(str(name), self._entries)
            raise RegistryError(f"there is no {self.kind} {name!r}: {hint}")
        return self._entries[name]

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted(self._entries)
