//! YAML to documents: several in a file, all faults with their places. An unknown field is refused, and so is a second
//! document for an API.

mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use serde_saphyr::Location;

use self::tree::{Field, Misfit, Tree};
use super::document::{API_VERSION, Declared, Document, KIND, Origin};
use crate::api::contract::{ContractFields, NewContractRef};
use crate::api::misfit::hint;
use crate::api::request::{NewApi, NewDefinition, NewDeployment, OwnTargets, moment};
use crate::api::view::Status;
use crate::api::view::apply::{DeclaredContract, DocumentFile};
use crate::api::{ApiKey, Definition, EnvironmentName, FieldError, Lifecycle, Name, Problems};

/// The fields of a document besides those of the definition.
const ABOUT: [&str; 10] = [
    "apiVersion",
    "kind",
    "project",
    "identifier",
    "version",
    "lifecycle",
    "display_name",
    "sunset_at",
    "deprecated_at",
    "deployments",
];
/// The fields that a document must have.
const REQUIRED: [&str; 5] = ["apiVersion", "kind", "name", "version", "targets"];
/// The fields of a deployment in a document.
const DEPLOYMENT: [&str; 4] = ["environment", "revision", "targets", "status"];

/// The field that names a contract.
const CONTRACT: &str = "contract";

/// True if a document, or a deployment in it, has a field of this name.
fn is_field(name: &str) -> bool {
    [&ABOUT[..], Definition::FIELDS, &DEPLOYMENT[..]].iter().any(|names| names.contains(&name))
}

/// A fault of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The fault's place.
    pub origin: Origin,
    /// The field, if the fault concerns one.
    pub field: Option<String>,
    /// The fault, and what to do.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Reads a file's text.
///
/// # Errors
/// The text is not YAML; or all faults of all documents in it.
pub fn documents(file: &str, text: &str) -> Result<Vec<Document>, Vec<Fault>> {
    readable(&DocumentFile::new(file.to_owned(), text.to_owned())).into_result()
}

/// The documents that can be read, and the faults of the others.
#[derive(Debug, Default)]
pub struct Readable {
    /// At most one document for an API.
    pub documents: Vec<Document>,
    /// Every fault, in the order of files.
    pub faults: Vec<Fault>,
}

impl Readable {
    /// The documents if all could be read.
    ///
    /// # Errors
    /// All faults.
    pub fn into_result(self) -> Result<Vec<Document>, Vec<Fault>> {
        if self.faults.is_empty() { Ok(self.documents) } else { Err(self.faults) }
    }
}

/// Reads the documents of a file's text that can be read. A text that is not YAML has none.
fn readable(DocumentFile { name: file, text, contracts, unread }: &DocumentFile) -> Readable {
    let trees = match tree::documents(file, text) {
        Ok(trees) => trees,
        Err(fault) => return Readable { documents: Vec::new(), faults: vec![fault] },
    };
    let mut reader = Reader { file, contracts, unread, faults: Vec::new() };
    // `---` at the beginning or end of a file makes an empty document.
    let trees = trees.iter().filter(|tree| !tree.is_null());
    let documents = trees.filter_map(|tree| reader.document(tree)).collect();
    Readable { documents, faults: reader.faults }
}

/// Reads the texts of several files, of which no two have a document for one API.
///
/// # Errors
/// Everything that is wrong in them.
pub fn files(files: &[DocumentFile]) -> Result<Vec<Document>, Vec<Fault>> {
    readable_files(files).into_result()
}

/// Reads the documents that can be read of the texts of several files. An API with two documents has none, as nobody knows
/// which of them is meant.
#[must_use]
pub fn readable_files(files: &[DocumentFile]) -> Readable {
    let mut all = Readable::default();
    for file in files {
        let mut read = readable(file);
        all.documents.append(&mut read.documents);
        all.faults.append(&mut read.faults);
    }
    let (twice, mut faults) = declared_twice(&all.documents);
    all.documents.retain(|document| !twice.contains(&document.key));
    all.faults.append(&mut faults);
    all
}

