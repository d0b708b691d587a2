// What the page asks of a backtest: which run stands for a policy, which one wins, and the verdict.

const data = JSON.parse(byId("data").textContent);
const { settings, comparisons } = data.backtest;
const objectives = settings.objectives.map((objective, i) => ({ ...objective, text: data.objectives[i] }));
const POLICIES = [...new Set(comparisons.flatMap(({ runs }) => runs.map(({ policy }) => policy)))];

const STATES = ["busy", "idle", "starting", "warm", "draining"];

/** A comparison with its runs prepared for drawing. */
function prepared(comparison, index) {
  const runs = comparison.runs.map((run, i) => preparedRun(run, i, comparison));
  const best = POLICIES.map((_, policy) => leader(runs.filter((run) => run.policyIndex === policy))).filter(Boolean);
  best.sort(byRank);
  for (const run of best) run.best = true;
  const slug = { workload: comparison.workload.name, lead: comparison.leadTime };
  return { ...comparison, index, runs, best, winner: best.find(meets), slug };
}

function preparedRun(run, index, comparison) {
  const tuning = Object.entries(run.tuning ?? {});
  return {
    ...run,
    index,
    policyIndex: POLICIES.indexOf(run.policy),
    tuning,
    tuningText: tuning.map(([path, value]) => `${path}=${value}`).join(", "),
    tuningShort: tuning.map(([path, value]) => `${path.split(".").pop()}=${value}`).join(", "),
    share: run.attainment[0]?.share ?? 0,
    spent: STATES.reduce((sum, state) => sum + (run.replicaSeconds[state] ?? 0), 0),
    timesBound: comparison.bound.cost > 0 ? run.cost / comparison.bound.cost : null,
    best: false,
  };
}

const meets = (run) => run.attainment[0]?.met === true;

/** Those that meet the first objective come first, the cheapest before; of the others, those that attain most. */
function byRank(a, b) {
  if (meets(a) !== meets(b)) return meets(a) ? -1 : 1;
  const attained = b.share - a.share;
  const saved = a.cost - b.cost;
  return (meets(a) ? saved || attained : attained || saved) || a.index - b.index;
}

const leader = (runs) => [...runs].sort(byRank)[0];

const code = (text) => html("code", {}, text);
const costText = (value) => `${number(value)} ${settings.costUnit}`;

/** The verdict in one sentence, as nodes. */
function verdict(view) {
  const objective = objectives[0]?.text ?? "its objective";
  if (view.runs.length === 0) return ["No policy was run on this workload."];
  if (view.workload.requests === 0) return ["Nothing arrived, so there is nothing to compare."];
  if (!view.winner) {
    const [closest] = view.best;
    return ["No policy meets ", code(objective), "; ", code(closest.policy), ` comes closest with ${percent(closest.share)}.`];
  }
  const { winner } = view;
  const sentence = [code(winner.policy), " meets ", code(objective)];
  sentence.push(view.best.length > 1 ? " at the least cost, " : " and costs ", html("strong", {}, costText(winner.cost)));
  if (view.bound.cost > 0 && winner.cost > 0) {
    sentence.push(`; the bound is at ${wholePercent(view.bound.cost / winner.cost)} of it`);
  }
  const missed = objectives.filter((_, i) => winner.attainment[i]?.met === false);
  sentence.push(". ");
  if (missed.length > 0) sentence.push("It misses ", code(missed.map(({ text }) => text).join(", ")), ". ");
  sentence.push(...runnerUp(view, view.best.filter(meets)[1]));
  return sentence;
}

function runnerUp(view, second) {
  if (view.best.length < 2) return [];
  if (!second) return ["No other policy meets it."];
  if (!(view.winner.cost > 0)) return [];
  const times = second.cost / view.winner.cost;
  const costs = times < 1.005 ? "costs the same" : times < 2 ? `costs ${wholePercent(times - 1)} more` : `costs ${number(times)} times as much`;
  return ["The next, ", code(second.policy), `, ${costs}.`];
}
