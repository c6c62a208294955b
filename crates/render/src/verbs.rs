//! What a task does, by the verbs of its text: the same object with another verb is another task.

/// Verbs that say that a task goes on, not what it does.
const NEUTRAL: [&str; 18] = [
    "begin", "carry", "complet", "continu", "do", "finaliz", "finish", "get", "go", "keep", "let",
    "need", "now", "resum", "start", "still", "wip", "work",
];

/// Stems of verbs, in all forms that they take, that do the same, each list another deed.
const DEEDS: [&[&str]; 44] = [
    &[
        "add",
        "build",
        "creat",
        "implement",
        "introduc",
        "mak",
        "writ",
        "develop",
    ],
    &[
        "remov",
        "delet",
        "drop",
        "dropp",
        "eras",
        "strip",
        "stripp",
        "purg",
        "uninstall",
    ],
    &[
        "fix", "repair", "debug", "debugg", "resolv", "mend", "solv", "correct",
    ],
    &["revert", "undo", "rollback", "roll", "restor", "reset"],
    &["enabl", "activat", "allow", "unblock"],
    &["disabl", "deactivat", "forbid", "block", "deny"],
    &["show", "display"],
    &["hid"],
    &["test"],
    &["review", "audit", "inspect"],
    &["document", "describ", "explain"],
    &[
        "investigat",
        "analys",
        "analyz",
        "research",
        "explor",
        "understand",
    ],
    &[
        "refactor",
        "restructur",
        "rework",
        "clean",
        "simplify",
        "tidy",
    ],
    &["upgrad", "updat", "bump"],
    &["downgrad"],
    &["renam"],
    &["port", "migrat", "convert", "mov"],
    &["translat", "localiz"],
    &["deploy", "releas", "publish", "ship", "shipp"],
    &["install"],
    &["open"],
    &["clos", "shut"],
    &["stop", "stopp", "paus", "halt", "kill"],
    &["increas", "rais", "extend", "expand", "widen"],
    &["decreas", "reduc", "lower", "shrink", "shorten", "narrow"],
    &["optimiz", "optimis", "improv", "speed"],
    &["encrypt"],
    &["decrypt"],
    &["lock"],
    &["unlock"],
    &["merg", "join", "combin"],
    &["split", "splitt", "separat"],
    &["import"],
    &["export"],
    &["upload"],
    &["download"],
    &["encod"],
    &["decod"],
    &["compress", "compres"],
    &["decompress", "decompres", "unpack"],
    &["backup"],
    &["benchmark", "measur", "profil"],
    &["design", "plan", "plann", "draft"],
    &["not", "never", "cancel", "abandon", "without"],
];

/// What one word does: the place of its deed.
pub(crate) fn deed(stem: &str) -> Option<usize> {
    DEEDS.iter().position(|deed| deed.contains(&stem))
}

/// One word for a deed.
pub(crate) fn name_of(deed: usize) -> &'static str {
    DEEDS[deed][0]
}

/// Whether a word only says that a task goes on.
pub(crate) fn is_neutral(stem: &str) -> bool {
    NEUTRAL.contains(&stem)
}

/// Whether the deed takes back what it speaks of, wherever it stands in a text.
pub(crate) fn takes_back(deed: usize) -> bool {
    DEEDS[deed].contains(&"not") || DEEDS[deed].contains(&"undo")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::likeness::stem;

    #[test]
    fn each_form_of_a_verb_does_the_same_and_no_verb_does_two_things() {
        for forms in [
            &["drop", "drops", "dropped", "dropping"][..],
            &["erase", "erases", "erased", "erasing"],
            &["compress", "compressed", "compressing"],
            &["release", "releases", "released", "releasing"],
            &["split", "splits", "splitting"],
            &["write", "writes", "writing", "add", "added"],
            &["hide", "hides", "hiding"],
            &["rename", "renames", "renamed", "renaming"],
            &["close", "closes", "closed", "closing"],
        ] {
            let deeds: Vec<Option<usize>> = forms.iter().map(|form| deed(stem(form))).collect();
            assert!(deeds[0].is_some(), "{forms:?}");
            assert!(
                deeds.iter().all(|it| *it == deeds[0]),
                "{forms:?} {deeds:?}"
            );
        }
        let mut all: Vec<&str> = DEEDS.iter().flat_map(|deed| deed.iter().copied()).collect();
        all.extend(NEUTRAL);
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "each stands once");
    }
}
