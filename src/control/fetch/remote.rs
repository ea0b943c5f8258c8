//! The documents that a fetched contract refers to, each fetched under the same rules as the contract itself.

use std::collections::BTreeMap;

use super::url::Url;
use super::{Fetch, FetchError};
use crate::contract::problem::Problems;
use crate::contract::{Library, Sources};

/// The most documents of a contract that are fetched.
const MAX_DOCUMENTS: usize = 50;

/// Fetches a document, and again and again those that the fetched ones refer to. A single document keeps its file's name.
pub(super) async fn all(fetch: &mut Fetch<'_>, url: &Url) -> Result<Sources, FetchError> {
    let main = url.to_string();
    let mut files = BTreeMap::from([(main.clone(), fetch.document(url).await?)]);
    loop {
        let sources = sources(&files, &main)?;
        let reading = move || Library::load(&sources, &mut Problems::default()).remote_files();
        let wanted = tokio::task::spawn_blocking(reading).await;
        let wanted = wanted.map_err(|_| FetchError::Failed("the node is shutting down".to_owned()))?;
        let wanted: Vec<String> = wanted.into_iter().filter(|name| !files.contains_key(name)).collect();
        if wanted.is_empty() {
            break;
        }
        for name in wanted {
            if files.len() >= MAX_DOCUMENTS {
                return Err(FetchError::Failed(format!("the contract refers to more than {MAX_DOCUMENTS} documents")));
            }
            let at: Url =
                name.parse().map_err(|why| FetchError::Url(format!("the contract refers to {name}: {why}")))?;
            let body = fetch.document(&at).await?;
            files.insert(name, body);
        }
    }
    match (files.len(), files.remove(&main)) {
        (1, Some(only)) => Sources::one(url.file(), only).map_err(|error| FetchError::Failed(error.to_string())),
        (_, only) => {
            files.extend(only.map(|only| (main.clone(), only)));
            sources(&files, &main)
        }
    }
}

fn sources(files: &BTreeMap<String, Vec<u8>>, main: &str) -> Result<Sources, FetchError> {
    let sources = Sources::files(files.clone(), Some(main));
    sources.map_err(|error| FetchError::Failed(error.to_string()))
}
