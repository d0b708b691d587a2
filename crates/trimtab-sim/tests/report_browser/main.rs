//! The report in a real browser: it draws what it should, answers the reader, and asks nobody for anything.
//!
//! Without a Chromium these tests say so and pass, unless `TRIMTAB_REQUIRE_BROWSER` is set.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may fail by panic, and says what it skips"
)]

mod browser;
mod sample;

use browser::Browser;
use sample::{POLICIES, STEP, STEPS};
use trimtab_sim::{Backtest, report};

const FIRST_PANEL: &str = "#course .panel";

/// A browser with the page open in a window of 1200 pixels, or `None` where there is no browser.
fn opened(backtest: &Backtest, hash: &str) -> Option<Browser> {
    let mut browser = Browser::start()?;
    browser.look(1200, 900, "light");
    browser.open(&report::html(backtest).unwrap(), hash);
    Some(browser)
}

fn one() -> Backtest {
    sample::backtest(&["chat-daily"], &[120], 1)
}

fn several() -> Backtest {
    sample::backtest(&["chat-daily", "code-bursty"], &[30, 300], 3)
}

fn count(browser: &mut Browser, selector: &str) -> usize {
    browser.number(&format!("document.querySelectorAll({selector:?}).length")) as usize
}

#[test]
fn one_comparison_is_drawn_without_a_complaint() {
    let backtest = one();
    let Some(mut browser) = opened(&backtest, "") else { return };
    assert_eq!(browser.complaints(), Vec::<String>::new());
    for (selector, expected) in [
        (".point", POLICIES.len()),
        (".point.best", POLICIES.len()),
        (".labels text", POLICIES.len()),
        (".plane .bound line:not(.stub)", 1),
        (".plane line.required", 1),
        ("#runs-table tbody tr", POLICIES.len()),
        ("#spending-table .stack", POLICIES.len()),
        ("#spending-table .stack span", 5 * POLICIES.len()),
        ("article.course", 1),
        (".panel svg", 4),
        (".panel .area", 7),
        (".panel .area:is(.state-ready, .fill-load, .fill-queue)[d^=M]", 3),
        (".panel [class^=line-ttft][d^=M]", 3),
        (".panel line.required", 1),
    ] {
        assert_eq!(count(&mut browser, selector), expected, "{selector}");
    }
    assert!(browser.text("document.querySelector('.front').getAttribute('d')").starts_with('M'));
    assert_eq!(browser.evaluate("document.getElementById('overview').hidden"), true);
    assert_eq!(browser.evaluate("document.getElementById('chooser').hidden"), true);
    let changes =
        backtest.comparisons[0].runs[0].timeline.decisions.iter().filter(|d| d.from != d.to);
    let verdict = browser.text("document.getElementById('verdict').textContent");
    assert!(verdict.contains("meets all objectives for the least"), "{verdict}");
    browser.click(".point[data-run='0']", 0.5, 0.5);
    assert_eq!(count(&mut browser, ".panel .change"), changes.count());
}

