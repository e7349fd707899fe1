//! The one table of settings. Flags, environment names, TOML keys, `--help`, `--print-config`, error texts and
//! `docs/configuration.md` all come from it.

/// One setting of the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Name in capitals: `BLOCKCHAT_<NAME>` in the environment, in lower case in TOML, with dashes as a flag.
    pub name: &'static str,
    /// Built-in value; empty when there is none or when it is derived from other settings.
    pub default: &'static str,
    /// How an empty default is derived, for the reader.
    pub derived: &'static str,
    /// What is allowed, as the error message says it.
    pub allowed: &'static str,
    /// What the setting does.
    pub about: &'static str,
}

impl Setting {
    /// The key in a TOML file.
    pub fn key(&self) -> String {
        self.name.to_lowercase()
    }

    /// The long flag, without dashes in front.
    pub fn flag(&self) -> String {
        self.key().replace('_', "-")
    }

    /// The environment variable.
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }
}

/// Prefix of every environment variable of the node.
pub const PREFIX: &str = "BLOCKCHAT_";

/// From the port of the public API to that of the peer listener.
pub const PEER_OFFSET: u16 = 1_000;

/// From the port of the public API to that of the admin listener.
pub const ADMIN_OFFSET: u16 = 2_000;

const ADDRESS: &str = "an IP address and port such as 127.0.0.1:8000 or [::]:8000";
const BOOL: &str = "true or false";
const BYTES: &str = "an integer from 1, optionally with KiB, MiB or GiB";
const COUNT: &str = "an integer from 1";
const DURATION: &str = "0, or an integer with ms, s, m or h, such as 500ms";
const POSITIVE_DURATION: &str = "an integer above 0 with ms, s, m or h, such as 200ms";
const PATH: &str = "a path";
const URL: &str = "an http:// URL of host and port, without path";

const fn setting(name: &'static str, default: &'static str, allowed: &'static str, about: &'static str) -> Setting {
    Setting { name, default, derived: "", allowed, about }
}

const fn derived(name: &'static str, derived: &'static str, allowed: &'static str, about: &'static str) -> Setting {
    Setting { name, default: "", derived, allowed, about }
}

/// Every setting, in the order in which they are shown.
pub const SETTINGS: &[Setting] = &[
    setting(
        "NODES",
        "5",
        "an integer from 1 to 256",
        "Number of members of the network, n. Part of the descriptor: the same on every node.",
    ),
    setting("CAPACITY", "5", "an integer from 1 to 10000", "Transactions in a full block. Part of the descriptor."),
    setting(
        "ENDOWMENT",
        "1000",
        "a decimal amount above 0 with at most 6 places",
        "BCC paid to each member at the start. Part of the descriptor.",
    ),
    setting(
        "TTL_BLOCKS",
        "10000",
        "an integer from 1",
        "For how many blocks a transaction may wait to be committed. Part of the descriptor.",
    ),
    derived(
        "BOOTSTRAP",
        "true when ADVERTISE_URL is BOOTSTRAP_URL",
        BOOL,
        "This node founds the network as member 0. The flag needs no value.",
    ),
    derived(
        "BOOTSTRAP_URL",
        "http://127.0.0.1:9000; on the bootstrap node its ADVERTISE_URL",
        URL,
        "Peer address of the bootstrap node.",
    ),
    derived(
        "ADVERTISE_URL",
        "http:// and PEER_LISTEN, unless that listens on every address",
        URL,
        "Peer address under which the other members reach this node.",
    ),
    setting(
        "LISTEN",
        "127.0.0.1:8000",
        ADDRESS,
        "Public API. `-p P` sets this and the next two to P, P+1000 and P+2000 on loopback.",
    ),
    derived("PEER_LISTEN", "the address of LISTEN, port + 1000", ADDRESS, "Joining and the streams between members."),
    derived("ADMIN_LISTEN", "the address of LISTEN, port + 2000", ADDRESS, "Metrics and health."),
    derived(
        "DATA_DIR",
        "blockchat-data/ and the port of LISTEN",
        PATH,
        "Directory of the log and the store. One process at a time.",
    ),
    setting(
        "MAX_BLOCK_WAIT",
        "500ms",
        DURATION,
        "A smaller block is minted once the oldest pending transaction has waited this long; 0 waits for full blocks for ever.",
    ),
    setting(
        "API_TOKEN_FILE",
        "",
        PATH,
        "File with the bearer token of the wallet calls. Turns the original's API off.",
    ),
    setting(
        "ALLOW_OPEN_WALLET",
        "false",
        BOOL,
        "Lets a node listen beyond loopback without a token: whoever reaches it can spend its coins.",
    ),
    setting(
        "CORS_ORIGINS",
        "",
        "origins such as https://a.example or http://localhost:3000, with commas between",
        "Web pages that may use the public API from a browser.",
    ),
    setting("JOIN_TOKEN_FILE", "", PATH, "File with the token that a joiner must show to the bootstrap node."),
    derived(
        "WALLET_FILE",
        "DATA_DIR/wallet.pem",
        PATH,
        "RSA key of the node, PEM of PKCS#8, mode 600; made when missing. The consensus key follows from it.",
    ),
    setting("WALLET_PASSPHRASE_FILE", "", PATH, "File with the passphrase under which the wallet file is encrypted."),
    setting(
        "LOG",
        "info",
        "a level (error, warn, info, debug, trace) or a filter such as info,blockchat_node=debug",
        "What is logged, to stderr.",
    ),
    setting("LOG_FORMAT", "text", "text or json", "Form of a log line."),
    setting(
        "OTLP_ENDPOINT",
        "",
        "an http:// URL without credentials or query, such as http://127.0.0.1:4318",
        "Collector that takes traces as OTLP over HTTP, below /v1/traces. Without one there are none. The way to it is not encrypted: put one beside the node.",
    ),
    setting(
        "TRACE_RATIO",
        "0.01",
        "a number from 0 to 1",
        "Share of the submissions that begin a trace. One whose caller sent a traceparent header follows that.",
    ),
    setting(
        "METRICS",
        "true",
        BOOL,
        "Whether the node measures itself. Without, /metrics answers 404; to find out what measuring costs.",
    ),
    setting("PROPOSE_TIMEOUT", "250ms", POSITIVE_DURATION, "Wait for a round's proposal, at first."),
    setting(
        "VOTE_TIMEOUT",
        "40ms",
        POSITIVE_DURATION,
        "Wait for the votes that are missing once there is no majority, at first.",
    ),
    setting("TIMEOUT_STEP", "100ms", POSITIVE_DURATION, "By how much these waits grow with each round of a block."),
    setting(
        "REBROADCAST_TIMEOUT",
        "400ms",
        POSITIVE_DURATION,
        "After this long without progress a node repeats its votes.",
    ),
    setting("POOL_TRANSACTIONS", "100000", COUNT, "Most pending transactions."),
    setting("POOL_BYTES", "256MiB", BYTES, "Most bytes of pending transactions."),
    setting("POOL_PER_SENDER", "20000", COUNT, "Most pending transactions of one sender."),
    setting("POOL_HELD", "10000", COUNT, "Most transactions that wait for an earlier nonce."),
];

