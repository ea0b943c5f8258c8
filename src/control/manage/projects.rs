//! Projects: what APIs are kept in.

use std::ops::ControlFlow;

use rusqlite::Connection;
use serde_json::json;

use super::change_context::{ChangeContext, MAX_HINTS, check};
use super::{Manager, clamp};
use crate::api::etag::{Put, Tagged};
use crate::api::problem::Code;
use crate::api::request::NewProject;
use crate::api::units::counted;
use crate::api::{
    Action, Actor, Change, Condition, Description, Page, PageRequest, Problems, Project, ProjectName, nearest,
};
use crate::control::page::{self, Filling, List};
use crate::control::store::audit::NewEntry;
use crate::control::store::projects::{self, ProjectRow};

/// Projects.
impl Manager {
    /// In the order of their names.
    ///
    /// # Errors
    /// `cursor-invalid`.
    pub async fn projects(&self, page: PageRequest) -> Result<Page<Project>, Problems> {
        self.read(move |reader| {
            let after: Option<String> = page::read(List::Projects, page.cursor.as_deref())?;
            let mut page = Filling::new(clamp(page.limit));
            let more = page.asks_for();
            let take = |project| Ok::<_, Problems>(page.take(project));
            projects::list(reader.connection, &after.unwrap_or_default(), more, take)?;
            Ok(page.page(|last| page::write(List::Projects, &last.name)))
        })
        .await
    }

    /// One of them.
    ///
    /// # Errors
    /// `project-not-found`.
    pub async fn project(&self, name: &ProjectName) -> Result<Tagged<Project>, Problems> {
        let name = name.clone();
        self.read(move |reader| {
            let row = projects::find(reader.connection, &name)?.ok_or_else(|| no_project(reader.connection, &name))?;
            Ok(Tagged { value: row.project, etag: row.etag })
        })
        .await
    }

    /// Makes one, or changes its description.
    ///
    /// # Errors
    /// `fields-invalid`, `condition-failed`.
    pub async fn put_project(
        &self,
        actor: &Actor,
        name: ProjectName,
        new: NewProject,
        condition: Condition,
    ) -> Result<Put<Project>, Problems> {
        let change = Change::PutProject { project: name.clone(), description: new.check()? };
        self.apply_one(actor, change, condition, move |context, made| {
            let row =
                projects::find(context.connection, &name)?.ok_or_else(|| no_project(context.connection, &name))?;
            Ok(Put { value: row.project, etag: row.etag, is_new: made.is_new })
        })
        .await
    }

    /// Deletes one without APIs. Nothing happens if there is none.
    ///
    /// # Errors
    /// `project-not-empty`, `condition-failed`.
    pub async fn delete_project(
        &self,
        actor: &Actor,
        name: &ProjectName,
        condition: Condition,
    ) -> Result<(), Problems> {
        let change = Change::DeleteProject { project: name.clone() };
        self.apply_one(actor, change, condition, |_, _| Ok(())).await
    }
}

/// Creates a project, or changes its description. Whether it was not there.
pub(super) fn put(
    context: &ChangeContext<'_>,
    name: &ProjectName,
    description: &Description,
    condition: &Condition,
) -> Result<bool, Problems> {
    let before = projects::find(context.connection, name)?;
    check(condition, before.as_ref().map(|row| row.etag), format!("Project {name}"))?;
    match &before {
        None => {
            projects::insert(context.connection, name, description, context.now, context.actor)?;
            record(context, Action::ProjectCreate, None, Some((name, description)))?;
        }
        Some(row) if row.project.description != *description => {
            projects::update(context.connection, name, description, context.now, context.actor)?;
            record(context, Action::ProjectUpdate, before.as_ref(), Some((name, description)))?;
        }
        Some(_) => {}
    }
    Ok(before.is_none())
}

/// Makes a project if it is not there: its first API does.
pub(super) fn ensure(context: &ChangeContext<'_>, name: &ProjectName) -> Result<(), Problems> {
    if !projects::exists(context.connection, name)? {
        put(context, name, &Description::default(), &Condition::Always)?;
    }
    Ok(())
}

pub(super) fn delete(context: &ChangeContext<'_>, name: &ProjectName, condition: &Condition) -> Result<(), Problems> {
    let before = projects::find(context.connection, name)?;
    check(condition, before.as_ref().map(|row| row.etag), format!("Project {name}"))?;
    let Some(row) = &before else { return Ok(()) };
    if row.project.apis > 0 {
        let apis = row.project.apis;
        let detail =
            format!("Project {name} has {}, of which some may be retired: delete them first.", counted(apis, "API"));
        return Err(Problems::new(Code::PROJECT_NOT_EMPTY, detail));
    }
    projects::delete(context.connection, name)?;
    record(context, Action::ProjectDelete, before.as_ref(), None)
}

fn record(
    context: &ChangeContext<'_>,
    action: Action,
    before: Option<&ProjectRow>,
    after: Option<(&ProjectName, &Description)>,
) -> Result<(), Problems> {
    let before = before.map(|row| (&row.project.name, &row.project.description));
    let subject = before.or(after).map(|(name, _)| name.to_string()).unwrap_or_default();
    let shown = |of: Option<(_, &Description)>| of.map(|(_, description)| json!({ "description": description }));
    context.record(&NewEntry { action, subject, api: None, before: shown(before), after: shown(after) })
}

fn no_project(connection: &Connection, name: &ProjectName) -> Problems {
    let mut names: Vec<String> = Vec::new();
    let take = |project: Project| {
        names.push(project.name.into());
        Ok::<_, rusqlite::Error>(ControlFlow::Continue(()))
    };
    // The hint is worth no more than these, and no failure.
    let _ = projects::list(connection, "", MAX_HINTS, take);
    let meant = nearest(name.as_str(), names.iter().map(String::as_str));
    let meant = meant.map(|meant| format!("did you mean {meant}?"));
    let advice = meant.unwrap_or_else(|| "see the list of projects for those that there are.".to_owned());
    Problems::new(Code::PROJECT_NOT_FOUND, format!("There is no project {name}: {advice}"))
}
