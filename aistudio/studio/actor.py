"""Who asks: every use case takes an actor first, and sees only what that actor owns."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Actor:
    """Somebody who may own workflows and runs."""

    owner_id: str


LOCAL = Actor(owner_id="local")
"""The one actor of a studio without sign-in."""
