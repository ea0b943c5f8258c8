//! The files of a crate and which file uses which. A name that a module only passes on counts for the file that defines
//! it.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Named, Source, read};

/// A module's path in its crate: `["proxy", "relay"]`; empty for the root.
type Module = Vec<String>;

/// A crate: the folder of its sources and the names by which a path in them begins at its root.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crate {
    pub(super) folder: &'static str,
    pub(super) roots: &'static [&'static str],
}

#[derive(Debug)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) source: Source,
    module: Module,
}

impl File {
    /// The folder at the crate's top that the file is in, or the file's own name there.
    pub(super) fn folder(&self) -> &str {
        self.module.first().map_or("", String::as_str)
    }

    /// True if the file is at the crate's top and is not the root.
    pub(super) fn is_at_the_top(&self) -> bool {
        self.module.len() == 1 && !self.path.ends_with("/mod.rs")
    }

    /// The name below a folder at the crate's top.
    pub(super) fn below(&self, folder: &str) -> Option<&str> {
        if self.folder() == folder { self.module.get(1).map(String::as_str) } else { None }
    }
}

#[derive(Debug)]
pub(super) struct Tree {
    pub(super) folder: &'static str,
    roots: &'static [&'static str],
    /// Files that are compiled outside of tests.
    pub(super) files: Vec<File>,
    by_module: BTreeMap<Module, usize>,
    /// Where a name comes from that a module passes on.
    exports: BTreeMap<(Module, String), Vec<String>>,
}

impl Tree {
    /// Reads the files of a crate from a list of paths and texts.
    pub(super) fn new(of: Crate, files: &[(String, String)]) -> Self {
        let mut all: Vec<File> = Vec::new();
        for (path, text) in files {
            let Some(inside) = path.strip_prefix(of.folder).and_then(|inside| inside.strip_suffix(".rs")) else {
                continue;
            };
            let inside = inside.strip_suffix("/mod").unwrap_or(inside);
            let module = match inside {
                "lib" | "main" => Vec::new(),
                inside => inside.split('/').map(str::to_owned).collect(),
            };
            all.push(File { path: path.clone(), source: read(text), module });
        }
        let tests: Vec<Module> = all
            .iter()
            .flat_map(|file| file.source.test_children.iter().map(|child| joined(&file.module, child)))
            .collect();
        all.retain(|file| !tests.iter().any(|test| file.module.starts_with(test)));
        // `main.rs` is a crate of its own that nothing can use.
        let by_module: BTreeMap<Module, usize> = (0..)
            .zip(&all)
            .filter(|(_, file)| !file.path.ends_with("main.rs"))
            .map(|(index, file)| (file.module.clone(), index))
            .collect();
        let mut tree = Self { folder: of.folder, roots: of.roots, files: all, by_module, exports: BTreeMap::new() };
        tree.exports = tree.all_exports();
        tree
    }

    fn all_exports(&self) -> BTreeMap<(Module, String), Vec<String>> {
        let mut exports = BTreeMap::new();
        for file in &self.files {
            for named in &file.source.named {
                if let (Some(name), Some(path)) = (&named.exported_as, self.absolute(file, named)) {
                    exports.insert((file.module.clone(), name.clone()), path);
                }
            }
        }
        exports
    }

    /// The path from the crate's root, where it leads into the crate.
    fn absolute(&self, file: &File, named: &Named) -> Option<Vec<String>> {
        let first = named.path.first()?;
        let here = || file.module.iter().chain(&named.within).cloned();
        if self.roots.contains(&first.as_str()) {
            return Some(named.path[1..].to_vec());
        }
        let mut base: Vec<String> = here().collect();
        let mut rest = named.path.as_slice();
        match first.as_str() {
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|word| word == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
            }
            child if named.within.is_empty() && file.source.children.iter().any(|name| name == child) => {}
            _ => return None,
        }
        base.extend(rest.iter().cloned());
        Some(base)
    }

    /// The file that defines what a path leads to.
    fn definer(&self, path: &[String]) -> Option<usize> {
        let mut path = path.to_vec();
        // Each round follows one `pub use`; those of a crate are not nested deeper.
        for _ in 0..8 {
            let length = (0..=path.len()).rev().find(|length| self.by_module.contains_key(&path[..*length]))?;
            let (module, rest) = path.split_at(length);
            let passed_on = rest.first().and_then(|name| self.exports.get(&(module.to_vec(), name.clone())));
            match passed_on {
                Some(origin) => path = origin.iter().chain(&rest[1..]).cloned().collect(),
                None => return self.by_module.get(module).copied(),
            }
        }
        None
    }

    /// For each file the files that it uses.
    pub(super) fn uses(&self) -> Vec<BTreeSet<usize>> {
        let uses = |file: &File| -> BTreeSet<usize> {
            let own = self.by_module.get(&file.module).copied();
            let paths = file.source.named.iter().filter_map(|named| {
                let path = self.absolute(file, named)?;
                let passes_on_a_childs = named.exported_as.is_some() && path.starts_with(&file.module);
                (!passes_on_a_childs).then_some(path)
            });
            paths.filter_map(|path| self.definer(&path)).filter(|used| Some(*used) != own).collect()
        };
        self.files.iter().map(uses).collect()
    }

    /// Each file with each that it uses.
    pub(super) fn pairs(&self) -> Vec<(&File, &File)> {
        let uses = self.uses().into_iter().zip(&self.files);
        uses.flat_map(|(used, file)| used.into_iter().map(move |other| (file, &self.files[other]))).collect()
    }

    /// Groups of files that use each other, be it through others. A folder's `mod.rs` composes the folder's files, and they
    /// use what it declares for them: that is no circle.
    pub(super) fn circles(&self) -> Vec<BTreeSet<&str>> {
        let mut uses = self.uses();
        for (file, used) in self.files.iter().zip(&mut uses) {
            used.retain(|other| !file.module.starts_with(&self.files[*other].module));
        }
        let reached: Vec<BTreeSet<usize>> = (0..uses.len()).map(|from| reached(&uses, from)).collect();
        let mut circles: Vec<BTreeSet<&str>> = Vec::new();
        for (from, file) in self.files.iter().enumerate() {
            let circle: BTreeSet<&str> = reached[from]
                .iter()
                .filter(|other| reached[**other].contains(&from))
                .map(|other| self.files[*other].path.as_str())
                .collect();
            if circle.contains(file.path.as_str()) && !circles.contains(&circle) {
                circles.push(circle);
            }
        }
        circles
    }
}

fn joined(module: &[String], child: &str) -> Module {
    module.iter().cloned().chain([child.to_owned()]).collect()
}

/// All that a file uses, be it through others.
fn reached(uses: &[BTreeSet<usize>], from: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut next = vec![from];
    while let Some(file) = next.pop() {
        for used in &uses[file] {
            if found.insert(*used) {
                next.push(*used);
            }
        }
    }
    found
}
