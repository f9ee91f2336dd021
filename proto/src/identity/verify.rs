//! TLS configurations: the chain is verified by webpki, then the role.

use std::{io, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    ServerConfig, SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    version::TLS13,
};
use webpki::{EndEntityCert, KeyUsage};

use super::{Identity, Material, Role};

/// The protocol inside TLS.
const HTTP2: &[u8] = b"h2";

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn general(error: impl std::fmt::Display) -> Error {
    Error::General(error.to_string())
}

/// The agent's end.
#[derive(Debug)]
pub struct Server {
    /// For handshakes.
    pub tls: Arc<ServerConfig>,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl Server {
    /// Verifies the certificates of a connection again, as after a change of the revocation list.
    ///
    /// # Errors
    /// A handshake with them would fail.
    pub fn verify(&self, chain: &[CertificateDer<'_>]) -> Result<(), Error> {
        let (first, rest) = chain.split_first().ok_or(Error::NoCertificatesPresented)?;
        self.verifier.verify_client_cert(first, rest, UnixTime::now()).map(drop)
    }
}

/// The configuration of an agent, which accepts coordinators of its lab.
///
/// # Errors
/// Certificate and key do not belong together, or the revocation list is malformed.
pub fn server_config(material: &Material) -> Result<Server, Error> {
    let provider = provider();
    let mut verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::clone(&material.roots), Arc::clone(&provider));
    if let Some(crl) = &material.crl {
        verifier = verifier.with_crls([crl.clone()]).only_check_end_entity_revocation();
        verifier = verifier.enforce_revocation_expiration();
    }
    let verifier: Arc<dyn ClientCertVerifier> =
        Arc::new(WithRole { chain: verifier.build().map_err(general)?, required: material.identity.peer() });
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::clone(&verifier))
        .with_single_cert(material.chain.clone(), material.key.clone_key())?;
    // A resumed session would not be verified again.
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(Server { tls: Arc::new(config), verifier })
}

/// The configuration of a coordinator, which accepts agents of its lab under the name that it asks for.
///
/// # Errors
/// Certificate and key do not belong together, or the revocation list is malformed.
pub fn client_config(material: &Material) -> Result<Arc<ClientConfig>, Error> {
    let provider = provider();
    let mut verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::clone(&material.roots), Arc::clone(&provider));
    if let Some(crl) = &material.crl {
        verifier = verifier.with_crls([crl.clone()]).only_check_end_entity_revocation();
        verifier = verifier.enforce_revocation_expiration();
    }
    let verifier = WithRole { chain: verifier.build().map_err(general)?, required: material.identity.peer() };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(material.chain.clone(), material.key.clone_key())?;
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(Arc::new(config))
}

/// The reason of a failed handshake. The library shows the debug form of a wrong role.
#[must_use]
pub fn handshake_error(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::InvalidCertificate(CertificateError::Other(OtherError(role)))) => role.to_string(),
        _ => error.to_string(),
    }
}

/// Verifies the role of a certificate whose chain is valid.
#[derive(Debug)]
struct WithRole<V> {
    chain: V,
    required: Identity,
}

impl<V> WithRole<V> {
    fn role(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        self.required
            .check(certificate)
            .map_err(|error| Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error)))))
    }
}

impl ClientCertVerifier for WithRole<Arc<dyn ClientCertVerifier>> {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.chain.verify_client_cert(end_entity, intermediates, now)?;
        self.role(end_entity)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

impl ServerCertVerifier for WithRole<Arc<WebPkiServerVerifier>> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        // The wrong role explains more than the wrong purpose or name that comes with it.
        match verified {
            Err(Error::InvalidCertificate(
                CertificateError::InvalidPurpose
                | CertificateError::InvalidPurposeContext { .. }
                | CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. },
            ))
            | Ok(_) => self.role(end_entity)?,
            Err(_) => {}
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// Whether this machine's clock is within the validity of a certificate. Times are in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// It is valid.
    Now,
    /// It expired.
    Expired {
        /// When.
        not_after: u64,
    },
    /// It is not valid yet.
    NotYet {
        /// When it will be.
        not_before: u64,
    },
}

/// Examines this end's own certificate. An other end that refuses it does not say by how much it missed.
#[must_use]
pub fn own_validity(certificate: &CertificateDer<'_>, role: Role) -> Validity {
    let Ok(parsed) = EndEntityCert::try_from(certificate) else { return Validity::Now };
    let usage = match role {
        Role::Agent => KeyUsage::server_auth(),
        Role::Coordinator => KeyUsage::client_auth(),
    };
    // The times are checked first, so that no CA is needed to learn about them.
    match parsed.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &[], &[], UnixTime::now(), usage, None, None)
    {
        Err(webpki::Error::CertExpired { not_after, .. }) => {
            Validity::Expired { not_after: not_after.as_secs() }
        }
        Err(webpki::Error::CertNotValidYet { not_before, .. }) => {
            Validity::NotYet { not_before: not_before.as_secs() }
        }
        _ => Validity::Now,
    }
}
