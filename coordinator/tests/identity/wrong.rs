//! Every wrong certificate, on each side, and clients that are no coordinators.

use std::{fs, sync::Arc};

use proto::identity::{Files, Material, Role, client_config};
use rustls::{ClientConfig, pki_types::ServerName};
use time::{Duration, OffsetDateTime};
use tokio::{io::AsyncReadExt as _, net::TcpStream};
use tokio_rustls::TlsConnector;

use crate::support::{Agent, Lab, agent_of, coordinator_of};

/// What the agent answers to a coordinator.
#[test]
fn an_agent_refuses_wrong_coordinators() {
    let lab = Lab::new();
    let agent = lab.agent("pki/agents/n1");
    let now = OffsetDateTime::now_utc();
    let ask = |dir: &str| lab.ask(&agent, &["--tls-dir", dir]);
    let own = coordinator_of("lab");

    let expired = lab.craft("expired", |params| {
        own(params);
        params.not_after = now - Duration::minutes(1);
    });
    ask(&expired).is_refused(
        "certificate-expired",
        &["refuses this coordinator's certificate", "it expired at", "renew it"],
    );
    agent.logs("certificate expired");

    let early = lab.craft("early", |params| {
        own(params);
        (params.not_before, params.not_after) = (now + Duration::minutes(30), now + Duration::hours(2));
    });
    ask(&early).is_refused(
        "certificate-not-yet-valid",
        &["it is not valid before", "the clock of this machine may be off"],
    );

    let other = lab.craft_elsewhere("other", &own);
    ask(&other).is_refused(
        "certificate-of-another-ca",
        &["refuses this coordinator's certificate", "by a CA that the agent trusts"],
    );

    lab.craft("other-lab", coordinator_of("elsewhere"));
    // It is refused at both ends; the agent's certificate is seen first.
    ask("other-lab").is_refused(
        "certificate-role",
        &["spiffe://ringbench.lab/agent, but spiffe://ringbench.elsewhere/agent is required"],
    );

    let purpose = lab.craft("purpose", |params| {
        own(params);
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    });
    ask(&purpose).is_refused(
        "certificate-role",
        &[
            "refuses this coordinator's certificate",
            "is not client authentication",
            "`coordinator pki coordinator NAME`",
        ],
    );

    lab.pki(&["coordinator", "mallory"]);
    lab.pki(&["revoke", "mallory"]);
    ask("pki/coordinators/mallory").is_refused("certificate-revoked", &["it is revoked"]);

    lab.ask(&agent, &[])
        .is_refused("certificate-missing", &["accepts TLS with a certificate only", "--tls-dir DIR"]);
    agent.logs("it speaks plain text, not TLS");
    // None of this disturbed it.
    lab.ask(&agent, &["--tls-dir", "pki/coordinators/alice"]).succeeds();
}

/// What the coordinator says about an agent.
#[test]
fn a_coordinator_refuses_wrong_agents() {
    let lab = Lab::new();
    let now = OffsetDateTime::now_utc();
    let ask = |dir: &str| lab.ask(&lab.agent(dir), &["--tls-dir", "pki/coordinators/alice"]);
    let own = agent_of("lab");

    lab.craft("expired", |params| {
        own(params);
        params.not_after = now - Duration::minutes(1);
    });
    ask("expired").is_refused(
        "certificate-expired",
        &["the certificate of the agent at 127.0.0.1", "expired at", "the clock"],
    );
    lab.craft("early", |params| {
        own(params);
        (params.not_before, params.not_after) = (now + Duration::minutes(30), now + Duration::hours(2));
    });
    ask("early").is_refused("certificate-not-yet-valid", &["is not valid before", "clock", "chrony"]);
    lab.craft_elsewhere("other", &own);
    ask("other")
        .is_refused("certificate-of-another-ca", &["was not issued by a CA that this coordinator trusts"]);
    lab.craft("other-lab", agent_of("elsewhere"));
    ask("other-lab").is_refused(
        "certificate-role",
        &["cannot be used by an agent", "spiffe://ringbench.elsewhere/agent"],
    );
    lab.craft("name", |params| {
        own(params);
        params.subject_alt_names.truncate(1);
        params.subject_alt_names.push(rcgen::SanType::DnsName("n2.lab".try_into().unwrap()));
    });
    ask("name").is_refused("certificate-name", &["is for n2.lab, not for 127.0.0.1", "tls_name"]);
    lab.pki(&["agent", "n3", "--san", "127.0.0.1"]);
    lab.pki(&["revoke", "n3"]);
    ask("pki/agents/n3").is_refused("certificate-revoked", &["the certificate of the agent", "is revoked"]);

    // A coordinator's certificate does not make an agent.
    let mut serve = std::process::Command::new(crate::support::bin("agent"));
    serve.args(["serve", "--listen", "127.0.0.1:0", "--tls-dir"]).arg(lab.path("pki/coordinators/alice"));
    let ran = crate::support::Ran::of(serve.output().unwrap());
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("spiffe://ringbench.lab/agent is required"), "{}", ran.stderr);
    // Nor the reverse.
    let agent = lab.agent("pki/agents/n1");
    let ran = lab.ask(&agent, &["--tls-dir", "pki/agents/n1"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);

    let plain = lab.start(&["--listen", "127.0.0.1:0"]);
    let ran = lab.ask(&plain, &["--tls-dir", "pki/coordinators/alice"]);
    ran.is_refused("plain-text-agent", &["speaks plain text, not TLS", "start that agent with --tls-dir"]);
    plain.logs("it speaks TLS; this agent has no certificate");
}

