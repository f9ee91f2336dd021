//! Counters that are added up over threads, rings and hosts, and subtracted between two readings.
//!
//! A struct of counters is declared inside [`counters!`](crate::counters!), which derives both operations from its
//! fields. A new counter is a new field; no list of fields is written anywhere else.

use std::collections::BTreeMap;

/// Values that can be added up, and subtracted from a later reading of the same counters. Both saturate.
pub trait Counters: Clone {
    /// Adds the counts of another thread, ring or host.
    fn add(&mut self, more: &Self);

    /// The counts since `earlier`, an earlier reading of the same counters.
    #[must_use]
    fn since(&self, earlier: &Self) -> Self;
}

/// The sum of several counters; `None` if there are none.
pub fn sum<'a, T: Counters + 'a>(parts: impl IntoIterator<Item = &'a T>) -> Option<T> {
    let mut parts = parts.into_iter();
    let mut sum = parts.next()?.clone();
    parts.for_each(|part| sum.add(part));
    Some(sum)
}

/// The sum of several counters; `None` if one is unknown (the sum would be too small), or if there are none.
pub fn sum_of_known<'a, T: Counters + 'a>(parts: impl IntoIterator<Item = Option<&'a T>>) -> Option<T> {
    sum(parts.into_iter().collect::<Option<Vec<&T>>>()?)
}

impl Counters for u64 {
    fn add(&mut self, more: &Self) {
        *self = self.saturating_add(*more);
    }

    fn since(&self, earlier: &Self) -> Self {
        self.saturating_sub(*earlier)
    }
}

/// `None` is *unknown*: a sum with an unknown part is unknown too.
impl<T: Counters> Counters for Option<T> {
    fn add(&mut self, more: &Self) {
        match (&mut *self, more) {
            (Some(sum), Some(more)) => sum.add(more),
            _ => *self = None,
        }
    }

    fn since(&self, earlier: &Self) -> Self {
        Some(self.as_ref()?.since(earlier.as_ref()?))
    }
}

/// Adds by position; missing elements count as zero.
impl<T: Counters + Default> Counters for Vec<T> {
    fn add(&mut self, more: &Self) {
        self.resize_with(self.len().max(more.len()), T::default);
        self.iter_mut().zip(more).for_each(|(sum, more)| sum.add(more));
    }

    fn since(&self, earlier: &Self) -> Self {
        let zero = T::default();
        let earlier = earlier.iter().chain(std::iter::repeat(&zero));
        self.iter().zip(earlier).map(|(now, earlier)| now.since(earlier)).collect()
    }
}

/// Adds by position.
impl<T: Counters, const N: usize> Counters for [T; N] {
    fn add(&mut self, more: &Self) {
        self.iter_mut().zip(more).for_each(|(sum, more)| sum.add(more));
    }

    fn since(&self, earlier: &Self) -> Self {
        std::array::from_fn(|index| self[index].since(&earlier[index]))
    }
}

/// Adds by key; a missing key counts as zero.
impl<K: Ord + Clone, T: Counters + Default> Counters for BTreeMap<K, T> {
    fn add(&mut self, more: &Self) {
        for (key, more) in more {
            self.entry(key.clone()).or_default().add(more);
        }
    }

    fn since(&self, earlier: &Self) -> Self {
        let zero = T::default();
        let since = |(key, now): (&K, &T)| (key.clone(), now.since(earlier.get(key).unwrap_or(&zero)));
        self.iter().map(since).collect()
    }
}

/// Adds the counts of the same name.
impl<T: Counters> Counters for (&'static str, T) {
    fn add(&mut self, more: &Self) {
        self.1.add(&more.1);
    }

    fn since(&self, earlier: &Self) -> Self {
        (self.0, self.1.since(&earlier.1))
    }
}

