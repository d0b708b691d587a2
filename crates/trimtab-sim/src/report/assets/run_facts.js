// A run in a few numbers: in the tooltip, and on the card of the chosen run.

/** The few numbers that tell a run from another: in the tooltip and on the card of the chosen run. */
function runFacts(run) {
    const row = (name, ...value) => [html("dt", {}, name), html("dd", {}, ...value)];
    const facts = html("dl", { class: "pairs" });
    run.attainment.forEach((attained, i) =>
        facts.append(...row(objectives[i]?.text ?? "objective", attainedMark(attained))),
    );
    facts.append(...row("cost", costText(run.cost)));
    if (run.timesBound !== null)
        facts.append(...row("over the bound", `${number(run.timesBound)}×`));
    facts.append(...row("efficiency", wholePercent(run.efficiency)));
    facts.append(
        ...row(
            "TTFT p50 / p99",
            run.requests.served > 0
                ? `${duration(run.latency.ttft.p50)} / ${duration(run.latency.ttft.p99)}`
                : NONE,
        ),
    );
    facts.append(...row("starts / stops", `${count(run.starts)} / ${count(run.stops)}`));
    const tuning = run.tuning.map(([path, value]) =>
        html(
            "li",
            {},
            html("code", {}, ...breakable(path)),
            " ",
            html("code", { class: "value" }, value),
        ),
    );
    return [
        html("p", { class: "name" }, policyMark(run.policyIndex), run.policy),
        ...(tuning.length > 0 ? [html("ul", { class: "tuning" }, ...tuning)] : []),
        facts,
    ];
}

/** A path that breaks after its dots, if it must. */
const breakable = (path) =>
    path.split(".").flatMap((part, i) => (i === 0 ? [part] : [".", html("wbr"), part]));

/** A share with its mark: met or missed, in a sign, a colour and a word. */
const attainedMark = ({ share, met }) =>
    html(
        "span",
        { class: met ? "met" : "missed" },
        html("span", { "aria-hidden": "true" }, met ? "✓ " : "✗ "),
        spoken(met ? "met: " : "missed: "),
        percent(share),
    );
