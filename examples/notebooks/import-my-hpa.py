# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What would my HPA have cost?
#
# A HorizontalPodAutoscaler is a policy as it is. Here one runs on simulated GPU servers, beside
# what trimtab's own strategy makes of it: on a load that climbs to 25 requests a second and falls
# again, while a new replica takes two minutes to serve.
#
# `pip install "trimtab[pandas,plot]" jupytext`, and `jupytext --to ipynb import-my-hpa.py` makes a
# notebook of this file.

# %%
from pathlib import Path

import trimtab

MANIFEST = """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: my-hpa, namespace: inference}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llm-inference}
  minReplicas: 2
  maxReplicas: 20
  metrics:
  - type: Pods
    pods:
      metric: {name: inference_requests_in_flight}
      target: {type: AverageValue, averageValue: "48"}
"""

# %% [markdown]
# ## What is wrong with it
#
# `lint` says what a manifest does that nobody meant.

# %%
findings = trimtab.lint(MANIFEST).findings
print("\n".join(map(str, findings)) or "nothing")

# %% [markdown]
# ## What it would have cost
#
# The load is a scenario here; `trimtab.Trace("requests.csv.gz")` takes a recording of yours.
# `rate_scale` keeps this notebook quick.

# %%
hpa = trimtab.Policy.from_yaml(MANIFEST)
(proposed,) = trimtab.import_manifest(MANIFEST, strategy="slo", lead_time=120)
load = trimtab.Scenario("ramp", rate_scale=0.3)
done = trimtab.backtest(
    {"as it is": hpa, "under slo": proposed.policy},
    load,
    objectives=["ttft<=2s@99%"],
    lead_times=120,
)
print(done.to_text())

# %%
table = done.to_pandas().set_index("policy")
table[["attainment_1", "met", "cost", "starts", "ttft_p99"]]

# %% [markdown]
# ## How it came about
#
# While replicas start, the requests of each that serves pile up, and the HPA asks for more of them
# than it needs. The bound is what it would have cost to know the future.

# %%
ax = done.plot()

# %%
course = done.comparisons[0]["as it is"].course()
course.plot(x="seconds", y=["need", "ready", "wanted"])

# %% [markdown]
# ## What to do with it
#
# The policy is a file that every command of trimtab reads.

# %%
Path("proposed.yaml").write_text(proposed.yaml, encoding="utf-8")
for note in proposed.notes:
    print(f"{note.kind}: {note.message}")

# %%
assert set(table.index) == {"as it is", "under slo"}
assert table["cost"]["under slo"] < table["cost"]["as it is"]
