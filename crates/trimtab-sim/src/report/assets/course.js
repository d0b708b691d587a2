// The course of a run: its panels over time, drawn to one time axis.

const PANEL = { left: 52, right: 14, top: 8 };
// From the bottom up: what serves, what soon will, what is on its way out, what has no node.
const STACK = ["ready", "starting", "warm", "draining", "pending"];
const TTFT = ["ttftP50", "ttftP95", "ttftP99"];

const PANELS = [
    {
        title: "Replicas",
        height: 176,
        draw: drawReplicas,
        most: (t, i) =>
            Math.max(
                STACK.reduce((sum, state) => sum + (t[state][i] ?? 0), 0),
                t.wanted[i] ?? 0,
                t.need[i] ?? 0,
            ),
        entries: [
            ...STACK.map((state) => [state, `state-${state}`, (t, i) => number(t[state][i])]),
            ["wanted", "line-wanted", (t, i) => number(t.wanted[i])],
            ["need", "line-need", (t, i) => number(t.need[i])],
            ["change", "change", changeText],
        ],
    },
    {
        title: "Load",
        height: 84,
        draw: drawColumn("arrivalsPerSecond", "load"),
        most: (t, i) => t.arrivalsPerSecond[i],
        entries: [["arrivals/s", "line-load", (t, i) => number(t.arrivalsPerSecond[i])]],
    },
    {
        title: "Queue",
        height: 84,
        draw: drawColumn("queue", "queue"),
        most: (t, i) => t.queue[i],
        entries: [["waiting requests", "line-queue", (t, i) => number(t.queue[i])]],
    },
    {
        title: "Time to first token",
        height: 136,
        draw: drawTtft,
        most: () => null,
        last: true,
        entries: TTFT.map((column) => [
            column.slice(4).toLowerCase(),
            `line-${column}`,
            (t, i) => duration(t[column][i]),
        ]),
    },
];

/** The decision of a step in short, if it changed the count. */
function changeText(timeline, i) {
    const decision = timeline.decisions[timeline.decision[i] ?? -1];
    return decision && decision.from !== decision.to ? `${decision.from} → ${decision.to}` : NONE;
}

const steps = (run) => run.timeline.arrivalsPerSecond.length;
const length = (run) => steps(run) * run.timeline.stepSeconds;
const stepAt = (run, time) =>
    clamp(Math.floor(time / run.timeline.stepSeconds + 1e-9), 0, steps(run) - 1);
const decisionAt = (run, i) => run.timeline.decisions[run.timeline.decision[i] ?? -1];

/** Draws one block per run into `host`; all share the window of time and the scales. */
function drawCourses(host, runs, span) {
    const frame = { span, scales: courseScales(runs, span) };
    host.replaceChildren(...runs.map((run) => courseBlock(run)));
    for (const block of host.children) {
        const run = runs.find(({ index }) => String(index) === block.dataset.run);
        if (steps(run) > 0) drawPanels(block, run, frame);
    }
}

function courseBlock(run) {
    const heading = html(
        "h3",
        {},
        policyMark(run.policyIndex),
        html("span", { class: "policy" }, run.policy),
        html(
            "small",
            {},
            run.attainment[0] ? attainedMark(run.attainment[0]) : "",
            ` · ${costText(run.cost)}`,
        ),
    );
    const block = html(
        "article",
        { class: "course", "data-run": run.index, "aria-label": `The course of ${run.policy}` },
        heading,
    );
    if (run.tuningText) block.append(html("p", { class: "tuning" }, run.tuningText));
    if (steps(run) === 0) {
        block.append(html("p", { class: "note" }, "The course of this run was not kept."));
        return block;
    }
    for (const [i, { title, entries }] of PANELS.entries()) {
        const legend = entries.map(([name, kind]) =>
            html(
                "li",
                {},
                html("span", { class: `swatch ${kind}`, "aria-hidden": "true" }),
                name,
                " ",
                html("b", { class: "reading" }),
            ),
        );
        block.append(
            html(
                "div",
                { class: "panel-head" },
                html("h4", {}, title),
                html("ul", { class: "legend" }, ...legend),
            ),
            html("div", { class: "panel", "data-panel": i }),
        );
    }
    block.append(
        html("div", { class: "decision" }, html("h4", {}), html("pre", { tabindex: "0" })),
    );
    const lines = largest(
        run.timeline.decisions.map(({ text }) => text.trimEnd().split("\n").length),
        1,
    );
    block.querySelector("pre").hidden = run.timeline.decisions.length === 0;
    block.querySelector("pre").style.minHeight = `${Math.min(lines, 22) * 1.45 + 1.2}em`;
    return block;
}

