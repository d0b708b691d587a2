// The runs on the plane: their marks, their names, and how they are pointed at.

function planePoints(at, chosen) {
    const points = svg("g", { role: "presentation" });
    // Those that stand for their policy are drawn last, on top of their tunings.
    const order = [...at].sort(
        (a, b) => a.run.best - b.run.best || (a.run.index === chosen) - (b.run.index === chosen),
    );
    for (const { run, x, y } of order) {
        const isChosen = run.index === chosen;
        const point = svg("g", {
            class: `point${run.best ? " best" : ""}${isChosen ? " chosen" : ""}`,
            transform: `translate(${px(x)} ${px(y)})`,
            role: "option",
            "aria-selected": String(isChosen),
            tabindex: isChosen ? 0 : -1,
            "data-run": run.index,
            "aria-label": `${pointName(run)}: ${percent(run.share)}, ${costText(run.cost)}`,
        });
        point.append(svg("circle", { class: "halo", r: run.best ? 11 : 8 }));
        point.append(
            svg("path", {
                class: "shape",
                d: shapePath(run.policyIndex, run.best ? 6 : 3),
                fill: policyColour(run.policyIndex),
            }),
        );
        points.append(point);
    }
    return points;
}

const pointName = (run) => [run.policy, run.tuningText].filter(Boolean).join(", ");

/** Names beside the points that stand for their policy, where they hide neither a point nor each other. */
function planeLabels(at, view, width, height) {
    const labels = svg("g", { class: "labels", "aria-hidden": "true" });
    const best = at.filter(({ run }) => run.best);
    const taken = best.map(({ x, y }) => ({
        left: x - 8,
        right: x + 8,
        top: y - 8,
        bottom: y + 8,
    }));
    for (const { run, x, y } of best.sort((a, b) => byRank(a.run, b.run))) {
        const text = shortened(run.policy, width < 480 ? 16 : 28);
        const place = labelPlace(x, y, text.length * 6.9 + 4, taken, width, height);
        if (!place) continue;
        taken.push(place);
        if (place.far)
            labels.append(
                svg("line", {
                    class: "leader",
                    x1: px(x),
                    y1: px(y),
                    x2: px(clamp(x, place.left, place.right)),
                    y2: px(clamp(y, place.top, place.bottom)),
                }),
            );
        labels.append(svg("text", { x: px(place.left + 2), y: px(place.bottom - 4) }, text));
    }
    return labels;
}

function labelPlace(x, y, width, taken, fullWidth, fullHeight) {
    const high = 16;
    const boxes = [11, 18, 30, 44, 60].flatMap((gap) =>
        [
            [x + gap, y - high / 2],
            [x - gap - width, y - high / 2],
            [x - width / 2, y - gap - high],
            [x - width / 2, y + gap],
            [x + gap * 0.7, y - gap * 0.7 - high],
            [x + gap * 0.7, y + gap * 0.7],
            [x - gap * 0.7 - width, y - gap * 0.7 - high],
            [x - gap * 0.7 - width, y + gap * 0.7],
        ].map(([left, top]) => ({
            left,
            top,
            right: left + width,
            bottom: top + high,
            far: gap > 20,
        })),
    );
    const free = (box) =>
        box.left >= PLANE.left &&
        box.right <= fullWidth - 2 &&
        box.top >= PLANE.top - 6 &&
        box.bottom <= fullHeight - PLANE.bottom &&
        taken.every(
            (other) =>
                box.right < other.left ||
                box.left > other.right ||
                box.bottom < other.top ||
                box.top > other.bottom,
        );
    return boxes.find(free);
}

function listenToPlane(picture, tip, at, choose) {
    const nearest = (event) => {
        const box = picture.getBoundingClientRect();
        const far = ({ x, y }) =>
            Math.hypot(x - (event.clientX - box.left), y - (event.clientY - box.top));
        const [found] = [...at].sort((a, b) => far(a) - far(b) || b.run.best - a.run.best);
        return found && far(found) < 28 ? found : null;
    };
    const show = (point) => {
        for (const element of picture.querySelectorAll(".point.near"))
            element.classList.remove("near");
        tip.hidden = !point;
        picture.classList.toggle("pointing", Boolean(point));
        if (!point) return;
        pointOf(picture, point.run.index).classList.add("near");
        tip.replaceChildren(...runFacts(point.run));
        placeTip(tip, point, picture);
    };
    picture.addEventListener("pointermove", (event) => show(nearest(event)));
    picture.addEventListener("pointerleave", () => show(null));
    picture.addEventListener("click", (event) => {
        const point = nearest(event);
        if (point) choose(point.run.index);
    });
    picture.addEventListener("focusin", (event) =>
        show(at.find(({ run }) => String(run.index) === event.target.dataset.run)),
    );
    picture.addEventListener("focusout", () => show(null));
    const byCost = [...at].sort((a, b) => a.x - b.x || b.y - a.y);
    picture.addEventListener("keydown", (event) => {
        const here = byCost.findIndex(({ run }) => String(run.index) === event.target.dataset?.run);
        const last = byCost.length - 1;
        const to = {
            ArrowRight: here + 1,
            ArrowUp: here + 1,
            ArrowLeft: here - 1,
            ArrowDown: here - 1,
            Home: 0,
            End: last,
        }[event.key];
        if (event.key === "Enter" || event.key === " ") choose(byCost[here]?.run.index);
        else if (to !== undefined) pointOf(picture, byCost[clamp(to, 0, last)].run.index).focus();
        else return;
        event.preventDefault();
    });
}

const pointOf = (picture, run) => picture.querySelector(`.point[data-run="${run}"]`);

function placeTip(tip, point, picture) {
    const [width, high] = [tip.offsetWidth, tip.offsetHeight];
    const right = point.x + 16 + width <= picture.clientWidth;
    const left = right ? point.x + 16 : point.x - 16 - width;
    tip.style.left = `${clamp(left, 0, Math.max(0, picture.clientWidth - width))}px`;
    tip.style.top = `${clamp(point.y - high / 2, 0, Math.max(0, picture.clientHeight - high))}px`;
}
