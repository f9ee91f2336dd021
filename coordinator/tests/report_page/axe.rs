//! The accessibility rules of axe-core, run in the page. `.ci/install` fetches the version named here into a cache.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::browser::Browser;

/// The version of axe-core.
const VERSION: &str = "4.14.1";

/// The script; `None` if it is not in a cache.
pub fn script() -> Option<String> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let own = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    let caches = [Some(Path::new("/var/cache").to_owned()), own];
    let file = format!("ringbench/axe-core-{VERSION}/package/axe.min.js");
    caches.into_iter().flatten().find_map(|cache| std::fs::read_to_string(cache.join(&file)).ok())
}

/// The violations in the page as it is shown now: impact, rule, and the elements.
///
/// # Panics
/// If hardly any rule was applied.
pub fn violations(browser: &mut Browser, script: &str) -> Value {
    browser.eval(&format!("{script}; null"));
    let found = browser.eval(
        "axe.run(document, {resultTypes: ['violations']}).then(found => [found.passes.length, found.violations.map(rule => \
         [rule.impact, rule.id, rule.help, rule.nodes.slice(0, 3).map(node => node.html.slice(0, 120)).join(' | ')])])",
    );
    assert!(found[0].as_u64().unwrap() > 20, "{found}");
    found[1].clone()
}
