//! Circles of imports.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use shim_proto::evolution::v1::ImportCycle;

/// More circles than anybody reads; each module of a tangle is in one of those told first.
const MAX_CYCLES: usize = 200;

/// Which module imports which.
pub(crate) type Imports = BTreeMap<String, BTreeSet<String>>;

/// A shortest circle through each module that is in one, each circle once, the shortest first. A module that imports itself
/// makes none.
pub(crate) fn cycles(imports: &Imports) -> Vec<ImportCycle> {
    let mut told = BTreeSet::new();
    let mut covered = BTreeSet::new();
    for tangle in tangles(imports) {
        for start in &tangle {
            if told.len() == MAX_CYCLES {
                break;
            }
            if !covered.contains(start)
                && let Some(circle) = shortest_through(imports, &tangle, start)
            {
                covered.extend(circle.iter().cloned());
                told.insert((circle.len(), from_smallest(circle)));
            }
        }
    }
    let told = told.into_iter();
    told.map(|(_, paths)| ImportCycle { paths }).collect()
}

/// The strongly connected parts with two modules or more, by Tarjan's algorithm without recursion.
fn tangles(imports: &Imports) -> Vec<BTreeSet<String>> {
    let names: Vec<&String> = imports.keys().collect();
    let index_of: BTreeMap<&str, usize> = names
        .iter()
        .enumerate()
        .map(|(at, name)| (name.as_str(), at))
        .collect();
    let edges: Vec<Vec<usize>> = names
        .iter()
        .map(|name| {
            let targets = imports[*name].iter();
            targets
                .filter_map(|target| index_of.get(target.as_str()).copied())
                .collect()
        })
        .collect();
    let parts = Tarjan::new(&edges).parts();
    let named = |part: Vec<usize>| part.into_iter().map(|at| names[at].clone()).collect();
    parts
        .into_iter()
        .filter(|part| part.len() > 1)
        .map(named)
        .collect()
}

struct Tarjan<'a> {
    edges: &'a [Vec<usize>],
    order: Vec<Option<usize>>,
    low: Vec<usize>,
    is_stacked: Vec<bool>,
    stack: Vec<usize>,
    next: usize,
    parts: Vec<Vec<usize>>,
}

impl<'a> Tarjan<'a> {
    fn new(edges: &'a [Vec<usize>]) -> Self {
        Self {
            edges,
            order: vec![None; edges.len()],
            low: vec![0; edges.len()],
            is_stacked: vec![false; edges.len()],
            stack: Vec::new(),
            next: 0,
            parts: Vec::new(),
        }
    }

    fn parts(mut self) -> Vec<Vec<usize>> {
        for node in 0..self.edges.len() {
            if self.order[node].is_none() {
                self.visit(node);
            }
        }
        self.parts
    }

    fn visit(&mut self, root: usize) {
        self.enter(root);
        let mut path = vec![(root, 0)];
        while let Some((node, edge)) = path.last_mut() {
            let node = *node;
            let Some(target) = self.edges[node].get(*edge).copied() else {
                path.pop();
                if let Some((parent, _)) = path.last() {
                    self.low[*parent] = self.low[*parent].min(self.low[node]);
                }
                self.leave(node);
                continue;
            };
            *edge += 1;
            match self.order[target] {
                None => {
                    self.enter(target);
                    path.push((target, 0));
                }
                Some(order) if self.is_stacked[target] => {
                    self.low[node] = self.low[node].min(order);
                }
                Some(_) => {}
            }
        }
    }

    fn enter(&mut self, node: usize) {
        self.order[node] = Some(self.next);
        self.low[node] = self.next;
        self.next += 1;
        self.stack.push(node);
        self.is_stacked[node] = true;
    }

    fn leave(&mut self, node: usize) {
        if Some(self.low[node]) != self.order[node] {
            return;
        }
        let mut part = Vec::new();
        while let Some(member) = self.stack.pop() {
            self.is_stacked[member] = false;
            part.push(member);
            if member == node {
                break;
            }
        }
        self.parts.push(part);
    }
}

