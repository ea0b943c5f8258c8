//! The table of examples: for each command the lines to type, and the reasons to type them.

use super::Example;

pub(super) const fn example(purpose: &'static str, line: &'static str) -> Example {
    Example { purpose, line }
}

/// Examples by command, as in `api deploy`; the program itself has the empty name.
pub(super) const EXAMPLES: &[(&str, &[Example])] = &[
    (
        "",
        &[
            example("Try everything in one process: a node, a chat behind it, a published API", "ringway demo"),
            example("Relay a port to one target", "ringway proxy --listen 0.0.0.0:8080 --target ws://10.0.0.7:9000"),
            example("Run a node that manages APIs", "ringway serve --config ringway.toml --state /var/lib/ringway"),
            example("Show the help of a command", "ringway api deploy --help"),
        ],
    ),
    (
        "demo",
        &[
            example("Run the demo and try the commands that it prints", "ringway demo"),
            example("Run it beside another node, on free ports", "ringway demo --any-port"),
        ],
    ),
    (
        "serve",
        &[
            example("Run a node with the default environments and its state in ./ringway-data", "ringway serve"),
            example(
                "Run a node with a configuration file and its state in /var/lib",
                "ringway serve --config /etc/ringway/ringway.toml --state /var/lib/ringway",
            ),
            example("Apply a folder of API files at the start and at each SIGHUP", "ringway serve --apply config/apis"),
        ],
    ),
    (
        "proxy",
        &[
            example(
                "Relay every connection to one target, on four CPUs",
                "ringway proxy --listen 0.0.0.0:8080 --target ws://10.0.0.7:9000 --cpus 0-3",
            ),
            example(
                "Speak TLS to clients and to the target",
                "ringway proxy --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem --target wss://backend.example.com",
            ),
            example(
                "Trust the X-Forwarded-* headers of a load balancer's network",
                "ringway proxy --listen 0.0.0.0:8080 --target ws://10.0.0.7:9000 --trusted-proxies 10.1.0.0/16",
            ),
        ],
    ),
    (
        "echo",
        &[
            example("Run an upstream to test a proxy with", "ringway echo --listen 127.0.0.1:9000"),
            example("Listen on any free port, which the output names", "ringway echo --listen 127.0.0.1:0"),
        ],
    ),
    (
        "ws",
        &[
            example("Type messages and read the answers; Ctrl-D closes", "ringway ws ws://127.0.0.1:8080/room"),
            example("Send one message and wait for the answer", "echo hello | ringway ws ws://127.0.0.1:9000/"),
            example(
                "Send a file as one binary message for each line",
                "ringway ws ws://127.0.0.1:9000/ --binary < data",
            ),
            example(
                "Send a header, over TLS with an authority of your own",
                "ringway ws wss://localhost:8443/ --header 'X-Token: t' --tls-ca dev-cert/ca.pem",
            ),
        ],
    ),
    ("tls", &[example("Make a certificate for localhost, 127.0.0.1 and ::1 in ./dev-cert", "ringway tls dev-cert")]),
    (
        "tls dev-cert",
        &[
            example("Make a certificate for localhost, 127.0.0.1 and ::1 in ./dev-cert", "ringway tls dev-cert"),
            example(
                "Make one for other names, in another directory",
                "ringway tls dev-cert --out certs chat.test '*.chat.test' 10.0.0.7",
            ),
        ],
    ),
    (
        "api",
        &[
            example(
                "Create an API",
                "ringway api create --name 'Chat App API' --version 1.0 --target ws://10.0.0.7:9000",
            ),
            example("Deploy it to development", "ringway api deploy chat-app-api --env development"),
            example("Promote it to production", "ringway api promote chat-app-api"),
            example("Publish it", "ringway api lifecycle chat-app-api --to published"),
        ],
    ),
    (
        "api import",
        &[
            example("Create an API from a file, after a look at its values", "ringway api import chat.yaml"),
            example(
                "See what a document at a URL would make, without a node",
                "ringway api import https://example.com/asyncapi.yaml --dry-run",
            ),
            example(
                "Create an API without questions, with another target",
                "ringway api import contract.zip --target wss://chat.internal:9443 --version 1.0 --yes",
            ),
        ],
    ),
    (
        "api contract",
        &[example("Show the contract of an API and its routes", "ringway api contract show chat-app-api")],
    ),
    (
        "api contract show",
        &[
            example("Show the routes of an API's contract", "ringway api contract show chat-app-api"),
            example("Get the document as it was uploaded", "ringway api contract show chat-app-api --raw"),
        ],
    ),
    (
        "api contract diff",
        &[example("See for whom a new document breaks something", "ringway api contract diff chat-app-api new.yaml")],
    ),
    (
        "api contract validate",
        &[
            example("Check a document without a node", "ringway api contract validate chat.yaml"),
            example(
                "Check the contract of an API, for a program",
                "ringway api contract validate chat-app-api -o json",
            ),
        ],
    ),
    (
        "api contract remove",
        &[example("Have an API take every path again", "ringway api contract remove chat-app-api --yes")],
    ),
    (
        "api docs",
        &[
            example("Print the model of an API's contract as JSON", "ringway api docs chat-app-api"),
            example(
                "Write the pages of the revision that runs in production",
                "ringway api docs chat-app-api --env production --html pages",
            ),
            example("Write the pages of a document, without a node", "ringway api docs --from chat.yaml --html pages"),
        ],
    ),
    (
        "api create",
        &[
            example(
                "Create an API with one target",
                "ringway api create --name 'Chat App API' --version 1.0 --target ws://10.0.0.7:9000",
            ),
            example(
                "Create an internal API in a project, spread over two targets",
                "ringway api create --name Prices --version 2.1 --project trading --access internal \
                 --target ws://10.0.0.7:9000 --target ws://10.0.0.8:9000",
            ),
            example(
                "Create an API with policies of its own",
                "ringway api create --name Chat --version 1.0 --target ws://10.0.0.7:9000 \
                 --policy limits.idle_timeout_ms=5m --policy preserve_host=true",
            ),
        ],
    ),
    (
        "api list",
        &[
            example("List all APIs", "ringway api list"),
            example(
                "List the published APIs of a project as JSON",
                "ringway api list --project trading --lifecycle published -o json",
            ),
        ],
    ),
    (
        "api show",
        &[
            example("Show an API, its targets and its deployments", "ringway api show chat-app-api"),
            example("Show one version of several as YAML", "ringway api show chat-app-api:1.0 -o yaml"),
            example(
                "Show the policies in effect, and the layer that decides each",
                "ringway api show chat-app-api --effective --env production",
            ),
        ],
    ),
    (
        "api update",
        &[
            example("Change the targets of an API", "ringway api update chat-app-api --target ws://10.0.0.9:9000"),
            example(
                "Set a policy and take another out",
                "ringway api update chat-app-api --policy limits.idle_timeout_ms=off --policy preserve_host=",
            ),
            example("Then deploy the change", "ringway api deploy chat-app-api --env development"),
        ],
    ),
    (
        "api delete",
        &[
            example("Delete an API after a question", "ringway api delete chat-app-api:1.0"),
            example("Delete it without a question", "ringway api delete chat-app-api:1.0 --yes"),
        ],
    ),
    (
        "api deploy",
        &[
            example("Deploy the current definition", "ringway api deploy chat-app-api --env development"),
            example(
                "Deploy it with a target that only this environment uses",
                "ringway api deploy chat-app-api --env production --target wss://chat.example.com",
            ),
            example("Deploy an older revision", "ringway api deploy chat-app-api --env development --revision 3"),
        ],
    ),
    (
        "api undeploy",
        &[
            example(
                "Remove an API from an environment and close its connections there",
                "ringway api undeploy chat-app-api --env development",
            ),
            example(
                "Remove it from the last environment without a question",
                "ringway api undeploy chat-app-api --env production --yes",
            ),
        ],
    ),
    (
        "api promote",
        &[
            example("Promote an API where only one promotion is possible", "ringway api promote chat-app-api"),
            example(
                "Promote it to production with production's own target",
                "ringway api promote chat-app-api --from development --to production --target wss://chat.example.com",
            ),
        ],
    ),
    (
        "api stop",
        &[example(
            "Refuse new connections in production and close the open ones",
            "ringway api stop chat-app-api --env production",
        )],
    ),
    (
        "api start",
        &[example("Accept connections in production again", "ringway api start chat-app-api --env production")],
    ),
    (
        "api violations",
        &[
            example("Show messages that broke the contract of an API", "ringway api violations chat-app-api"),
            example(
                "Go on showing them as they come, of one environment",
                "ringway api violations chat-app-api --env production --follow",
            ),
        ],
    ),
    (
        "api revisions",
        &[example("List the revisions of an API and where each one runs", "ringway api revisions chat-app-api")],
    ),
    (
        "api rollback",
        &[
            example("Run revision 3 in the only environment of an API", "ringway api rollback chat-app-api 3"),
            example("Run it in production", "ringway api rollback chat-app-api 3 --env production"),
        ],
    ),
    (
        "api lifecycle",
        &[
            example("Show the state, its history and the possible next states", "ringway api lifecycle chat-app-api"),
            example(
                "Publish an API under a display name",
                "ringway api lifecycle chat-app-api --to published --display-name Chat",
            ),
            example(
                "Deprecate it and say when it ends",
                "ringway api lifecycle chat-app-api --to deprecated --sunset 2027-06-30",
            ),
        ],
    ),
    (
        "api test",
        &[
            example("Talk to a deployed API; Ctrl-D closes", "ringway api test chat-app-api --env development"),
            example(
                "Send one message to a path below the API's base path",
                "echo hello | ringway api test chat-app-api --env development --path '/room?name=ada'",
            ),
        ],
    ),
    (
        "project",
        &[
            example("List the projects of a node", "ringway project list"),
            example("Describe one", "ringway project set shop --description 'Orders and prices'"),
        ],
    ),
    ("project list", &[example("List the projects of a node", "ringway project list")]),
    ("project show", &[example("Show a project as JSON", "ringway project show shop -o json")]),
    (
        "project set",
        &[
            example("Create a project, or describe it", "ringway project set shop --description 'Orders and prices'"),
            example("Take its description away", "ringway project set shop"),
        ],
    ),
    (
        "project delete",
        &[
            example("Delete a project without APIs after a question", "ringway project delete shop"),
            example("Delete it without a question", "ringway project delete shop --yes"),
        ],
    ),
    (
        "identity",
        &[
            example("List who may call the admin API of a node", "ringway identity list"),
            example(
                "Let a pipeline deploy to all but the last environment",
                "ringway identity create ci --role developer",
            ),
        ],
    ),
    (
        "identity create",
        &[
            example("Create an identity that reads", "ringway identity create dashboard --role viewer"),
            example(
                "Create one that defines APIs and publishes them",
                "ringway identity create ada@example.com --role developer,publisher --description 'Ada, platform team'",
            ),
            example(
                "Create one for a backend that pushes to the rooms of an API",
                "ringway identity create scores --role room-publisher --room-api chat --room 'scores/*' --room-rate 50",
            ),
        ],
    ),
    (
        "identity list",
        &[
            example("List identities, their roles and when a token was last used", "ringway identity list"),
            example("List them as JSON, with their tokens", "ringway identity list -o json"),
        ],
    ),
    ("identity show", &[example("Show an identity and its tokens", "ringway identity show ci")]),
    (
        "identity role",
        &[
            example("Let an identity read and nothing else", "ringway identity role ci viewer"),
            example("Let it define APIs and publish them", "ringway identity role ci developer publisher"),
        ],
    ),
    (
        "identity revoke",
        &[
            example("Revoke an identity and its tokens after a question", "ringway identity revoke ci"),
            example("Revoke it without a question", "ringway identity revoke ci --yes"),
        ],
    ),
    ("identity whoami", &[example("Show who the node takes this command for", "ringway identity whoami")]),
    (
        "identity token",
        &[example("Create a token that expires after 90 days", "ringway identity token create ci --days 90")],
    ),
    (
        "identity token create",
        &[
            example("Write the secret of a new token to a file", "ringway identity token create ci --out ci-token"),
            example(
                "Create a token with an end and a purpose",
                "ringway identity token create ci --expires 2027-06-30 --description 'deploy job'",
            ),
        ],
    ),
    (
        "identity token rotate",
        &[
            example("Replace token 7; it stays valid for a day", "ringway identity token rotate ci 7 --out ci-token"),
            example("Replace it and end it at once", "ringway identity token rotate ci 7 --overlap 0"),
        ],
    ),
    (
        "identity token revoke",
        &[example("Revoke token 7 without a question", "ringway identity token revoke ci 7 --yes")],
    ),
    (
        "status",
        &[
            example("Show the health of a node", "ringway status"),
            example("Fail a script where the node is degraded", "ringway status > /dev/null"),
        ],
    ),
    ("env", &[example("List the environments of a node", "ringway env list")]),
    ("env show", &[example("Show an environment and what is deployed in it", "ringway env show production")]),
    (
        "env list",
        &[
            example("List the environments of the node in ./ringway-data", "ringway env list"),
            example(
                "List those of a node on another host, through an SSH tunnel",
                "ringway env list --admin http://127.0.0.1:9600 --token-file token",
            ),
        ],
    ),
    (
        "conn",
        &[
            example("List the live connections of an API", "ringway conn list --api chat-app-api"),
            example("Close them over the drain window", "ringway conn close --api chat-app-api"),
        ],
    ),
    (
        "conn list",
        &[
            example("List the live connections in production", "ringway conn list --env production"),
            example(
                "List at most ten from one address, as JSON",
                "ringway conn list --client 192.0.2.7 --limit 10 -o json",
            ),
        ],
    ),
    (
        "conn close",
        &[
            example("Close one connection by the ID that `conn list` shows", "ringway conn close 0-17"),
            example(
                "Close all connections of an API in production",
                "ringway conn close --api chat-app-api --env production",
            ),
        ],
    ),
    (
        "config",
        &[
            example("Check a file before a node reads it", "ringway config check ringway.toml"),
            example("Show every option with its default", "ringway config show"),
        ],
    ),
    (
        "config check",
        &[
            example("Report every fault in a file", "ringway config check ringway.toml"),
            example("Report them as JSON, for a pipeline", "ringway config check ringway.toml -o json"),
        ],
    ),
    (
        "config show",
        &[
            example("Show the defaults", "ringway config show"),
            example(
                "Show a file with the defaults filled in, as YAML",
                "ringway config show --config ringway.toml -o yaml",
            ),
        ],
    ),
    (
        "audit",
        &[
            example("Show the latest fifty changes", "ringway audit"),
            example(
                "Show the changes of one API since a day, with the values before and after",
                "ringway audit --api chat-app-api --since 2027-06-30 -o json",
            ),
        ],
    ),
    (
        "apply",
        &[
            example("Show the steps without carrying them out", "ringway apply --file config/apis --dry-run"),
            example("Make the node match the files", "ringway apply --file config/apis"),
            example("Apply what another program writes", "ringway export | ringway apply --file -"),
        ],
    ),
    (
        "diff",
        &[
            example("Show the difference between files and node", "ringway diff --file config/apis"),
            example("Fail a pipeline where they differ", "ringway diff --file config/apis > /dev/null"),
        ],
    ),
    (
        "export",
        &[
            example("Write all APIs of a node to a file", "ringway export > apis.yaml"),
            example("Write one API", "ringway export --api chat-app-api:1.0"),
        ],
    ),
    (
        "completions",
        &[
            example("Complete in this bash, and from ~/.bashrc in each", "source <(ringway completions bash)"),
            example("Complete in fish", "ringway completions fish | source"),
        ],
    ),
    (
        "man",
        &[
            example("Read the page of one command", "ringway man api deploy | man -l -"),
            example("Install the pages of all commands", "ringway man --out /usr/local/share/man/man1"),
        ],
    ),
];
