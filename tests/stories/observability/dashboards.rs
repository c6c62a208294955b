//! The dashboards as Grafana reads them from their files.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{deploy, read};

/// Columns of Grafana's grid.
const WIDTH: u64 = 24;

/// One dashboard, as its file has it.
pub(super) struct Dashboard(Value);

/// What a panel asks Prometheus for.
pub(super) struct Query {
    /// The dashboard and the panel, for people.
    pub(super) panel: String,
    /// PromQL, with Grafana's variables in it.
    pub(super) text: String,
}

impl Dashboard {
    pub(super) fn all() -> Vec<Self> {
        let folder = std::fs::read_dir(deploy().join("grafana/dashboards")).unwrap();
        let mut names: Vec<_> = folder.map(|file| file.unwrap().file_name()).collect();
        names.sort();
        let path = |name: std::ffi::OsString| format!("grafana/dashboards/{}", name.display());
        let texts = names.into_iter().map(|name| read(&path(name)));
        texts
            .map(|text| Self(serde_json::from_str(&text).unwrap()))
            .collect()
    }

    pub(super) fn uid(&self) -> &str {
        self.0["uid"].as_str().unwrap()
    }

    fn panels(&self) -> &[Value] {
        self.0["panels"].as_array().unwrap()
    }

    pub(super) fn queries(&self) -> Vec<Query> {
        let targets = |panel: &Value| panel["targets"].as_array().cloned().unwrap_or_default();
        let all = self.panels().iter().flat_map(|panel| {
            let name = format!("{} / {}", self.uid(), panel["title"]);
            targets(panel).into_iter().map(move |target| Query {
                panel: name.clone(),
                text: target["expr"].as_str().unwrap().to_owned(),
            })
        });
        all.collect()
    }

    /// Everything has a place, a name, a source and something to show.
    pub(super) fn assert_in_order(&self) {
        assert!(self.0["schemaVersion"].as_u64().unwrap() >= 39);
        let mut ids = BTreeSet::new();
        let mut cells = BTreeMap::new();
        for panel in self.panels() {
            let title = panel["title"].as_str().unwrap();
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id");
            occupy(panel, title, &mut cells);
            if panel["type"] != "row" {
                assert_has_content(panel, title);
            }
        }
        for variable in self.0["templating"]["list"].as_array().unwrap() {
            assert_eq!(variable["datasource"]["uid"], "prometheus");
        }
    }
}

/// No two panels share a cell of the grid, and none stands out of it.
fn occupy(panel: &Value, title: &str, cells: &mut BTreeMap<(u64, u64), String>) {
    let [x, y, width, height] =
        ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
    assert!(width > 0 && height > 0 && x + width <= WIDTH, "{title}");
    for cell in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
        if let Some(other) = cells.insert(cell, title.to_owned()) {
            panic!("{title} lies over {other}");
        }
    }
}

fn assert_has_content(panel: &Value, title: &str) {
    assert_eq!(panel["datasource"]["uid"], "prometheus", "{title}");
    assert!(
        panel["description"]
            .as_str()
            .is_some_and(|it| !it.is_empty()),
        "{title}"
    );
    assert!(
        panel["fieldConfig"]["defaults"]["unit"].is_string(),
        "{title}: its unit"
    );
    let targets = panel["targets"].as_array().unwrap();
    assert!(!targets.is_empty(), "{title} asks for nothing");
    let mut names = BTreeSet::new();
    for target in targets {
        assert!(
            names.insert(target["refId"].as_str().unwrap()),
            "{title}: refId"
        );
        assert_eq!(target["datasource"]["uid"], "prometheus", "{title}");
    }
}
