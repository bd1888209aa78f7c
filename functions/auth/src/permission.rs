//! Permissions: which ones exist, and who may grant them.

use shared::Refusal;
use shared::auth::{ALL_PERMISSIONS, Caller, Permission};
use shared::nearest;

const LIMIT_BYTES: usize = 128;
/// All permissions travel in every access token, and gateways take about 10 KB of headers.
const TOTAL_LIMIT_BYTES: usize = 4096;

/// Returns the permissions sorted and each once, or refuses one that does not exist.
pub(crate) fn checked(mut permissions: Vec<String>) -> Result<Vec<String>, Refusal> {
    for (index, permission) in permissions.iter().enumerate() {
        check_permission(permission).map_err(|rule| Refusal::field(&format!("permissions[{index}]"), rule))?;
    }
    permissions.sort_unstable();
    permissions.dedup();
    if permissions.iter().map(|permission| permission.len() + 3).sum::<usize>() > TOTAL_LIMIT_BYTES {
        return Err(Refusal::field("permissions", format!("must have at most {TOTAL_LIMIT_BYTES} bytes in total")));
    }
    Ok(permissions)
}

/// Refuses a caller that would grant, take away or take over what it does not hold itself.
pub(crate) fn require_all<'a>(caller: &Caller, granted: impl IntoIterator<Item = &'a String>) -> Result<(), Refusal> {
    match granted.into_iter().find(|permission| !covers(caller.permissions(), permission)) {
        Some(permission) => Err(Refusal::no_permission(permission)),
        None => Ok(()),
    }
}

/// Tells whether whoever holds some permissions may do what another one permits; `VIEW_TASKS` covers `VIEW_TASKS:one`.
pub(crate) fn covers(held: &[String], permission: &str) -> bool {
    let base = permission.split_once(':').map_or(permission, |(base, _)| base);
    held.iter().any(|held| held == ALL_PERMISSIONS || held == permission || held == base)
}

/// Checks that a permission is `*`, a known one, or a known one for one object.
fn check_permission(permission: &str) -> Result<(), String> {
    if permission == ALL_PERMISSIONS {
        return Ok(());
    }
    let (name, object) = permission.split_once(':').map_or((permission, None), |(name, object)| (name, Some(object)));
    let known = Permission::ALL.iter().map(|known| known.name());
    if !known.clone().any(|known| known == name) {
        return Err(format!("has the {}", nearest::unknown("permission", name, known)));
    }
    let is_object = |object: &str| !object.is_empty() && object.bytes().all(|byte| byte.is_ascii_graphic());
    if permission.len() > LIMIT_BYTES || !object.is_none_or(is_object) {
        return Err(format!("must have at most {LIMIT_BYTES} printable characters, with an object after its colon"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_permission_is_a_known_name_with_an_object_perhaps() {
        let check = |text: &str, expected| assert_eq!(check_permission(text).is_ok(), expected, "{text}");
        check("*", true);
        check("VIEW_TASKS", true);
        check("VIEW_TASKS:my-fn", true);
        check("VIEW_TASKS:a:b", true);
        check("", false);
        check("view", false);
        check("VIEW TASKS", false);
        check("VIEW_TASKS:", false);
        check("VIEW_TASKS:a b", false);
        check("*:x", false);
        check("VIEW_EVENT", false);
        check("VIEW_EVENT:x", false);
        check(&format!("VIEW_TASKS:{}", "a".repeat(118)), false);
    }

    #[test]
    fn permissions_are_kept_in_order_and_once() {
        let unsorted = list(&["VIEW_TASKS", "CREATE_TASKS", "VIEW_TASKS"]);
        assert_eq!(checked(unsorted).unwrap(), list(&["CREATE_TASKS", "VIEW_TASKS"]));
        let refusal = checked(list(&["VIEW_TASKS", "VIEW_EVENT"])).unwrap_err();
        let expected = "`permissions[1]` has the unknown permission `VIEW_EVENT`: did you mean `VIEW_EVENTS`?";
        assert_eq!((refusal.code, refusal.message.as_str()), (15, expected));
        let many: Vec<String> = (0..250).map(|n| format!("VIEW_TASKS:number-{n}")).collect();
        assert_eq!(checked(many).unwrap_err().code, 15);
    }

    #[test]
    fn a_permission_covers_itself_and_its_objects() {
        let check = |held: &[&str], permission: &str, expected| {
            assert_eq!(covers(&list(held), permission), expected, "{held:?} {permission}");
        };
        check(&["*"], "*", true);
        check(&["*"], "VIEW_TASKS:a", true);
        check(&["VIEW_TASKS"], "VIEW_TASKS", true);
        check(&["VIEW_TASKS"], "VIEW_TASKS:a", true);
        check(&["VIEW_TASKS:a"], "VIEW_TASKS", false);
        check(&["VIEW_TASKS:a"], "VIEW_TASKS:b", false);
        check(&["VIEW_TASKS"], "*", false);
        check(&[], "VIEW_TASKS", false);
    }
}
