// From values to pixels, and the round values to mark on the way.

/** A straight scale. */
function linearScale([from, to], [start, end]) {
    const span = to - from || 1;
    return {
        at: (value) => start + ((value - from) / span) * (end - start),
        invert: (pixel) => from + ((pixel - start) / (end - start || 1)) * span,
        domain: [from, to],
    };
}

/** A logarithmic scale; what lies below the domain sits on its edge. */
function logScale([from, to], range) {
    const inner = linearScale([Math.log10(from), Math.log10(to)], range);
    return { at: (value) => inner.at(Math.log10(clamp(value, from, to))), domain: [from, to] };
}

/** About so many round values within a range. */
function roundTicks(from, to, about) {
    const rough = (to - from) / Math.max(1, about);
    if (!(rough > 0)) return [from];
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10]
        .map((factor) => factor * power)
        .find((size) => size >= rough * 0.999);
    const ticks = [];
    for (
        let i = Math.ceil(from / step - 1e-9);
        i * step <= to + step * 1e-9 && ticks.length < 100;
        i += 1
    ) {
        ticks.push(Number((i * step).toPrecision(12)));
    }
    return ticks;
}

/** Powers of ten within a range, with 2 and 5 where there are few. */
function logTicks(from, to) {
    const decades = Math.log10(to / from);
    const factors = decades > 2.2 ? [1] : decades > 1.2 ? [1, 3] : [1, 2, 5];
    const ticks = [];
    for (let power = Math.floor(Math.log10(from)); power <= Math.ceil(Math.log10(to)); power += 1) {
        for (const factor of factors) {
            const tick = Number((factor * 10 ** power).toPrecision(3));
            if (tick >= from * 0.999 && tick <= to * 1.001) ticks.push(tick);
        }
    }
    return ticks;
}

const CLOCK_STEPS = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400,
];

/** About so many times of the trace at which a clock shows a round value. */
function clockTicks(from, to, about) {
    const rough = (to - from) / Math.max(1, about);
    const days = Math.max(1, Math.ceil(rough / 86400)) * 86400;
    const step = CLOCK_STEPS.find((size) => size >= rough) ?? days;
    const ticks = [];
    for (let tick = Math.ceil(from / step) * step; tick <= to && ticks.length < 100; tick += step) {
        ticks.push(tick);
    }
    return { ticks, withSeconds: step < 60 };
}

/** The largest of the numbers among some values, and at least `least`. */
const largest = (values, least) =>
    values.reduce((most, value) => (isNumber(value) && value > most ? value : most), least);
