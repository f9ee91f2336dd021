//! The report in a real browser: it renders without an error and without the network, fits every width, follows the
//! colour scheme, shows its numbers to pointer, touch and keyboard, and prints.
//!
//! `RINGBENCH_SHOTS=DIR` keeps screenshots and the PDF for inspection.

#![allow(clippy::unwrap_used, reason = "a test")]

mod axe;
mod browser;

use std::{path::PathBuf, process::Command};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use browser::Browser;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Two axes, two depths, and arms with very long names.
const SCENARIO: &str = r#"
name: page
question: Does the page show what was measured?
target: {file: {size: 4MiB, direct: false}}
workload: {pattern: random, block_size: 4KiB, warmup: 20ms, runtime: 200ms}
arms:
  sync: {engine: psync}
  null-engine-with-a-long-name: {engine: "null"}
sweep: {depth: [1, 4, 16], block_size: [4KiB, 16KiB]}
trials: 3
noise: ignore
baseline: sync
expect: ["sync.syscalls_per_io >= 0.9"]
"#;

fn report() -> (TempDir, PathBuf) {
    let place = TempDir::new().unwrap();
    let scenario = place.path().join("page.yaml");
    std::fs::write(&scenario, SCENARIO).unwrap();
    // A directory of copies, for users who may not read the build tree.
    let built = PathBuf::from(env!("CARGO_BIN_EXE_coordinator"));
    let coordinator = std::env::var_os("RINGBENCH_BIN_DIR")
        .map_or(built, |copies| PathBuf::from(copies).join("coordinator"));
    let mut command = Command::new(coordinator);
    command.current_dir(place.path()).arg("run").arg(&scenario).args(["--out", "run", "--no-progress"]);
    let out = command.output().unwrap();
    let page = place.path().join("run/report.html");
    assert!(page.exists(), "{}", String::from_utf8_lossy(&out.stderr));
    (place, page)
}

fn keep(name: &str, base64: &Value) {
    let Some(directory) = std::env::var_os("RINGBENCH_SHOTS") else { return };
    let bytes = BASE64_STANDARD.decode(base64.as_str().unwrap()).unwrap();
    std::fs::write(PathBuf::from(directory).join(name), bytes).unwrap();
}

/// The text of the page's tooltip; null if it is hidden.
const TIP: &str =
    "(() => { const tip = document.getElementById('tip'); return tip.hidden ? null : tip.textContent })()";

/// The middle of the first mark of the first chart, in view.
const MARK: &str = "(async () => { const mark = document.querySelector('.plot .mark.pt'); \
    mark.scrollIntoView({block: 'center', behavior: 'instant'}); \
    await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))); const box = mark.getBoundingClientRect(); \
    return [box.left + box.width / 2, box.top + box.height / 2] })()";

#[test]
fn the_report_works_in_a_browser() {
    let Some(mut browser) = Browser::start() else {
        return agent::skip::skip("there is no chromium: install it to test the report");
    };
    let (_place, made) = report();
    // The page of another run can be checked in the same way.
    let page = std::env::var_os("RINGBENCH_PAGE").map_or(made, PathBuf::from);
    browser.width(1280);
    browser.scheme("light");
    browser.open(&page);

    loads_cleanly(&browser);
    is_accessible(&mut browser);
    follows_the_rules_of_axe(&mut browser);
    fits_and_follows_the_scheme(&mut browser);
    shows_its_numbers(&mut browser);
    prints(&mut browser);
    loads_cleanly(&browser);
    works_without_script(&mut browser, &page);
}

/// No message on the console, for example about a refused style, and no request except for the page itself.
fn loads_cleanly(browser: &Browser) {
    let complaints = ["Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"];
    let of = |event: &&Value| complaints.iter().any(|method| event["method"] == *method);
    let complaints: Vec<&Value> = browser.events.iter().filter(of).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
    let requests: Vec<&str> = browser
        .events
        .iter()
        .filter(|event| event["method"] == "Network.requestWillBeSent")
        .filter_map(|event| event["params"]["request"]["url"].as_str())
        .filter(|url| !url.starts_with("data:"))
        .collect();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert!(requests[0].starts_with("file:///"), "{requests:?}");
}

