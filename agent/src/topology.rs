//! t
/// p
pub fn pin_current_thread(cpu: u32) -> std::io::Result<()> { let mut s=rustix::thread::CpuSet::new(); s.set(cpu as usize); Ok(rustix::thread::sched_setaffinity(None,&s)?) }
