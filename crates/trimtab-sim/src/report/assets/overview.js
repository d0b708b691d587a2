// All comparisons at a glance: what the best run of each policy cost.

/** Every comparison in a row, every policy in a column: what the best of its runs cost, in bounds. */
function drawOverview(host, views, current) {
    const head = html(
        "tr",
        {},
        html("th", { scope: "col", class: "name" }, "workload, start"),
        ...POLICIES.map((policy, i) =>
            html("th", { scope: "col", title: policy }, policyMark(i), " ", shortened(policy, 22)),
        ),
    );
    const rows = views.map((view) => {
        const link = html(
            "a",
            {
                href: `#${new URLSearchParams(view.slug)}`,
                "aria-current": view.index === current ? "true" : null,
            },
            view.workload.name,
            " ",
            html("small", {}, view.leadTime),
        );
        const cells = POLICIES.map((_, policy) =>
            overviewCell(
                view,
                view.best.find((run) => run.policyIndex === policy),
            ),
        );
        return html(
            "tr",
            { class: view.index === current ? "chosen" : null },
            html("th", { scope: "row", class: "name" }, link),
            ...cells,
        );
    });
    host.replaceChildren(
        html(
            "table",
            { class: "numbers overview" },
            html("thead", {}, head),
            html("tbody", {}, ...rows),
        ),
    );
}

function overviewCell(view, run) {
    if (!run) return html("td", {}, NONE);
    const wins = run === view.winner;
    const price = run.timesBound !== null ? `${fixed(run.timesBound, 2)}×` : number(run.cost);
    return html(
        "td",
        { class: wins ? "wins" : null, title: costText(run.cost) },
        html("span", { class: "price" }, price),
        wins ? spoken(" the best") : null,
        html("br"),
        html("small", {}, ...run.attainment.flatMap((attained) => [attainedMark(attained), " "])),
    );
}

/** Who wins how often. */
function overviewNote(views) {
    const wins = POLICIES.map((policy, i) => ({
        policy,
        wins: views.filter((view) => view.winner?.policyIndex === i).length,
    }));
    const [first] = wins.sort((a, b) => b.wins - a.wins);
    if (!first || first.wins === 0)
        return ["No policy meets ", promise(), ` in any of ${views.length} comparisons.`];
    return [
        code(first.policy),
        " meets ",
        promise(),
        ` for the least in ${first.wins} of ${views.length} comparisons. `,
        "Costs are in multiples of the clairvoyant bound, for the best run of each policy.",
    ];
}