#[test]
fn pointing_at_a_time_shows_its_values_and_its_decision() {
    let backtest = one();
    let Some(mut browser) = opened(&backtest, "#workload=chat-daily&lead=120s&run=1") else {
        return;
    };
    let timeline = &backtest.comparisons[0].runs[1].timeline;
    let mut seen = Vec::new();
    for across in [0.2, 0.45, 0.8] {
        browser.hover(FIRST_PANEL, across, 0.5);
        let now = browser.number("Number(document.querySelector('#time').value)");
        // The panel has margins; the slider says which step the pointer is in.
        let step = (now / STEP) as usize;
        assert!((step as f64 / STEPS as f64 - across).abs() < 0.05, "{step} at {across}");
        let decision = &timeline.decisions[timeline.decision[step].unwrap() as usize];
        assert_eq!(
            browser.text("document.querySelector('.decision pre').textContent"),
            decision.text.trim_end()
        );
        assert_eq!(
            browser.text("document.querySelector('.reading').textContent"),
            timeline.ready[step].to_string()
        );
        assert_eq!(browser.evaluate("new Set([...document.querySelectorAll('.cursor')].map((line) => line.getAttribute('x1'))).size"), 1);
        seen.push(decision.text.clone());
    }
    seen.dedup();
    assert_eq!(seen.len(), 3);
    // A click holds the time while the pointer moves on, and another lets go.
    browser.click(FIRST_PANEL, 0.5, 0.5);
    let held = browser.text("document.getElementById('now').textContent");
    browser.hover(FIRST_PANEL, 0.7, 0.5);
    assert_eq!(browser.text("document.getElementById('now').textContent"), held);
    browser.click(FIRST_PANEL, 0.7, 0.5);
    browser.hover(FIRST_PANEL, 0.72, 0.5);
    assert_ne!(browser.text("document.getElementById('now').textContent"), held);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn dragging_zooms_and_all_panels_follow() {
    let Some(mut browser) = opened(&one(), "") else { return };
    let times = "[...document.querySelectorAll('.panel svg')].at(-1).textContent";
    let whole = browser.text(times);
    browser.drag(FIRST_PANEL, 0.4, 0.6);
    assert_ne!(browser.text(times), whole);
    browser.evaluate("document.getElementById('zoom-all').click()");
    assert_eq!(browser.text(times), whole);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn the_keyboard_reaches_everything() {
    let backtest = several();
    let Some(mut browser) = opened(&backtest, "") else { return };
    // Time, by the arrows of the slider and from change to change.
    browser.evaluate("document.getElementById('time').focus()");
    let value = "Number(document.getElementById('time').value)";
    browser.key("Home");
    assert_eq!(browser.number(value), 0.0);
    browser.key("ArrowRight");
    assert_eq!(browser.number(value), STEP);
    browser.key("]");
    let run = browser.number("Number(document.querySelector('.point.chosen').dataset.run)");
    let timeline = &backtest.comparisons[0].runs[run as usize].timeline;
    let step = (browser.number(value) / STEP) as usize;
    let decision = &timeline.decisions[timeline.decision[step].unwrap() as usize];
    assert_ne!(decision.from, decision.to);
    assert_eq!(
        browser.text("document.querySelector('.decision pre').textContent"),
        decision.text.trim_end()
    );
    assert!(
        browser
            .text("document.getElementById('time').getAttribute('aria-valuetext')")
            .contains("ready")
    );
    // Points, by the arrows within the plane; one is chosen by Enter.
    browser.evaluate("document.querySelector('.point[tabindex=\"0\"]').focus()");
    browser.key("End");
    let run = browser.text("document.activeElement.dataset.run");
    assert_eq!(browser.evaluate("document.querySelector('.tip').hidden"), false);
    browser.key("Enter");
    assert_eq!(
        browser.text("document.querySelector('.point[aria-selected=true]').dataset.run"),
        run
    );
    assert_eq!(browser.text("document.activeElement.dataset.run"), run);
    assert!(browser.text("location.hash").ends_with(&format!("run={run}")));
    assert_eq!(browser.text("document.querySelector('article.course').dataset.run"), run);
    // Columns, by their headings.
    browser.evaluate("document.querySelector('[data-sort=cost]').focus()");
    browser.key("Enter");
    assert_eq!(
        browser
            .text("document.querySelector('#runs-table th[aria-sort]').getAttribute('aria-sort')"),
        "descending"
    );
    assert_eq!(browser.text("document.activeElement.dataset.sort"), "cost");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn the_address_selects_a_comparison_and_a_run() {
    let backtest = several();
    let Some(mut browser) = opened(&backtest, "#workload=code-bursty&lead=300s&run=4") else {
        return;
    };
    let title = "document.getElementById('title').textContent";
    assert_eq!(browser.text(title), "code-bursty, starts take 300s");
    assert_eq!(browser.text("document.querySelector('.point.chosen').dataset.run"), "4");
    assert_eq!(browser.text("document.getElementById('choose').value"), "3");
    assert_eq!(count(&mut browser, ".point"), backtest.comparisons[3].runs.len());
    assert_eq!(count(&mut browser, "#overview-table tbody tr"), 4);
    // Another one by the table of all, by the keyboard, and back by the history.
    browser.evaluate("document.querySelector('#overview-table tbody a').focus()");
    browser.key("Enter");
    browser.evaluate("new Promise((done) => setTimeout(done, 50))");
    assert_eq!(browser.text(title), "chat-daily, starts take 30s");
    browser.evaluate("new Promise((done) => { addEventListener('hashchange', () => setTimeout(done), { once: true }); history.back(); })");
    assert_eq!(browser.text(title), "code-bursty, starts take 300s");
    // And by the list.
    browser.evaluate("(() => { const list = document.getElementById('choose'); list.value = '1'; list.dispatchEvent(new Event('change')); return new Promise((done) => setTimeout(done, 50)); })()");
    assert_eq!(browser.text(title), "chat-daily, starts take 300s");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn runs_are_compared_and_all_tunings_listed_on_demand() {
    let backtest = several();
    let Some(mut browser) = opened(&backtest, "") else { return };
    browser.evaluate("document.getElementById('show-all').click()");
    assert_eq!(count(&mut browser, "article.course"), POLICIES.len());
    browser.hover(FIRST_PANEL, 0.3, 0.5);
    assert_eq!(browser.number("new Set([...document.querySelectorAll('.cursor')].map((line) => line.getAttribute('x1'))).size"), 1.0);
    browser.evaluate("document.getElementById('all-tunings').click()");
    assert_eq!(count(&mut browser, "#runs-table tbody tr"), backtest.comparisons[0].runs.len());
    browser.evaluate("[...document.querySelectorAll('#runs-table tbody button')].at(-1).click()");
    assert_eq!(count(&mut browser, "#runs-table tr.chosen"), 1);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_phone_scrolls_down_and_never_sideways() {
    let Some(mut browser) = Browser::start() else { return };
    for backtest in [one(), several(), sample::edges()] {
        browser.look(360, 740, "light");
        browser.open(&report::html(&backtest).unwrap(), "");
        browser.evaluate("document.querySelector('details').open = true");
        let width = browser.number("document.documentElement.scrollWidth");
        assert!(width <= 360.0, "{width}");
        assert_eq!(count(&mut browser, ".panel svg"), 4);
        browser.touch(FIRST_PANEL, 0.3, 0.5);
        let early = browser.number("Number(document.getElementById('time').value)");
        browser.touch(FIRST_PANEL, 0.8, 0.5);
        assert!(browser.number("Number(document.getElementById('time').value)") > early);
        assert_eq!(browser.complaints(), Vec::<String>::new());
    }
}

#[test]
fn text_can_be_read_in_light_and_in_dark() {
    let Some(mut browser) = opened(&several(), "") else { return };
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        browser.look(1200, 900, scheme);
        browser.hover(".plane .point.chosen .shape", 0.5, 0.5);
        grounds.push(browser.text("getComputedStyle(document.body).backgroundColor"));
        assert_eq!(browser.evaluate(FAINT), serde_json::json!([]), "{scheme}");
    }
    assert_ne!(grounds[0], grounds[1]);
}

/// The texts whose contrast with what is behind them is below 4.5, and the marks of policies below 3.
const FAINT: &str = r##"(() => {
  const parsed = (colour) => { const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number); return [r, g, b, a]; };
  const over = (top, under) => under.map((channel, i) => (i < 3 ? top[i] * top[3] + channel * (1 - top[3]) : 1));
  const behind = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) layers.push(parsed(getComputedStyle(e).backgroundColor));
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  };
  const light = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => { const [high, low] = [light(a), light(b)].sort((x, y) => y - x); return (high + 0.05) / (low + 0.05); };
  const faint = [];
  const check = (element, property, least) => {
    const found = contrast(parsed(getComputedStyle(element)[property]), behind(element));
    if (found < least) faint.push(`${element.tagName} ${element.getAttribute("class")} ${element.textContent.slice(0, 40)}: ${found.toFixed(2)}`);
  };
  for (const element of document.querySelectorAll("body *:not(script, style, option, noscript)")) {
    const speaks = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim() !== "");
    if (!speaks || !element.checkVisibility()) continue;
    check(element, element instanceof SVGElement ? "fill" : "color", 4.5);
  }
  for (const mark of document.querySelectorAll(".mark path, .point.best .shape")) check(mark, "fill", 3);
  return faint;
})()"##;

