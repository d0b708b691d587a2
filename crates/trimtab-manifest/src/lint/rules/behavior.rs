//! How fast the count moves.

use crate::lint::autoscaler::{Autoscaler, Form};
use crate::lint::field::Field;
use crate::lint::finding::Findings;
use crate::lint::rule::{Rule, Severity};
use crate::lint::set::Set;

pub(super) static RULES: &[&Rule] = &[
    &SCALE_DOWN_UNLIMITED,
    &SCALE_DOWN_WINDOW_TOO_SHORT,
    &SCALE_UP_WINDOW_TOO_LONG,
    &SCALING_DISABLED,
    &PERCENT_OF_ZERO,
    &RATE_LIMIT_OVERFLOWS,
    &TOLERANCE_TOO_WIDE,
];

static SCALE_DOWN_UNLIMITED: Rule = Rule {
    id: "scale-down-unlimited",
    severity: Severity::Warning,
    summary: "nothing slows scaling down",
    why: "with a window of 0 and no rate limit one low reading takes most of the replicas at once, and the \
          next one starts them again: what took minutes to load is thrown away and loaded anew",
    fix: "Leave the HPA's window of 300 s, set one longer than a start takes, or limit how many may go in \
          a period.",
    check: scale_down_unlimited,
};

/// From 20 replicas, where no maximum is known.
const REPLICAS: f64 = 20.0;

fn most(autoscaler: &Autoscaler<'_>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "what is larger counts as infinite")]
    let most = autoscaler.max.value.map(|most| most as f64);
    most.unwrap_or(REPLICAS)
}

/// Where a scale-down has no window, and its limits let over half of the replicas go within a minute.
fn unlimited<'n>(autoscaler: &Autoscaler<'n>) -> Option<Field<'n>> {
    const MINUTE: f64 = 60.0;
    let rules = autoscaler.scale_down()?;
    let at = rules.window.field.filter(|_| rules.window.seconds <= 0.0)?;
    (rules.left_after(MINUTE, most(autoscaler)) < 0.5).then_some(at)
}

fn scale_down_unlimited(set: &Set<'_>, findings: &mut Findings<'_>) {
    for autoscaler in set.autoscalers() {
        let Some(at) = unlimited(autoscaler) else { continue };
        let message = "no window and no rate limit: one low reading takes most of the replicas";
        let help = match autoscaler.form {
            Form::RayServe => "write `downscale_delay_s: 600`",
            Form::ScalingPolicy if autoscaler.strategy() == "rayServe" => {
                "write `downscaleDelaySeconds: 600`"
            }
            _ => {
                "give it time, and a pace:\nscaleDown:\n  stabilizationWindowSeconds: 600\n  policies:\n  \
                 - {type: Percent, value: 20, periodSeconds: 60}"
            }
        };
        findings.add(&SCALE_DOWN_UNLIMITED, at, message).help(help);
    }
}

static SCALE_DOWN_WINDOW_TOO_SHORT: Rule = Rule {
    id: "scale-down-window-too-short",
    severity: Severity::Warning,
    summary: "replicas go sooner than new ones could come",
    why: "a dip shorter than a start takes replicas away that are missing before it is over: a scale-down \
          has to be surer of itself the longer it takes to undo it (a model loads for 60 to 300 s, on a \
          new node for longer)",
    fix: "Make the scale-down window longer than a start takes, several times as long if load comes and \
          goes.",
    check: scale_down_window_too_short,
};

fn scale_down_window_too_short(set: &Set<'_>, findings: &mut Findings<'_>) {
    for autoscaler in set.autoscalers() {
        let (Some(rules), Some(lead)) = (autoscaler.scale_down(), autoscaler.least_lead_time())
        else {
            continue;
        };
        // A slow pace does what the window does not.
        let left = rules.left_after(lead.seconds, most(autoscaler));
        let told = autoscaler.lead_time().is_some();
        let slow = left >= if told { 0.8 } else { 0.5 };
        if rules.window.seconds >= lead.seconds || slow || unlimited(autoscaler).is_some() {
            continue;
        }
        let at = rules.window.field.unwrap_or(autoscaler.document.heading());
        let message = format!(
            "replicas go after {} s, and a start takes {}{} s",
            rules.window.seconds,
            if told { "" } else { "at least " },
            lead.seconds
        );
        let help = format!("write {:.0} or more", (lead.seconds * 2.0).max(300.0));
        let added = findings.add(&SCALE_DOWN_WINDOW_TOO_SHORT, at, message).help(help);
        if let Some(field) = lead.field {
            added.related(field, "how long a start takes");
        }
    }
}

