use super::{
    super::difference::{Length, Variances},
    *,
};

/// A comparison of `pairs` blocks whose paired variance is this; arm and baseline have half of `unpaired` each.
fn member(log_ratio: f64, paired: f64, unpaired: f64, pairs: usize) -> Member {
    let variances = Variances { paired, arm: unpaired / 2.0, baseline: unpaired / 2.0 };
    let error = (paired.min(unpaired) / pairs as f64).sqrt();
    Member {
        difference: Difference { log_ratio, error, variances, pairs, length: Length::Fixed },
        sharing: 1,
        arm: 0,
    }
}

fn p(found: &Pooled) -> f64 {
    found.p_value().unwrap()
}

fn freedom(found: &Pooled) -> f64 {
    found.terms.iter().map(|term| term.weight * term.freedom).sum()
}

#[test]
fn one_comparison_has_its_own_t_test() {
    let alone = member(0.05, 4e-4, 5e-4, 5);
    let found = pool(&[alone]).remove(0);
    assert_eq!(found.p_value(), alone.difference.p_value());
    let ([low, high], [own_low, own_high]) = (found.ci95().unwrap(), alone.difference.ci95().unwrap());
    assert!((low / own_low - 1.0).abs() < 1e-8 && (high / own_high - 1.0).abs() < 1e-8);
    assert!((found.spread() - 0.02).abs() < 1e-12);
    // One with spread beside exact ones is alone, too.
    let exact = member(0.1, 0.0, 0.0, 5);
    let both = pool(&[exact, alone]);
    assert_eq!((both[0].p_value(), both[0].ci95()), (Some(0.0), exact.difference.ci95()));
    assert_eq!(both[1], found);
    assert!(pool(&[]).is_empty());
}

#[test]
fn two_trials_borrow_the_noise_of_the_others() {
    // 5 % noise, and a factor of two: inconclusive alone, clear among twelve.
    let variances = [1.0, 0.1, 3.0, 0.5, 2.0, 0.8, 0.05, 1.5, 0.3, 0.9, 1.2, 0.6].map(|of| 0.005 * of);
    let family: Vec<Member> = variances.iter().map(|of| member(2f64.ln(), *of, 1e-9 + *of, 2)).collect();
    let found = pool(&family);
    for (member, found) in family.iter().zip(&found) {
        assert!(p(found) < 0.01, "{member:?}: {}", p(found));
        assert!(freedom(found) > 4.0, "{}", freedom(found));
    }
    assert!(family[0].difference.p_value().unwrap() > 0.04, "alone");
}

#[test]
fn a_noisy_cell_among_quiet_ones_keeps_its_own_variance() {
    let mut family: Vec<Member> = (0..11).map(|_| member(0.02, 4e-4, 4e-4, 5)).collect();
    family.push(member(0.2, 0.04, 0.04, 5));
    let found = pool(&family);
    let own = family[11].difference.p_value().unwrap();
    assert!(p(&found[11]) > own / 3.0 && p(&found[11]) < 1.5 * own, "{} against {own}", p(&found[11]));
    assert!((found[0].spread() / 0.02 - 1.0).abs() < 0.1, "{}", found[0].spread());
}

#[test]
fn a_noisy_arm_is_recognised_at_all_its_points() {
    // At one point, the arm's variance is by chance as small as that of the others.
    let at = |arm: usize, variance: f64| Member { arm, ..member(0.1, variance, variance, 3) };
    let family = |arm: usize| -> Vec<Member> {
        let quiet = (0..8).map(|of| at(1 + of % 2, 4e-4));
        let noisy = [2e-3, 0.04, 0.06, 0.03].map(|variance| at(arm, variance));
        noisy.into_iter().chain(quiet).collect()
    };
    let mut apart = family(0);
    apart.iter_mut().zip(0..).for_each(|(member, arm)| member.arm = arm);
    let [together, apart] = [family(0), apart].map(|family| p(&pool(&family)[0]));
    assert!(together > 1.2 * apart, "{together} against {apart}");
}

#[test]
fn quiet_cells_do_not_decide_about_one_that_is_noisier_by_orders_of_magnitude() {
    // The likelihood ratio of outlier and usual cell is beyond the largest number.
    for (variance, pairs) in [(1e-18, 2), (1e-18, 5), (4e-6, 2), (4e-6, 1000)] {
        let quiet = member(0.3 * f64::sqrt(variance / pairs as f64), variance, variance, pairs);
        let mut family = vec![quiet; 11];
        family.push(member(0.05 / (pairs as f64).sqrt(), 0.04, 0.04, pairs));
        let found = pool(&family);
        let own = family[11].difference.p_value().unwrap();
        assert!(p(&found[11]) > own / 2.0, "{variance}, {pairs} blocks: {} against {own}", p(&found[11]));
        assert!((0.4..0.99).contains(&p(&found[0])), "{variance}, {pairs} blocks: {}", p(&found[0]));
        let weights = found[11].terms.iter().map(|term| term.weight).sum::<f64>();
        assert!((weights - 1.0).abs() < 1e-4, "{weights}");
    }
}

#[test]
fn equal_variances_have_nearly_normal_errors_and_p_agrees_with_the_interval() {
    let family: Vec<Member> = (0..12).map(|_| member(0.03, 4e-4, 4e-4, 5)).collect();
    let found = pool(&family).remove(0);
    // 1.96 and 2.31 standard errors are the intervals of a normal distribution, and of 8 degrees of freedom.
    let [low, high] = found.ci95().unwrap();
    let half = (high / low).ln() / 2.0 / (4e-4_f64 / 5.0).sqrt();
    assert!((1.96..2.2).contains(&half), "{half}");
    let at_edge = Pooled {
        difference: Difference { log_ratio: (high / low).ln() / 2.0, ..found.difference },
        ..found.clone()
    };
    assert!((p(&at_edge) - 0.05).abs() < 1e-6, "{}", p(&at_edge));
}

#[test]
fn the_family_chooses_its_variance_together() {
    let rate = |paired: f64| pool(&[member(0.1, paired, 1e-3, 5), member(0.2, paired, 1e-3, 5)])[0].rate;
    // Equal arms have the degrees of freedom of both.
    assert_eq!((rate(0.9e-3), rate(0.5e-3)), (Some(2.0), Some(1.0)));
    let uneven = Variances { paired: 1e-3, arm: 1e-3, baseline: 0.0 };
    let mut family = [member(0.1, 1e-3, 1e-3, 5); 2];
    family.iter_mut().for_each(|member| member.difference.variances = uneven);
    assert_eq!(pool(&family)[0].rate, Some(1.0), "one arm has all the noise");
    let even = [member(0.1, 1e-3, 1e-3, 5); 3];
    let mixed: Vec<Member> = even.into_iter().chain([family[0]]).collect();
    let rates: Vec<f64> = pool(&mixed).iter().map(|found| found.rate.unwrap()).collect();
    assert!(rates[0] > 1.5 && rates[3] == 1.0, "not those of others: {rates:?}");
    // Half of the trials count if precision decided their number.
    let open = Length::ByPrecision { min: 5 };
    family.iter_mut().for_each(|member| (member.difference.length, member.difference.pairs) = (open, 21));
    assert_eq!(pool(&family)[0].further_freedom(41), 10.0);
}
