//! What went wrong, in the few kinds that Mayfly tells apart, in words without secrets.

use opendal::{Error, ErrorKind};

/// The numbers are the ABI's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    NotFound = 1,
    Exists = 2,
    Unavailable = 3,
    Other = 4,
}

#[derive(Debug)]
pub struct Failure {
    pub kind: Kind,
    pub text: String,
}

/// Longer texts are a server's page, not a reason.
const TEXT_MAX: usize = 300;

impl Failure {
    pub fn new(kind: Kind, text: &str) -> Self {
        let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        Failure { kind, text: printable.take(TEXT_MAX).collect() }
    }

    pub fn exists() -> Self {
        Failure::new(Kind::Exists, "there is an object of that key already")
    }

    /// Only OpenDAL's message and the system's reason: its context has URLs, which may carry tokens.
    pub fn of(error: &Error, secrets: &Secrets) -> Self {
        let mut text = format!("{}: {}", error.kind(), error.message());
        if let Some(reason) = of_the_system(error) {
            text = format!("{text}: {reason}");
        }
        Failure::new(kind_of(error), &secrets.hidden_in(&text))
    }

    pub fn of_io(error: &std::io::Error) -> Self {
        Failure::new(Kind::Other, &error.to_string())
    }
}

fn kind_of(error: &Error) -> Kind {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::IsADirectory | ErrorKind::NotADirectory => Kind::NotFound,
        ErrorKind::AlreadyExists | ErrorKind::ConditionNotMatch => Kind::Exists,
        ErrorKind::ConfigInvalid => Kind::Unavailable,
        _ if of_a_folder(error) => Kind::NotFound,
        _ if may_pass(error) => Kind::Unavailable,
        _ => Kind::Other,
    }
}

/// The innermost error of the system, such as that a connection was refused.
fn of_the_system(error: &Error) -> Option<&std::io::Error> {
    let sources = std::iter::successors(std::error::Error::source(error), |e| e.source());
    sources.filter_map(|e| e.downcast_ref::<std::io::Error>()).last()
}

/// The `fs` service tells them as unexpected: a part of the key is no folder, or the whole is one.
fn of_a_folder(error: &Error) -> bool {
    of_the_system(error).is_some_and(|e| matches!(e.kind(), std::io::ErrorKind::NotADirectory | std::io::ErrorKind::IsADirectory))
}

/// Also what was tried again in vain, which is persistent then.
pub fn may_pass(error: &Error) -> bool {
    error.is_temporary() || error.is_persistent() || matches!(error.kind(), ErrorKind::RateLimited | ErrorKind::Conflict)
}

/// Values of settings that no text may show.
pub struct Secrets(Vec<String>);

/// Settings that say where, not who.
const PUBLIC: [&str; 6] = ["root", "bucket", "container", "region", "account_name", "default_storage_class"];

impl Secrets {
    pub fn among(pairs: &[(String, String)]) -> Self {
        let hidden = |name: &str, value: &str| {
            let place = name == "endpoint" && !value.contains('@') && !value.contains('?');
            let word = value.len() < 6; // "true", "1"
            !PUBLIC.contains(&name) && !place && !word
        };
        let mut values: Vec<String> = pairs.iter().filter(|(n, v)| hidden(n, v)).map(|(_, v)| v.clone()).collect();
        values.sort_by_key(|v| std::cmp::Reverse(v.len()));
        Secrets(values)
    }

    fn hidden_in(&self, text: &str) -> String {
        self.0.iter().fold(text.to_string(), |text, secret| text.replace(secret.as_str(), "***"))
    }
}