static SCALE_UP_WINDOW_TOO_LONG: Rule = Rule {
    id: "scale-up-window-too-long",
    severity: Severity::Warning,
    summary: "a scale-up that waits for minutes",
    why: "nothing is started until the load has been high for the whole window, and the start comes on \
          top: bursts shorter than the window are never answered, longer ones late",
    fix: "Use a scale-up window of 0 to 60 s, and let a long scale-down window do the smoothing.",
    check: scale_up_window_too_long,
};

fn scale_up_window_too_long(set: &Set<'_>, findings: &mut Findings<'_>) {
    const LONGEST: f64 = 120.0;
    for autoscaler in set.autoscalers() {
        // What only carries out a count that was decided elsewhere may take its time.
        let decided = autoscaler
            .signals
            .iter()
            .any(|signal| signal.metrics().iter().any(|name| name.contains("desired_replicas")));
        let window = match autoscaler.strategy() {
            "hpa" | "keda" | "kserve" | "slo" => {
                autoscaler.behavior.and_then(|it| it.at("scaleUp.stabilizationWindowSeconds"))
            }
            "rayServe" => autoscaler
                .spec
                .at("autoscaling_config.upscale_delay_s")
                .or_else(|| autoscaler.spec.at("rayServe.upscaleDelaySeconds")),
            _ => None,
        };
        let Some((at, seconds)) = window.and_then(|at| Some((at, at.number()?))) else { continue };
        if seconds > LONGEST && !decided {
            let message = format!("more replicas are started only after {seconds} s of high load");
            findings.add(&SCALE_UP_WINDOW_TOO_LONG, at, message).help("write 30");
        }
    }
}

static SCALING_DISABLED: Rule = Rule {
    id: "scaling-disabled",
    severity: Severity::Error,
    summary: "scaling is disabled in both directions",
    why: "`selectPolicy: Disabled` forbids its direction altogether; with both, the autoscaler decides and \
          nothing happens",
    fix: "Remove one of them, or the autoscaler.",
    check: scaling_disabled,
};

fn scaling_disabled(set: &Set<'_>, findings: &mut Findings<'_>) {
    for autoscaler in set.autoscalers() {
        let select = |direction: &str| {
            let field = autoscaler.behavior?.get(direction)?.get("selectPolicy")?;
            field.text().is_some_and(|text| text == "Disabled").then_some(field)
        };
        if let (Some(up), Some(down)) = (select("scaleUp"), select("scaleDown")) {
            findings
                .add(&SCALING_DISABLED, up, "neither up nor down: this autoscaler does nothing")
                .related(down, "and the other direction")
                .help("write `selectPolicy: Max`");
        }
    }
}

static PERCENT_OF_ZERO: Rule = Rule {
    id: "percent-of-zero",
    severity: Severity::Error,
    summary: "a scale-up that a percentage holds at zero",
    why: "a percentage of 0 replicas is 0, rounded up or not: an HPA that went to zero and may only grow \
          by percentages never comes back",
    fix: "Add a policy of type Pods, with `selectPolicy: Max`.",
    check: percent_of_zero,
};

fn percent_of_zero(set: &Set<'_>, findings: &mut Findings<'_>) {
    for autoscaler in by_hpa(set).filter(|one| one.strategy() == "hpa") {
        let Some(rules) = autoscaler.behavior.and_then(|behavior| behavior.get("scaleUp")) else {
            continue;
        };
        let limits: Vec<Field<'_>> = rules.list("policies").collect();
        let percent = |limit: &Field<'_>| limit.text_of("type") == Some("Percent");
        let stays = match rules.text_of("selectPolicy") {
            Some("Disabled") => false,
            Some("Min") => limits.iter().any(percent),
            _ => !limits.is_empty() && limits.iter().all(percent),
        };
        if autoscaler.min.value == Some(0) && stays {
            let at = rules.key_of("policies").unwrap_or(rules);
            let message = "a percentage of 0 replicas is 0: once there, it never scales up again";
            findings.add(&PERCENT_OF_ZERO, at, message).help(
                "add `- {type: Pods, value: 4, periodSeconds: 60}`, with `selectPolicy: Max`",
            );
        }
    }
}

