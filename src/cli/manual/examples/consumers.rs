//! The examples of the commands about applications, plans and keys.

use super::Example;
use super::table::example;

/// Examples by command.
pub(super) const EXAMPLES: &[(&str, &[Example])] = &[
    (
        "app",
        &[
            example("Create an application of a consumer", "ringway app create acme/mobile"),
            example("Subscribe it to an API", "ringway app subscribe acme/mobile chat-app-api:1 --plan gold"),
            example("Give it a key", "ringway key create acme/mobile --env production"),
        ],
    ),
    (
        "app list",
        &[
            example("List the applications of a consumer", "ringway app list --consumer acme"),
            example("List the applications that are subscribed to an API", "ringway app list --api chat-app-api:1"),
        ],
    ),
    ("app show", &[example("Show an application and its subscriptions", "ringway app show acme/mobile")]),
    (
        "app create",
        &[example(
            "Create an application of the consumer acme",
            "ringway app create acme/mobile --description 'The app in the stores'",
        )],
    ),
    (
        "app update",
        &[example("Describe an application anew", "ringway app update acme/mobile --description 'Old app'")],
    ),
    (
        "app block",
        &[
            example("Close everything that the keys of an application open", "ringway app block acme/mobile"),
            example("Close one API to it, without a question", "ringway app block acme/mobile chat-app-api:1 --yes"),
        ],
    ),
    ("app unblock", &[example("Let an application in again", "ringway app unblock acme/mobile")]),
    (
        "app delete",
        &[example("Delete an application with its keys, after a question", "ringway app delete acme/mobile")],
    ),
    (
        "app subscribe",
        &[
            example(
                "Subscribe an application with the default plan",
                "ringway app subscribe acme/mobile chat-app-api:1",
            ),
            example(
                "Give the subscription another plan",
                "ringway app subscribe acme/mobile chat-app-api:1 --plan gold",
            ),
        ],
    ),
    (
        "app unsubscribe",
        &[example("End a subscription, after a question", "ringway app unsubscribe acme/mobile chat-app-api:1")],
    ),
    (
        "plan",
        &[
            example("Create a plan", "ringway plan create gold --description 'For partners'"),
            example("List plans and how many subscriptions have each", "ringway plan list"),
        ],
    ),
    ("plan list", &[example("List plans", "ringway plan list")]),
    ("plan show", &[example("Show a plan as JSON", "ringway plan show gold -o json")]),
    ("plan create", &[example("Create a plan", "ringway plan create gold --description 'For partners'")]),
    ("plan update", &[example("Describe a plan anew", "ringway plan update gold --description 'For old partners'")]),
    ("plan block", &[example("Close every subscription that has a plan", "ringway plan block trial")]),
    ("plan unblock", &[example("Open these subscriptions again", "ringway plan unblock trial")]),
    ("plan delete", &[example("Delete a plan that no subscription has", "ringway plan delete trial")]),
    (
        "key",
        &[
            example("Give an application a key", "ringway key create acme/mobile --env production"),
            example("Replace a key, and let the old one work for a day", "ringway key rotate 17"),
            example("Revoke a key at once", "ringway key revoke 17"),
        ],
    ),
    (
        "key list",
        &[
            example("List the keys of an application", "ringway key list --app acme/mobile"),
            example("Find a key by its beginning", "ringway key list --prefix rwk_Zr3b1Q"),
        ],
    ),
    ("key show", &[example("Show a key without its secret", "ringway key show 17")]),
    (
        "key create",
        &[
            example(
                "Make a key that expires",
                "ringway key create acme/mobile --env production --name CI --expires 2027-06-30",
            ),
            example(
                "Write a key with its secret into a file",
                "ringway key create acme/mobile --env production -o json > key.json",
            ),
        ],
    ),
    (
        "key rotate",
        &[
            example("Replace a key, and let the old one work for a week", "ringway key rotate 17 --overlap 168h"),
            example("Replace a key whose secret is lost or known to others", "ringway key rotate 17 --overlap 0 --yes"),
        ],
    ),
    ("key revoke", &[example("Revoke a key without a question", "ringway key revoke 17 --yes")]),
];
