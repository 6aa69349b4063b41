//! "did you mean ...?"

use super::text::Shown;

/// The known name that `name` most likely means. ASCII case is ignored.
fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    const ALIKE: f64 = 0.8;
    let upper = name.to_ascii_uppercase();
    known
        .into_iter()
        .map(|candidate| (likeness(&upper, &candidate.to_ascii_uppercase()), candidate))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, candidate)| candidate)
}

/// The hint for a secret's name that doesn't exist.
pub(crate) fn name_hint<'k>(name: &str, known: impl IntoIterator<Item = &'k String>) -> String {
    match nearest(name, known.into_iter().map(String::as_str)) {
        Some(name) => format!("did you mean {}?", Shown(name)),
        None => "`redenv-run check` lists the names".into(),
    }
}

/// The likeness of two texts, 1 if they are equal. Texts with one typing error are always alike: for short
/// texts, Jaro-Winkler alone is too strict.
fn likeness(left: &str, right: &str) -> f64 {
    let likeness = strsim::jaro_winkler(left, right);
    if strsim::osa_distance(left, right) <= 1 { likeness.max(0.9) } else { likeness }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_a_far_one_is_not() {
        let known = ["DATABASE_URL", "API_KEY", "PORT"];
        assert_eq!(nearest("DATABSE_URL", known), Some("DATABASE_URL"));
        assert_eq!(nearest("api_key", known), Some("API_KEY"));
        assert_eq!(nearest("evn", ["env", "env-file"]), Some("env"));
        assert_eq!(nearest("SENTRY_DSN", known), None);
    }
}
