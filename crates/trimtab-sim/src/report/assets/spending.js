// Where the replicas' time went, and the money.

/** Replica-seconds by state in bars of one scale, the events and the pools. */
function drawSpending(host, view, state) {
    const runs =
        view.best.includes(view.runs[state.run]) || !view.runs[state.run]
            ? view.best
            : [...view.best, view.runs[state.run]];
    const most =
        largest(
            runs.map((run) => run.spent),
            0,
        ) || 1;
    const head = [
        "policy",
        "replica-seconds",
        "spent",
        "pending",
        "starts",
        "stops",
        "losses",
        "decisions",
        `cost by pool, ${settings.costUnit}`,
    ].map((name, i) =>
        html(
            "th",
            { scope: "col", class: i === 0 ? "name" : i === 1 || i === 8 ? "left" : null },
            name,
        ),
    );
    const rows = runs.map((run) =>
        html(
            "tr",
            { class: run.index === state.run ? "chosen" : null },
            html(
                "th",
                { scope: "row", class: "name" },
                html(
                    "span",
                    { class: "named", title: run.policy },
                    policyMark(run.policyIndex),
                    html("span", {}, run.policy),
                ),
            ),
            html("td", { class: "bar" }, spendingBar(run, most)),
            ...[
                run.spent,
                run.replicaSeconds.pending,
                run.starts,
                run.stops,
                run.losses,
                run.decisions,
            ].map((value) => html("td", {}, count(value))),
            html(
                "td",
                { class: "left pools" },
                ...(run.pools.length > 0 ? run.pools.map(poolCost) : [NONE]),
            ),
        ),
    );
    host.replaceChildren(
        html(
            "table",
            { class: "numbers spending" },
            html("thead", {}, html("tr", {}, ...head)),
            html("tbody", {}, ...rows),
        ),
    );
}

const poolCost = ({ pool, cost, gpuHours }) =>
    html(
        "span",
        { class: "pool", title: `${number(gpuHours)} GPU-hours` },
        html("span", { class: "pool-name" }, pool),
        " ",
        html("b", {}, number(cost)),
    );

function spendingBar(run, most) {
    const words = STATES.map(
        (name) => `${name} ${wholePercent(run.replicaSeconds[name] / (run.spent || 1))}`,
    ).join(", ");
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
