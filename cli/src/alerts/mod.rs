//! `maxconn run --alerts` tells people and programs of floods, besides the output that records go to.
//!
//! ```text
//!          ┌─► queue or board ─► courier ─► output
//! engine ──┼─► queue or board ─► courier ─► output
//!          └─► backlog (records, and alerts in between)
//! ```
//! Nothing here holds a record up: handing an alert over never waits, what waits is bounded, and an output that is slow or
//! dead has its own queue and its own task.
//!
//! | module | what it does |
//! |---|---|
//! | `args`, `address` | parse the command line |
//! | `alert` | knows an alert's flood, and makes its fields fit for people and programs |
//! | `queue`, `board`, `labels`, `waiting` | keep what an output is to be told: one by one, or all that fires |
//! | `courier`, `outcome` | tell it, again and again |
//! | `alertmanager`, `exec`, `webhook`, `journal`, `post` | are the ways to it, besides those of [`crate::output`] |
//! | `meter` | counts |

mod address;
mod alert;
mod alertmanager;
pub(crate) mod args;
mod board;
mod courier;
mod exec;
mod journal;
mod labels;
pub(crate) mod meter;
mod outcome;
mod post;
mod queue;
mod waiting;
mod webhook;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use rustix::fs::{Access, access};
use thiserror::Error;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

pub use self::args::{AlertsArgs, AlertsArgsError, AlertsOptions};

use self::address::{AlertsAddress, AlertsOutput};
use self::alert::Alert;
use self::alertmanager::Alertmanager;
use self::board::Board;
use self::courier::Courier;
use self::exec::Exec;
use self::journal::{Form, Journal};
use self::meter::Meters;
use self::outcome::{AlertTrouble, Outcome};
use self::post::Post;
use self::queue::Queue;
use self::waiting::{Item, Waiting};
use self::webhook::{Template, Webhook, WebhookError};
use crate::address::{AddressError, HttpAddress};
use crate::http::client::Client;
use crate::http::secret::{Secret, SecretError};
use crate::http::tls::{self, TlsError};
use crate::lock::lock;
use crate::log;
use crate::output::SendError;
use crate::output::dead::{DeadLetterError, DeadLetters};
use crate::output::delivery::Delivery;
use crate::output::lines::LinesOutput;
use crate::output::stdout::Stdout;

/// How long an output may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// So many lines are written at once.
const LINES_MAX: usize = 64;

