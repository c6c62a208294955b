//! The dependencies between the subtasks of a job: a graph without cycles.
//!
//! The check finds every error of a submitted graph, and the depth of a valid one. It knows nothing of what a subtask does.

use std::collections::HashMap;
use std::fmt;

/// The longest chain of subtasks. A longer one is a loop, which should be a job of its own.
const MAX_DEPTH: usize = 100;
/// The keys of a cycle that its message names.
const MAX_KEYS_SHOWN: usize = 12;

/// A subtask's key, and the keys of the subtasks that it waits for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'a> {
    pub(crate) key: &'a str,
    pub(crate) depends_on: &'a [String],
}

/// What is wrong with a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GraphError {
    /// The subtask at index `node` has the key of an earlier one.
    DuplicateKey { node: usize, key: String },
    /// The dependency at `index` is the key of no subtask.
    UnknownDependency {
        node: usize,
        index: usize,
        key: String,
    },
    /// A subtask waits for itself.
    SelfDependency { node: usize, index: usize },
    /// Each waits for the next, and the last for the first.
    Cycle(Vec<String>),
    /// The longest chain has this many subtasks, more than [`MAX_DEPTH`].
    TooDeep(usize),
}

impl GraphError {
    /// The request's field that is wrong.
    pub(crate) fn field(&self) -> String {
        match self {
            Self::DuplicateKey { node, .. } => format!("subtasks[{node}].key"),
            Self::UnknownDependency { node, index, .. } | Self::SelfDependency { node, index } => {
                format!("subtasks[{node}].depends_on[{index}]")
            }
            Self::Cycle(_) | Self::TooDeep(_) => "subtasks".to_owned(),
        }
    }
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateKey { key, .. } => {
                write!(f, "must be unique in the job; {key:?} was there")
            }
            Self::UnknownDependency { key, .. } => {
                write!(f, "must be the key of another subtask; there is no {key:?}")
            }
            Self::SelfDependency { .. } => {
                f.write_str("is the subtask itself, which would never start")
            }
            Self::Cycle(keys) => {
                f.write_str("wait for each other in a circle: ")?;
                for key in keys.iter().take(MAX_KEYS_SHOWN) {
                    write!(f, "{key} -> ")?;
                }
                if keys.len() > MAX_KEYS_SHOWN {
                    write!(f, "({} more) -> ", keys.len() - MAX_KEYS_SHOWN)?;
                }
                f.write_str(&keys[0])
            }
            Self::TooDeep(depth) => write!(
                f,
                "are up to {depth} one after the other, at most {MAX_DEPTH} are allowed"
            ),
        }
    }
}

/// A valid graph; its nodes are indices into the list of subtasks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Graph {
    /// For each node the nodes that it waits for, sorted and without repetitions.
    pub(crate) waits_for: Vec<Vec<usize>>,
    /// For each node the length of the longest chain before it.
    levels: Vec<usize>,
}

