//! `coordinator pki`: the certificates of a lab.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, value_parser};
use comfy_table::{Table, presets};
use proto::{
    identity::{Role, layout},
    refusal::Moment,
};
use time::OffsetDateTime;

use super::print;
use crate::{
    exit::Exit,
    pki::{AGENT_DAYS, Authority, CA_DAYS, COORDINATOR_DAYS, NewLab, PkiError, State},
    screen::Screen,
};

/// Create and manage the certificates that let agents and coordinators trust each other.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  coordinator pki init                      create the lab's authority in ./pki
  coordinator pki agent n1 --san 10.0.0.1   a certificate for host n1, in pki/agents/n1
  coordinator pki coordinator alice         a certificate for a user, in pki/coordinators/alice
  coordinator pki renew                     new certificates for all names
  coordinator pki revoke n1                 refuse n1 from now on
  coordinator pki show

Copy pki/agents/n1 to host n1 and to no other, and start the agent there:
  agent serve --listen 10.0.0.1:7420 --tls-dir n1

Agents and coordinators read changed files without a restart. After `revoke`, copy crl.pem to all
hosts. Keep pki/ca on this machine: its key can create any certificate.")]
pub struct PkiArgs {
    /// The directory of the authority.
    #[arg(long, value_name = "DIR", default_value = "pki", global = true)]
    pub dir: PathBuf,
    #[allow(missing_docs, reason = "the subcommands have their own help")]
    #[command(subcommand)]
    pub action: Action,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Action {
    /// Create the authority of a lab.
    #[command(after_help = "\
Examples:
  coordinator pki init
  coordinator pki init --lab rack7 --dir /etc/ringbench/pki")]
    Init {
        /// Name of the lab: agents and coordinators of different labs refuse each other.
        #[arg(long, value_name = "NAME", default_value = "lab")]
        lab: String,
        /// Validity of the authority.
        #[arg(long, value_name = "DAYS", default_value_t = CA_DAYS, value_parser = value_parser!(u32).range(1..=36500))]
        days: u32,
    },
    /// Issue a certificate for the agent of a host.
    #[command(after_help = "\
Examples:
  coordinator pki agent n1
  coordinator pki agent n1 --san n1.lab.example --san 10.0.0.1 --san fd00::1

A coordinator checks that the host in the agent's address is NAME or one of --san. If the inventory
has IP addresses, give each with --san, or set `tls_name: NAME` for the host.")]
    Agent {
        /// Name of the host.
        name: String,
        /// A further DNS name or IP address of the host (repeatable).
        #[arg(long, value_name = "NAME|IP")]
        san: Vec<String>,
        /// Validity of the certificate.
        #[arg(long, value_name = "DAYS", default_value_t = AGENT_DAYS, value_parser = value_parser!(u32).range(1..=36500))]
        days: u32,
    },
    /// Issue a certificate for a coordinator.
    #[command(after_help = "\
Example:
  coordinator pki coordinator alice --days 7")]
    Coordinator {
        /// Name of the user or machine.
        name: String,
        /// Validity of the certificate.
        #[arg(long, value_name = "DAYS", default_value_t = COORDINATOR_DAYS, value_parser = value_parser!(u32).range(1..=36500))]
        days: u32,
    },
    /// Issue new certificates, with new keys, for all names or for some.
    #[command(after_help = "\
Examples:
  coordinator pki renew
  coordinator pki renew n1 n2 --days 30

The previous certificates stay valid until they expire. Revoked names are not renewed.")]
    Renew {
        /// The names; all by default.
        names: Vec<String>,
        /// Validity of the new certificates. Default: that of the previous one.
        #[arg(long, value_name = "DAYS", value_parser = value_parser!(u32).range(1..=36500))]
        days: Option<u32>,
    },
    /// Revoke all certificates of a name, or one by its serial number.
    #[command(after_help = "\
Example:
  coordinator pki revoke n1

The list is written to crl.pem in every directory of the authority. Copy it to all hosts and
coordinators. They read it without a restart. Agents close connections of revoked coordinators.")]
    Revoke {
        /// The name or the serial number.
        name: String,
    },
    /// List all certificates.
    Show,
}

/// Runs the command.
#[must_use]
pub fn pki(args: &PkiArgs, screen: &Screen) -> Exit {
    match act(&args.dir, &args.action) {
        Ok(text) => print(screen, &text),
        Err(error) => {
            screen.error(&error.into());
            Exit::Usage
        }
    }
}

fn act(dir: &Path, action: &Action) -> Result<String, PkiError> {
    match action {
        Action::Init { lab, days } => {
            let authority = Authority::create(dir, &NewLab { lab, days: *days })?;
            Ok(format!(
                "created the authority of lab {} in {}; it is valid until {}\n\
                 keep {} on this machine: its key can create any certificate\n",
                authority.lab(),
                dir.display(),
                date(authority.ca_not_after()),
                dir.join("ca").display()
            ))
        }
        Action::Agent { name, san, days } => {
            let directory = Authority::open(dir)?.issue(Role::Agent, name, san, *days)?;
            Ok(format!(
                "wrote {} (valid for {days} days)\n\
                 copy it to {name} and to no other host, and start there: agent serve --listen ADDR:PORT --tls-dir DIR\n",
                directory.display()
            ))
        }
        Action::Coordinator { name, days } => {
            let directory = Authority::open(dir)?.issue(Role::Coordinator, name, &[], *days)?;
            Ok(format!(
                "wrote {} (valid for {days} days)\n\
                 use it: coordinator run SCENARIO --agents HOST:PORT --tls-dir {}\n",
                directory.display(),
                directory.display()
            ))
        }
        Action::Renew { names, days } => {
            let directories = Authority::open(dir)?.renew(names, *days)?;
            let lines = directories.iter().map(|directory| format!("wrote {}\n", directory.display()));
            Ok(lines.collect::<String>() + "copy each directory to its holder\n")
        }
        Action::Revoke { name } => {
            let count = Authority::open(dir)?.revoke(name)?;
            Ok(format!(
                "revoked {count} of {name}; copy {} to all hosts and coordinators\n",
                dir.join("ca").join(layout::CRL).display()
            ))
        }
        Action::Show => Ok(table(&Authority::open(dir)?)),
    }
}

fn table(authority: &Authority) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["name", "role", "state", "expires", "names", "serial"]);
    for (certificate, state) in authority.certificates() {
        let state = match state {
            State::Valid => "valid",
            State::Replaced => "replaced",
            State::Expired => "expired",
            State::Revoked => "revoked",
        };
        table.add_row([
            certificate.name.clone(),
            certificate.role.to_string(),
            state.to_owned(),
            date(certificate.not_after),
            certificate.sans.join(", "),
            certificate.serial.clone(),
        ]);
    }
    format!(
        "lab {}, CA valid until {}\n{}\n",
        authority.lab(),
        date(authority.ca_not_after()),
        table.trim_fmt()
    )
}

fn date(time: OffsetDateTime) -> String {
    Moment(time.unix_timestamp().try_into().unwrap_or(0)).to_string()
}
