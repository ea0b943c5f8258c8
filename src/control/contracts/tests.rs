//! Contracts in a state directory.

use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::files::Files;
use super::upload::Choices;
use super::{ContractFault, Contracts, MAX_BYTES, UNUSED_FOR};
use crate::api::ContractDigest;
use crate::api::contract::{ContractRef, Layout};
use crate::contract::sources::SourceError;

const CHAT: &str = "asyncapi: 2.6.0\ninfo: {title: Chat, version: '1.0'}\nchannels: {/rooms: {}}\n";

fn contracts() -> (Contracts, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Contracts::of(folder.path()), folder)
}

fn reference(digest: ContractDigest) -> ContractRef {
    ContractRef { digest, main: None, perspective: None, layout: Layout::Inferred }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn bytes_are_kept_once_for_their_owner_alone_and_read_as_they_were() {
    let (contracts, folder) = contracts();
    let kept = contracts.keep(CHAT.as_bytes()).unwrap();
    assert!(kept.is_new && kept.digest == ContractDigest::of(CHAT.as_bytes()));
    assert_eq!(contracts.bytes(&kept.digest).unwrap(), CHAT.as_bytes());
    assert!(!contracts.keep(CHAT.as_bytes()).unwrap().is_new);
    let place = folder.path().join("contracts");
    assert_eq!((mode(&place), mode(&place.join(kept.digest.to_string()))), (0o700, 0o600));
    assert_eq!(std::fs::read_dir(place).unwrap().count(), 1);
    let read = contracts.read(&reference(kept.digest)).unwrap();
    assert_eq!(read.model.unwrap().routes.len(), 1);
}

#[test]
fn a_file_that_is_missing_or_damaged_is_never_taken_for_the_contract() {
    let (contracts, folder) = contracts();
    let unknown = ContractDigest::of(b"unknown");
    assert_eq!(contracts.bytes(&unknown), Err(ContractFault::Missing(unknown)));
    assert_eq!(contracts.check(&reference(unknown)).unwrap_err().rule, "unknown");
    let digest = contracts.keep(CHAT.as_bytes()).unwrap().digest;
    let path = folder.path().join("contracts").join(digest.to_string());
    std::fs::write(&path, CHAT.replace("rooms", "rooks")).unwrap();
    assert_eq!(contracts.bytes(&digest), Err(ContractFault::Damaged(digest)));
    assert_eq!(contracts.check(&reference(digest)).unwrap_err().rule, "readable");
    // An upload of the same bytes mends it.
    assert!(contracts.keep(CHAT.as_bytes()).unwrap().is_new);
    contracts.check(&reference(digest)).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(contracts.check(&reference(digest)).unwrap_err().rule, "unknown", "it was known before");
}

#[test]
fn what_cannot_become_routes_is_neither_kept_nor_referred_to() {
    let (contracts, folder) = contracts();
    let rejected = contracts.take(b"asyncapi: 1.2.0\n", Choices::default()).unwrap_err();
    assert_eq!(rejected.problems.code.word, "contract-invalid");
    assert!(rejected.contract.iter().any(|problem| problem.level == "blocks-routing" && problem.line == 1));
    assert!(!folder.path().join("contracts").exists());
    let kept = contracts.keep(b"asyncapi: 1.2.0\n").unwrap();
    let fault = contracts.check(&reference(kept.digest)).unwrap_err();
    assert!(fault.rule == "routable" && fault.message.contains("contract:1:"), "{fault:?}");
    let touching = CHAT.replace("/rooms", "'/{room}{id}'");
    let rejected = contracts.take(touching.as_bytes(), Choices::default()).unwrap_err();
    let detail = rejected.problems.detail;
    assert!(detail.contains("`/{room}{id}` cannot be served: nothing tells the value of `id`"), "{detail}");
    let main = Some("other.yaml".to_owned());
    let zip = contracts.keep(b"PK\x03\x04").unwrap();
    let fault = contracts.check(&ContractRef { main, ..reference(zip.digest) }).unwrap_err();
    assert_eq!(fault.rule, "routable");
}

#[test]
fn an_upload_answers_what_to_refer_to_and_what_it_says() {
    let (contracts, _folder) = contracts();
    let choices = Choices { main: Some("chat.yaml".to_owned()), ..Choices::default() };
    let (uploaded, is_new) = contracts.take(CHAT.as_bytes(), choices).unwrap();
    assert!(is_new);
    assert_eq!(uploaded.contract.main.as_deref(), Some("chat.yaml"));
    assert_eq!((uploaded.routes, uploaded.channels, uploaded.bytes), (1, 1, CHAT.len() as u64));
    let predefined = uploaded.predefined.unwrap();
    assert_eq!((predefined.name.value.as_str(), predefined.version.value.as_str()), ("Chat", "1.0"));
    contracts.check(&uploaded.contract).unwrap();
}

#[test]
fn only_what_is_old_and_unused_is_removed() {
    let (contracts, folder) = contracts();
    let [used, unused] = [b"used", b"left"].map(|bytes| contracts.keep(bytes).unwrap().digest);
    let part = folder.path().join("contracts/.part");
    std::fs::write(&part, "half").unwrap();
    let now = SystemTime::now();
    let soon = now + UNUSED_FOR - Duration::from_secs(60);
    assert!(!contracts.has_removable(soon));
    assert_eq!(contracts.remove_unused(&HashSet::new(), soon), 0);
    let later = now + UNUSED_FOR + Duration::from_secs(60);
    assert!(contracts.has_removable(later));
    assert_eq!(contracts.remove_unused(&HashSet::from([used]), later), 2);
    assert!(!part.exists());
    assert!(contracts.bytes(&used).is_ok() && contracts.bytes(&unused).is_err());
}

#[test]
fn an_upload_of_known_bytes_has_its_hour_again() {
    let (contracts, folder) = contracts();
    let digest = contracts.keep(CHAT.as_bytes()).unwrap().digest;
    let path = folder.path().join("contracts").join(digest.to_string());
    let old = SystemTime::now() - UNUSED_FOR * 2;
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
    assert!(contracts.has_removable(SystemTime::now()));
    contracts.keep(CHAT.as_bytes()).unwrap();
    assert!(!contracts.has_removable(SystemTime::now()));
}

#[test]
fn each_and_all_are_bounded() {
    let (contracts, folder) = contracts();
    assert_eq!(contracts.keep(&vec![0; MAX_BYTES + 1]), Err(ContractFault::TooLarge));
    let place = folder.path().join("contracts");
    let few = Files::new(place.clone(), 1_000, 2);
    few.keep(&[0; 600]).unwrap();
    assert_eq!(few.keep(&[1; 600]), Err(ContractFault::Full));
    few.keep(&[1; 100]).unwrap();
    assert_eq!(few.keep(&[2; 1]), Err(ContractFault::Full));
    assert!(!few.keep(&[1; 100]).unwrap().is_new, "known bytes need no room");
    std::fs::remove_dir_all(&place).unwrap();
    std::fs::write(&place, "").unwrap();
    assert!(matches!(contracts.keep(b"x"), Err(ContractFault::Failed(_))));
}

#[test]
fn an_archive_needs_one_main_document() {
    let (contracts, _folder) = contracts();
    let empty = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    let rejected = contracts.take(&empty, Choices::default()).unwrap_err();
    assert_eq!(rejected.problems, ContractFault::Sources(SourceError::Empty).into());
}