impl Graph {
    /// Checks the nodes.
    ///
    /// # Errors
    /// All errors. Cycles are searched for in a graph without other errors, and one of them is reported.
    pub(crate) fn of(nodes: &[Node<'_>]) -> Result<Self, Vec<GraphError>> {
        let waits_for = resolve(nodes)?;
        let levels = levels(&waits_for).map_err(|stuck| {
            let cycle = find_cycle(&waits_for, &stuck);
            let keys = cycle.into_iter().map(|node| nodes[node].key.to_owned());
            vec![GraphError::Cycle(keys.collect())]
        })?;
        let graph = Self { waits_for, levels };
        match graph.depth() {
            depth if depth > MAX_DEPTH => Err(vec![GraphError::TooDeep(depth)]),
            _ => Ok(graph),
        }
    }

    /// The length of the longest chain.
    pub(crate) fn depth(&self) -> usize {
        self.levels.iter().max().map_or(0, |level| level + 1)
    }

    /// The number of nodes that wait for no other.
    pub(crate) fn starts(&self) -> usize {
        self.levels.iter().filter(|level| **level == 0).count()
    }
}

/// The indices of the keys that each node waits for.
fn resolve(nodes: &[Node<'_>]) -> Result<Vec<Vec<usize>>, Vec<GraphError>> {
    let mut errors = Vec::new();
    let mut indices = HashMap::with_capacity(nodes.len());
    for (node, Node { key, .. }) in nodes.iter().enumerate() {
        if indices.contains_key(key) {
            let key = (*key).to_owned();
            errors.push(GraphError::DuplicateKey { node, key });
        } else {
            indices.insert(*key, node);
        }
    }
    let mut waits_for = Vec::with_capacity(nodes.len());
    for (node, Node { depends_on, .. }) in nodes.iter().enumerate() {
        let mut before = Vec::with_capacity(depends_on.len());
        for (index, key) in depends_on.iter().enumerate() {
            match indices.get(key.as_str()) {
                Some(other) if *other == node => {
                    errors.push(GraphError::SelfDependency { node, index });
                }
                Some(other) => before.push(*other),
                None => {
                    let key = key.clone();
                    errors.push(GraphError::UnknownDependency { node, index, key });
                }
            }
        }
        before.sort_unstable();
        before.dedup();
        waits_for.push(before);
    }
    if errors.is_empty() {
        Ok(waits_for)
    } else {
        Err(errors)
    }
}

/// Removes the nodes that wait for nothing, again and again (Kahn 1962). The error marks the nodes that remain: each of
/// them is on a cycle or behind one.
fn levels(waits_for: &[Vec<usize>]) -> Result<Vec<usize>, Vec<bool>> {
    let mut followers = vec![Vec::new(); waits_for.len()];
    for (node, before) in waits_for.iter().enumerate() {
        for other in before {
            followers[*other].push(node);
        }
    }
    let mut left: Vec<usize> = waits_for.iter().map(Vec::len).collect();
    let mut levels = vec![0; waits_for.len()];
    let mut free: Vec<usize> = (0..left.len()).filter(|node| left[*node] == 0).collect();
    let mut next = 0;
    while let Some(&node) = free.get(next) {
        next += 1;
        for &follower in &followers[node] {
            levels[follower] = levels[follower].max(levels[node] + 1);
            left[follower] -= 1;
            if left[follower] == 0 {
                free.push(follower);
            }
        }
    }
    if free.len() == waits_for.len() {
        Ok(levels)
    } else {
        Err(left.iter().map(|waits| *waits > 0).collect())
    }
}

/// A cycle among stuck nodes, each of which waits for another stuck node. It begins with its lowest index.
fn find_cycle(waits_for: &[Vec<usize>], stuck: &[bool]) -> Vec<usize> {
    let mut seen_at = HashMap::new();
    let mut path = Vec::new();
    let mut next = stuck.iter().position(|stuck| *stuck);
    while let Some(node) = next {
        if let Some(start) = seen_at.insert(node, path.len()) {
            let mut cycle = path.split_off(start);
            let first = cycle.iter().min().copied();
            let index = cycle.iter().position(|node| Some(*node) == first);
            cycle.rotate_left(index.unwrap_or(0));
            return cycle;
        }
        path.push(node);
        next = waits_for[node].iter().copied().find(|other| stuck[*other]);
    }
    path
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn check(nodes: &[(&str, &[&str])]) -> Result<Graph, Vec<GraphError>> {
        let owned: Vec<(String, Vec<String>)> = nodes
            .iter()
            .map(|(key, before)| {
                (
                    (*key).to_owned(),
                    before.iter().map(|k| (*k).to_owned()).collect(),
                )
            })
            .collect();
        check_owned(&owned)
    }

    fn check_owned(nodes: &[(String, Vec<String>)]) -> Result<Graph, Vec<GraphError>> {
        let nodes: Vec<_> = nodes
            .iter()
            .map(|(key, depends_on)| Node { key, depends_on })
            .collect();
        Graph::of(&nodes)
    }

    #[test]
    fn a_cycle_is_named() {
        let errors = check(&[
            ("z", &[]),
            ("a", &["z", "b"]),
            ("b", &["c"]),
            ("c", &["a"]),
            ("after", &["a"]),
        ])
        .unwrap_err();
        assert_eq!(errors[0].field(), "subtasks");
        assert_eq!(
            errors[0].to_string(),
            "wait for each other in a circle: a -> b -> c -> a"
        );
    }

    #[test]
    fn the_message_of_a_long_cycle_is_shortened() {
        let ring: Vec<_> = (0..1_000)
            .map(|n| (n.to_string(), vec![((n + 1) % 1_000).to_string()]))
            .collect();
        let shown = check_owned(&ring).unwrap_err()[0].to_string();
        assert!(shown.ends_with("-> 11 -> (988 more) -> 0"), "{shown}");
    }

    #[test]
    fn every_error_names_its_field() {
        let errors = check(&[("a", &["a", "nobody"]), ("b", &[]), ("b", &["a"])]).unwrap_err();
        let shown: Vec<_> = errors
            .iter()
            .map(|error| format!("{}: {error}", error.field()))
            .collect();
        assert_eq!(
            shown,
            [
                r#"subtasks[2].key: must be unique in the job; "b" was there"#,
                "subtasks[0].depends_on[0]: is the subtask itself, which would never start",
                r#"subtasks[0].depends_on[1]: must be the key of another subtask; there is no "nobody""#,
            ]
        );
    }

    #[test]
    fn a_graph_knows_its_depth_and_its_starts() {
        let diamond = check(&[
            ("end", &["left", "right", "left"]),
            ("left", &["start"]),
            ("right", &["start"]),
            ("start", &[]),
        ])
        .unwrap();
        assert_eq!((diamond.depth(), diamond.starts()), (3, 1));
        assert_eq!(diamond.waits_for[0], [1, 2]);
        assert_eq!(check(&[]).unwrap().depth(), 0);
    }

    #[test]
    fn a_chain_may_be_as_long_as_the_limit() {
        let chain = |length: usize| -> Vec<_> {
            let before = |n: usize| n.checked_sub(1).map(|n| n.to_string());
            (0..length)
                .map(|n| (n.to_string(), before(n).into_iter().collect()))
                .collect()
        };
        assert_eq!(check_owned(&chain(MAX_DEPTH)).unwrap().depth(), MAX_DEPTH);
        let errors = check_owned(&chain(MAX_DEPTH + 1)).unwrap_err();
        assert_eq!(errors, [GraphError::TooDeep(MAX_DEPTH + 1)]);
    }

    /// Any graph over a few nodes without self-dependencies.
    fn any_edges() -> impl Strategy<Value = Vec<Vec<usize>>> {
        (1usize..12).prop_flat_map(|count| {
            let edges = prop::collection::vec((0..count, 0..count), 0..count * 2);
            edges.prop_map(move |edges| {
                let mut waits_for = vec![Vec::new(); count];
                for (node, other) in edges {
                    if node != other {
                        waits_for[node].push(other);
                    }
                }
                waits_for
            })
        })
    }

    proptest! {
        #[test]
        fn a_graph_is_either_valid_or_holds_the_reported_cycle(waits_for in any_edges()) {
            let nodes: Vec<_> = waits_for
                .iter()
                .enumerate()
                .map(|(n, before)| (n.to_string(), before.iter().map(usize::to_string).collect()))
                .collect();
            match check_owned(&nodes) {
                Ok(graph) => {
                    for (node, before) in waits_for.iter().enumerate() {
                        let least = before.iter().map(|other| graph.levels[*other] + 1).max();
                        prop_assert_eq!(graph.levels[node], least.unwrap_or(0));
                    }
                }
                Err(errors) => {
                    let [GraphError::Cycle(keys)] = errors.as_slice() else {
                        panic!("{errors:?}");
                    };
                    let cycle: Vec<usize> = keys.iter().map(|key| key.parse().unwrap()).collect();
                    for (index, node) in cycle.iter().enumerate() {
                        let next = cycle[(index + 1) % cycle.len()];
                        prop_assert!(waits_for[*node].contains(&next), "{cycle:?}");
                        prop_assert!(!cycle[..index].contains(node), "{cycle:?}");
                    }
                }
            }
        }
    }
}