/// Declares a struct whose fields are counters, and implements [`Counters`] for it field by
/// field. A field is added by its own type's rule, or by the one that follows it:
///
/// * `=> max`: the larger one counts, such as the largest batch.
/// * `=> either`: an `Option` whose `None` is *nothing of this kind*, not *unknown*.
/// * `=> magnitude`: the float that is further from zero counts.
///
/// ```
/// use proto::counters::Counters as _;
/// proto::counters! {
///     /// The work of a thread.
///     #[derive(Clone, Debug, Default, PartialEq)]
///     pub struct Done {
///         /// Operations.
///         pub ops: u64,
///         /// The longest queue.
///         pub longest: u64 => max,
///     }
/// }
/// let mut sum = Done { ops: 3, longest: 7 };
/// sum.add(&Done { ops: 2, longest: 5 });
/// assert_eq!(sum, Done { ops: 5, longest: 7 });
/// assert_eq!(sum.since(&Done { ops: 1, longest: 2 }), Done { ops: 4, longest: 7 });
/// ```
#[macro_export]
macro_rules! counters {
    (
        $(#[$about:meta])*
        $vis:vis struct $name:ident {
            $( $(#[$field_about:meta])* $field_vis:vis $field:ident: $type:ty $(=> $rule:ident)? ),+ $(,)?
        }
    ) => {
        $(#[$about])*
        $vis struct $name {
            $( $(#[$field_about])* $field_vis $field: $type, )+
        }

        impl $crate::counters::Counters for $name {
            fn add(&mut self, more: &Self) {
                $( $crate::counters!(@add $($rule)? (&mut self.$field) (&more.$field)); )+
            }

            fn since(&self, earlier: &Self) -> Self {
                Self { $( $field: $crate::counters!(@since $($rule)? (&self.$field) (&earlier.$field)), )+ }
            }
        }
    };
    (@add ($sum:expr) ($more:expr)) => { $crate::counters::Counters::add($sum, $more) };
    (@since ($now:expr) ($earlier:expr)) => { $crate::counters::Counters::since($now, $earlier) };
    (@add $rule:ident ($sum:expr) ($more:expr)) => { $crate::counters::rules::$rule::add($sum, $more) };
    (@since $rule:ident ($now:expr) ($earlier:expr)) => { $crate::counters::rules::$rule::since($now, $earlier) };
}

/// The rules that a field can name in [`counters!`](crate::counters!).
#[doc(hidden)]
pub mod rules {
    pub mod max {
        pub fn add<T: PartialOrd + Copy>(sum: &mut T, more: &T) {
            if more > sum {
                *sum = *more;
            }
        }

        /// A maximum since the beginning has no difference.
        pub fn since<T: Copy>(now: &T, _: &T) -> T {
            *now
        }
    }

    pub mod either {
        use crate::counters::Counters;

        pub fn add<T: Counters>(sum: &mut Option<T>, more: &Option<T>) {
            match (&mut *sum, more) {
                (Some(sum), Some(more)) => sum.add(more),
                (None, Some(more)) => *sum = Some(more.clone()),
                (_, None) => {}
            }
        }

        pub fn since<T: Counters>(now: &Option<T>, earlier: &Option<T>) -> Option<T> {
            match (now, earlier) {
                (Some(now), Some(earlier)) => Some(now.since(earlier)),
                (now, _) => now.clone(),
            }
        }
    }

    pub mod magnitude {
        pub fn add(sum: &mut f64, more: &f64) {
            if more.abs() > sum.abs() {
                *sum = *more;
            }
        }

        pub fn since(now: &f64, _: &f64) -> f64 {
            *now
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::counters! {
        #[derive(Clone, Debug, Default, PartialEq)]
        struct All {
            count: u64,
            unknown: Option<u64>,
            classes: Vec<u64>,
            named: BTreeMap<String, u64>,
            calls: [(&'static str, u64); 2],
            largest: u64 => max,
            share: Option<f64> => max,
            kind: Option<u64> => either,
            drift: f64 => magnitude,
        }
    }

    fn all() -> All {
        All {
            count: 5,
            unknown: Some(3),
            classes: vec![1, 2],
            named: [("a".to_owned(), 1)].into(),
            calls: [("read", 4), ("write", 6)],
            largest: 9,
            share: None,
            kind: None,
            drift: -2.0,
        }
    }

    #[test]
    fn adds_each_field_by_its_rule() {
        let mut sum = all();
        sum.add(&All {
            count: u64::MAX,
            unknown: None,
            classes: vec![1, 1, 1],
            named: [("a".to_owned(), 1), ("b".to_owned(), 2)].into(),
            calls: [("read", 1), ("write", 1)],
            largest: 3,
            share: Some(0.5),
            kind: Some(1),
            drift: 1.0,
        });
        let expected = All {
            count: u64::MAX,
            unknown: None,
            classes: vec![2, 3, 1],
            named: [("a".to_owned(), 2), ("b".to_owned(), 2)].into(),
            calls: [("read", 5), ("write", 7)],
            largest: 9,
            share: Some(0.5),
            kind: Some(1),
            drift: -2.0,
        };
        assert_eq!(sum, expected);
    }

    #[test]
    fn subtracts_each_field_by_its_rule() {
        let earlier = All {
            count: 2,
            unknown: Some(1),
            classes: vec![1],
            named: BTreeMap::new(),
            calls: [("read", 1), ("write", 6)],
            largest: 1,
            kind: Some(1),
            ..All::default()
        };
        let expected = All {
            count: 3,
            unknown: Some(2),
            classes: vec![0, 2],
            calls: [("read", 3), ("write", 0)],
            kind: Some(4),
            ..all()
        };
        assert_eq!(All { kind: Some(5), ..all() }.since(&earlier), expected);
        assert_eq!(all().since(&All { unknown: None, count: 9, ..earlier }).count, 0, "saturates");
    }

    #[test]
    fn sums_with_an_unknown_part_are_unknown() {
        assert_eq!(sum(&[1, 2]), Some(3));
        assert_eq!(sum::<u64>(&[]), None);
        assert_eq!(sum_of_known([Some(&1), Some(&2)]), Some(3));
        assert_eq!(sum_of_known([Some(&1), None]), None);
        assert_eq!(sum_of_known::<u64>([]), None);
    }
}