/// The APIs with two documents, also in different files, and a fault for every document after the first, with the first one's
/// place.
fn declared_twice(documents: &[Document]) -> (BTreeSet<ApiKey>, Vec<Fault>) {
    let mut first: BTreeMap<&ApiKey, &Origin> = BTreeMap::new();
    let (mut twice, mut faults) = (BTreeSet::new(), Vec::new());
    for Document { key, origin, .. } in documents {
        match first.get(key) {
            Some(other) => {
                let message = format!("{key} is declared at {other} already");
                faults.push(Fault { origin: origin.clone(), field: None, message });
                twice.insert(key.clone());
            }
            None => drop(first.insert(key, origin)),
        }
    }
    (twice, faults)
}

/// The paths of contracts that the documents of a text name. A text that cannot be read names none: its faults are told elsewhere.
#[must_use]
pub fn contract_paths(text: &str) -> BTreeSet<String> {
    // Most texts name none, and need not be read twice.
    if !text.contains(CONTRACT) {
        return BTreeSet::new();
    }
    let trees = tree::documents("", text).unwrap_or_default();
    let values = trees.iter().filter_map(|tree| Given(tree.fields()?).value(CONTRACT));
    let contracts = values.filter_map(|value| NewContractRef::deserialize(value).ok());
    contracts
        .filter_map(|contract| match contract {
            NewContractRef::Given(fields) => fields.path,
            NewContractRef::None => None,
        })
        .collect()
}

struct Reader<'a> {
    file: &'a str,
    contracts: &'a BTreeMap<String, DeclaredContract>,
    /// Why contracts could not be read, by their paths.
    unread: &'a BTreeMap<String, String>,
    faults: Vec<Fault>,
}

/// The fields of a mapping, by name.
struct Given<'t>(&'t [Field]);

impl<'t> Given<'t> {
    /// The value of a field; `None` if the field is left out or null.
    fn value(&self, name: &str) -> Option<&'t Tree> {
        self.0.iter().find(|field| field.name == name).map(|field| &field.value).filter(|value| !value.is_null())
    }
}

