"""May this request be queued now? For gateways.

>>> from trimtab.admission import Limits, Server, admit
>>> busy = Server(8, in_flight=8, service_seconds=4)
>>> admit([busy, busy], 39)
Admission(queue, wait_seconds=10.0)
>>> admit([busy, busy], 40)
Admission(reject, retry_after_seconds=10)
>>> bool(admit([busy, Server(8, in_flight=7, service_seconds=4)], 0))
True
"""

from trimtab._core import (
    Admission,
    Limits,
    Server,
    admit,
    queue_bound,
    service_seconds,
    wait_seconds,
)

__all__ = [
    "Admission",
    "Limits",
    "Server",
    "admit",
    "queue_bound",
    "service_seconds",
    "wait_seconds",
]
