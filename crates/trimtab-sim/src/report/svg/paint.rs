//! The colours, for light and for dark: those of Okabe and Ito, which the colour-blind tell apart,
//! a little darker or lighter where the paper needs it.

/// What a colour is for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Paper,
    Text,
    Muted,
    Grid,
    /// The part of the plane in which the first objective is met.
    Met,
    Bound,
    Front,
    Need,
    Wanted,
    Ready,
    Starting,
    Blue,
    Vermillion,
    Green,
    Purple,
    Orange,
}

/// The colours of policies, in the order of their first runs.
pub(super) const POLICIES: [Ink; 5] =
    [Ink::Blue, Ink::Vermillion, Ink::Green, Ink::Purple, Ink::Orange];

/// The ink, its name in the style sheet, its colour on light and its colour on dark.
const PAINTS: [(Ink, &str, &str, &str); 16] = [
    (Ink::Paper, "paper", "#ffffff", "#0d1117"),
    (Ink::Text, "text", "#1b1f24", "#e6edf3"),
    (Ink::Muted, "muted", "#57606a", "#9aa4af"),
    (Ink::Grid, "grid", "#e1e5ea", "#262d36"),
    (Ink::Met, "met", "#eef6f2", "#10211c"),
    (Ink::Bound, "bound", "#1b1f24", "#e6edf3"),
    (Ink::Front, "front", "#8c959f", "#768390"),
    (Ink::Need, "need", "#d5dbe2", "#2f3843"),
    (Ink::Wanted, "wanted", "#1b1f24", "#e6edf3"),
    (Ink::Ready, "ready", "#0072b2", "#56b4e9"),
    (Ink::Starting, "starting", "#e69f00", "#e69f00"),
    (Ink::Blue, "blue", "#0072b2", "#56b4e9"),
    (Ink::Vermillion, "vermillion", "#d55e00", "#ee7733"),
    (Ink::Green, "green", "#009e73", "#1dc394"),
    (Ink::Purple, "purple", "#b8588f", "#cc79a7"),
    (Ink::Orange, "orange", "#c88a00", "#e69f00"),
];

impl Ink {
    /// The name of its class is `f-` or `s-` and this: to fill, and to stroke.
    pub(super) fn name(self) -> &'static str {
        self.paint().1
    }

    /// Its colour for whoever draws without style sheets.
    pub(super) fn light(self) -> &'static str {
        self.paint().2
    }

    fn paint(self) -> (Self, &'static str, &'static str, &'static str) {
        let found = PAINTS.into_iter().find(|(ink, ..)| *ink == self);
        found.unwrap_or((self, "text", "#1b1f24", "#e6edf3"))
    }
}

/// The style sheet: the attributes of the elements are the light theme, and this overrides them
/// where the reader prefers the dark one.
pub(super) fn style_sheet() -> String {
    let mut css = String::from("@media (prefers-color-scheme:dark){");
    for (_, name, _, dark) in PAINTS {
        css.push_str(&format!(".f-{name}{{fill:{dark}}}.s-{name}{{stroke:{dark}}}"));
    }
    css.push('}');
    css
}
