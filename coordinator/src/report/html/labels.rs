//! The names of lines at their ends, moved apart so that none covers another.

use super::figure::{Frame, Series, Text, px};

/// Pixels between two labels.
const APART: f64 = 16.0;
/// Pixels of a letter.
const LETTER: f64 = 7.2;
/// Pixels between the frame and a label.
const LEADER: f64 = 16.0;
/// The largest share of a plot's width that labels take.
const MOST: f64 = 0.26;

/// The room for labels on the right of a plot.
pub(super) fn room(names: &[String], width: f64) -> f64 {
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    (LEADER + 6.0 + LETTER * longest as f64).min(MOST * width)
}

/// Adds a label at the end of each line, and returns the path of the leaders to them.
pub(super) fn at_ends(names: &[String], series: &[Series], frame: Frame, texts: &mut Vec<Text>) -> String {
    let mut ends: Vec<(f64, f64, &String)> = Vec::new();
    for (name, drawn) in names.iter().zip(series) {
        if let Some(last) = drawn.points.last() {
            ends.push((last.x, last.y, name));
        }
    }
    ends.sort_by(|a, b| a.1.total_cmp(&b.1));
    let wanted: Vec<f64> = ends.iter().map(|(_, y, _)| *y).collect();
    // More labels than the frame has room for would cover each other: the legend has them all.
    if ends.len() as f64 * APART > frame.bottom - frame.top + APART {
        return String::new();
    }
    let mut leaders = String::new();
    let x = frame.right + LEADER;
    for ((from, y, name), place) in ends.iter().zip(apart(&wanted, frame.top, frame.bottom)) {
        leaders.push_str(&format!("M{} {y}L{} {y}L{} {place}", px(from + 7.0), frame.right, px(x - 3.0)));
        texts.push(Text {
            x,
            y: px(place + 4.5),
            anchor: "start",
            class: "end".into(),
            text: (*name).clone(),
        });
    }
    leaders
}

/// Places as close as possible to the wanted ones, which ascend, at least [`APART`] from each other and between `top` and
/// `bottom` as far as there is room.
fn apart(wanted: &[f64], top: f64, bottom: f64) -> Vec<f64> {
    // Groups of touching labels: the sum of the tops that they want for the group, and their number.
    let mut groups: Vec<(f64, usize)> = Vec::new();
    let start = |(sum, count): (f64, usize)| {
        let most = bottom - (count - 1) as f64 * APART;
        (sum / count as f64).min(most).max(top)
    };
    for want in wanted {
        let mut last = (*want, 1);
        while let Some(before) = groups.last().copied() {
            if start(before) + before.1 as f64 * APART <= start(last) {
                break;
            }
            groups.pop();
            // The members of the later group want their places less the height of the earlier group.
            last = (before.0 + last.0 - (before.1 * last.1) as f64 * APART, before.1 + last.1);
        }
        groups.push(last);
    }
    let places = |group: (f64, usize)| (0..group.1).map(move |index| start(group) + index as f64 * APART);
    groups.into_iter().flat_map(places).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_moved_apart_and_stay_in_the_frame() {
        assert_eq!(apart(&[50.0, 100.0], 0.0, 200.0), [50.0, 100.0]);
        assert_eq!(apart(&[100.0, 100.0], 0.0, 200.0), [92.0, 108.0]);
        assert_eq!(apart(&[10.0, 10.0, 10.0], 10.0, 200.0), [10.0, 26.0, 42.0]);
        assert_eq!(apart(&[199.0, 200.0], 0.0, 200.0), [184.0, 200.0]);
        let places = apart(&[90.0, 95.0, 97.0, 130.0, 131.0], 0.0, 200.0);
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= APART - 1e-9), "{places:?}");
    }
}
