//! Connections that fail because one end does not accept who the other one is.

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::identity::Role;

/// A time in seconds since 1970, written as UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(pub u64);

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let time = i64::try_from(self.0).ok().and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok());
        match time.and_then(|time| time.format(&Rfc3339).ok()) {
            Some(text) => f.write_str(&text),
            None => write!(f, "{} s after 1970", self.0),
        }
    }
}

/// How an end learnt that it is not accepted.
fn subject(holder: Role, address: &str) -> String {
    match holder {
        Role::Agent => format!("the certificate of the agent at {address}"),
        Role::Coordinator => format!("the agent at {address} refuses this coordinator's certificate: it"),
    }
}

crate::notices! {
    /// Refusals about who is at the other end.
    #[derive(Eq)]
    pub enum IdentityRefusal {
        /// A certificate expired.
        "certificate-expired" CertificateExpired {
            /// Its holder.
            holder: Role,
            /// The agent's address.
            address: String,
            /// When it expired.
            not_after: Moment,
            /// The coordinator's clock.
            now: Moment,
        }
        let subject = subject(*holder, address);
        message: format!("{subject} expired at {not_after}; this machine's clock says {now}"),
        remedy:
            if *holder == Role::Agent => "renew it (`coordinator pki renew`) and copy its directory to that host; if the time is wrong, the clock of this machine or of the host may be off",
            else => "renew it: `coordinator pki renew`; if the time is wrong, this machine's clock may be off",

        /// A certificate is not valid yet.
        "certificate-not-yet-valid" CertificateNotYetValid {
            /// Its holder.
            holder: Role,
            /// The agent's address.
            address: String,
            /// When it becomes valid.
            not_before: Moment,
            /// The coordinator's clock.
            now: Moment,
        }
        let subject = subject(*holder, address);
        message: format!("{subject} is not valid before {not_before}; this machine's clock says {now}"),
        remedy: else =>
            "the clock of this machine may be off, or that of the machine that issued the certificate: compare \
             `date -u` on them and start a time service such as chrony",

        /// By the host's clock, a certificate is outside its validity; by this machine's clock, it is valid.
        "clock-off" ClockOff {
            /// The agent's address.
            address: String,
            /// The coordinator's clock.
            now: Moment,
        }
        message: format!(
            "the agent at {address} refuses this coordinator's certificate as expired or not yet valid, but by \
             this machine's clock ({now}) it is valid"
        ),
        remedy: else =>
            "the host's clock may be off: compare `date -u` on both and start a time service such as chrony there",

        /// A certificate was issued by another CA.
        "certificate-of-another-ca" CertificateOfAnotherCa {
            /// Its holder.
            holder: Role,
            /// The agent's address.
            address: String,
        }
        let subject = subject(*holder, address);
        message: match holder {
            Role::Agent => format!("{subject} was not issued by a CA that this coordinator trusts"),
            Role::Coordinator => format!("{subject} was not issued by a CA that the agent trusts, or the agent cannot tell whether it is revoked"),
        },
        remedy:
            if *holder == Role::Agent => "check that --tls-ca (ca.pem in --tls-dir) is the CA that issued the agent's certificate, and that its revocation list is of the same CA",
            else => "use a certificate of the same CA as the agent's (`coordinator pki coordinator NAME`), and check that the agent's revocation list is of this CA and not out of date; the agent's log has the details",

        /// A certificate is revoked.
        "certificate-revoked" CertificateRevoked {
            /// Its holder.
            holder: Role,
            /// The agent's address.
            address: String,
        }
        let subject = subject(*holder, address);
        message: format!("{subject} is revoked"),
        remedy:
            if *holder == Role::Agent => "issue a new one (`coordinator pki agent NAME`) if that host is still trusted",
            else => "issue a new one: `coordinator pki coordinator NAME`",

        /// The revocation list is out of date, or of another CA, so that nobody is accepted.
        "revocation-unknown" RevocationUnknown {
            /// The agent's address.
            address: String,
            /// When the list expired, if it did.
            expired: Option<Moment>,
        }
        message: match expired {
            Some(expired) => format!("whether the certificate of the agent at {address} is revoked is not known: the revocation list expired at {expired}"),
            None => format!("whether the certificate of the agent at {address} is revoked is not known: the revocation list is of another CA"),
        },
        remedy: else => "write a new list (`coordinator pki renew`) and copy crl.pem to every host and coordinator",

        /// A certificate has the wrong role, or is of another lab.
        "certificate-role" CertificateRole {
            /// Its holder.
            holder: Role,
            /// The agent's address.
            address: String,
            /// What is wrong with it.
            why: String,
        }
        let subject = subject(*holder, address);
        message: match holder {
            Role::Agent => format!("{subject} cannot be used by an agent: {why}"),
            Role::Coordinator => format!("{subject} cannot be used by a coordinator: {why}"),
        },
        remedy:
            if *holder == Role::Agent => "start that agent with a directory of `coordinator pki agent NAME`",
            else => "use a certificate of `coordinator pki coordinator NAME`",

        /// The agent's certificate is for another host.
        "certificate-name" CertificateName {
            /// The agent's address.
            address: String,
            /// The name that was asked for.
            expected: String,
            /// The names in the certificate.
            presented: Vec<String>,
        }
        let names = presented.join(", ");
        message: format!("the certificate of the agent at {address} is for {names}, not for {expected}"),
        remedy: else =>
            "check that the address is that host's; if it is, add the name with `coordinator pki agent NAME --san \
             {expected}`, or set `tls_name` of the host in the inventory to a name in the certificate",

        /// The agent asks for a certificate or for TLS, and the coordinator has none.
        "certificate-missing" CertificateMissing {
            /// The agent's address.
            address: String,
        }
        message: format!("the agent at {address} accepts TLS with a certificate only, and this coordinator has none"),
        remedy: else =>
            "pass --tls-dir DIR with a directory of `coordinator pki coordinator NAME`, or --tls-ca, --tls-cert \
             and --tls-key",

        /// The agent speaks plain text, and the coordinator TLS.
        "plain-text-agent" PlainTextAgent {
            /// The agent's address.
            address: String,
        }
        message: format!("the agent at {address} speaks plain text, not TLS"),
        remedy: else =>
            "start that agent with --tls-dir DIR (`coordinator pki agent NAME` writes it); on a trusted network, \
             omit the --tls options here",

        /// An agent on loopback asks for its token.
        "token-required" TokenRequired {
            /// The agent's address.
            address: String,
            /// The token that the coordinator sent.
            sent: Option<String>,
        }
        message: match sent {
            Some(file) => format!("the agent at {address} does not accept the token in {file}"),
            None => format!("the agent at {address} accepts only clients with its token, and this coordinator has none"),
        },
        remedy: else =>
            "run the coordinator as the user who started the agent, or pass --token-file with the file that the \
             agent named at its start",

        /// The file with the agent's token cannot be used.
        "token-unreadable" TokenUnreadable {
            /// The agent's address.
            address: String,
            /// The file.
            file: String,
            /// The error.
            why: String,
        }
        message: format!("the token of the agent at {address} cannot be read from {file}: {why}"),
        remedy: else => "pass --token-file with the file that the agent named at its start, readable by you alone",

        /// The agent on a Unix socket does not accept this user.
        "wrong-user" WrongUser {
            /// The agent's address.
            address: String,
        }
        message: format!("the agent at {address} serves the user who started it and root only"),
        remedy: else => "run the coordinator as that user, or start an agent of your own",

        /// The TLS handshake failed for another reason.
        "tls-failed" TlsFailed {
            /// The agent's address.
            address: String,
            /// The TLS library's error.
            why: String,
        }
        message: format!("no TLS connection to the agent at {address}: {why}"),
        remedy: else => "see the agent's log",
    }
}
