"""Runs the server, and ends it as Kubernetes does: on SIGTERM, but not before the last stream has ended."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator

import uvicorn

from .app import create_app
from .server import Server
from .settings import Settings


class DrainingServer(uvicorn.Server):
    """uvicorn closes its port on SIGTERM. This one keeps it open for the probes while it drains."""

    def __init__(self, config: uvicorn.Config, server: Server) -> None:
        super().__init__(config)
        self._server = server
        self._drained: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        signals = (signal.SIGTERM, signal.SIGINT)
        for number in signals:
            loop.add_signal_handler(number, self._drain)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    def _drain(self) -> None:
        """The second signal does not wait."""
        if self._drained:
            self.should_exit = self.force_exit = True
            return
        self._server.lifecycle.drain()
        self._drained = asyncio.get_running_loop().create_task(self._exit_when_idle())

    async def _exit_when_idle(self) -> None:
        await self._server.lifecycle.idle()
        self.should_exit = True


def main() -> None:
    settings = Settings.from_environment()
    server = Server(settings)
    config = uvicorn.Config(create_app(server), host=settings.host, port=settings.port, access_log=False)
    DrainingServer(config, server).run()


if __name__ == "__main__":
    main()