fn is_accessible(browser: &mut Browser) {
    let figures = browser.eval("document.querySelectorAll('figure').length").as_u64().unwrap();
    assert!(figures >= 6, "{figures} charts");
    let none = |browser: &mut Browser, what: &str, expression: &str| {
        assert_eq!(browser.eval(expression), json!([]), "{what}");
    };
    none(
        browser,
        "charts without a table of numbers",
        "[...document.querySelectorAll('figure')].filter(f => !f.querySelector('details tbody td'))\
         .map(f => f.textContent.slice(0, 80))",
    );
    none(
        browser,
        "pictures without a name and a description",
        "[...document.querySelectorAll('svg[role=img]')].filter(s => !s.getAttribute('aria-labelledby').split(' ')\
         .every(id => document.getElementById(id)?.textContent)).map(s => s.outerHTML.slice(0, 80))",
    );
    none(
        browser,
        "tables without a caption, and headers without a scope",
        "[...document.querySelectorAll('table:not(:has(caption)), th:not([scope])')].map(e => e.outerHTML.slice(0, 80))",
    );
    none(
        browser,
        "headings that skip a level",
        "[...document.querySelectorAll('h1, h2, h3, h4')].map(h => +h.tagName[1])\
         .filter((level, i, all) => level > (i ? all[i - 1] + 1 : 1))",
    );
    none(
        browser,
        "links to nowhere, and names used twice",
        "[...document.querySelectorAll('a')].map(a => a.hash.slice(1)).filter(id => !document.getElementById(id))\
         .concat([...document.querySelectorAll('[id]')].map(e => e.id).filter((id, i, all) => all.indexOf(id) != i))",
    );
    let landmarks = "[...document.querySelectorAll('main, header, nav')].map(e => e.localName)";
    assert_eq!(browser.eval(landmarks), json!(["header", "nav", "main"]));
    browser.key("Tab");
    assert_eq!(browser.eval("document.activeElement.className"), "skip");
}

/// No violation of any impact, in both schemes, on large and small screens, with everything unfolded.
fn follows_the_rules_of_axe(browser: &mut Browser) {
    let Some(script) = axe::script() else {
        return agent::skip::skip(
            "axe-core is not in a cache: run .ci/install to check accessibility by its rules",
        );
    };
    browser.eval("for (const details of document.querySelectorAll('details')) details.open = true");
    for (scheme, width) in [("light", 1280), ("dark", 1280), ("light", 360)] {
        browser.scheme(scheme);
        browser.width(width);
        assert_eq!(axe::violations(browser, &script), json!([]), "{scheme} at {width}");
    }
    browser.eval("for (const details of document.querySelectorAll('details')) details.open = false");
    browser.scheme("light");
    browser.width(1280);
}

/// The contrast of text is sufficient (WCAG AA: 4.5) on the page and on cards.
const LOW_CONTRAST: &str = "(() => { \
    const luminance = (colour) => { const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map(v => { v /= 255; \
        return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 }); return 0.2126 * r + 0.7152 * g + 0.0722 * b }; \
    const ratio = (a, b) => { const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p); \
        return (x + 0.05) / (y + 0.05) }; \
    const behind = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; \
        if (c != 'rgba(0, 0, 0, 0)') return c } return 'rgb(255, 255, 255)' }; \
    const bad = []; \
    for (const e of document.querySelectorAll('p, li, td, th, a, h1, h2, h3, .badge, figcaption, caption, summary')) { \
        const found = ratio(getComputedStyle(e).color, behind(e)); if (found < 4.5) bad.push(e.outerHTML.slice(0, 90) + found) } \
    for (const e of document.querySelectorAll('svg text:not(.in)')) { \
        const found = ratio(getComputedStyle(e).fill, behind(e)); if (found < 4.5) bad.push(e.outerHTML.slice(0, 90) + found) } \
    for (const e of document.querySelectorAll('.mark, polyline')) { const style = getComputedStyle(e); \
        const found = ratio(e.matches('polyline') ? style.stroke : style.fill, behind(e)); \
        if (found < 3) bad.push(e.outerHTML.slice(0, 90) + found) } \
    return bad.slice(0, 5) })()";

/// Elements that overflow the page, except scrollable ones.
const TOO_WIDE: &str = "[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll > *, svg *') && \
    e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 90))";

fn fits_and_follows_the_scheme(browser: &mut Browser) {
    let mut pages = Vec::new();
    for scheme in ["light", "dark"] {
        browser.scheme(scheme);
        pages.push(browser.eval("getComputedStyle(document.body).backgroundColor"));
        assert_eq!(browser.eval(LOW_CONTRAST), json!([]), "{scheme}");
        for width in [360, 768, 1280, 1920] {
            browser.width(width);
            let scrolls = browser.eval("document.documentElement.scrollWidth");
            let wide = browser.eval(TOO_WIDE);
            assert!(scrolls.as_u64().unwrap() <= u64::from(width), "{scrolls} pixels at {width}: {wide}");
            let small = "Math.min(...[...document.querySelectorAll('.plot')].filter(p => p.checkVisibility()).map(p => p.clientWidth))";
            assert!(browser.eval(small).as_f64().unwrap() >= 280.0, "charts too small at {width}");
            if width == 1280 {
                let lines = "new Set([...document.querySelectorAll('nav li')].map(e => e.offsetTop)).size";
                assert_eq!(browser.eval(lines), 1, "the navigation wraps");
            }
            let shot = browser.call("Page.captureScreenshot", json!({"captureBeyondViewport": true}));
            keep(&format!("{width}-{scheme}.png"), &shot["data"]);
        }
    }
    assert_eq!(pages, [json!("rgb(255, 255, 255)"), json!("rgb(20, 23, 27)")]);
    browser.scheme("light");
    browser.width(1280);
}

