//! Keys, certificates and the revocation list, made by rcgen. All of its defaults that matter are set: its certificates
//! would be valid from 1975 to 4096.

use std::net::IpAddr;

use proto::identity::{Identity, Role};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason,
    RevokedCertParams, SanType, SerialNumber,
};
use time::{Duration, OffsetDateTime};

use super::record::{Certificate, Record};

/// Certificates are valid from this long before they are issued, because the clocks of hosts differ.
const BACKDATED: Duration = Duration::minutes(5);
/// The shortest validity of a revocation list. It is valid at least as long as the last certificate.
const LIST_VALIDITY: Duration = Duration::days(30);

/// A certificate and its key, in PEM.
pub(super) struct Issued {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// Random digits for a serial number: 16 bytes, positive.
pub(super) fn serial() -> Result<String, rustix::io::Errno> {
    let mut bytes = [0u8; 16];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn number(serial: &str) -> SerialNumber {
    let digits = serial.as_bytes().chunks(2);
    let byte = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|p| u8::from_str_radix(p, 16).ok());
    digits.filter_map(byte).collect::<Vec<u8>>().into()
}

fn named(name: &str) -> DistinguishedName {
    let mut found = DistinguishedName::new();
    found.push(DnType::CommonName, name);
    found
}

/// The CA's parameters, which depend on its name alone but for the times.
fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// A new CA, valid for this long.
pub(super) fn new_authority(
    name: &str,
    now: OffsetDateTime,
    valid: Duration,
) -> Result<Issued, rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = authority(name);
    (params.not_before, params.not_after) = (now - BACKDATED, now + valid);
    params.serial_number = Some(SerialNumber::from(1u64));
    let certificate = params.self_signed(&key)?;
    Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// What signs for the CA whose key this is.
pub(super) fn issuer(name: &str, key: &str) -> Result<Issuer<'static, KeyPair>, rcgen::Error> {
    Ok(Issuer::new(authority(name), KeyPair::from_pem(key)?))
}

/// A name as the certificate has it.
pub(super) fn alternative(name: &str) -> Result<SanType, rcgen::Error> {
    Ok(match name.parse::<IpAddr>() {
        Ok(address) => SanType::IpAddress(address),
        Err(_) => SanType::DnsName(name.try_into()?),
    })
}

/// A new key and certificate.
pub(super) fn leaf(
    lab: &str,
    entry: &Certificate,
    issuer: &Issuer<'_, KeyPair>,
) -> Result<Issued, rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    (params.not_before, params.not_after) = (entry.issued - BACKDATED, entry.not_after);
    params.serial_number = Some(number(&entry.serial));
    params.distinguished_name = named(&entry.name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    let identity = Identity { lab: lab.to_owned(), role: entry.role };
    params.subject_alt_names = vec![SanType::URI(identity.to_string().try_into()?)];
    match entry.role {
        Role::Agent => {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            params.subject_alt_names.push(alternative(&entry.name)?);
        }
        Role::Coordinator => params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
    }
    for san in &entry.sans {
        params.subject_alt_names.push(alternative(san)?);
    }
    let certificate = params.signed_by(&key, issuer)?;
    Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// The revocation list, in PEM.
pub(super) fn revocation_list(
    record: &Record,
    now: OffsetDateTime,
    issuer: &Issuer<'_, KeyPair>,
) -> Result<String, rcgen::Error> {
    let last = record.certificates.iter().map(|certificate| certificate.not_after).max();
    // An expired certificate is refused anyway.
    let revoked = record.certificates.iter().filter(|certificate| certificate.not_after > now);
    let entry = |certificate: &Certificate| {
        Some(RevokedCertParams {
            serial_number: number(&certificate.serial),
            revocation_time: certificate.revoked?,
            reason_code: Some(RevocationReason::Unspecified),
            invalidity_date: None,
        })
    };
    let list = CertificateRevocationListParams {
        this_update: now - BACKDATED,
        next_update: last.unwrap_or(now).max(now + LIST_VALIDITY),
        crl_number: SerialNumber::from(record.crl_number),
        issuing_distribution_point: None,
        revoked_certs: revoked.filter_map(entry).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    list.signed_by(issuer)?.pem()
}
