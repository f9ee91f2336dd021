//! The interrupts of the device below the target.

use std::fmt;

use super::Fact;

/// The interrupts of a device, or the reason why they are not counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interrupts {
    /// The device's lines in /proc/interrupts; at least one.
    Lines(Vec<InterruptLine>),
    /// The reason why none are counted.
    Unavailable(String),
}

/// A line of /proc/interrupts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterruptLine {
    /// The interrupt's number.
    pub number: u32,
    /// The driver's name for it.
    pub name: String,
}

const UNAVAILABLE: &str = "unavailable: ";

impl fmt::Display for Interrupts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lines(lines) => {
                let lines: Vec<String> =
                    lines.iter().map(|line| format!("{} {}", line.number, line.name)).collect();
                f.write_str(&lines.join(", "))
            }
            Self::Unavailable(why) => write!(f, "{UNAVAILABLE}{why}"),
        }
    }
}

impl Interrupts {
    fn read(text: &str) -> Option<Self> {
        if let Some(why) = text.strip_prefix(UNAVAILABLE) {
            return Some(Self::Unavailable(why.to_owned()));
        }
        let mut lines: Vec<InterruptLine> = Vec::new();
        for part in text.split(", ") {
            let numbered = part.split_once(' ').and_then(|(number, name)| Some((number.parse().ok()?, name)));
            match (numbered, lines.last_mut()) {
                (Some((number, name)), _) => lines.push(InterruptLine { number, name: name.to_owned() }),
                // The kernel separates drivers that share an interrupt by commas.
                (None, Some(line)) => line.name = format!("{}, {part}", line.name),
                (None, None) => return None,
            }
        }
        Some(Self::Lines(lines))
    }
}

impl Fact for Interrupts {
    fn text(&self) -> String {
        self.to_string()
    }

    fn parse(text: &str) -> Option<Self> {
        Self::read(text)
    }
}
