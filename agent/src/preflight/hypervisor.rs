//! What this host runs in, by what the CPU says of itself: hypervisors leave their signature in leaf 0x4000_0000 of
//! CPUID. One of them is no hypervisor but an emulator, under which no time means anything.

use std::path::Path;

/// The leaf that is kept free for those who run guests.
#[cfg(target_arch = "x86_64")]
const LEAF: u32 = 0x4000_0000;

/// Where this host is a guest: of what, and by which emulator its instructions are carried out one by one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Guest {
    /// What people call that which runs it.
    pub(super) of: String,
    /// The emulator, if it is one.
    pub(super) emulated_by: Option<&'static str>,
}

/// Nothing where this host seems to be a machine of its own. `flagged`: the CPU says that it is a guest's.
pub(super) fn guest(flagged: bool) -> Option<Guest> {
    if let Some(guest) = flagged.then(signature).flatten().map(|signature| of(&signature)) {
        return Some(guest);
    }
    let told = std::fs::read_to_string(Path::new("/sys/hypervisor/type")).ok();
    let told = told.map(|kind| kind.trim().to_owned()).filter(|kind| !kind.is_empty());
    let of = told.or_else(|| flagged.then(|| "virtual machine (the CPU says so)".to_owned()))?;
    Some(Guest { of, emulated_by: None })
}

/// The twelve characters of the leaf; nothing where they are blank or no text.
#[cfg(target_arch = "x86_64")]
fn signature() -> Option<String> {
    // Safe since Rust 1.94, not in the oldest that we build with.
    #[allow(unused_unsafe, reason = "depends on the compiler's version")]
    // SAFETY: every x86-64 CPU has CPUID; of a leaf that it does not know it returns some other numbers.
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

/// What a signature stands for; one that is not known stands for itself.
fn of(signature: &str) -> Guest {
    let (name, emulated_by) = match signature {
        "TCGTCGTCGTCG" => ("QEMU TCG, an emulator", Some("QEMU TCG")),
        "KVMKVMKVM" => ("KVM", None),
        // KVM says so, too, where it is told to please Windows.
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
    fn only_an_emulator_emulates() {
        assert_eq!(of("TCGTCGTCGTCG").emulated_by, Some("QEMU TCG"));
        assert_eq!(of("KVMKVMKVM"), Guest { of: "KVM".into(), emulated_by: None });
        assert_eq!(of("Unheard-of"), Guest { of: "Unheard-of".into(), emulated_by: None });
    }

    #[test]
    fn a_cpu_that_is_flagged_is_a_guests() {
        let found = guest(true).unwrap();
        assert!(!found.of.is_empty() && !found.of.contains('\0'), "{found:?}");
    }
}
