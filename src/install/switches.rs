//! What in Claude Code's settings keeps a plugin or its hooks from being used. Pure.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::hindrance::Hindrance;
use super::plugin::PLUGIN_ID;

/// How a policy names plugins that no marketplace has.
const SKILLS: &str = "skills-dir";

/// The folder of the settings that whoever manages the machine gives everybody.
pub(super) fn managed_folder() -> &'static Path {
    Path::new(match cfg!(target_os = "macos") {
        true => "/Library/Application Support/ClaudeCode",
        false => "/etc/claude-code",
    })
}

/// The files of settings in the folder of whoever manages the machine, the last one first in force.
pub(super) fn managed_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("managed-settings.d"));
    let parts = entries.into_iter().flatten().flatten().map(|it| it.path());
    let mut parts: Vec<_> = parts
        .filter(|it| it.extension().is_some_and(|it| it == "json"))
        .collect();
    parts.sort();
    parts.insert(0, folder.join("managed-settings.json"));
    parts
}

/// Settings with their file, the ones that go before at the end.
pub(super) type Settings = [(PathBuf, Value)];

/// What switches the plugin or its hooks off. Of a setting that several files have, the last one counts.
pub(super) fn of_all(own: &Settings, managed: &Settings) -> Vec<Hindrance> {
    let last = |wanted: &dyn Fn(&Value) -> Option<bool>| {
        let all = own
            .iter()
            .map(|it| (it, false))
            .chain(managed.iter().map(|it| (it, true)));
        let found =
            all.filter_map(|((file, value), is_managed)| Some((file, is_managed, wanted(value)?)));
        found.last()
    };
    let mut found = Vec::new();
    if let Some((file, is_managed, false)) = last(&|it| it["enabledPlugins"][PLUGIN_ID].as_bool()) {
        let said = format!(
            "the plugin is switched off by enabledPlugins of {}",
            file.display()
        );
        let own =
            format!("`claude plugin enable {PLUGIN_ID}` switches it on, or take it out there");
        found.push(hindrance(said, is_managed, &own));
    }
    if let Some((file, is_managed, true)) = last(&|it| it["disableAllHooks"].as_bool()) {
        let said = format!(
            "all hooks are switched off by disableAllHooks of {}",
            file.display()
        );
        found.push(hindrance(said, is_managed, "take it out there"));
    }
    for (file, value) in managed {
        found.extend(
            policies(value)
                .map(|policy| hindrance(format!("{policy} of {}", file.display()), true, "")),
        );
    }
    found
}

fn hindrance(said: String, is_managed: bool, own: &str) -> Hindrance {
    let remedy = match is_managed {
        true => {
            "ask whoever manages this machine; without the plugin, `shim install claude-code --mcp-only` gives the tools"
        }
        false => own,
    };
    Hindrance {
        said,
        remedy: remedy.to_owned(),
        is_fatal: false,
    }
}

/// What a policy takes from plugins of a person.
fn policies(value: &Value) -> impl Iterator<Item = &'static str> {
    let names_skills = |list: &str| {
        let all = value[list].as_array();
        all.map(|all| all.iter().any(|it| it["source"] == SKILLS))
    };
    let found = [
        (value["allowManagedHooksOnly"] == true)
            .then_some("hooks of persons are switched off by allowManagedHooksOnly"),
        (names_skills("strictKnownMarketplaces") == Some(false))
            .then_some("plugins of persons are not allowed by strictKnownMarketplaces"),
        (names_skills("blockedMarketplaces") == Some(true))
            .then_some("plugins of persons are not allowed by blockedMarketplaces"),
        value["allowedMcpServers"]
            .is_array()
            .then_some("the plugin's server is not on the list allowedMcpServers"),
    ];
    found.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(values: &[Value]) -> Vec<(PathBuf, Value)> {
        let named = values.iter().enumerate();
        named
            .map(|(n, value)| (format!("/{n}.json").into(), value.clone()))
            .collect()
    }

    #[test]
    fn the_last_file_that_has_a_setting_counts() {
        let off = json!({"enabledPlugins": {"shim@skills-dir": false}});
        let on = json!({"enabledPlugins": {"shim@skills-dir": true}});
        let no_hooks = json!({"disableAllHooks": true});
        let hooks = json!({"disableAllHooks": false});
        for (own, managed, expected) in [
            (vec![], vec![], vec![]),
            (vec![off.clone()], vec![], vec!["enabledPlugins of /0.json"]),
            (vec![off.clone(), on.clone()], vec![], vec![]),
            (
                vec![on, json!({})],
                vec![off],
                vec!["enabledPlugins of /0.json"],
            ),
            (
                vec![no_hooks.clone(), json!({})],
                vec![],
                vec!["disableAllHooks of /0.json"],
            ),
            (vec![no_hooks, hooks], vec![], vec![]),
            (vec![json!({"allowManagedHooksOnly": true})], vec![], vec![]),
            (
                vec![],
                vec![json!({"allowManagedHooksOnly": true})],
                vec!["allowManagedHooksOnly"],
            ),
            (
                vec![],
                vec![json!({"strictKnownMarketplaces": []})],
                vec!["strictKnownMarketplaces"],
            ),
            (
                vec![],
                vec![json!({"strictKnownMarketplaces": [{"source": "skills-dir"}]})],
                vec![],
            ),
            (
                vec![],
                vec![json!({"blockedMarketplaces": [{"source": "skills-dir"}]})],
                vec!["blockedMarketplaces"],
            ),
            (
                vec![],
                vec![json!({"blockedMarketplaces": [{"source": "github"}]})],
                vec![],
            ),
            (vec![json!(3), json!([1])], vec![json!("x")], vec![]),
        ] {
            let found = of_all(&settings(&own), &settings(&managed));
            assert_eq!(
                found.len(),
                expected.len(),
                "{own:?} {managed:?}: {found:?}"
            );
            for (hindrance, said) in found.iter().zip(expected) {
                assert!(hindrance.said.contains(said), "{hindrance:?}");
                assert_eq!(
                    hindrance.remedy.contains("whoever manages"),
                    !managed.is_empty()
                );
            }
        }
    }
}
