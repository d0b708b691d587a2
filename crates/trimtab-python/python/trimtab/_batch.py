"""Many workloads of one policy, decided in one call.

Columns go in and columns come out; the states stay in between where they are, in Rust.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from trimtab import _core
from trimtab._columns import columns_of, pieces_of
from trimtab._core import Decisions, Policy, State

__all__ = ["Autoscalers", "decide_many"]

Time: TypeAlias = "float | str | datetime.datetime"

#: Columns that are no readings.
TIME, REPLICAS, STATUS_REPLICAS = "time", "replicas", "status_replicas"


class Autoscalers:
    """A policy, and the states of many workloads that it scales, one a row.

    Of a metric per pod, a column with its name is the total, which the replicas share equally;
    one called ``NAME/replica`` is what each of them reports, as for ``trimtab evaluate``.

    >>> import trimtab
    >>> policy = trimtab.Policy.from_dict({
    ...     "apiVersion": "trimtab.dev/v1alpha1", "kind": "ScalingPolicy",
    ...     "metadata": {"name": "llm"},
    ...     "spec": {
    ...         "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
    ...         "strategy": "hpa", "maxReplicas": 10,
    ...         "metrics": [{"type": "External", "external": {
    ...             "metric": {"name": "queue"},
    ...             "target": {"type": "AverageValue", "averageValue": 8}}}]}})
    >>> fleet = trimtab.Autoscalers(policy, 3)
    >>> decided = fleet.decide({"time": 0, "replicas": [1, 2, 2], "queue": [8, 25, 20]})
    >>> decided.desired_replicas
    [1, 4, 3]
    """

    __slots__ = ("_core",)

    def __init__(self, policy: Policy, count: int) -> None:
        """Begin ``count`` workloads without history."""
        self._core = _core.Batch(policy, count)

    @classmethod
    def from_states(cls, policy: Policy, states: Iterable[State]) -> Autoscalers:
        """Go on from states, such as those stored before a restart."""
        made = cls.__new__(cls)
        made._core = _core.Batch.from_states(policy, list(states))
        return made

    @property
    def policy(self) -> Policy:
        """The policy; may be set, and the history stays."""
        return self._core.policy

    @policy.setter
    def policy(self, policy: Policy) -> None:
        self._core.policy = policy

    def __len__(self) -> int:
        return len(self._core)

    def __repr__(self) -> str:
        return f"<Autoscalers: {len(self)} of policy {self.policy.name!r}>"

    def state(self, row: int) -> State:
        """Give the state of one workload."""
        return self._core.state(row)

    def set_state(self, row: int, state: State) -> None:
        """Set the state of one workload."""
        self._core.set_state(row, state)

    def states(self) -> list[State]:
        """List the states of all workloads; go on with :meth:`from_states`."""
        return [self._core.state(row) for row in range(len(self))]

    def size_in_bytes(self) -> int:
        """How much memory the states take."""
        return self._core.size_in_bytes()

    def decide(self, columns: Any, *, time: Time | None = None, applied: bool = True) -> Decisions:
        """Decide for every workload.

        ``columns`` is a mapping of names to columns, or a DataFrame of pandas, polars or Arrow:
        ``replicas``, the policy's metrics, and perhaps ``status_replicas`` and ``time``; a
        ``time`` may also be one for all. Other columns are left alone. NaN and null are missing
        readings, as they are in tables; infinities are invalid ones.

        With ``applied``, every change counts as carried out, and the rate limits heed it.
        """
        given = columns_of(columns)
        when = given.pop(TIME, time)
        if when is None:
            raise TypeError("no `time`: give it as a column, or one for all")
        if REPLICAS not in given:
            raise TypeError("no column `replicas`")
        replicas = pieces_of(given.pop(REPLICAS), REPLICAS)
        status = given.pop(STATUS_REPLICAS, None)
        return self._core._decide(
            _time_of(when),
            replicas,
            None if status is None else pieces_of(status, STATUS_REPLICAS),
            given,
            applied,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self)._restore, (self._core,))

    @classmethod
    def _restore(cls, core: _core.Batch) -> Autoscalers:
        made = cls.__new__(cls)
        made._core = core
        return made


def decide_many(policy: Policy, columns: Any, *, time: Time | None = None) -> Decisions:
    """Decide for many workloads without history, one a row; see :meth:`Autoscalers.decide`."""
    given = columns if isinstance(columns, Mapping) else columns_of(columns)
    if REPLICAS not in given:
        raise TypeError("no column `replicas`")
    return Autoscalers(policy, len(given[REPLICAS])).decide(given, time=time, applied=False)


def _time_of(when: Any) -> Any:
    """Give one time for all as it is, and a column as its buffers."""
    if isinstance(when, (int, float, str, datetime.datetime)):
        return when
    return pieces_of(when, TIME, times=True)
