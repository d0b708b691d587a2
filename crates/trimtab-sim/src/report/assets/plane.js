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
    width, height, viewBox: `0 0 ${width} ${height}`, role: "listbox", class: "plane",
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
  return linearScale([Math.max(0, least - pad), most + pad / 2], [PLANE.left, width - PLANE.right]);
}

/** By nines, so that 99 % and 99.9 % are told apart; 100 % is at the top. */
function shareScale(view, height) {
  const required = objectives[0]?.share ?? 0.99;
  const shares = [...view.runs.map((run) => run.share), required];
  const top = largest(shares.filter((share) => share < 1).map(nines), 0.5) + 0.45;
  const low = shares.map((share) => (share < 1 ? nines(share) : top)).reduce((a, b) => Math.min(a, b), top);
  const bottom = low < 0.7 ? 0 : low - Math.max(0.15, (top - low) * 0.12);
  const inner = linearScale([bottom, top], [height - PLANE.bottom, PLANE.top]);
  return { at: (share) => inner.at(share >= 1 ? top : clamp(nines(share), bottom, top)), required, floor: bottom };
}

function planeGround(view, x, y, width, height) {
  const ground = svg("g", { "aria-hidden": "true" });
  const [left, right, top, bottom] = [PLANE.left, width - PLANE.right, PLANE.top, height - PLANE.bottom];
  const boundAt = x.at(view.bound.cost);
  ground.append(svg("rect", { class: "attains", x: left, y: top, width: right - left, height: Math.max(0, y.at(y.required) - top) }));
  if (view.bound.cost > 0 && boundAt > left) {
    ground.append(svg("rect", { class: "beyond", x: left, y: top, width: px(boundAt - left), height: bottom - top }));
  }
  for (const share of shareTicks(y)) {
    const height = px(y.at(share));
    ground.append(
      svg("line", { class: share === y.required ? "required" : "grid", x1: left, x2: right, y1: height, y2: height }),
      svg("text", { class: share === y.required ? "tick strong" : "tick", x: left - 8, y: height, dy: "0.32em", "text-anchor": "end" }, tickPercent(share)),
    );
  }
  for (const cost of roundTicks(...x.domain, width / 90)) {
    ground.append(
      svg("line", { class: "grid", x1: px(x.at(cost)), x2: px(x.at(cost)), y1: top, y2: bottom }),
      svg("text", { class: "tick", x: px(x.at(cost)), y: bottom + 18, "text-anchor": "middle" }, number(cost)),
    );
  }
  ground.append(
    svg("line", { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom }),
    svg("text", { class: "title", x: right, y: height - 10, "text-anchor": "end" }, `cost, ${settings.costUnit} →`),
    svg("text", { class: "title", x: 8, y: 14 }, `↑ within ${objectives[0] ? objectives[0].text.split("@")[0] : "the objective"}`),
  );
  if (view.bound.cost > 0) ground.append(boundLine(view, x, top, bottom));
  return ground;
}

/** The bound, and above the plane how many times the bound a cost is. */
function boundLine(view, x, top, bottom) {
  const line = svg("g", { class: "bound" }, svg("line", { x1: px(x.at(view.bound.cost)), x2: px(x.at(view.bound.cost)), y1: top, y2: bottom }));
  let last = -Infinity;
  for (const times of [1, 1.25, 1.5, 2, 3, 4, 5, 10, 20, 50, 100]) {
    const at = x.at(view.bound.cost * times);
    if (view.bound.cost * times > x.domain[1] || at - last < (times === 1 ? 0 : last < 0 ? 0 : 48)) continue;
    const label = times === 1 ? "bound" : `${times}×`;
    line.append(svg("text", { class: times === 1 ? "tick strong" : "tick", x: px(at), y: top - 8, "text-anchor": "middle" }, label));
    if (times > 1) line.append(svg("line", { class: "stub", x1: px(at), x2: px(at), y1: top - 4, y2: top }));
    last = at;
  }
  return line;
}

const SHARE_TICKS = [1, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999, 0, 0.5, 0.95, 0.995, 0.9995, 0.98, 0.8, 0.998, 0.97, 0.7, 0.96];

/** The required share, and what else has room beside it. */
function shareTicks(y) {
  const high = y.at(1);
  const kept = [y.required];
  for (const share of SHARE_TICKS) {
    const inside = share === 1 || (nines(share) >= y.floor && y.at(share) > high + 1);
    if (inside && kept.every((other) => Math.abs(y.at(other) - y.at(share)) > 21)) kept.push(share);
  }
  return kept;
}

const tickPercent = (share) => `${Number((share * 100).toPrecision(9))}\u00a0%`;

/** The stair along the runs that no other beats. */
function frontPath(at, right) {
  const front = at.filter(({ run }) => run.onFront).sort((a, b) => a.x - b.x || b.y - a.y);
  if (front.length === 0) return "";
  const stairs = front.slice(1).map(({ x, y }) => `H${px(x)}V${px(y)}`).join("");
  return `M${px(front[0].x)} ${px(front[0].y)}${stairs}H${px(right)}`;
}

