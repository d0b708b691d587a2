// The tables: the numbers of the runs, all comparisons at a glance, and where the replicas' time went.

/** The columns of numbers: a heading, what it means, the value, and how the column is written. */
function runColumns() {
  const served = (pick) => (run) => (run.requests.served > 0 ? pick(run) : null);
  const quantile = (name, title, pick, scale) => ({ name, title, value: served((run) => pick(run) * scale), decimals: true });
  return [
    ...objectives.map((objective, i) => ({
      name: objective.text, title: `Share of all requests within ${objective.text}`,
      value: (run) => run.attainment[i]?.share ?? null,
      node: (run) => (run.attainment[i] ? attainedMark(run.attainment[i]) : NONE),
    })),
    { name: "cost", unit: settings.costUnit, title: "Sum over the pools", value: (run) => run.cost, decimals: true, strong: true },
    { name: "× bound", title: "Cost over the cost of the clairvoyant bound", value: (run) => run.timesBound, text: (value) => (isNumber(value) ? `${fixed(value, 2)}×` : NONE) },
    { name: "efficiency", title: "Replica-seconds that what was served takes at least, over those spent", value: (run) => run.efficiency, text: wholePercent },
    { name: "spent", unit: "replica-s", title: "Replica-seconds spent: all states but pending", value: (run) => run.spent, text: count },
    quantile("TTFT p50", "Time to first token, median", (run) => run.latency.ttft.p50, 1),
    quantile("p95", "Time to first token, 95th percentile", (run) => run.latency.ttft.p95, 1),
    quantile("p99", "Time to first token, 99th percentile", (run) => run.latency.ttft.p99, 1),
    quantile("ITL p99", "Time between two tokens, 99th percentile", (run) => run.latency.itl.p99, 1e3),
    { name: "starts", title: "Replicas that were started", value: (run) => run.starts, text: count },
    { name: "stops", title: "Replicas that were stopped by a decision", value: (run) => run.stops, text: count },
    { name: "losses", title: "Replicas that were lost with their node", value: (run) => run.losses, text: count },
    { name: "rejected", title: "Requests turned away at the gateway", value: (run) => run.requests.rejected, text: count },
    { name: "cut", title: "Requests lost with their replica, or still waiting at the end", value: (run) => run.requests.cut, text: count },
    { name: "short", unit: "s", title: "Seconds in which the ready replicas could do less than the work that arrived", value: (run) => run.underProvisionedSeconds, text: (value) => (value >= 100 ? count(Math.round(value)) : number(value)) },
  ].map((column) => ({ ...column, unit: column.unit ?? (column.decimals ? (column.name.startsWith("ITL") ? "ms" : "s") : null) }));
}

/** The runs in rows: one per policy, or all tunings; a click on a heading sorts, one on a name chooses. */
function drawRuns(host, view, state, act) {
  const columns = runColumns();
  const rows = sortedRuns(state.all ? view.runs : view.best, columns, state.sort);
  for (const column of columns) {
    if (!column.decimals) continue;
    const decimals = decimalsFor(rows.map(column.value));
    column.text = (value) => fixed(value, decimals);
  }
  const tuned = rows.some((run) => run.tuning.length > 0);
  const head = html("tr", {}, html("th", { scope: "col", class: "name", "aria-sort": ariaSort(state.sort, "policy") }, sortButton("policy", null, "The policy", act)));
  if (tuned) head.append(html("th", { scope: "col", class: "left" }, "tuning"));
  for (const { name, unit, title } of columns) {
    head.append(html("th", { scope: "col", "aria-sort": ariaSort(state.sort, name) }, sortButton(name, unit, title, act)));
  }
  const body = rows.map((run) => runRow(run, columns, tuned, state, act));
  host.replaceChildren(html("table", { class: "numbers" }, html("thead", {}, head), html("tbody", {}, ...body)));
}

function runRow(run, columns, tuned, state, act) {
  const chosen = run.index === state.run;
  const name = html("button", { type: "button", "data-run": run.index, "aria-pressed": String(chosen), title: run.policy, onclick: () => act.choose(run.index) }, policyMark(run.policyIndex), html("span", {}, run.policy));
  const row = html("tr", { class: chosen ? "chosen" : null }, html("th", { scope: "row", class: "name" }, name));
  if (tuned) row.append(html("td", { class: "left tuning", title: run.tuningText }, run.tuningShort || "as it is"));
  for (const { value, text, node, strong } of columns) {
    row.append(html("td", { class: strong ? "strong" : null }, node ? node(run) : text(value(run))));
  }
  return row;
}

const ariaSort = (sort, name) => (sort?.name === name ? (sort.up ? "ascending" : "descending") : null);

const sortButton = (name, unit, title, act) =>
  html("button", { type: "button", title, "data-sort": name, onclick: () => act.sort(name) }, name, unit ? html("small", {}, ` ${unit}`) : null);

