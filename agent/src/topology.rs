//! t
/// p
pub fn pin_current_thread(_cpu: u32) -> std::io::Result<()> {
    Ok(())
}
