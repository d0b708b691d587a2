// What the page asks of a backtest: which run stands for a policy, which one wins, and the verdict.

const data = JSON.parse(byId("data").textContent);
const { settings, comparisons } = data.backtest;
const objectives = settings.objectives.map((objective, i) => ({
    ...objective,
    text: data.objectives[i],
}));
const POLICIES = [...new Set(comparisons.flatMap(({ runs }) => runs.map(({ policy }) => policy)))];

const STATES = ["busy", "idle", "starting", "warm", "draining"];

/** A comparison with its runs prepared for drawing. */
function prepared(comparison, index) {
    const runs = comparison.runs.map((run, i) => preparedRun(run, i, comparison));
    data.rankings[index].forEach((run, rank) => Object.assign(runs[run], { rank }));
    const ranked = [...runs].sort(byRank);
    const best = ranked.filter(
        (run, rank) => ranked.findIndex(({ policy }) => policy === run.policy) === rank,
    );
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

const meets = (run) => run.attainment.every(({ met }) => met);
const byRank = (a, b) => a.rank - b.rank;

/** What was promised, in a sentence. */
const promise = () =>
    objectives.length === 1
        ? code(objectives[0].text)
        : objectives.length === 0
          ? "what was asked, which is nothing,"
          : "all objectives";

const code = (text) => html("code", {}, text);
const costText = (value) => `${number(value)} ${settings.costUnit}`;

/** The verdict in one sentence, as nodes. */
function verdict(view) {
    if (view.runs.length === 0) return ["No policy was run on this workload."];
    if (view.workload.requests === 0) return ["Nothing arrived, so there is nothing to compare."];
    if (!view.winner) {
        const [closest] = view.best;
        const worst = closest.attainment
            .map(({ share, met }, i) => ({ i, miss: met ? 0 : objectives[i].share - share }))
            .sort((a, b) => b.miss - a.miss)[0].i;
        const within = objectives.length > 1 ? [" within ", code(objectives[worst].text)] : [];
        return [
            "No policy meets ",
            promise(),
            "; the nearest is ",
            code(closest.policy),
            ` with ${percent(closest.attainment[worst].share)}`,
            ...within,
            ".",
        ];
    }
    const { winner } = view;
    const sentence = [code(winner.policy), " meets ", promise()];
    sentence.push(
        view.best.length > 1 ? " for the least, " : " for ",
        html("strong", {}, costText(winner.cost)),
    );
    if (view.bound.cost > 0 && winner.cost > 0) {
        sentence.push(`; the bound is at ${wholePercent(view.bound.cost / winner.cost)} of it`);
    }
    sentence.push(". ");
    sentence.push(...runnerUp(view, view.best.filter(meets)[1]));
    return sentence;
}

function runnerUp(view, second) {
    if (view.best.length < 2) return [];
    if (!second) return ["No other policy does."];
    if (!(view.winner.cost > 0)) return [];
    const times = second.cost / view.winner.cost;
    const costs =
        times < 1.005
            ? "costs the same"
            : times < 2
              ? `costs ${wholePercent(times - 1)} more`
              : `costs ${number(times)} times as much`;
    return ["The next, ", code(second.policy), `, ${costs}.`];
}
