// The page: its state, kept in the address, and what happens when it changes.

const views = comparisons.map(prepared);
const state = {
    view: null,
    run: 0,
    shown: new Set(),
    time: 0,
    held: false,
    span: null,
    sort: null,
    all: false,
};

/**
 * Goes to where the address points: `#workload=…&lead=…&run=…`. Whatever is not there stays, or
 * takes its default.
 */
function follow() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    const view = wantedView(wanted);
    const run = wantedRun(view, wanted)?.index ?? 0;
    const elsewhere = view !== state.view;
    const moved = run !== state.run;
    Object.assign(state, { view, run });
    if (elsewhere) showComparison();
    else if (moved) showChosen();
}

function wantedView(wanted) {
    const [workload, lead] = [wanted.get("workload"), wanted.get("lead")];
    if (workload === null) return state.view ?? views[0];
    const fits = ({ slug }) => slug.workload === workload && (lead === null || slug.lead === lead);
    return views.find(fits) ?? views[0];
}

/** The run that is asked for; else the same one, or in another comparison the best of its policy. */
function wantedRun(view, wanted) {
    const asked = wanted.has("run") ? view.runs[Number(wanted.get("run"))] : undefined;
    if (asked || !state.view) return asked ?? view.best[0];
    if (view === state.view) return chosenRun();
    return view.best.find(({ policy }) => policy === chosenRun()?.policy) ?? view.best[0];
}

const chosenRun = () => state.view.runs[state.run];
const shownRuns = () =>
    [...state.shown]
        .sort((a, b) => (b === state.run) - (a === state.run) || a - b)
        .map((index) => state.view.runs[index]);

/** Writes the state into the address, without a new entry in the history. */
function remember() {
    const parts = new URLSearchParams({ ...state.view.slug, run: state.run });
    location.replace(`#${parts}`);
}

function choose(index) {
    if (index === undefined || index === state.run) return;
    state.run = index;
    remember();
    showChosen();
}

function showComparison() {
    const { view } = state;
    const title = `${view.workload.name}, starts take ${view.leadTime}`;
    document.title = `${view.workload.name} – trimtab backtest`;
    byId("title").textContent = title;
    byId("verdict").replaceChildren(...verdict(view));
    byId("facts").replaceChildren(...facts(view));
    byId("choose").value = String(view.index);
    for (const id of ["plane", "course", "runs", "spending"])
        byId(id).hidden = view.runs.length === 0;
    if (views.length > 1) drawOverview(byId("overview-table"), views, view.index);
    state.shown = new Set([state.run]);
    state.time = worstTime(chosenRun());
    state.held = false;
    state.span = null;
    showChosen();
}

const BEST_RUNS =
    "Shown is the best run of each policy: the cheapest that meets every objective, " +
    "else the nearest to it.";

/** Draws all that depends on the chosen run. */
function showChosen() {
    if (!chosenRun()) return;
    if (!state.shown.has(state.run))
        state.shown = state.shown.size > 1 ? state.shown.add(state.run) : new Set([state.run]);
    showPlane();
    showNumbers();
    drawSpending(byId("spending-table"), state.view, state);
    setSpan(...(state.span ?? [0, wholeTime()]));
    showCourses();
}

function showPlane() {
    const focused =
        document.activeElement?.closest?.("#plane-figure") !== null &&
        document.activeElement !== document.body;
    drawPlane(byId("plane-figure"), state.view, state.run, choose);
    if (focused) pointOf(byId("plane-figure"), state.run)?.focus();
    byId("chosen").replaceChildren(
        ...runFacts(chosenRun()),
        html("p", {}, html("a", { href: "#course", onclick: goTo("course") }, "See its course ↓")),
    );
}

/** Goes to a section and leaves the address to the state. */
const goTo = (id) => (event) => {
    event.preventDefault();
    byId(id).scrollIntoView();
};

function showNumbers() {
    const { view } = state;
    const more = view.runs.length - view.best.length;
    const toggle = html(
        "label",
        {},
        html("input", {
            type: "checkbox",
            id: "all-tunings",
            checked: state.all,
            onchange: (event) => {
                state.all = event.target.checked;
                showNumbers();
                byId("all-tunings").focus();
            },
        }),
        ` all ${view.runs.length} runs`,
    );
    byId("runs-controls").replaceChildren(
        ...(more > 0 ? [toggle, html("span", { class: "note" }, state.all ? "" : BEST_RUNS)] : []),
    );
    const host = byId("runs-table");
    const focused = host.contains(document.activeElement) ? document.activeElement : null;
    drawRuns(host, view, state, { choose, sort: sortBy });
    const { run, sort } = focused?.dataset ?? {};
    if (run !== undefined) host.querySelector(`[data-run="${run}"]`)?.focus();
    if (sort !== undefined) host.querySelector(`[data-sort="${CSS.escape(sort)}"]`)?.focus();
}

