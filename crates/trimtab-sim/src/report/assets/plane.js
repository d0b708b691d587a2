// The plane: what each run attained against what it cost.

const PLANE = { left: 62, right: 20, top: 40, bottom: 50 };

/** Draws the plane into `figure`; `choose` is called with the number of a run. */
function drawPlane(figure, view, chosen, choose) {
    const width = Math.max(280, figure.clientWidth);
    const height = Math.round(clamp(width * 0.62, 300, 470));
    const x = costScale(view, width);
    const y = shareScale(view, height);
    const at = view.runs.map((run) => ({ run, x: x.at(run.cost), y: y.at(run.share) }));
    const picture = svg("svg", {
        width,
        height,
        viewBox: `0 0 ${width} ${height}`,
        role: "listbox",
        class: "plane",
        "aria-label": `Runs by cost and by attainment of ${objectives[0]?.text ?? "the objective"}`,
    });
    picture.append(
        planeGround(view, x, y, width, height),
        svg("path", { class: "front", d: frontPath(at, width - PLANE.right) }),
        planePoints(at, chosen),
        planeLabels(at, view, width, height),
    );
    const tip = html("div", { class: "tip", hidden: true, role: "status" });
    figure.replaceChildren(picture, tip);
    listenToPlane(picture, tip, at, choose);
}

/** From somewhat below the bound, for what costs less does not exist. */
function costScale(view, width) {
    const costs = [...view.runs.map((run) => run.cost), view.bound.cost].filter(isNumber);
    const most = largest(costs, 0) || 1;
    const least = costs.reduce((a, b) => Math.min(a, b), most);
    const pad = (most - least) * 0.12 || most * 0.2;
    return linearScale(
        [Math.max(0, least - pad), most + pad / 2],
        [PLANE.left, width - PLANE.right],
    );
}

/** By nines, so that 99% and 99.9% are told apart; 100% is at the top. */
function shareScale(view, height) {
    const required = objectives[0]?.share ?? 0.99;
    const shares = [...view.runs.map((run) => run.share), required];
    const top = largest(shares.filter((share) => share < 1).map(nines), 0.5) + 0.45;
    const low = shares
        .map((share) => (share < 1 ? nines(share) : top))
        .reduce((a, b) => Math.min(a, b), top);
    const bottom = low < 0.7 ? 0 : low - Math.max(0.15, (top - low) * 0.12);
    const inner = linearScale([bottom, top], [height - PLANE.bottom, PLANE.top]);
    return {
        at: (share) => inner.at(share >= 1 ? top : clamp(nines(share), bottom, top)),
        required,
        floor: bottom,
    };
}

function planeGround(view, x, y, width, height) {
    const ground = svg("g", { "aria-hidden": "true" });
    const [left, right, top, bottom] = [
        PLANE.left,
        width - PLANE.right,
        PLANE.top,
        height - PLANE.bottom,
    ];
    const boundAt = x.at(view.bound.cost);
    ground.append(
        svg("rect", {
            class: "attains",
            x: left,
            y: top,
            width: right - left,
            height: Math.max(0, y.at(y.required) - top),
        }),
    );
    if (view.bound.cost > 0 && boundAt > left) {
        ground.append(
            svg("rect", {
                class: "beyond",
                x: left,
                y: top,
                width: px(boundAt - left),
                height: bottom - top,
            }),
        );
    }
    for (const share of shareTicks(y)) {
        const height = px(y.at(share));
        ground.append(
            svg("line", {
                class: share === y.required ? "required" : "grid",
                x1: left,
                x2: right,
                y1: height,
                y2: height,
            }),
            svg(
                "text",
                {
                    class: share === y.required ? "tick strong" : "tick",
                    x: left - 8,
                    y: height,
                    dy: "0.32em",
                    "text-anchor": "end",
                },
                tickPercent(share),
            ),
        );
    }
    for (const cost of roundTicks(...x.domain, width / 90)) {
        ground.append(
            svg("line", {
                class: "grid",
                x1: px(x.at(cost)),
                x2: px(x.at(cost)),
                y1: top,
                y2: bottom,
            }),
            svg(
                "text",
                { class: "tick", x: px(x.at(cost)), y: bottom + 18, "text-anchor": "middle" },
                number(cost),
            ),
        );
    }
    ground.append(
        svg("line", { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom }),
        svg(
            "text",
            { class: "title", x: right, y: height - 10, "text-anchor": "end" },
            `cost, ${settings.costUnit} →`,
        ),
        svg(
            "text",
            { class: "title", x: 8, y: 14 },
            `↑ within ${objectives[0] ? objectives[0].text.split("@")[0] : "the objective"}`,
        ),
    );
    if (view.bound.cost > 0) ground.append(boundLine(view, x, top, bottom));
    return ground;
}

/** The bound, and above the plane how many times the bound a cost is. */
function boundLine(view, x, top, bottom) {
    const line = svg(
        "g",
        { class: "bound" },
        svg("line", {
            x1: px(x.at(view.bound.cost)),
            x2: px(x.at(view.bound.cost)),
            y1: top,
            y2: bottom,
        }),
    );
    let last = -Infinity;
    for (const times of [1, 1.25, 1.5, 2, 3, 4, 5, 10, 20, 50, 100]) {
        const at = x.at(view.bound.cost * times);
        if (
            view.bound.cost * times > x.domain[1] ||
            at - last < (times === 1 ? 0 : last < 0 ? 0 : 48)
        )
            continue;
        const label = times === 1 ? "bound" : `${times}×`;
        line.append(
            svg(
                "text",
                {
                    class: times === 1 ? "tick strong" : "tick",
                    x: px(at),
                    y: top - 8,
                    "text-anchor": "middle",
                },
                label,
            ),
        );
        if (times > 1)
            line.append(
                svg("line", { class: "stub", x1: px(at), x2: px(at), y1: top - 4, y2: top }),
            );
        last = at;
    }
    return line;
}

const SHARE_TICKS = [
    1, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999, 0, 0.5, 0.95, 0.995, 0.9995, 0.98, 0.8, 0.998,
    0.97, 0.7, 0.96,
];

/** The required share, and what else has room beside it. */
function shareTicks(y) {
    const high = y.at(1);
    const kept = [y.required];
    for (const share of SHARE_TICKS) {
        const inside = share === 1 || (nines(share) >= y.floor && y.at(share) > high + 1);
        if (inside && kept.every((other) => Math.abs(y.at(other) - y.at(share)) > 21))
            kept.push(share);
    }
    return kept;
}

const tickPercent = (share) => `${Number((share * 100).toPrecision(9))}%`;

/** The stair along the runs that no other beats. */
function frontPath(at, right) {
    const front = at.filter(({ run }) => run.onFront).sort((a, b) => a.x - b.x || b.y - a.y);
    if (front.length === 0) return "";
    const stairs = front
        .slice(1)
        .map(({ x, y }) => `H${px(x)}V${px(y)}`)
        .join("");
    return `M${px(front[0].x)} ${px(front[0].y)}${stairs}H${px(right)}`;
}