/// The setting of a name in capitals.
pub fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// The name among `names` that looks most like `name`, when one is near enough to be a slip.
pub fn nearest(name: &str, names: impl Iterator<Item = String>) -> Option<String> {
    names
        .map(|candidate| (strsim::damerau_levenshtein(name, &candidate), candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= 2.max(candidate.len() / 3))
        .map(|(_, candidate)| candidate)
}

/// The reference page, from the table. A test compares it with `docs/configuration.md`.
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    for setting in SETTINGS {
        let default = match (setting.default, setting.derived) {
            ("", "") => "none".to_owned(),
            ("", derived) => derived.to_owned(),
            (default, _) => format!("`{default}`"),
        };
        let row = [format!("`{}`", setting.name), default, setting.allowed.to_owned(), setting.about.to_owned()];
        page.extend(["| ", &row.join(" | "), " |\n"]);
    }
    page.push_str(TAIL);
    page
}

const HEAD: &str = "\
# Configuration of a node

A setting named `X_Y` is `BLOCKCHAT_X_Y` in the environment, `x_y` in a TOML file (`--config FILE` or
`BLOCKCHAT_CONFIG`) and `--x-y` as a flag. Flags win over the environment, the environment over the file, the file
over the default; an empty variable counts as not set. `blockchat-node --print-config` shows the effective
values and where each came from.

The course's flags work as they did: `-p P -n N -capacity C -bootstrap`.

An unknown, malformed or contradictory setting stops the node with exit code 64 and one line that names the setting,
where it came from and what is allowed.

This page is generated from the table in `node/src/config/settings.rs`; a test fails when they differ
(`UPDATE_DOCS=1 cargo test -p blockchat-node configuration_page` writes it anew).

| setting | default | allowed | what it does |
|---|---|---|---|
";

const TAIL: &str = "
## Flags that are no settings

| flag | what it does |
|---|---|
| `--config FILE` | Reads settings from a TOML file. |
| `-p P` | API on port P, peers on P+1000, admin on P+2000, all on 127.0.0.1. |
| `--print-config` | Shows the effective values and where each came from, then exits. |
| `--accept-lost-log` | Lets a node whose log is lost vote at once. Only for networks that can't release it themselves (n ≤ 3, or more than f members lost theirs): it could have voted otherwise before. |
| `health` | Asks the node's own admin listener whether it is ready (`health --live`: alive); exit code 0 or 1. For health checks in images without a shell. |

## Variables that are ignored

Kubernetes injects variables for each service into a pod (`BLOCKCHAT_SERVICE_HOST`, `BLOCKCHAT_PORT_8000_TCP_ADDR`, …).
They are recognised by their form and ignored; every other unknown `BLOCKCHAT_*` variable is an error.
";