/// The alert that a client gets which does not check itself.
async fn answer(agent: &Agent, config: Arc<ClientConfig>) -> rustls::Error {
    let stream = TcpStream::connect(&agent.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    // With TLS 1.3, the client's handshake succeeds before the agent has examined its certificate.
    let failed = match TlsConnector::from(config).connect(name, stream).await {
        Ok(mut stream) => stream.read(&mut [0; 1]).await.expect_err("a refusal"),
        Err(error) => error,
    };
    let inner = failed.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    inner.unwrap_or_else(|| panic!("{failed:?}")).clone()
}

#[tokio::test]
async fn an_agent_answers_foreign_clients_with_an_alert() {
    use rustls::{AlertDescription::*, Error::AlertReceived};
    let lab = Lab::new();
    let agent = lab.agent("pki/agents/n1");
    // An agent's own certificate as a client's.
    let mut material = Material::read(&Files::in_dir(&lab.path("pki/agents/n1")), Role::Agent).unwrap();
    material.identity.role = Role::Coordinator;
    assert_eq!(
        answer(&agent, client_config(&material).unwrap()).await,
        AlertReceived(UnsupportedCertificate)
    );
    agent.logs("certificate does not allow extended key usage for client authentication");
    // A coordinator of another lab with a certificate of the same CA.
    lab.craft("elsewhere", coordinator_of("elsewhere"));
    let mut material = Material::read(&Files::in_dir(&lab.path("elsewhere")), Role::Coordinator).unwrap();
    material.identity.lab = "lab".into();
    assert_eq!(answer(&agent, client_config(&material).unwrap()).await, AlertReceived(CertificateUnknown));
    agent
        .logs("spiffe://ringbench.elsewhere/coordinator, but spiffe://ringbench.lab/coordinator is required");
    // No certificate at all.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let none =
        ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]);
    let mut none = none.unwrap().with_root_certificates(Arc::clone(&material.roots)).with_no_client_auth();
    none.alpn_protocols = vec![b"h2".to_vec()];
    assert_eq!(answer(&agent, Arc::new(none)).await, AlertReceived(CertificateRequired));
    agent.logs("peer sent no certificates");
}

/// Without an up-to-date list, nobody can tell who is revoked.
#[test]
fn a_stale_or_foreign_revocation_list_lets_nobody_in() {
    let lab = Lab::new();
    let agent = lab.agent("pki/agents/n1");
    lab.pki(&["--dir", "pki2", "init"]);
    fs::copy(lab.path("pki2/ca/crl.pem"), lab.path("pki/coordinators/alice/crl.pem")).unwrap();
    let ran = lab.ask(&agent, &["--tls-dir", "pki/coordinators/alice"]);
    ran.is_refused("revocation-unknown", &["the revocation list is of another CA", "coordinator pki renew"]);
    fs::remove_file(lab.path("pki/coordinators/alice/crl.pem")).unwrap();
    let ran = lab.ask(&agent, &["--tls-dir", "pki/coordinators/alice"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("crl.pem"), "{}", ran.stderr);
}