fn shortest_through(
    imports: &Imports,
    tangle: &BTreeSet<String>,
    start: &String,
) -> Option<Vec<String>> {
    let mut came_from: BTreeMap<&String, &String> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(module) = queue.pop_front() {
        for target in imports
            .get(module)?
            .iter()
            .filter(|target| tangle.contains(*target))
        {
            if target == start && module != start {
                let mut circle = vec![module.clone()];
                let mut at = module;
                while let Some(before) = came_from.get(at) {
                    circle.push((*before).clone());
                    at = before;
                }
                circle.reverse();
                return Some(circle);
            }
            if target != start && !came_from.contains_key(target) {
                came_from.insert(target, module);
                queue.push_back(target);
            }
        }
    }
    None
}

fn from_smallest(mut circle: Vec<String>) -> Vec<String> {
    let smallest = circle.iter().enumerate().min_by_key(|(_, path)| *path);
    let at = smallest.map_or(0, |(at, _)| at);
    circle.rotate_left(at);
    circle
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &str)]) -> Imports {
        let mut imports = Imports::new();
        for (from, to) in edges {
            imports
                .entry((*from).to_owned())
                .or_default()
                .insert((*to).to_owned());
            imports.entry((*to).to_owned()).or_default();
        }
        imports
    }

    fn paths(edges: &[(&str, &str)]) -> Vec<Vec<String>> {
        cycles(&graph(edges))
            .into_iter()
            .map(|cycle| cycle.paths)
            .collect()
    }

    #[test]
    fn circles_are_told_once_shortest_first() {
        let edges = [
            ("c", "a"),
            ("a", "b"),
            ("b", "c"),
            ("x", "y"),
            ("y", "x"),
            ("q", "a"),
            ("s", "s"),
        ];
        assert_eq!(paths(&edges), [vec!["x", "y"], vec!["a", "b", "c"]]);
    }

    #[test]
    fn no_circle_without_one() {
        assert!(paths(&[("a", "b"), ("b", "c"), ("a", "c")]).is_empty());
    }

    proptest::proptest! {
        #[test]
        fn a_told_circle_is_one(edges in proptest::collection::vec((0_u8..12, 0_u8..12), 0..60)) {
            let named: Vec<(String, String)> = edges.iter().map(|(a, b)| (format!("m{a}"), format!("m{b}"))).collect();
            let named: Vec<(&str, &str)> = named.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            let imports = graph(&named);
            for cycle in cycles(&imports) {
                proptest::prop_assert!(cycle.paths.len() > 1);
                for (at, path) in cycle.paths.iter().enumerate() {
                    let next = &cycle.paths[(at + 1) % cycle.paths.len()];
                    proptest::prop_assert!(imports[path].contains(next));
                }
            }
        }

        #[test]
        fn every_module_of_a_circle_is_in_one_that_is_told(edges in proptest::collection::vec((0_u8..9, 0_u8..9), 0..30)) {
            let named: Vec<(String, String)> = edges.iter().map(|(a, b)| (format!("m{a}"), format!("m{b}"))).collect();
            let named: Vec<(&str, &str)> = named.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            let imports = graph(&named);
            let told: BTreeSet<String> = cycles(&imports).into_iter().flat_map(|cycle| cycle.paths).collect();
            for module in imports.keys() {
                let reaches_itself = imports[module].iter().any(|target| target != module && reaches(&imports, target, module));
                proptest::prop_assert_eq!(told.contains(module), reaches_itself, "{}", module);
            }
        }
    }

    fn reaches(imports: &Imports, from: &String, to: &String) -> bool {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(module) = open.pop() {
            if module == to {
                return true;
            }
            if seen.insert(module) {
                open.extend(&imports[module]);
            }
        }
        false
    }
}
