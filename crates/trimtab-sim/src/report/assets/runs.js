// The numbers of the runs, in a table that sorts.

/** The columns of numbers: a heading, what it means, the value, and how the column is written. */
function runColumns() {
    const served = (pick) => (run) => (run.requests.served > 0 ? pick(run) : null);
    const quantile = (name, title, pick, scale) => ({
        name,
        title,
        value: served((run) => pick(run) * scale),
        decimals: true,
    });
    return [
        ...objectives.map((objective, i) => ({
            name: objective.text,
            title: `Share of all requests within ${objective.text}`,
            value: (run) => run.attainment[i]?.share ?? null,
            node: (run) => (run.attainment[i] ? attainedMark(run.attainment[i]) : NONE),
        })),
        {
            name: "cost",
            unit: settings.costUnit,
            title: "Sum over the pools",
            value: (run) => run.cost,
            decimals: true,
            strong: true,
        },
        {
            name: "× bound",
            title: "Cost over the cost of the clairvoyant bound",
            value: (run) => run.timesBound,
            text: (value) => (isNumber(value) ? `${fixed(value, 2)}×` : NONE),
        },
        {
            name: "efficiency",
            title: "Replica-seconds that what was served takes at least, over those spent",
            value: (run) => run.efficiency,
            text: wholePercent,
        },
        {
            name: "spent",
            unit: "replica-s",
            title: "Replica-seconds spent: all states but pending",
            value: (run) => run.spent,
            text: count,
        },
        quantile("TTFT p50", "Time to first token, median", (run) => run.latency.ttft.p50, 1),
        quantile("p95", "Time to first token, 95th percentile", (run) => run.latency.ttft.p95, 1),
        quantile("p99", "Time to first token, 99th percentile", (run) => run.latency.ttft.p99, 1),
        quantile(
            "ITL p99",
            "Time between two tokens, 99th percentile",
            (run) => run.latency.itl.p99,
            1e3,
        ),
        {
            name: "starts",
            title: "Replicas that were started",
            value: (run) => run.starts,
            text: count,
        },
        {
            name: "stops",
            title: "Replicas that were stopped by a decision",
            value: (run) => run.stops,
            text: count,
        },
        {
            name: "losses",
            title: "Replicas that were lost with their node",
            value: (run) => run.losses,
            text: count,
        },
        {
            name: "rejected",
            title: "Requests turned away at the gateway",
            value: (run) => run.requests.rejected,
            text: count,
        },
        {
            name: "cut",
            title: "Requests lost with their replica, or still waiting at the end",
            value: (run) => run.requests.cut,
            text: count,
        },
        {
            name: "short",
            unit: "s",
            title: "Seconds in which the ready replicas could do less than the work that arrived",
            value: (run) => run.underProvisionedSeconds,
            text: (value) => (value >= 100 ? count(Math.round(value)) : number(value)),
        },
    ].map((column) => ({
        ...column,
        unit:
            column.unit ?? (column.decimals ? (column.name.startsWith("ITL") ? "ms" : "s") : null),
    }));
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
    const head = html(
        "tr",
        {},
        html(
            "th",
            { scope: "col", class: "name", "aria-sort": ariaSort(state.sort, "policy") },
            sortButton("policy", null, "The policy", act),
        ),
    );
    if (tuned) head.append(html("th", { scope: "col", class: "left" }, "tuning"));
    for (const { name, unit, title } of columns) {
        head.append(
            html(
                "th",
                { scope: "col", "aria-sort": ariaSort(state.sort, name) },
                sortButton(name, unit, title, act),
            ),
        );
    }
    const body = rows.map((run) => runRow(run, columns, tuned, state, act));
    host.replaceChildren(
        html("table", { class: "numbers" }, html("thead", {}, head), html("tbody", {}, ...body)),
    );
}

function runRow(run, columns, tuned, state, act) {
    const chosen = run.index === state.run;
    const name = html(
        "button",
        {
            type: "button",
            "data-run": run.index,
            "aria-pressed": String(chosen),
            title: run.policy,
            onclick: () => act.choose(run.index),
        },
        policyMark(run.policyIndex),
        html("span", {}, run.policy),
    );
    const row = html(
        "tr",
        { class: chosen ? "chosen" : null },
        html("th", { scope: "row", class: "name" }, name),
    );
    if (tuned)
        row.append(
            html(
                "td",
                { class: "left tuning", title: run.tuningText },
                run.tuningShort || "as it is",
            ),
        );
    for (const { value, text, node, strong } of columns) {
        row.append(
            html("td", { class: strong ? "strong" : null }, node ? node(run) : text(value(run))),
        );
    }
    return row;
}

const ariaSort = (sort, name) =>
    sort?.name === name ? (sort.up ? "ascending" : "descending") : null;

const sortButton = (name, unit, title, act) =>
    html(
        "button",
        { type: "button", title, "data-sort": name, onclick: () => act.sort(name) },
        name,
        unit ? html("small", {}, ` ${unit}`) : null,
    );

function sortedRuns(runs, columns, sort) {
    if (!sort) return [...runs].sort(byRank);
    const value =
        sort.name === "policy"
            ? (run) => run.policy
            : columns.find(({ name }) => name === sort.name).value;
    const compare = (a, b) => {
        const [left, right] = [value(a), value(b)];
        // What has no value comes last either way.
        if (left === null || right === null) return (left === null) - (right === null);
        return (left < right ? -1 : left > right ? 1 : 0) * (sort.up ? 1 : -1);
    };
    return [...runs].sort((a, b) => compare(a, b) || byRank(a, b));
}