fn shows_its_numbers(browser: &mut Browser) {
    assert_eq!(browser.eval(TIP), Value::Null);
    // A mouse over a mark.
    let at = browser.eval(MARK);
    let mouse = |kind: &str, x: f64| json!({"type": kind, "x": x, "y": at[1], "pointerType": "mouse"});
    let x = at[0].as_f64().unwrap();
    browser.call("Input.dispatchMouseEvent", mouse("mouseMoved", x));
    let tip = browser.eval(TIP);
    let text = tip.as_str().expect("a tip under the pointer");
    assert!(text.contains("sync") && text.contains(|c: char| c.is_ascii_digit()), "{text}");
    browser.call("Input.dispatchMouseEvent", mouse("mouseMoved", 1.0));
    assert_eq!(browser.eval(TIP), Value::Null);

    // Keys: to the chart, along a line, and on to another arm.
    browser.eval("document.querySelector('.plot').focus({preventScroll: true})");
    let mut tips = vec![browser.eval(TIP)];
    for key in ["ArrowRight", "End", "ArrowDown"] {
        browser.key(key);
        tips.push(browser.eval(TIP));
    }
    let texts: Vec<&str> = tips.iter().filter_map(Value::as_str).collect();
    assert!(texts.len() == 4 && texts.windows(2).all(|pair| pair[0] != pair[1]), "{tips:?}");
    let arm = |tip: &str| tip.split(", ").next().map(str::to_owned);
    assert!(texts[0].starts_with("sync, depth ") && arm(texts[3]) != arm(texts[0]), "{texts:?}");
    assert_eq!(browser.eval("document.querySelectorAll('.pt.on').length"), 1);
    browser.key("Escape");
    assert_eq!(browser.eval(TIP), Value::Null);

    // Touch.
    let at = browser.eval(MARK);
    browser.call("Emulation.setTouchEmulationEnabled", json!({"enabled": true}));
    let touch = |kind: &str, points: Value| json!({"type": kind, "touchPoints": points});
    browser.call("Input.dispatchTouchEvent", touch("touchStart", json!([{"x": at[0], "y": at[1]}])));
    browser.call("Input.dispatchTouchEvent", touch("touchEnd", json!([])));
    assert!(browser.eval(TIP).as_str().is_some_and(|tip| tip.contains("sync")));
    browser.call("Emulation.setTouchEmulationEnabled", json!({"enabled": false}));
}

fn prints(browser: &mut Browser) {
    let pdf = browser.call("Page.printToPDF", json!({"paperWidth": 8.27, "paperHeight": 11.69}));
    let bytes = BASE64_STANDARD.decode(pdf["data"].as_str().unwrap()).unwrap();
    assert!(bytes.starts_with(b"%PDF-") && bytes.len() > 20_000, "{} bytes", bytes.len());
    keep("page.pdf", &pdf["data"]);
    // A long table prints on several pages, charts and folded texts on few.
    let pages = String::from_utf8_lossy(&bytes).matches("/Type /Page\n").count();
    assert!((1..=6).contains(&pages), "{pages} printed pages");
    // Sections opened for printing are closed again.
    assert_eq!(browser.eval("document.querySelectorAll('details[open]').length"), 0);
    // In print the scheme is light and no table is cut off.
    let features = json!([{"name": "prefers-color-scheme", "value": "dark"}]);
    browser.call("Emulation.setEmulatedMedia", json!({"media": "print", "features": features}));
    browser.width(700);
    assert_eq!(browser.eval("getComputedStyle(document.body).backgroundColor"), "rgb(255, 255, 255)");
    let clipped = "[...document.querySelectorAll('.scroll')]\
        .filter(e => e.checkVisibility() && e.querySelector('table').offsetWidth > document.body.clientWidth + 1)\
        .map(e => e.getAttribute('aria-label') + e.querySelector('table').offsetWidth)";
    assert_eq!(browser.eval(clipped), json!([]));
    let shot = browser.call("Page.captureScreenshot", json!({"captureBeyondViewport": true}));
    keep("print.png", &shot["data"]);
    browser.call("Emulation.setEmulatedMedia", json!({"media": "", "features": []}));
}

/// Without the script, all numbers are in the titles of the marks, which browsers show, and in the tables.
fn works_without_script(browser: &mut Browser, page: &std::path::Path) {
    browser.call("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    browser.open(page);
    let root = browser.call("DOM.getDocument", json!({"depth": 1}));
    let query = |selector: &str| json!({"nodeId": root["root"]["nodeId"], "selector": selector});
    let marks = browser.call("DOM.querySelectorAll", query(".mark.pt > title"));
    let tables = browser.call("DOM.querySelectorAll", query("figure details table"));
    let counts = [&marks, &tables].map(|found| found["nodeIds"].as_array().map_or(0, Vec::len));
    assert!(counts.iter().all(|count| *count >= 6), "{counts:?}");
}