#[test]
fn what_lies_at_the_edges_is_drawn_too() {
    let backtest = sample::edges();
    let page = report::html(&backtest).unwrap();
    let Some(mut browser) = opened(&backtest, "") else { return };
    for (hash, runs, verdict) in [
        ("#workload=edges&lead=120s", 3, "meets"),
        ("#workload=nothing&lead=120s", 1, "Nothing arrived"),
        ("#workload=nothing&lead=0s", 0, "No policy was run"),
        ("#workload=edges&lead=30s&run=99", 1, "all objectives"),
        ("#workload=no-such", 3, "meets"),
    ] {
        browser.open(&page, hash);
        assert_eq!(count(&mut browser, "#plane:not([hidden]) .point"), runs, "{hash}");
        let said = browser.text("document.getElementById('verdict').textContent");
        assert!(said.contains(verdict), "{said}");
        let wrong = "[...document.querySelectorAll('main *, main')].flatMap((e) => [...e.attributes].map((a) => a.value)).concat(document.querySelector('main').innerText).filter((text) => /NaN|Infinity|undefined|null/.test(text))";
        assert_eq!(browser.evaluate(wrong), serde_json::json!([]), "{hash}");
        for run in 0..runs {
            browser.evaluate(&format!(
                "document.querySelector('#runs-table [data-run=\"{run}\"]').click()"
            ));
        }
        assert_eq!(browser.complaints(), Vec::<String>::new(), "{hash}");
    }
    assert_eq!(
        browser.text("document.querySelectorAll('#settings-list dd')[1].textContent"),
        backtest.settings.seed.to_string()
    );
    browser.open(&report::html(&Backtest { comparisons: Vec::new(), ..backtest }).unwrap(), "");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    assert_eq!(browser.text("document.querySelector('h1').textContent"), "Nothing was compared");
}
