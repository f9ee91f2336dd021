//! Detection of virtual machines: hypervisors leave a signature in leaf 0x4000_0000 of CPUID. QEMU TCG is an emulator,
//! under which timings are meaningless.

use std::path::Path;

/// The CPUID leaf that is reserved for hypervisors.
#[cfg(target_arch = "x86_64")]
const LEAF: u32 = 0x4000_0000;

/// The hypervisor of a host that is a guest, and the emulator, if its instructions are emulated.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Guest {
    /// Usual name of the hypervisor.
    pub(super) of: String,
    /// The emulator, if the guest is emulated.
    pub(super) emulated_by: Option<&'static str>,
}

/// Detects a guest; `None` on what appears to be bare metal. `flagged`: the CPU has the flag `hypervisor`.
pub(super) fn guest(flagged: bool) -> Option<Guest> {
    if let Some(guest) = flagged.then(signature).flatten().map(|signature| of(&signature)) {
        return Some(guest);
    }
    let kind = std::fs::read_to_string(Path::new("/sys/hypervisor/type")).ok();
    let kind = kind.map(|kind| kind.trim().to_owned()).filter(|kind| !kind.is_empty());
    let of = kind.or_else(|| flagged.then(|| "virtual machine (the CPU says so)".to_owned()))?;
    Some(Guest { of, emulated_by: None })
}

/// The twelve characters of the leaf; `None` if they are blank or not text.
#[cfg(target_arch = "x86_64")]
fn signature() -> Option<String> {
    // `__cpuid` is safe since Rust 1.94, but not in the oldest supported version.
    #[allow(unused_unsafe, reason = "depends on the compiler's version")]
    // SAFETY: every x86-64 CPU has CPUID; for an unknown leaf it returns arbitrary numbers.
    let leaf = unsafe { std::arch::x86_64::__cpuid(LEAF) };
    let bytes = [leaf.ebx, leaf.ecx, leaf.edx].into_iter().flat_map(u32::to_le_bytes);
    let text: String = bytes.take_while(|byte| *byte != 0).map(char::from).collect();
    let text = text.trim().to_owned();
    (!text.is_empty() && text.chars().all(|c| c == ' ' || c.is_ascii_graphic())).then_some(text)
}

#[cfg(not(target_arch = "x86_64"))]
fn signature() -> Option<String> {
    None
}

/// The hypervisor with this signature; an unknown signature is its own name.
fn of(signature: &str) -> Guest {
    let (name, emulated_by) = match signature {
        "TCGTCGTCGTCG" => ("QEMU TCG, an emulator", Some("QEMU TCG")),
        "KVMKVMKVM" => ("KVM", None),
        // KVM can also report this signature, for Windows guests.
        "Microsoft Hv" => ("Hyper-V, or KVM that looks like it", None),
        "VMwareVMware" => ("VMware", None),
        "XenVMMXenVMM" => ("Xen", None),
        "bhyve bhyve" => ("bhyve", None),
        other => (other, None),
    };
    Guest { of: name.to_owned(), emulated_by }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tcg_is_an_emulator() {
        assert_eq!(of("TCGTCGTCGTCG").emulated_by, Some("QEMU TCG"));
        assert_eq!(of("KVMKVMKVM"), Guest { of: "KVM".into(), emulated_by: None });
        assert_eq!(of("Unheard-of"), Guest { of: "Unheard-of".into(), emulated_by: None });
    }

    #[test]
    fn a_flagged_cpu_is_in_a_guest() {
        let found = guest(true).unwrap();
        assert!(!found.of.is_empty() && !found.of.contains('\0'), "{found:?}");
    }
}