function sortedRuns(runs, columns, sort) {
  if (!sort) return [...runs].sort(byRank);
  const value = sort.name === "policy" ? (run) => run.policy : columns.find(({ name }) => name === sort.name).value;
  const compare = (a, b) => {
    const [left, right] = [value(a), value(b)];
    // What has no value comes last either way.
    if (left === null || right === null) return (left === null) - (right === null);
    return (left < right ? -1 : left > right ? 1 : 0) * (sort.up ? 1 : -1);
  };
  return [...runs].sort((a, b) => compare(a, b) || byRank(a, b));
}

/** Every comparison in a row, every policy in a column: what the best of its runs cost, in bounds. */
function drawOverview(host, views, current) {
  const head = html("tr", {}, html("th", { scope: "col", class: "name" }, "workload, start"),
    ...POLICIES.map((policy, i) => html("th", { scope: "col", title: policy }, policyMark(i), " ", shortened(policy, 22))));
  const rows = views.map((view) => {
    const link = html("a", { href: `#${new URLSearchParams(view.slug)}`, "aria-current": view.index === current ? "true" : null }, view.workload.name, " ", html("small", {}, view.leadTime));
    const cells = POLICIES.map((_, policy) => overviewCell(view, view.best.find((run) => run.policyIndex === policy)));
    return html("tr", { class: view.index === current ? "chosen" : null }, html("th", { scope: "row", class: "name" }, link), ...cells);
  });
  host.replaceChildren(html("table", { class: "numbers overview" }, html("thead", {}, head), html("tbody", {}, ...rows)));
}

function overviewCell(view, run) {
  if (!run) return html("td", {}, NONE);
  const wins = run === view.winner;
  const price = run.timesBound !== null ? `${fixed(run.timesBound, 2)}×` : number(run.cost);
  return html("td", { class: wins ? "wins" : null, title: costText(run.cost) },
    html("span", { class: "price" }, price), wins ? spoken(" the cheapest that meets it") : null, html("br"), html("small", {}, attainedMark({ share: run.share, met: meets(run) })));
}

/** Who wins how often. */
function overviewNote(views) {
  const wins = POLICIES.map((policy, i) => ({ policy, wins: views.filter((view) => view.winner?.policyIndex === i).length }));
  const [first] = wins.sort((a, b) => b.wins - a.wins);
  if (!first || first.wins === 0) return [`No policy meets ${objectives[0]?.text ?? "the objective"} in any of ${views.length} comparisons.`];
  return [code(first.policy), ` meets ${objectives[0]?.text ?? "the objective"} at the least cost in ${first.wins} of ${views.length} comparisons. Costs are in multiples of the clairvoyant bound, for the best run of each policy.`];
}

/** Replica-seconds by state in bars of one scale, the events and the pools. */
function drawSpending(host, view, state) {
  const runs = view.best.includes(view.runs[state.run]) || !view.runs[state.run] ? view.best : [...view.best, view.runs[state.run]];
  const most = largest(runs.map((run) => run.spent), 0) || 1;
  const head = ["policy", "replica-seconds", "spent", "pending", "starts", "stops", "losses", "decisions", `cost by pool, ${settings.costUnit}`]
    .map((name, i) => html("th", { scope: "col", class: i === 0 ? "name" : i === 1 || i === 8 ? "left" : null }, name));
  const rows = runs.map((run) => html("tr", { class: run.index === state.run ? "chosen" : null },
    html("th", { scope: "row", class: "name" }, html("span", { class: "named", title: run.policy }, policyMark(run.policyIndex), html("span", {}, run.policy))),
    html("td", { class: "bar" }, spendingBar(run, most)),
    ...[run.spent, run.replicaSeconds.pending, run.starts, run.stops, run.losses, run.decisions].map((value) => html("td", {}, count(value))),
    html("td", { class: "left pools" }, ...(run.pools.length > 0 ? run.pools.map(poolCost) : [NONE]))));
  host.replaceChildren(html("table", { class: "numbers spending" }, html("thead", {}, html("tr", {}, ...head)), html("tbody", {}, ...rows)));
}

const poolCost = ({ pool, cost, gpuHours }) =>
  html("span", { class: "pool", title: `${number(gpuHours)} GPU-hours` }, html("span", { class: "pool-name" }, pool), " ", html("b", {}, number(cost)));

function spendingBar(run, most) {
  const words = STATES.map((name) => `${name} ${wholePercent(run.replicaSeconds[name] / (run.spent || 1))}`).join(", ");
  const bar = html("div", { class: "stack", role: "img", "aria-label": words, title: words });
  const part = (share) => `${px(clamp(share, 0, 1) * 100)}%`;
  for (const name of STATES) {
    const piece = html("span", { class: `state-${name}` });
    piece.style.width = part(run.replicaSeconds[name] / most);
    bar.append(piece);
  }
  if (run.boundReplicaSeconds > 0) {
    const least = html("i", { class: "least" });
    least.style.left = part(run.boundReplicaSeconds / most);
    bar.append(least);
  }
  return bar;
}