/// Those whose limits the HPA carries out.
fn by_hpa<'a, 'n>(set: &'a Set<'n>) -> impl Iterator<Item = &'a Autoscaler<'n>> + use<'a, 'n> {
    let strategies = ["hpa", "keda", "kserve"];
    set.autoscalers().iter().filter(move |one| strategies.contains(&one.strategy()))
}

static RATE_LIMIT_OVERFLOWS: Rule = Rule {
    id: "rate-limit-overflows",
    severity: Severity::Error,
    summary: "a limit so large that the HPA's arithmetic turns it round",
    why: "the HPA adds the value to the count in 32 bits: what is meant as \"no limit\", such as \
          2147483647, wraps to a negative number and forbids scaling up at all",
    fix: "Use a value that only has to be large enough, such as 1000.",
    check: rate_limit_overflows,
};

fn rate_limit_overflows(set: &Set<'_>, findings: &mut Findings<'_>) {
    for autoscaler in by_hpa(set) {
        let Some(rules) = autoscaler.behavior.and_then(|behavior| behavior.get("scaleUp")) else {
            continue;
        };
        let most = autoscaler.max.value.unwrap_or(1).max(1);
        if rules.text_of("selectPolicy") == Some("Disabled") || most >= i64::from(i32::MAX) {
            continue;
        }
        for limit in rules.list("policies") {
            let Some(value) = limit.get("value").and_then(|field| field.int()) else { continue };
            let reached = match limit.text_of("type") {
                Some("Pods") => most.saturating_add(value),
                // Rounded up to a whole replica.
                Some("Percent") => {
                    most.saturating_mul(value.saturating_add(100)).saturating_add(99) / 100
                }
                _ => 0,
            };
            if let Some(at) = limit.get("value").filter(|_| reached > i64::from(i32::MAX)) {
                let message =
                    format!("{value} and the count exceed 32 bits, and forbid to scale up");
                findings.add(&RATE_LIMIT_OVERFLOWS, at, message).help("write 1000");
            }
        }
    }
}

static TOLERANCE_TOO_WIDE: Rule = Rule {
    id: "tolerance-too-wide",
    severity: Severity::Warning,
    summary: "a tolerance that swallows whole replicas",
    why: "within the tolerance nothing moves: at N replicas the load of N times the tolerance more \
          replicas goes unanswered (kubernetes#116984), and with 1 or more nothing ever scales down",
    fix: "Use a tolerance below one over the fewest replicas; the HPA's own is 0.1.",
    check: tolerance_too_wide,
};

fn tolerance_too_wide(set: &Set<'_>, findings: &mut Findings<'_>) {
    for autoscaler in set.autoscalers() {
        #[expect(clippy::cast_precision_loss, reason = "counts are small")]
        let least = autoscaler.min.value.unwrap_or(1).max(1) as f64;
        let of = |direction: &str| autoscaler.behavior?.get(direction)?.get("tolerance");
        let everywhere = autoscaler.spec.at("hpa.tolerance");
        for (field, down) in [(of("scaleUp"), false), (of("scaleDown"), true), (everywhere, false)]
        {
            let tolerance = field.and_then(|field| Some((field, field.quantity()?.approx_f64())));
            let Some((field, tolerance)) = tolerance else { continue };
            let swallowed = tolerance * least;
            // Downward, half of two replicas is exactly one of them.
            let too_wide = if down { tolerance > 0.5 } else { swallowed >= 1.0 };
            if too_wide {
                let message = if down {
                    format!(
                        "two replicas with the load of {:.1} stay two",
                        2.0 * (1.0 - tolerance).max(0.0)
                    )
                } else {
                    format!("with {least} replicas, the load of {swallowed:.1} more moves nothing")
                };
                findings.add(&TOLERANCE_TOO_WIDE, field, message).help("write `0.1`");
            }
        }
    }
}
