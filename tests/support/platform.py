"""A platform in the test's own process: chosen services over real loopback gRPC, embedded engines in a folder."""

from __future__ import annotations

import importlib.util
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import grpc

from memporium_platform import logs
from memporium_platform.authz.client import AuthzClient
from memporium_platform.call import PrincipalKind
from memporium_platform.settings import SERVICES, PlatformSettings
from memporium_services.operator_key import read_operator_key
from memporium_services.runner import Running, running
from support.authz import StaticAuthorizer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from memporium_platform.clock import Clock
    from memporium_platform.kernel import Kernel, ServiceModule


def present_services() -> tuple[str, ...]:
    """Return the services whose module is in the tree."""
    return tuple(name for name in SERVICES if importlib.util.find_spec(f"memporium_services.{name}.module"))


@dataclass(frozen=True)
class Org:
    """An organisation made for a test."""

    id: str
    name: str
    owner: str
    owner_key: str


@dataclass
class Platform:
    """What a test talks to."""

    running: Running
    static: StaticAuthorizer | None
    operator_key: str
    _stack: AsyncExitStack
    owner_keys: dict[str, str] = field(default_factory=dict)
    _channels: dict[str, Any] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return self.running.address

    @property
    def kernel(self) -> Kernel:
        return self.running.engines.kernel

    def channel(self, key: str = "", **metadata: str) -> Any:
        """Return a channel whose calls carry the key ("": none) and `memporium-...` metadata (`purpose="x"`)."""
        pairs = [(f"memporium-{name.replace('_', '-')}", value) for name, value in metadata.items()]
        if key:
            pairs.append(("authorization", f"Bearer {key}"))
        cached = repr(sorted(pairs))
        if cached not in self._channels:
            channel = grpc.aio.insecure_channel(self.address)
            self._channels[cached] = KeyedChannel(channel, tuple(pairs))
            self._stack.push_async_callback(channel.close)
        return self._channels[cached]

    async def organisation(self, org: str, *, owner: str = "owner") -> Org:
        """Make an organisation with an owner and the owner's key."""
        if self.static is not None:
            key = self.static.add(org, owner)
            return Org(org, f"orgs/{org}", f"orgs/{org}/principals/{owner}", key)
        from support.governance import create_organisation

        return await create_organisation(self, org, owner)

    async def principal(self, org: str, name: str, *, roles: Sequence[str] = ("agent",)) -> str:
        """Make a principal with these roles in an organisation of `organisation()`; return its key.

        Without governance every principal may do everything in its organisation.
        """
        if self.static is not None:
            return self.static.add(org, name, kind=PrincipalKind.WORKLOAD)
        from support.governance import create_principal

        return await create_principal(self, org, name, roles)


_TRUSTED_S = 600.0
# A replica follows another one by looking at the database: on a busy machine that takes longer than a second.
_EPOCH_WAIT_S = 60.0


@asynccontextmanager
async def running_platform(
    services: Sequence[str] = (),
    *,
    data_dir: Path,
    clock: Clock | None = None,
    modules: Sequence[ServiceModule] = (),
    authorizer: StaticAuthorizer | None = None,
    **settings: Any,
) -> AsyncIterator[Platform]:
    """Run services for the block. Without governance among them, keys are those of a StaticAuthorizer."""
    static = authorizer or (None if "governance" in services else StaticAuthorizer())
    values = {"listen": "127.0.0.1:0", "grace_s": 1.0, "epoch_wait_s": _EPOCH_WAIT_S, "log_level": "ERROR", **settings}
    chosen = PlatformSettings(data_dir=data_dir, **values)
    logs.configure(chosen)
    async with AsyncExitStack() as stack:
        # Tests that look through files hold up the loop on which the services tell each other that they live.
        with patch.dict(AuthzClient.__init__.__kwdefaults__, stale_after_s=_TRUSTED_S):
            process = await stack.enter_async_context(
                running(
                    chosen,
                    services,
                    clock=clock,
                    modules=modules,
                    authorizer=(lambda _channels, _clock: static) if static is not None else None,
                )
            )
        yield Platform(process, static, read_operator_key(data_dir), stack)


class KeyedChannel:
    """A channel whose calls carry metadata; stubs of generated code take it like any other."""

    def __init__(self, channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...]) -> None:
        self._channel = channel
        self._metadata = metadata

    def __getattr__(self, shape: str) -> Any:
        make = getattr(self._channel, shape)

        def method(path: str, **options: Any) -> Any:
            callable_ = make(path, **options)

            def call(request: Any = None, *, metadata: Any = (), **more: Any) -> Any:
                return callable_(request, metadata=(*self._metadata, *metadata), **more)

            return call

        return method
