// Numbers, shares and times as text.

const NONE = "–";
const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en-US", {
    notation: "compact",
    maximumSignificantDigits: 3,
});

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** Three significant digits; whole from a thousand on. */
function number(value) {
    if (!isNumber(value)) return NONE;
    const size = Math.abs(value);
    if (size === 0) return "0";
    if (size >= 1e15) return value.toExponential(1);
    if (size >= 1e7) return compact.format(value);
    if (size >= 999.5) return grouped.format(value);
    if (size < 1e-3) return value.toExponential(1);
    return String(Number(value.toPrecision(3)));
}

/** A count in full, until it is too long to read. */
function count(value) {
    if (!isNumber(value)) return NONE;
    return Math.abs(value) >= 1e10 ? compact.format(value) : grouped.format(value);
}

/** With a given number of decimals, for a column. */
function fixed(value, decimals) {
    if (!isNumber(value)) return NONE;
    const size = Math.abs(value);
    if (size >= 1e7 || (size > 0 && size < 0.5 * 10 ** -decimals)) return number(value);
    return value.toLocaleString("en-US", {
        minimumFractionDigits: decimals,
        maximumFractionDigits: decimals,
    });
}

/** The decimals that keep two digits of the smallest value of a column, within reason for its largest. */
function decimalsFor(values) {
    const sizes = values.filter((value) => isNumber(value) && value !== 0).map(Math.abs);
    if (sizes.length === 0) return 0;
    const magnitude = (value) => Math.floor(Math.log10(value));
    const wanted = 1 - sizes.map(magnitude).reduce((a, b) => Math.min(a, b));
    const bearable = 4 - sizes.map(magnitude).reduce((a, b) => Math.max(a, b));
    return clamp(Math.min(wanted, bearable), 0, 4);
}

/** The nines of a share: 1 for 90%, 2 for 99%. */
const nines = (share) => -Math.log10(Math.max(1 - share, 1e-12));

/** A share in percent, cut and not rounded: what misses 99% never reads as 99%. */
function percent(share) {
    if (!isNumber(share)) return NONE;
    if (share >= 1) return "100%";
    if (share <= 0) return "0%";
    const decimals = clamp(Math.ceil(nines(share) - 0.01) - 1, 2, 6);
    const scale = 10 ** decimals;
    // A share such as 0.991 is stored a hair below itself.
    return `${(Math.floor(share * 100 * scale + 1e-6) / scale).toFixed(decimals)}%`;
}

/** A ratio in whole percent. */
const wholePercent = (ratio) => (isNumber(ratio) ? `${number(Math.round(ratio * 100))}%` : NONE);

/** A duration or a latency, in the unit that suits it. */
function duration(seconds) {
    if (!isNumber(seconds)) return NONE;
    const size = Math.abs(seconds);
    if (size === 0) return "0\u00a0s";
    if (size < 0.9995) return `${number(seconds * 1e3)}\u00a0ms`;
    if (size < 180) return `${number(seconds)}\u00a0s`;
    if (size < 3 * 3600) return `${number(seconds / 60)}\u00a0min`;
    if (size < 3 * 86400) return `${number(seconds / 3600)}\u00a0h`;
    return `${number(seconds / 86400)}\u00a0d`;
}

/** A time of the trace as a clock: days, hours and minutes, and the seconds where they matter. */
function clock(seconds, withSeconds) {
    const whole = Math.max(0, Math.floor(seconds + 1e-6));
    const two = (value) => String(value).padStart(2, "0");
    const days = Math.floor(whole / 86400);
    const day = days > 0 ? `${days}d ` : "";
    const hours = Math.floor((whole % 86400) / 3600);
    const minutes = `${two(hours)}:${two(Math.floor((whole % 3600) / 60))}`;
    return `${day}${minutes}${withSeconds ? `:${two(whole % 60)}` : ""}`;
}

/** At most so many characters. */
const shortened = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