/** One scale per panel for all runs, so that they can be compared by eye. */
function courseScales(runs, [from, to]) {
    const seen = (pick) =>
        runs
            .filter((run) => steps(run) > 0)
            .flatMap((run) => {
                const values = [];
                for (let i = stepAt(run, from); i <= stepAt(run, to - 1e-6); i += 1)
                    values.push(pick(run.timeline, i));
                return values;
            });
    const tops = PANELS.map(({ most }) => largest(seen(most), 0));
    const latencies = TTFT.flatMap((column) => seen((timeline, i) => timeline[column][i])).filter(
        (value) => value > 0,
    );
    return { tops, latencies };
}

const ttftObjective = () => objectives.find(({ measure }) => measure === "ttft");

function ttftScale(latencies, range) {
    const promised = ttftObjective()?.seconds;
    const values = promised ? [...latencies, promised] : latencies;
    const high = largest(values, 0) || 1;
    const low = values.reduce((a, b) => Math.min(a, b), high);
    if (high / low > 20) {
        const domain = [low * 0.85, high * 1.2];
        return { ...logScale(domain, range), ticks: thinned(logTicks(...domain), 5) };
    }
    const scale = linearScale([0, high * 1.08], range);
    return { ...scale, ticks: roundTicks(0, high * 1.08, 4) };
}

const thinned = (ticks, most) =>
    ticks.length > most ? ticks.filter((_, i) => i % Math.ceil(ticks.length / most) === 0) : ticks;

function drawPanels(block, run, { span, scales }) {
    for (const [i, panel] of PANELS.entries()) {
        const host = block.querySelector(`[data-panel="${i}"]`);
        const width = Math.max(260, host.clientWidth);
        const bottom = panel.height - (panel.last ? 24 : 6) - (i === 0 ? 16 : 0);
        const x = linearScale(span, [PANEL.left, width - PANEL.right]);
        const range = [bottom, PANEL.top];
        const top = scales.tops[i];
        const y = panel.last
            ? ttftScale(scales.latencies, range)
            : {
                  ...linearScale([0, top * 1.05 || 1], range),
                  ticks: roundTicks(0, top * 1.05 || 1, panel.height > 120 ? 5 : 3),
              };
        const clip = `clip-${run.index}-${i}`;
        const picture = svg(
            "svg",
            {
                width,
                height: panel.height,
                viewBox: `0 0 ${width} ${panel.height}`,
                role: "img",
                "aria-label": `${panel.title} of ${run.policy} over time`,
            },
            svg(
                "clipPath",
                { id: clip },
                svg("rect", {
                    x: PANEL.left,
                    y: 0,
                    width: width - PANEL.left - PANEL.right,
                    height: panel.height,
                }),
            ),
        );
        picture.append(panelGround(x, y, width, panel, bottom));
        const marks = svg("g", { "clip-path": `url(#${clip})` });
        const edge = (step) => x.at(step * run.timeline.stepSeconds);
        panel.draw(marks, run.timeline, { x, y, edge, bottom, span });
        marks.append(
            svg("line", { class: "cursor", y1: 0, y2: bottom + (i === 0 ? 16 : 0) }),
            svg("rect", { class: "brush", y: PANEL.top, height: bottom - PANEL.top, width: 0 }),
        );
        picture.append(marks);
        host.replaceChildren(picture);
    }
}