impl Reader<'_> {
    fn origin(&self, at: Location) -> Origin {
        Origin { file: self.file.to_owned(), line: at.line(), column: at.column() }
    }

    fn fault(&mut self, at: Location, field: &str, message: impl Into<String>) {
        let field = Some(field.to_owned()).filter(|field| !field.is_empty());
        self.faults.push(Fault { origin: self.origin(at), field, message: message.into() });
    }

    fn misfit(&mut self, around: Location, field: &str, misfit: Misfit) {
        self.fault(misfit.at.unwrap_or(around), field, misfit.message);
    }

    /// The fields of a mapping. An unknown field is a fault, and so is a required one that is missing.
    fn fields<'t>(&mut self, tree: &'t Tree, below: &str, known: &[&str], required: &[&str]) -> Option<Given<'t>> {
        let Some(fields) = tree.fields() else {
            let misfit = tree.misfit("fields (`name: value`) are expected here");
            self.misfit(tree.at, below.trim_end_matches('.'), misfit);
            return None;
        };
        for field in fields.iter().filter(|field| !known.contains(&field.name.as_str())) {
            let hint = hint(&field.name, known);
            // Nothing else of the line is repeated: it may be a secret in the wrong place.
            self.fault(field.at, below.trim_end_matches('.'), format!("unknown field `{}`: {hint}", field.name));
        }
        for name in required {
            match fields.iter().find(|field| field.name == *name) {
                Some(field) if field.value.is_null() => {
                    self.fault(field.value.at, &format!("{below}{name}"), "it is empty");
                }
                Some(_) => {}
                None => self.fault(tree.at, below.trim_end_matches('.'), format!("missing field `{name}`")),
            }
        }
        Some(Given(fields))
    }

    /// A field's value in the form that is asked for; `None` if the field is left out or does not have that form.
    fn read<'t, T: Deserialize<'t>>(&mut self, given: &Given<'t>, below: &str, name: &str) -> Option<(T, Location)> {
        let value = given.value(name)?;
        match T::deserialize(value) {
            Ok(read) => Some((read, value.at)),
            Err(misfit) => {
                self.misfit(value.at, &format!("{below}{name}"), misfit);
                None
            }
        }
    }

    /// A field's text, checked.
    fn checked<T, E: fmt::Display>(
        &mut self,
        given: &Given<'_>,
        below: &str,
        name: &str,
        check: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let (text, at) = self.read::<String>(given, below, name)?;
        check(&text).map_err(|error| self.fault(at, &format!("{below}{name}"), error.to_string())).ok()
    }

    /// The document; `None` after at least one fault was added.
    fn document(&mut self, tree: &Tree) -> Option<Document> {
        let before = self.faults.len();
        let known: Vec<&str> = ABOUT.iter().chain(Definition::FIELDS).copied().collect();
        let given = self.fields(tree, "", &known, &REQUIRED)?;
        self.constant(&given, "apiVersion", API_VERSION);
        self.constant(&given, "kind", KIND);
        let checked = self.definition(tree, &given);
        let lifecycle = self.checked(&given, "", "lifecycle", str::parse::<Lifecycle>);
        let display_name = self.checked(&given, "", "display_name", str::parse::<Name>);
        let sunset_at = self.moment(&given, "sunset_at");
        let deprecated_at = self.moment(&given, "deprecated_at");
        self.only_with(&given, lifecycle);
        let deployments = self.deployments(&given);
        let (key, definition) = checked?;
        if self.faults.len() > before {
            return None;
        }
        Some(Document {
            origin: self.origin(tree.at),
            key,
            definition,
            given: Definition::FIELDS.iter().copied().filter(|name| given.value(name).is_some()).collect(),
            lifecycle,
            display_name,
            sunset_at,
            deprecated_at,
            deployments,
        })
    }

    fn moment(&mut self, given: &Given<'_>, name: &str) -> Option<Timestamp> {
        self.checked(given, "", name, moment)
    }

    fn constant(&mut self, given: &Given<'_>, name: &str, expected: &str) {
        let check = |text: &str| if text == expected { Ok(()) } else { Err(format!("it must be `{expected}`")) };
        self.checked(given, "", name, check);
    }

    /// Key and definition, by the rules of a new API.
    fn definition(&mut self, tree: &Tree, given: &Given<'_>) -> Option<(ApiKey, Definition)> {
        let before = self.faults.len();
        let mut written = NewDefinition::default();
        // A field that is missing or could not be read has its fault already.
        let mut unread: BTreeSet<&str> = REQUIRED.into_iter().filter(|name| given.value(name).is_none()).collect();
        for name in Definition::FIELDS {
            let Some(value) = given.value(name) else { continue };
            if let Some(Err(misfit)) = written.set(name, value) {
                self.misfit(value.at, name, misfit);
                unread.insert(name);
            }
        }
        if let Some(NewContractRef::Given(fields)) = &mut written.contract
            && let Err(why) = self.resolve(fields)
        {
            self.fault(tree.place(CONTRACT), CONTRACT, why);
            unread.insert(CONTRACT);
        }
        let mut text = |name| match self.read::<String>(given, "", name) {
            Some((text, _)) => Some(text),
            None => {
                if given.value(name).is_some() {
                    unread.insert(name);
                }
                None
            }
        };
        let (version, identifier, project) = (text("version"), text("identifier"), text("project"));
        let new = NewApi { identifier, project, ..NewApi::new(version.unwrap_or_default(), written) };
        let checked = new.check();
        if let Err(mut problems) = checked {
            let is_told = |error: &FieldError| {
                let field = error.field.split(['[', '.']).next().unwrap_or_default();
                unread.contains(field) || (field == "identifier" && unread.contains("name") && new.identifier.is_none())
            };
            problems.errors.retain(|error| !is_told(error));
            let place = |field: &str| {
                let field = if field == "identifier" && given.value(field).is_none() { "name" } else { field };
                tree.place(field)
            };
            self.broken(&problems, "", place);
            return None;
        }
        checked.ok().filter(|_| self.faults.len() == before)
    }

    /// Replaces the path of a contract by its digest.
    fn resolve(&self, fields: &mut ContractFields) -> Result<(), String> {
        let Some(path) = &fields.path else { return Ok(()) };
        if let Some(why) = self.unread.get(path) {
            return Err(format!("{path}: {why}"));
        }
        let DeclaredContract { digest, main } = self
            .contracts
            .get(path)
            .ok_or("the contract was not uploaded: the file's `contracts` must have its digest")?;
        if fields.main.is_none() {
            fields.main.clone_from(main);
        }
        fields.digest = Some(digest.to_string());
        fields.path = None;
        Ok(())
    }

    /// Fields that go with some states only.
    fn only_with(&mut self, given: &Given<'_>, lifecycle: Option<Lifecycle>) {
        use Lifecycle::{Blocked, Deprecated, Published, Retired};
        // An unknown state was reported already.
        if given.value("lifecycle").is_some() && lifecycle.is_none() {
            return;
        }
        if let Some(value) = given.value("display_name")
            && !matches!(lifecycle, Some(Published | Deprecated | Blocked))
        {
            let message = "it goes with `lifecycle: Published`, `Deprecated` or `Blocked` only";
            self.fault(value.at, "display_name", message);
        }
        for name in ["sunset_at", "deprecated_at"] {
            if let Some(value) = given.value(name)
                && lifecycle != Some(Deprecated)
            {
                self.fault(value.at, name, "it goes with `lifecycle: Deprecated` only");
            }
        }
        if let Some(first) = given.value("deployments").and_then(Tree::items).and_then(<[_]>::first)
            && lifecycle == Some(Retired)
        {
            self.fault(first.at, "deployments", "an API that is `Retired` is deployed nowhere; leave them out");
        }
    }

    fn deployments(&mut self, given: &Given<'_>) -> Vec<Declared> {
        let mut declared: Vec<Declared> = Vec::new();
        let Some(value) = given.value("deployments") else { return declared };
        let Some(items) = value.items() else {
            self.fault(value.at, "deployments", "a list is expected here");
            return declared;
        };
        for (index, item) in items.iter().enumerate() {
            let below = format!("deployments[{index}].");
            let Some(given) = self.fields(item, &below, &DEPLOYMENT, &["environment"]) else { continue };
            let name = self.checked(&given, &below, "environment", |text| {
                let name = text.parse::<EnvironmentName>().map_err(|fault| fault.message)?;
                let is_taken = declared.iter().any(|other| other.environment == name);
                if is_taken { Err("there is a deployment in it before this one".to_owned()) } else { Ok(name) }
            });
            let revision = self.read::<u64>(&given, &below, "revision");
            if let Some((0, at)) = revision {
                self.fault(at, &format!("{below}revision"), "revisions count from 1");
            }
            let status = self.checked(&given, &below, "status", str::parse::<Status>);
            let targets = self.own_targets(&given, &below);
            if let (Some(environment), Some(targets)) = (name, targets) {
                declared.push(Declared { environment, revision: revision.map(|(number, _)| number), targets, status });
            }
        }
        declared
    }

    fn own_targets(&mut self, given: &Given<'_>, below: &str) -> Option<OwnTargets> {
        let Some(value) = given.value("targets") else { return Some(OwnTargets::Keep) };
        let (targets, _) = self.read::<Vec<String>>(given, below, "targets")?;
        let checked = NewDeployment { revision: None, targets: Some(targets) }.own_targets();
        let place = |field: &str| field.strip_prefix("targets").map_or(value.at, |index| value.place(index));
        checked.map_err(|problems| self.broken(&problems, below, place)).ok()
    }

    /// Rules that fields break, each at its field's place.
    fn broken(&mut self, problems: &Problems, below: &str, place: impl Fn(&str) -> Location) {
        for FieldError { field, message, .. } in &problems.errors {
            self.fault(place(field), &format!("{below}{field}"), message.clone());
        }
    }
}

#[cfg(test)]
mod tests;
