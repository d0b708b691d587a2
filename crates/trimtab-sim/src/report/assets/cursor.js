// The time under the cursor: shown in all panels at once, moved by pointer, slider and keys.

/** Puts the cursor of every block at `time`, with the values and the decision there. */
function showTime(host, runs, time, span) {
    for (const block of host.children) {
        const run = runs.find(({ index }) => String(index) === block.dataset.run);
        if (!run || steps(run) === 0) continue;
        const i = stepAt(run, time);
        const middle = (i + 0.5) * run.timeline.stepSeconds;
        for (const line of block.querySelectorAll(".cursor")) {
            const width = line.ownerSVGElement.width.baseVal.value;
            const at = px(linearScale(span, [PANEL.left, width - PANEL.right]).at(middle));
            line.setAttribute("x1", at);
            line.setAttribute("x2", at);
        }
        const readings = block.querySelectorAll(".reading");
        PANELS.flatMap(({ entries }) => entries).forEach(([, , read], k) =>
            readings[k].replaceChildren(read(run.timeline, i)),
        );
        showDecision(block, run, i);
    }
}

function showDecision(block, run, i) {
    const decision = decisionAt(run, i);
    const box = block.querySelector(".decision");
    const time = clock(i * run.timeline.stepSeconds, run.timeline.stepSeconds < 60);
    const change =
        decision &&
        (decision.from === decision.to
            ? `${decision.to} stay`
            : `${decision.from} → ${decision.to}`);
    box.querySelector("h4").replaceChildren(
        html(
            "span",
            { class: "when" },
            decision
                ? `Decision of ${clock(decision.atSeconds, true)}`
                : `No decision yet at ${time}`,
        ),
        decision
            ? html("span", { class: decision.from === decision.to ? "stays" : "changes" }, change)
            : "",
    );
    box.querySelector("pre").textContent = decision ? decision.text.trimEnd() : "";
}

/** What is read aloud at a time. */
function spokenTime(run, time) {
    if (!run || steps(run) === 0) return "no course";
    const i = stepAt(run, time);
    const t = run.timeline;
    const decision = decisionAt(run, i);
    const changed =
        decision && decision.from !== decision.to
            ? `, decided ${decision.from} to ${decision.to}`
            : "";
    const replicas = `${number(t.ready[i])} ready of ${number(t.wanted[i])} wanted`;
    const users = `${number(t.queue[i])} waiting, TTFT p99 ${duration(t.ttftP99[i])}`;
    return `${clock(time, t.stepSeconds < 60)}: ${replicas}, ${users}${changed}`;
}

/** The start of the nearest step, before or after a time, whose decision changed the count. */
function changeFrom(run, time, direction) {
    const here = stepAt(run, time);
    for (let i = here + direction; i >= 0 && i < steps(run); i += direction) {
        const decision = decisionAt(run, i);
        if (
            decision &&
            decision.from !== decision.to &&
            run.timeline.decision[i] !== run.timeline.decision[i - 1]
        )
            return i * run.timeline.stepSeconds;
    }
    return time;
}

/** The step in which users waited longest: where a reader looks first. */
function worstTime(run) {
    if (!run || steps(run) === 0) return 0;
    const { ttftP99, queue, stepSeconds } = run.timeline;
    const worst = (values) =>
        values.reduce((most, value, i) => ((value ?? 0) > (values[most] ?? 0) ? i : most), 0);
    return (worst(ttftP99) || worst(queue)) * stepSeconds;
}

/** Reading by pointer: moving reads, a click holds, dragging zooms, a double click shows all. */
function listenToCourses(host, act) {
    let drag = null;
    const timeOf = (event) => {
        const picture = event.target.closest(".panel")?.querySelector("svg");
        if (!picture) return null;
        const box = picture.getBoundingClientRect();
        return linearScale(act.span(), [PANEL.left, box.width - PANEL.right]).invert(
            clamp(event.clientX - box.left, PANEL.left, box.width - PANEL.right),
        );
    };
    const brush = (start, end) => {
        for (const rect of host.querySelectorAll(".brush")) {
            const scale = linearScale(act.span(), [
                PANEL.left,
                rect.ownerSVGElement.width.baseVal.value - PANEL.right,
            ]);
            rect.setAttribute("x", px(Math.min(scale.at(start), scale.at(end))));
            rect.setAttribute("width", px(Math.abs(scale.at(end) - scale.at(start))));
        }
    };
    host.addEventListener("pointerdown", (event) => {
        const time = timeOf(event);
        if (time === null || event.button !== 0) return;
        drag = { time, x: event.clientX, mouse: event.pointerType === "mouse", far: false };
        if (!drag.mouse) act.read(time, true);
    });
    host.addEventListener("pointermove", (event) => {
        const time = timeOf(event);
        if (time === null) return;
        if (drag?.mouse && Math.abs(event.clientX - drag.x) > 6) drag.far = true;
        if (drag?.far) brush(drag.time, time);
        act.read(time, Boolean(drag));
    });
    window.addEventListener("pointerup", (event) => {
        if (!drag) return;
        const time = event.target.closest ? timeOf(event) : null;
        const { time: start, far, mouse } = drag;
        drag = null;
        brush(0, 0);
        if (far && time !== null) act.zoom(Math.min(start, time), Math.max(start, time));
        else if (!far && mouse) act.hold();
    });
    window.addEventListener("pointercancel", () => {
        drag = null;
    });
    host.addEventListener("dblclick", () => act.zoomAll());
}