function panelGround(x, y, width, panel, bottom) {
    const ground = svg("g", { "aria-hidden": "true" });
    for (const tick of y.ticks) {
        ground.append(
            svg("line", {
                class: "grid",
                x1: PANEL.left,
                x2: width - PANEL.right,
                y1: px(y.at(tick)),
                y2: px(y.at(tick)),
            }),
            svg(
                "text",
                {
                    class: "tick",
                    x: PANEL.left - 7,
                    y: px(y.at(tick)),
                    dy: "0.32em",
                    "text-anchor": "end",
                },
                panel.last ? duration(tick) : number(tick),
            ),
        );
    }
    const { ticks, withSeconds } = clockTicks(...x.domain, width / 95);
    for (const tick of ticks) {
        const at = px(x.at(tick));
        ground.append(svg("line", { class: "grid", x1: at, x2: at, y1: PANEL.top, y2: bottom }));
        if (!panel.last) continue;
        const anchor = at > width - 30 ? "end" : at < PANEL.left + 16 ? "start" : "middle";
        ground.append(
            svg(
                "text",
                { class: "tick", x: at, y: bottom + 17, "text-anchor": anchor },
                clock(tick, withSeconds),
            ),
        );
    }
    ground.append(
        svg("line", {
            class: "axis",
            x1: PANEL.left,
            x2: width - PANEL.right,
            y1: bottom,
            y2: bottom,
        }),
    );
    return ground;
}

function drawReplicas(marks, timeline, { x, y, edge, bottom, span }) {
    let below = timeline.ready.map(() => 0);
    for (const state of STACK) {
        const above = below.map((low, i) => low + (timeline[state][i] ?? 0));
        marks.append(
            svg("path", { class: `area state-${state}`, d: stepArea(below, above, edge, y.at) }),
        );
        below = above;
    }
    for (const line of ["need", "wanted"]) {
        const d = stepLine(timeline[line], edge, y.at);
        marks.append(
            svg("path", { class: "line-casing", d }),
            svg("path", { class: `line-${line}`, d }),
        );
    }
    const changes = timeline.decisions.filter(
        ({ atSeconds, from, to }) => from !== to && atSeconds >= span[0] && atSeconds <= span[1],
    );
    for (const { atSeconds, from, to } of changes) {
        const [at, tip, foot] =
            to > from
                ? [x.at(atSeconds), bottom + 3, bottom + 9]
                : [x.at(atSeconds), bottom + 15, bottom + 9];
        marks.append(
            svg("path", {
                class: `change ${to > from ? "up" : "down"}`,
                d: `M${px(at)} ${tip}L${px(at + 3)} ${foot}H${px(at - 3)}Z`,
            }),
        );
    }
}

function drawColumn(column, kind) {
    return (marks, timeline, { y, edge }) => {
        const values = timeline[column].map((value) => value ?? 0);
        marks.append(
            svg("path", {
                class: `area fill-${kind}`,
                d: stepArea(
                    values.map(() => 0),
                    values,
                    edge,
                    y.at,
                ),
            }),
            svg("path", { class: `line-${kind}`, d: stepLine(values, edge, y.at) }),
        );
    };
}

function drawTtft(marks, timeline, { x, y, edge }) {
    const promised = ttftObjective();
    for (const column of [...TTFT].reverse()) {
        marks.append(
            svg("path", { class: `line-${column}`, d: stepLine(timeline[column], edge, y.at) }),
        );
    }
    if (!promised) return;
    const at = px(y.at(promised.seconds));
    const right = x.at(x.domain[1]);
    marks.append(
        svg("line", { class: "required", x1: x.at(x.domain[0]), x2: right, y1: at, y2: at }),
        svg(
            "text",
            {
                class: "tick strong haloed",
                x: right - 4,
                y: at < PANEL.top + 14 ? at + 14 : at - 5,
                "text-anchor": "end",
            },
            `objective ${duration(promised.seconds)}`,
        ),
    );
}
