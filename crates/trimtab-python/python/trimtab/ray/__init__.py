"""Sweeps and large backtests on a Ray cluster, and a policy for Ray Serve.

One call simulates on all machines::

    import trimtab.ray

    results = trimtab.ray.backtest(policies, "monday.csv.gz", seeds=range(10))
    results.to_pandas().groupby("policy")["cost"].mean()

The policy for Ray Serve is in :mod:`trimtab.ray.serve_policy`.
"""

from trimtab.ray._results import Results, Row
from trimtab.ray._simulation import backtest, sweep
from trimtab.ray._tasks import Progress

__all__ = ["Progress", "Results", "Row", "backtest", "sweep"]
