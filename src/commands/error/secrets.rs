//! The words for what is wrong with the secrets, and with what COMMAND would be given of them.

use super::{Told, bare, told};
use crate::ui::report::{Shown, join};
use crate::vault::PinError;
use crate::vault::select::SelectError;

pub(super) fn pin(error: &PinError) -> Told {
    match error {
        PinError::Twice { environment, name } => {
            bare(format!("the store's data is malformed: {} is twice in {environment}", Shown(name)))
        }
        PinError::NoSuchSecret { name, nearest } => Told {
            message: format!("--pin: there is no secret {}", Shown(name)),
            hint: Some(nearest_name(nearest.as_deref())),
        },
        PinError::NoSuchVersion { name, pin, newest, oldest } => {
            let message = format!("--pin: {} has no version {pin}", Shown(name));
            match (oldest, newest) {
                (Some(oldest), Some(newest)) => {
                    told(message, format!("its history goes from {oldest} to {newest}"))
                }
                _ => bare(message),
            }
        }
    }
}

fn nearest_name(name: Option<&str>) -> String {
    name.map_or_else(
        || "`redenv-run check` lists the names".into(),
        |name| format!("did you mean {}?", Shown(name)),
    )
}

pub(super) fn select(error: &SelectError) -> Told {
    match error {
        SelectError::NoMatch { flag, pattern, nearest } => {
            told(format!("{flag}: no secret matches {}", Shown(pattern)), nearest_name(nearest.as_deref()))
        }
        SelectError::Broken(broken) => {
            let list: Vec<String> =
                broken.iter().map(|(name, why)| format!("{} ({why})", Shown(name))).collect();
            let what = if list.len() == 1 { "a secret" } else { "some secrets" };
            told(
                format!("{what} can't be opened: {}", join(list)),
                "write them again; --skip-broken starts without them, --exclude leaves them out",
            )
        }
        SelectError::Expand(error) => {
            told(error.to_string(), "write \\${NAME} for a literal reference; --raw starts without expansion")
        }
        SelectError::BadNames(bad) => told(
            format!(
                "no variable can have the name of {}",
                join(bad.iter().map(|bad| format!("secret {} (it {})", Shown(&bad.name), bad.problem)))
            ),
            "rename it, or leave it out with --exclude",
        ),
    }
}