function planePoints(at, chosen) {
  const points = svg("g", { role: "presentation" });
  // Those that stand for their policy are drawn last, on top of their tunings.
  const order = [...at].sort((a, b) => a.run.best - b.run.best || (a.run.index === chosen) - (b.run.index === chosen));
  for (const { run, x, y } of order) {
    const isChosen = run.index === chosen;
    const point = svg("g", {
      class: `point${run.best ? " best" : ""}${isChosen ? " chosen" : ""}`, transform: `translate(${px(x)} ${px(y)})`,
      role: "option", "aria-selected": String(isChosen), tabindex: isChosen ? 0 : -1, "data-run": run.index,
      "aria-label": `${run.policy}${run.tuningText ? `, ${run.tuningText}` : ""}: ${percent(run.share)}, ${costText(run.cost)}`,
    });
    point.append(svg("circle", { class: "halo", r: run.best ? 11 : 8 }));
    point.append(svg("path", { class: "shape", d: shapePath(run.policyIndex, run.best ? 6 : 3), fill: policyColour(run.policyIndex) }));
    points.append(point);
  }
  return points;
}

/** Names beside the points that stand for their policy, where they hide neither a point nor each other. */
function planeLabels(at, view, width, height) {
  const labels = svg("g", { class: "labels", "aria-hidden": "true" });
  const best = at.filter(({ run }) => run.best);
  const taken = best.map(({ x, y }) => ({ left: x - 8, right: x + 8, top: y - 8, bottom: y + 8 }));
  for (const { run, x, y } of best.sort((a, b) => byRank(a.run, b.run))) {
    const text = shortened(run.policy, width < 480 ? 16 : 28);
    const place = labelPlace(x, y, text.length * 6.9 + 4, taken, width, height);
    if (!place) continue;
    taken.push(place);
    if (place.far) labels.append(svg("line", { class: "leader", x1: px(x), y1: px(y), x2: px(clamp(x, place.left, place.right)), y2: px(clamp(y, place.top, place.bottom)) }));
    labels.append(svg("text", { x: px(place.left + 2), y: px(place.bottom - 4) }, text));
  }
  return labels;
}

function labelPlace(x, y, width, taken, fullWidth, fullHeight) {
  const high = 16;
  const boxes = [11, 18, 30, 44, 60].flatMap((gap) => [
    [x + gap, y - high / 2], [x - gap - width, y - high / 2], [x - width / 2, y - gap - high], [x - width / 2, y + gap],
    [x + gap * 0.7, y - gap * 0.7 - high], [x + gap * 0.7, y + gap * 0.7], [x - gap * 0.7 - width, y - gap * 0.7 - high], [x - gap * 0.7 - width, y + gap * 0.7],
  ].map(([left, top]) => ({ left, top, right: left + width, bottom: top + high, far: gap > 20 })));
  const free = (box) => box.left >= PLANE.left && box.right <= fullWidth - 2 && box.top >= PLANE.top - 6 && box.bottom <= fullHeight - PLANE.bottom
    && taken.every((other) => box.right < other.left || box.left > other.right || box.bottom < other.top || box.top > other.bottom);
  return boxes.find(free);
}

function listenToPlane(picture, tip, at, choose) {
  const nearest = (event) => {
    const box = picture.getBoundingClientRect();
    const far = ({ x, y }) => Math.hypot(x - (event.clientX - box.left), y - (event.clientY - box.top));
    const [found] = [...at].sort((a, b) => far(a) - far(b) || b.run.best - a.run.best);
    return found && far(found) < 28 ? found : null;
  };
  const show = (point) => {
    for (const element of picture.querySelectorAll(".point.near")) element.classList.remove("near");
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
  picture.addEventListener("focusin", (event) => show(at.find(({ run }) => String(run.index) === event.target.dataset.run)));
  picture.addEventListener("focusout", () => show(null));
  const byCost = [...at].sort((a, b) => a.x - b.x || b.y - a.y);
  picture.addEventListener("keydown", (event) => {
    const here = byCost.findIndex(({ run }) => String(run.index) === event.target.dataset?.run);
    const last = byCost.length - 1;
    const to = { ArrowRight: here + 1, ArrowUp: here + 1, ArrowLeft: here - 1, ArrowDown: here - 1, Home: 0, End: last }[event.key];
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
  tip.style.left = `${clamp(right ? point.x + 16 : point.x - 16 - width, 0, Math.max(0, picture.clientWidth - width))}px`;
  tip.style.top = `${clamp(point.y - high / 2, 0, Math.max(0, picture.clientHeight - high))}px`;
}

/** The few numbers that tell a run from another: in the tooltip and on the card of the chosen run. */
function runFacts(run) {
  const row = (name, ...value) => [html("dt", {}, name), html("dd", {}, ...value)];
  const facts = html("dl", { class: "pairs" });
  run.attainment.forEach((attained, i) => facts.append(...row(objectives[i]?.text ?? "objective", attainedMark(attained))));
  facts.append(...row("cost", costText(run.cost)));
  if (run.timesBound !== null) facts.append(...row("over the bound", `${number(run.timesBound)}×`));
  facts.append(...row("efficiency", wholePercent(run.efficiency)));
  facts.append(...row("TTFT p50 / p99", run.requests.served > 0 ? `${duration(run.latency.ttft.p50)} / ${duration(run.latency.ttft.p99)}` : NONE));
  facts.append(...row("starts / stops", `${count(run.starts)} / ${count(run.stops)}`));
  const tuning = run.tuning.map(([path, value]) => html("li", {}, html("code", {}, path), " ", html("code", { class: "value" }, value)));
  return [
    html("p", { class: "name" }, policyMark(run.policyIndex), run.policy),
    ...(tuning.length > 0 ? [html("ul", { class: "tuning" }, ...tuning)] : []),
    facts,
  ];
}

/** A share with its mark: met or missed, in a sign, a colour and a word. */
const attainedMark = ({ share, met }) =>
  html("span", { class: met ? "met" : "missed" }, html("span", { "aria-hidden": "true" }, met ? "✓ " : "✗ "), spoken(met ? "met: " : "missed: "), percent(share));
