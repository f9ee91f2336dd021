//! Explains a failed connection: who does not accept whom, and why.

use proto::{
    identity::{Identity, Role, Validity, own_validity},
    refusal::{IdentityRefusal as Refused, Moment, Refusal},
};
use rustls::{
    AlertDescription as Alert, CertificateError, Error, InvalidMessage, OtherError,
    pki_types::{CertificateDer, UnixTime},
};

use super::Fault;

/// The refusal for a fault at an agent's address. `own` is the coordinator's certificate, of which an agent's alert
/// says little.
pub(super) fn refusal(fault: &Fault, address: &str, own: Option<&CertificateDer<'_>>) -> Refusal {
    let address = address.to_owned();
    match fault {
        Fault::WantsTls => Refused::CertificateMissing { address },
        Fault::Denied => Refused::WrongUser { address },
        Fault::Tls(Error::AlertReceived(alert)) => of_coordinator(*alert, address, own),
        Fault::Tls(Error::InvalidCertificate(error)) => of_agent(error, address),
        Fault::Tls(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            Refused::PlainTextAgent { address }
        }
        Fault::Tls(error) => Refused::TlsFailed { address, why: error.to_string() },
    }
    .into()
}

fn moment(time: UnixTime) -> Moment {
    Moment(time.as_secs())
}

/// The agent's certificate is not accepted here.
fn of_agent(error: &CertificateError, address: String) -> Refused {
    use CertificateError as E;
    let holder = Role::Agent;
    match error {
        E::ExpiredContext { time, not_after } => {
            Refused::CertificateExpired { holder, address, not_after: moment(*not_after), now: moment(*time) }
        }
        E::NotValidYetContext { time, not_before } => Refused::CertificateNotYetValid {
            holder,
            address,
            not_before: moment(*not_before),
            now: moment(*time),
        },
        E::Revoked => Refused::CertificateRevoked { holder, address },
        E::UnknownIssuer | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            Refused::CertificateOfAnotherCa { holder, address }
        }
        #[allow(deprecated, reason = "the library still returns it")]
        E::BadSignature => Refused::CertificateOfAnotherCa { holder, address },
        E::UnknownRevocationStatus => Refused::RevocationUnknown { address, expired: None },
        E::ExpiredRevocationListContext { next_update, .. } => {
            Refused::RevocationUnknown { address, expired: Some(moment(*next_update)) }
        }
        E::NotValidForNameContext { expected, presented } => Refused::CertificateName {
            address,
            expected: expected.to_str().into_owned(),
            // URIs are roles, not names of hosts.
            presented: presented
                .iter()
                .map(|name| plain_name(name))
                .filter(|name| !name.contains("://"))
                .collect(),
        },
        E::Other(OtherError(why)) => Refused::CertificateRole { holder, address, why: why.to_string() },
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            Refused::CertificateRole { holder, address, why: error.to_string() }
        }
        error => Refused::TlsFailed { address, why: error.to_string() },
    }
}

/// A name without the library's notation of its kind, as in `DnsName("n1")`.
fn plain_name(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"').to_owned()
}

/// The agent does not accept the coordinator's certificate.
fn of_coordinator(alert: Alert, address: String, own: Option<&CertificateDer<'_>>) -> Refused {
    let (holder, now) = (Role::Coordinator, moment(UnixTime::now()));
    match alert {
        Alert::CertificateExpired => match own.map(|own| own_validity(own, holder)) {
            Some(Validity::Expired { not_after }) => {
                Refused::CertificateExpired { holder, address, not_after: Moment(not_after), now }
            }
            Some(Validity::NotYet { not_before }) => {
                Refused::CertificateNotYetValid { holder, address, not_before: Moment(not_before), now }
            }
            Some(Validity::Now) | None => Refused::ClockOff { address, now },
        },
        Alert::CertificateRevoked => Refused::CertificateRevoked { holder, address },
        Alert::UnknownCA | Alert::DecryptError => Refused::CertificateOfAnotherCa { holder, address },
        Alert::UnsupportedCertificate | Alert::CertificateUnknown | Alert::AccessDenied => {
            let why = match own.map(Identity::of) {
                Some(Ok(_)) if alert == Alert::UnsupportedCertificate => {
                    "its purpose (extended key usage) is not client authentication".to_owned()
                }
                Some(Ok(identity)) => format!("it is for {identity}; the agent may be of another lab"),
                Some(Err(error)) => error.to_string(),
                None => "the agent gives no reason".to_owned(),
            };
            Refused::CertificateRole { holder, address, why }
        }
        Alert::CertificateRequired => Refused::CertificateMissing { address },
        alert => Refused::TlsFailed { address, why: Error::AlertReceived(alert).to_string() },
    }
}

#[cfg(test)]
mod tests {
    use proto::notice::Notice as _;

    use super::*;

    /// An agent whose clock is off refuses a certificate that is valid here.
    #[test]
    fn a_host_with_a_wrong_clock_is_named() {
        let refused = of_coordinator(Alert::CertificateExpired, "n1:7420".into(), None);
        assert_eq!(refused.code(), "clock-off");
        assert!(refused.remedy().contains("the host's clock may be off"), "{}", refused.remedy());
    }

    #[test]
    fn names_are_shown_as_they_are_written() {
        assert_eq!(plain_name("DnsName(\"n1.lab\")"), "n1.lab");
        assert_eq!(plain_name("IpAddress(10.0.0.1)"), "10.0.0.1");
        assert_eq!(plain_name("n1"), "n1");
    }
}