/**
 * First down, for what costs or hurts is sought at its largest; names, and a second click, go up; a
 * third click ranks again.
 */
function sortBy(name) {
    const first = name === "policy";
    if (state.sort?.name !== name) state.sort = { name, up: first };
    else state.sort = state.sort.up === first ? { name, up: !first } : null;
    showNumbers();
}

function facts(view) {
    const { workload, bound } = view;
    const pairs = [
        ["requests", `${count(workload.requests)} in ${duration(workload.seconds)}`],
        ["peak", `${number(workload.peakPerSecond)}/s`],
        [
            "mean tokens",
            `${number(workload.meanInputTokens)} in, ${number(workload.meanOutputTokens)} out`,
        ],
        ["a start takes", view.leadTime],
        ["profile", settings.profile],
        [
            objectives.length > 1 ? "objectives" : "objective",
            objectives.map(({ text }) => text).join(", ") || NONE,
        ],
        [
            "clairvoyant bound",
            `${costText(bound.cost)}, ${count(Math.round(bound.replicaSeconds))} replica-s`,
        ],
        [
            "runs",
            view.runs.length === view.best.length
                ? count(view.runs.length)
                : `${count(view.runs.length)}, of ${count(view.best.length)} policies`,
        ],
    ];
    return pairs.map(([name, value]) =>
        html("div", {}, html("dt", {}, name), html("dd", {}, value)),
    );
}

function showConstants() {
    byId("plane-legend").replaceChildren(
        swatch("line-front", "Pareto front"),
        swatch("line-bound", "clairvoyant bound"),
        swatch("line-required", `required: ${tickPercent(objectives[0]?.share ?? 0.99)}`),
        html("li", {}, "large: the best run of a policy, small: its other tunings"),
    );
    byId("spending-legend").replaceChildren(
        ...STATES.map((name) => swatch(`state-${name}`, name)),
        swatch("line-least", "the least for what it served"),
    );
    const pairs = [
        ["trimtab", settings.trimtab],
        ["seed", data.seed],
        ["profile", settings.profile],
        ["objectives", objectives.map(({ text }) => text).join(", ")],
        ["cost unit", settings.costUnit],
        ...settings.details,
    ];
    byId("settings-list").replaceChildren(
        ...pairs.flatMap(([name, value]) => [html("dt", {}, name), html("dd", {}, value)]),
    );
    if (views.length < 2) return;
    byId("chooser").hidden = byId("overview").hidden = false;
    byId("overview-note").replaceChildren(...overviewNote(views));
    byId("choose").replaceChildren(
        ...views.map((view) =>
            html("option", { value: view.index }, `${view.workload.name}, ${view.leadTime}`),
        ),
    );
    byId("choose").addEventListener("change", (event) => {
        location.hash = String(new URLSearchParams(views[Number(event.target.value)].slug));
    });
}

/** The keys of the time axis work wherever the course has the focus. */
function listenToKeys() {
    byId("course").addEventListener("keydown", (event) => {
        if (event.target.closest("pre") || event.ctrlKey || event.metaKey || event.altKey) return;
        const act = {
            "[": () => moveTo(changeFrom(chosenRun(), state.time, -1)),
            "]": () => moveTo(changeFrom(chosenRun(), state.time, 1)),
            "+": () => zoomBy(0.5),
            "-": () => zoomBy(2),
            0: zoomAll,
            Escape: () => state.held && hold(),
        }[event.key];
        if (act) act();
    });
}

/** Drawings have the width of the page: they are drawn anew when it changes. */
function listenToWidth() {
    let width = document.documentElement.clientWidth;
    const redraw = () => {
        if (!state.view || !chosenRun()) return;
        showPlane();
        showCourses();
    };
    window.addEventListener("resize", () => {
        if (document.documentElement.clientWidth === width) return;
        width = document.documentElement.clientWidth;
        redraw();
    });
    window.addEventListener("beforeprint", () => {
        for (const details of document.querySelectorAll("details")) details.open = true;
        redraw();
    });
    window.addEventListener("afterprint", redraw);
}

showConstants();
listenToCourses(byId("course-runs"), {
    read,
    hold: holdHere,
    zoom: zoomTo,
    zoomAll,
    span: () => state.span,
});
listenToKeys();
listenToWidth();
window.addEventListener("hashchange", follow);
if (views.length > 0) follow();
else byId("title").textContent = "Nothing was compared";