/// Why an output cannot be had: the command line names what is not there, or not right.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum AlertsOpenError {
    #[error("--alerts: {0}")]
    Secret(#[from] SecretError),
    #[error("--alerts: the address in {path}: {1}", path = .0.display())]
    Address(std::path::PathBuf, AddressError),
    #[error("--alerts: {0} cannot be run: it is not there, or its mode does not allow it")]
    Command(String),
    #[error("--alerts: {0}")]
    Tls(#[from] TlsError),
    #[error("--alerts: {0}")]
    Webhook(#[from] WebhookError),
    #[error("--alerts-dead-letter: {0}")]
    DeadLetters(#[from] DeadLetterError),
}

/// The way to an output.
enum Sender {
    Alertmanager(Box<Alertmanager>),
    Exec(Exec),
    Webhook(Box<Webhook>),
    Journal(Journal),
    Stdout(Stdout),
    Lines(LinesOutput),
}

impl Sender {
    /// How many alerts it likes to be given at once.
    fn most(&self) -> usize {
        match self {
            Sender::Alertmanager(_) => alertmanager::POST_MAX,
            Sender::Exec(_) => exec::AT_ONCE,
            Sender::Webhook(_) | Sender::Journal(_) => 1,
            Sender::Stdout(_) | Sender::Lines(_) => LINES_MAX,
        }
    }

    /// Sends alerts; says what became of each, or of the first ones alone: then the others were not tried.
    async fn send(&mut self, items: &[Item]) -> Vec<Outcome> {
        let sent = match self {
            Sender::Alertmanager(alertmanager) => return alertmanager.send(items).await,
            Sender::Exec(exec) => return exec.send(items).await,
            Sender::Webhook(webhook) => return one(items, async |it| webhook.send(it).await).await,
            Sender::Journal(journal) => return one(items, async |it| journal.send(it).await).await,
            Sender::Stdout(stdout) => stdout.send(&[lines(items)]).await,
            Sender::Lines(output) => output.send(&[lines(items)]).await,
        };
        match sent {
            Ok(()) => items.iter().map(|_| Outcome::Taken).collect(),
            Err(SendError::Retry { trouble, after }) => vec![Outcome::Retry {
                trouble: AlertTrouble::Line(trouble),
                after,
            }],
            Err(SendError::Stdout(error)) => vec![AlertTrouble::Stdout(error).into()],
        }
    }
}

async fn one(items: &[Item], send: impl AsyncFnOnce(&Alert) -> Outcome) -> Vec<Outcome> {
    match items {
        [first, ..] => vec![send(&first.alert).await],
        [] => Vec::new(),
    }
}

fn lines(items: &[Item]) -> Arc<Delivery> {
    let mut bytes = Vec::new();
    for item in items {
        bytes.extend_from_slice(&item.alert.line);
        bytes.push(b'\n');
    }
    Arc::new(Delivery {
        bytes: bytes.into(),
        ..Delivery::default()
    })
}

/// All outputs of alerts; clones share them.
#[derive(Clone, Default)]
pub struct Alerts {
    outputs: Arc<[(String, Arc<Waiting>)]>,
    /// What is kept, as of these revisions.
    kept: Arc<Mutex<(Vec<u64>, Bytes)>>,
}

/// The tasks that tell them.
pub struct Couriers {
    tasks: JoinSet<()>,
    alerts: Alerts,
    is_kept: bool,
}

/// Opens what the command line names, and begins to tell it; `is_kept` says that what waits outlives the process.
pub fn start(
    options: &AlertsOptions,
    meters: &Meters,
    is_kept: bool,
) -> Result<(Alerts, Couriers), AlertsOpenError> {
    // What is set aside is counted by output.
    let open_dead = |path| DeadLetters::open(path, crate::output::meter::Meter::new());
    let dead = options.dead_letter.as_deref().map(open_dead).transpose()?;
    let dead = dead.map(|dead| Arc::new(Mutex::new(dead)));
    let (mut couriers, mut outputs) = (Vec::new(), Vec::new());
    for output in &options.outputs {
        let name = output.address.to_string();
        let meter = meters.of(&name);
        let waiting = Arc::new(match output.address {
            AlertsAddress::Alertmanager(_) => {
                Waiting::new(Board::new(options.resend), meter.clone())
            }
            _ => Waiting::new(Queue::default(), meter.clone()),
        });
        outputs.push((name.clone(), Arc::clone(&waiting)));
        couriers.push(Courier {
            sender: open(output, &name, options.timeout)?,
            name,
            waiting,
            dead: dead.clone(),
            meter,
            is_kept,
        });
    }
    let alerts = Alerts {
        outputs: outputs.into(),
        kept: Arc::default(),
    };
    let mut tasks = JoinSet::new();
    for courier in couriers {
        tasks.spawn(courier.run());
    }
    let couriers = Couriers {
        tasks,
        alerts: alerts.clone(),
        is_kept,
    };
    Ok((alerts, couriers))
}

fn open(output: &AlertsOutput, name: &str, timeout: Duration) -> Result<Sender, AlertsOpenError> {
    let settings = &output.settings;
    let post = |address: &HttpAddress| -> Result<Post, AlertsOpenError> {
        let tls = tls::connector_for(address, settings.ca.as_deref())?;
        let headers = settings.headers.as_deref().map(webhook::read_headers);
        Ok(Post {
            headers: headers.transpose()?.unwrap_or_default(),
            client: Client::new(address.clone(), settings.key.clone(), tls, PATIENCE)?,
            name: name.to_string(),
        })
    };
    let webhook = |address: &HttpAddress| -> Result<Sender, AlertsOpenError> {
        let template = settings.template.as_deref().map(Template::read);
        Ok(Sender::Webhook(Box::new(Webhook {
            post: post(address)?,
            method: settings.method.clone().unwrap_or(Method::POST),
            template: template.transpose()?,
        })))
    };
    Ok(match &output.address {
        AlertsAddress::Alertmanager(address) => {
            Sender::Alertmanager(Box::new(Alertmanager::new(post(address)?)))
        }
        AlertsAddress::Exec(command, _)
            if command.contains('/') && access(command.as_str(), Access::EXEC_OK).is_err() =>
        {
            return Err(AlertsOpenError::Command(command.clone()));
        }
        AlertsAddress::Exec(command, arguments) => {
            Sender::Exec(Exec::new(command.clone(), arguments.clone(), timeout))
        }
        AlertsAddress::Webhook(address) => webhook(address)?,
        AlertsAddress::SecretWebhook(path) => webhook(&secret_address(path)?)?,
        AlertsAddress::Stdout => Sender::Stdout(Stdout),
        AlertsAddress::Lines(address) => Sender::Lines(LinesOutput::new(address.clone())),
        AlertsAddress::Journald(path) => {
            Sender::Journal(Journal::new(path.clone(), Form::Journald))
        }
        AlertsAddress::Syslog(path) => Sender::Journal(Journal::new(path.clone(), Form::Syslog)),
    })
}

fn secret_address(path: &Path) -> Result<HttpAddress, AlertsOpenError> {
    let secret = Secret::read(path)?;
    let address = HttpAddress::read(secret.reveal(), None);
    let address = address.map_err(|error| AlertsOpenError::Address(path.to_path_buf(), error))?;
    Ok(address.hidden())
}

impl Alerts {
    /// Whether there is any.
    pub fn is_empty(&self) -> bool {
        self.outputs.is_empty()
    }

    /// Alerts were made, one a line. This never waits.
    pub fn take(&self, lines: &[u8]) {
        if self.is_empty() {
            return;
        }
        for line in lines
            .split(|byte| *byte == b'\n')
            .filter(|it| !it.is_empty())
        {
            let alert = Alert::read(line);
            self.outputs
                .iter()
                .for_each(|(_, waiting)| waiting.push(&alert));
        }
    }

    /// All that is to outlive the process, for the state.
    pub fn kept(&self) -> Bytes {
        let revisions: Vec<u64> = self.outputs.iter().map(|(_, it)| it.revision()).collect();
        let mut kept = lock(&self.kept);
        if kept.0 != revisions {
            let mut out = Vec::new();
            self.outputs
                .iter()
                .for_each(|(name, waiting)| waiting.keep(name, &mut out));
            *kept = (revisions, out.into());
        }
        kept.1.clone()
    }

    /// Goes on from what an earlier process left.
    pub fn restore(&self, kept: &Bytes) {
        let left = waiting::restore(kept, |name| {
            let mut outputs = self.outputs.iter();
            outputs
                .find(|(it, _)| it == name)
                .map(|(_, waiting)| &**waiting)
        });
        if left > 0 {
            log::warn!(
                "the state has {left} alerts for --alerts outputs that are named no more, which are dropped"
            );
        }
    }
}

impl Couriers {
    /// Nothing more comes: what waits is told until the deadline.
    pub async fn finish(mut self, deadline: Instant) {
        for (_, waiting) in self.alerts.outputs.iter() {
            waiting.close();
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // What is still on its way then is given up.
        let _ = timeout_at(deadline, all).await;
        self.tasks.shutdown().await;
        for (name, waiting) in self.alerts.outputs.iter().filter(|_| !self.is_kept) {
            match waiting.untold() {
                0 => {}
                1 => log::warn!("--alerts {name} did not take an alert, which is lost"),
                lost => log::warn!("--alerts {name} did not take {lost} alerts, which are lost"),
            }
        }
    }
}
