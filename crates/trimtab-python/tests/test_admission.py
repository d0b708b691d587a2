import pytest
from trimtab.admission import (
    Limits,
    Server,
    admit,
    queue_bound,
    service_seconds,
    wait_seconds,
)

BUSY = Server(8, in_flight=8, service_seconds=4)


def test_admit_queue_reject() -> None:
    waiting = admit([BUSY, BUSY], 39)
    assert (waiting.kind, waiting.wait_seconds, waiting.retry_after_seconds) == (
        "queue",
        10.0,
        None,
    )
    rejected = admit([BUSY, BUSY], 40)
    assert (rejected.kind, rejected.retry_after_seconds) == ("reject", 10)
    assert bool(waiting)
    assert not rejected
    free = admit([BUSY, Server(8, in_flight=7)], 0)
    assert (free.kind, bool(free)) == ("admit", True)
    assert free == admit([Server(1)], 0)


def test_bounds_and_waits() -> None:
    assert queue_bound([BUSY]) == 20
    assert queue_bound([BUSY], Limits(wait_seconds=20)) == 40
    assert queue_bound([]) == 0
    assert wait_seconds([BUSY], 7) == pytest.approx(4.0)
    assert wait_seconds([Server(1, in_flight=1)], 3) is None
    assert service_seconds(6, 1.5) == 4.0
    assert service_seconds(6, 0) is None


def test_what_they_are_made_of() -> None:
    server = Server(8, in_flight=3, service_seconds=2, ready_in_seconds=1.5)
    assert (server.slots, server.in_flight, server.service_seconds) == (8, 3, 2.0)
    assert repr(server) == "Server(8, in_flight=3, service_seconds=2.0, ready_in_seconds=1.5)"
    assert server == Server(8, in_flight=3, service_seconds=2.0, ready_in_seconds=1.5)
    assert Limits() == Limits(wait_seconds=10)
    assert Limits().most == 10_000
    with pytest.raises(OverflowError):
        Server(-1)
    with pytest.raises(TypeError):
        admit([None], 0)  # type: ignore[list-item]
