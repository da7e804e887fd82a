"""Who asks: every use case takes an actor first, and sees only what that actor owns."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Actor:
    """Somebody who may own workflows and runs.

    Attributes:
        owner_id: whose workflows and runs they are.
        client: the address they ask from; how many runs may start is counted by it.
    """

    owner_id: str
    client: str


def local(client: str) -> Actor:
    """The one owner of a studio without sign-in, who asks from there."""
    return Actor(owner_id="local", client=client)
