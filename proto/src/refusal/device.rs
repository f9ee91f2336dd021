//! Block devices that may not be used.

use serde::{Deserialize, Serialize};

use crate::notice::OsError;

/// Why a device is not the intended one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityFailure {
    /// It has no identity.
    None,
    /// The kernel does not report its identity.
    Unknown {
        /// The error.
        error: OsError,
    },
    /// The scenario names another serial number.
    Scenario {
        /// That serial number.
        serial: String,
        /// The device's identities. Since the agent logs them, it sends none: they are a permission to overwrite.
        identities: Vec<String>,
    },
    /// The host's list names other serial numbers.
    AllowList {
        /// These serial numbers.
        allowed: Vec<String>,
        /// The device's identities.
        identities: Vec<String>,
    },
}

/// The user of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldBy {
    /// Another device that is built on it, such as `md0`.
    Device(String),
    /// A program or driver that has claimed it.
    Claim,
}

/// The end of a sentence with identities, as earlier releases sent them.
fn known(identities: &[String]) -> String {
    match identities {
        [] => String::new(),
        identities => format!("; this device is {}", identities.join(", ")),
    }
}

crate::notices! {
    /// Refusals about a block device.
    #[derive(Eq)]
    pub enum DeviceRefusal {
        /// A trial writes to a device without the scenario's consent to destroy its contents.
        "device-destroy" Destroy {
            /// The device.
            path: String,
            /// Its serial number in the scenario.
            serial: String,
            /// The consent that the scenario gives.
            consent: Option<String>,
        }
        message: match consent {
            None => format!("the trial writes, but the scenario does not allow {path} to be destroyed"),
            Some(other) => format!("`destroy: {other}` is not the serial `{serial}` of {path}"),
        },
        remedy: else => "use `destroy: {serial}` if nothing on it is needed, or `read_percent: 100`",
        field: "target.device.destroy",

        /// `target.device.path` names something other than a block device.
        "not-a-device" NotADevice {
            /// The path.
            path: String,
        }
        message: format!("{path} is not a block device"),
        remedy: else => "name a block device, or a file with `target: {{path: ..}}`",
        field: "target.device.path",

        /// The host's list does not allow the device.
        "device-not-allowed" NotAllowed {
            /// The device.
            path: String,
            /// Its serial number in the scenario.
            serial: String,
        }
        message: format!("this agent may not use {path}: it is not on the list that the agent was started with"),
        remedy: else =>
            "on that host: agent serve --allow-device {path}={serial} (or --allow-devices FILE), and name the agent \
             with --agents; the embedded agent uses no devices",
        field: "target.device.path",

        /// A trial writes to a device that contains a file system, a partition table or similar data.
        "device-signature" Signature {
            /// The device.
            path: String,
            /// The kind of data that it contains.
            signature: String,
        }
        message: format!("{path} bears the signature of {signature}; writing would destroy its contents"),
        remedy: else => "if nothing on it is needed, erase the signature on that host: wipefs --all {path}",
        field: "target.device.path",

        /// The device is not the one that the scenario or the host's list identifies.
        "device-serial" Serial {
            /// The device.
            path: String,
            /// The reason.
            failure: IdentityFailure,
        }
        message: match failure {
            IdentityFailure::None => format!(
                "{path} has no serial number, WWN or other identity in sysfs, so it cannot be claimed"
            ),
            IdentityFailure::Unknown { error } => format!("the kernel does not report what {path} is: {error}"),
            IdentityFailure::Scenario { serial, identities } => {
                format!("{path} is not `{serial}`{}", known(identities))
            }
            IdentityFailure::AllowList { allowed, identities } if allowed.is_empty() => {
                format!("{path} does not have the serial number of the agent's list{}", known(identities))
            }
            IdentityFailure::AllowList { allowed, identities } => {
                format!("the agent's list allows {path} as `{}`{}", allowed.join("` or `"), known(identities))
            }
        },
        remedy:
            if *failure == IdentityFailure::None =>
                "use another device; for RAM disks `target: {{ramdisk: {{size: ..}}}}`",
            if matches!(failure, IdentityFailure::Unknown { .. }) => "mount sysfs at /sys",
            if matches!(failure, IdentityFailure::Scenario { .. }) =>
                "names change between boots: find the device with that serial on the host (lsblk -o PATH,SERIAL,WWN); \
                 the agent's log has the serial number of this one",
            else => "see the agent's log, and correct its --allow-device if this is the intended device",
        field: if matches!(failure, IdentityFailure::Unknown { .. }) {
            "target.device.path"
        } else {
            "target.device.serial"
        },

        /// The device is part of another one, or claimed by another program.
        "device-held" Held {
            /// The device.
            path: String,
            /// Its user.
            by: HeldBy,
        }
        let by_device = match by {
            HeldBy::Device(name) => name.as_str(),
            HeldBy::Claim => "",
        };
        message: match by {
            HeldBy::Device(name) => format!("{path} is part of {name}"),
            HeldBy::Claim => format!(
                "{path} is claimed by another program (or by a file system, RAID or LVM that is not visible here)"
            ),
        },
        remedy:
            if *by == HeldBy::Claim => "find its user (lsblk {path}; fuser -v {path}) and stop it",
            else => "remove it from there first (lsblk {path}), or measure /dev/{by_device} instead",
        field: "target.device.path",

        /// The device, its disk or a partition of it is mounted.
        "device-mounted" Mounted {
            /// The device.
            path: String,
            /// The mounted device: itself, or one that contains it or lies on it.
            member: String,
            /// The mount point.
            mount: String,
        }
        message: match path == member {
            true => format!("{path} is mounted at {mount}"),
            false => format!("{path} cannot be used: {member} is mounted at {mount}"),
        },
        remedy: else => "umount {mount}, if nothing on it is needed during the run",
        field: "target.device.path",

        /// The device, its disk or a partition of it is swap space.
        "device-swap" Swap {
            /// The device.
            path: String,
            /// The swap space: itself, or a device that contains it or lies on it.
            member: String,
        }
        message: match path == member {
            true => format!("{path} is swap space in use"),
            false => format!("{path} cannot be used: {member} is swap space in use"),
        },
        remedy: else => "swapoff {member}",
        field: "target.device.path",
    }
}
