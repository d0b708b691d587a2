// What moves the course: which runs are shown, the time that is read, and the window of time.

function showCourses() {
    showCourseControls();
    redrawCourses();
}

function redrawCourses() {
    drawCourses(byId("course-runs"), shownRuns(), state.span);
    showTime(byId("course-runs"), shownRuns(), state.time, state.span);
}

function showCourseControls() {
    const host = byId("course-controls");
    const focused = host.contains(document.activeElement) ? document.activeElement.id : null;
    const { view } = state;
    const offered = view.best.includes(chosenRun()) ? view.best : [chosenRun(), ...view.best];
    const chips = offered.map((run) =>
        html(
            "button",
            {
                type: "button",
                id: `show-${run.index}`,
                class: "chip",
                "aria-pressed": String(state.shown.has(run.index)),
                title: run.tuningText || run.policy,
                onclick: () => toggleShown(run.index),
            },
            policyMark(run.policyIndex),
            html("span", {}, run.policy),
        ),
    );
    const button = (id, text, label, onclick) =>
        html("button", { type: "button", id, "aria-label": label, title: label, onclick }, text);
    const step = Math.min(
        ...shownRuns()
            .filter((run) => steps(run) > 0)
            .map((run) => run.timeline.stepSeconds),
    );
    const slider = html("input", {
        type: "range",
        id: "time",
        min: 0,
        max: Math.max(0, wholeTime() - step) || 0,
        step: Number.isFinite(step) ? step : 1,
        "aria-label": "Time",
        oninput: (event) => moveTo(Number(event.target.value)),
    });
    slider.value = state.time;
    host.replaceChildren(
        html(
            "div",
            { class: "chips", role: "group", "aria-label": "Runs shown" },
            ...chips,
            ...(offered.length > 1
                ? [
                      button(
                          "show-all",
                          state.shown.size < offered.length ? "compare all" : "only the chosen",
                          "Show all policies, or only the chosen run",
                          toggleAll,
                      ),
                  ]
                : []),
        ),
        html(
            "div",
            { class: "time" },
            html("output", { id: "now", for: "time" }),
            slider,
            html(
                "div",
                { class: "buttons" },
                button("change-before", "‹ change", "The change before", () =>
                    moveTo(changeFrom(chosenRun(), state.time, -1)),
                ),
                button("change-after", "change ›", "The next change", () =>
                    moveTo(changeFrom(chosenRun(), state.time, 1)),
                ),
                button("worst", "worst wait", "The step in which users waited longest", () =>
                    moveTo(worstTime(chosenRun())),
                ),
                html(
                    "button",
                    {
                        type: "button",
                        id: "hold",
                        title: "Hold this time while the pointer moves on",
                        onclick: hold,
                    },
                    "hold",
                ),
                button("zoom-in", "+", "Zoom in", () => zoomBy(0.5)),
                button("zoom-out", "−", "Zoom out", () => zoomBy(2)),
                button("zoom-all", "all", "Show all of the time", zoomAll),
            ),
        ),
    );
    showNow();
    if (focused) byId(focused)?.focus();
}

function toggleShown(index) {
    if (!state.shown.delete(index)) state.shown.add(index);
    if (state.shown.size === 0) state.shown.add(state.run);
    if (!state.shown.has(state.run)) choose([...state.shown][0]);
    showCourses();
}

function toggleAll() {
    const all = [state.run, ...state.view.best.map(({ index }) => index)];
    state.shown = new Set(all.every((index) => state.shown.has(index)) ? [state.run] : all);
    showCourses();
}

function showNow() {
    byId("now").textContent = clock(state.time, true);
    byId("hold").setAttribute("aria-pressed", String(state.held));
    byId("time").value = state.time;
    byId("time").setAttribute("aria-valuetext", spokenTime(chosenRun(), state.time));
}

/** Reads the values at a time; while one is held, the pointer passes by unless it is pressed. */
function read(time, pressed) {
    if (state.held && !pressed) return;
    state.time = time;
    showNow();
    showTime(byId("course-runs"), shownRuns(), state.time, state.span);
}

/** Goes to a time, and brings it into the window. */
function moveTo(time) {
    const [from, to] = state.span;
    state.held = true;
    state.time = clamp(time, 0, wholeTime());
    if (state.time >= from && state.time < to) return read(state.time, true);
    showNow();
    return zoomTo(state.time - (to - from) / 2, state.time + (to - from) / 2);
}

function hold() {
    state.held = !state.held;
    showNow();
}

/** A click on a chart: holds, and hands the keys to the slider. */
function holdHere() {
    hold();
    byId("time").focus({ preventScroll: true });
}

const wholeTime = () => largest(shownRuns().map(length), 0) || 1;

/** Shows a window of time, widened or moved to what there is. */
function zoomTo(from, to) {
    setSpan(from, to);
    redrawCourses();
}

function setSpan(from, to) {
    const whole = wholeTime();
    const least = Math.min(
        whole,
        largest(
            shownRuns().map((run) => run.timeline.stepSeconds),
            0,
        ) * 6,
    );
    const wide = clamp(to - from, least, whole);
    const start = clamp((from + to - wide) / 2, 0, whole - wide);
    state.span = [start, start + wide];
}

function zoomBy(factor) {
    const half = ((state.span[1] - state.span[0]) * factor) / 2;
    zoomTo(state.time - half, state.time + half);
}

function zoomAll() {
    zoomTo(0, wholeTime());
}
