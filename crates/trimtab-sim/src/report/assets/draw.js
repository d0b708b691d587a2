// Elements of the page and of its drawings.

const SVG = "http://www.w3.org/2000/svg";

function filled(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes ?? {})) {
        if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
        else if (value === true) element.setAttribute(name, "");
        else if (value !== false && value !== null && value !== undefined)
            element.setAttribute(name, value);
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return element;
}

/** An HTML element; attributes that start with `on` are listeners. */
const html = (tag, attributes, ...children) =>
    filled(document.createElement(tag), attributes, children);

/** An SVG element. */
const svg = (tag, attributes, ...children) =>
    filled(document.createElementNS(SVG, tag), attributes, children);

const byId = (id) => document.getElementById(id);

/** For screen readers alone. */
const spoken = (text) => html("span", { class: "spoken" }, text);

/** Without the digits that nobody sees. */
const px = (value) => Math.round(value * 100) / 100;

/** The steps of a column, as a line: a value holds from its edge to the next, and nulls are gaps. */
function stepLine(values, edge, y) {
    let path = "";
    let drawing = false;
    values.forEach((value, i) => {
        if (!isNumber(value)) {
            drawing = false;
            return;
        }
        const height = px(y(value));
        path += `${drawing ? "V" : `M${px(edge(i))} `}${height}H${px(edge(i + 1))}`;
        drawing = true;
    });
    return path;
}

/** The area between two columns of numbers, in steps. */
function stepArea(lows, highs, edge, y) {
    if (highs.length === 0 || highs.every((high, i) => high === lows[i])) return "";
    const there = highs.map((high, i) => `V${px(y(high))}H${px(edge(i + 1))}`).join("");
    const back = lows
        .map((low, i) => `V${px(y(low))}H${px(edge(i))}`)
        .reverse()
        .join("");
    return `M${px(edge(0))} ${px(y(lows[0]))}${there}${back}Z`;
}

const plusPath = (inner, outer) =>
    `M${-inner} ${-outer}H${inner}V${-inner}H${outer}V${inner}H${inner}V${outer}` +
    `H${-inner}V${inner}H${-outer}V${-inner}H${-inner}Z`;

const SHAPES = [
    (r) => `M${-r} 0A${r} ${r} 0 1 1 ${r} 0A${r} ${r} 0 1 1 ${-r} 0Z`,
    (r) => `M${-r * 0.88} ${-r * 0.88}H${r * 0.88}V${r * 0.88}H${-r * 0.88}Z`,
    (r) => `M0 ${-r * 1.25}L${r * 1.25} 0L0 ${r * 1.25}L${-r * 1.25} 0Z`,
    (r) => `M0 ${-r * 1.15}L${r * 1.15} ${r * 0.9}H${-r * 1.15}Z`,
    (r) => `M0 ${r * 1.15}L${r * 1.15} ${-r * 0.9}H${-r * 1.15}Z`,
    (r) => plusPath(r * 0.4, r * 1.1),
    (r) => `M${-r * 1.2} 0L${-r * 0.6} ${-r}H${r * 0.6}L${r * 1.2} 0L${r * 0.6} ${r}H${-r * 0.6}Z`,
];
const COLOURS = 8;

/** The mark of the policy with this number: colour and shape together tell more policies apart than either. */
const shapePath = (policy, radius) => SHAPES[policy % SHAPES.length](radius);
const policyColour = (policy) => `var(--policy-${policy % COLOURS})`;

/** A policy's mark, for legends and tables. */
const policyMark = (policy) =>
    svg(
        "svg",
        { class: "mark", width: 14, height: 14, viewBox: "-7 -7 14 14", "aria-hidden": "true" },
        svg("path", { d: shapePath(policy, 5), fill: policyColour(policy) }),
    );

/** One entry of a legend: a swatch of a state or a line, and its name. */
const swatch = (kind, name) =>
    html("li", {}, html("span", { class: `swatch ${kind}`, "aria-hidden": "true" }), name);
