use crate::place::{Place, git};

#[test]
fn the_defects_are_there_and_only_they() {
    for seed in [3, 11] {
        let place = Place::new(seed, |_| {});
        let sample = &place.sample;
        let mut found = place.findings(&sample.head, None);
        found.sort_by(|left, right| left.rule.cmp(&right.rule));
        let test = format!("test:{}", sample.culprit.test);
        let broken = found.iter().find(|finding| finding.rule == test).unwrap();
        assert_eq!(broken.path, sample.culprit.path, "seed {seed}");
        assert!(
            broken.line > 0 && broken.message.starts_with("assertion `left == right` failed"),
            "{broken:?}"
        );
        let at = |rule: &str| found.iter().find(|finding| finding.rule == rule).unwrap();
        let warning = at(&sample.warning.rule);
        assert_eq!((&warning.path, warning.line), (&sample.warning.path, sample.warning.line), "seed {seed}");
        assert_eq!(at("rustfmt").path, sample.formatting.path, "seed {seed}");
        assert_eq!(found.len(), 3, "seed {seed}: {found:#?}");
        assert_eq!(git(&place.reviewer, &["status", "--porcelain"]), "", "checks leave no files behind");
    }
}
