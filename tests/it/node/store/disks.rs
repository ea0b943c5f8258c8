//! Disks that are full, or can only be read: file systems in memory, in a namespace of the test's own.

use super::{end, key, make, open, run};
use crate::harness::namespace::in_namespaces;

in_namespaces! {
    "mount -t tmpfs -o size=1m none /mnt";
    a_full_disk_stops_changes_and_nothing_else
    a_store_on_a_disk_that_can_only_be_read_is_read
    a_store_that_its_owner_may_only_read_is_read
    changes_that_wait_beside_a_store_are_read_from_such_a_disk
}

mod inside {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::Command;

    use ringway::api::view::health::StoreState;
    use ringway::control::state_dir::StateDir;
    use ringway::control::store::Store;

    use super::{end, key, make, open, run};

    fn remount(options: &str) {
        let done = Command::new("mount").args(["-o", options, "/mnt"]).status().unwrap();
        assert!(done.success(), "mount -o {options} /mnt");
    }

    #[test]
    #[ignore = "needs a namespace"]
    fn a_full_disk_stops_changes_and_nothing_else() {
        let folder = Path::new("/mnt/state");
        let started = open(folder).unwrap();
        let manager = &started.manager;
        run(async {
            let mut number = 0;
            let refused = loop {
                match make(manager, number).await {
                    Ok(()) => number += 1,
                    Err(problems) => break problems,
                }
            };
            // What was made before its deployment was refused is there as well, and no half of anything.
            assert!(
                manager.api(&key(number)).await.is_err()
                    || manager.api(&key(number)).await.unwrap().value.latest_revision.is_none()
            );
            assert_eq!((refused.code.status, refused.code.word), (503, "store-full"), "{refused}");
            assert!(number > 10, "{number}");
            for number in 0..number {
                assert_eq!(manager.api(&key(number)).await.unwrap().value.deployments.len(), 1);
            }
            assert_eq!(make(manager, 1_000_000).await.unwrap_err().code.word, "store-full");
            // Asking has the disk looked at: what is asked next is answered after that.
            for _ in 0..3 {
                assert_eq!(manager.health().state, StoreState::Full);
                assert_eq!(manager.deployed().await.unwrap().len() as u64, number);
            }
            remount("remount,size=8m");
            while manager.health().state != StoreState::Ok {
                tokio::task::yield_now().await;
            }
            make(manager, 1_000_001).await.unwrap();
        });
        end(started);
        let started = open(folder).unwrap();
        assert!(run(started.manager.deployed()).unwrap().len() > 10);
        end(started);
    }

    #[test]
    #[ignore = "needs a namespace"]
    fn a_store_on_a_disk_that_can_only_be_read_is_read() {
        let folder = Path::new("/mnt/state");
        let started = open(folder).unwrap();
        run(make(&started.manager, 1)).unwrap();
        end(started);
        remount("remount,ro");
        only_read(folder);
    }

    #[test]
    #[ignore = "needs a namespace"]
    fn changes_that_wait_beside_a_store_are_read_from_such_a_disk() {
        let (folder, copy) = (Path::new("/mnt/state"), Path::new("/mnt/copy"));
        let started = open(folder).unwrap();
        run(make(&started.manager, 1)).unwrap();
        // As a process leaves it that is killed.
        fs::create_dir(copy).unwrap();
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
        }
        assert!(fs::metadata(copy.join("ringway.db-wal")).unwrap().len() > 0);
        end(started);
        remount("remount,ro");
        only_read(copy);
        remount("remount,rw");
        fs::remove_file(copy.join("ringway.db-shm")).unwrap();
        remount("remount,ro");
        // Not without what tells SQLite where to look; better nothing than what was true some time ago.
        let error = Store::open(&StateDir::take(copy).unwrap()).unwrap_err();
        assert!(!error.forbids_serving(), "{error}");
    }

    #[test]
    #[ignore = "needs a namespace"]
    fn a_store_that_its_owner_may_only_read_is_read() {
        let folder = Path::new("/mnt/state");
        let started = open(folder).unwrap();
        run(make(&started.manager, 1)).unwrap();
        end(started);
        for (path, mode) in [("lock", 0o400), ("ringway.db", 0o400), ("", 0o500)] {
            fs::set_permissions(folder.join(path), fs::Permissions::from_mode(mode)).unwrap();
        }
        // Root may write what it may not write, unless that is taken from it.
        let test = "node::store::disks::inside::only_reads_as_its_owner";
        let output = Command::new("setpriv")
            .args(["--bounding-set", "-all"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", test, "--ignored", "--nocapture"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    }

    #[test]
    #[ignore = "started by the one above"]
    fn only_reads_as_its_owner() {
        only_read(Path::new("/mnt/state"));
    }

    fn only_read(folder: &Path) {
        let started = open(folder).unwrap();
        let manager = &started.manager;
        run(async {
            assert_eq!(manager.deployed().await.unwrap().len(), 1);
            assert_eq!(manager.api(&key(1)).await.unwrap().value.deployments.len(), 1);
            assert_eq!(manager.health().state, StoreState::ReadOnly);
            let refused = make(manager, 2).await.unwrap_err();
            assert_eq!((refused.code.status, refused.code.word), (503, "store-read-only"), "{refused}");
        });
        end(started);
    }
}
