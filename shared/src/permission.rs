//! Permissions: which ones exist, for which objects, and who may give them to somebody.

use crate::auth::directory::together;
use crate::auth::{ALL_PERMISSIONS, Caller, Permission};
use crate::error::Refusal;
use crate::event::command::{FUNCTION_NAME_LIMIT_CHARACTERS, is_function_name};
use crate::nearest;

/// All permissions travel in every access token, and gateways take about 10 KB of headers.
const TOTAL_LIMIT_BYTES: usize = 4096;

/// Returns the permissions sorted and each once, or refuses one that does not exist; `field` is where they stand.
pub fn checked(field: &str, mut permissions: Vec<String>) -> Result<Vec<String>, Refusal> {
    for (index, permission) in permissions.iter().enumerate() {
        check_permission(permission).map_err(|rule| Refusal::field(&format!("{field}[{index}]"), rule))?;
    }
    permissions.sort_unstable();
    permissions.dedup();
    if !fit(&permissions) {
        return Err(Refusal::field(field, format!("must have at most {TOTAL_LIMIT_BYTES} bytes in total")));
    }
    Ok(permissions)
}

/// Tells whether permissions fit into an access token.
pub fn fit(permissions: &[String]) -> bool {
    permissions.iter().map(|permission| permission.len() + 3).sum::<usize>() <= TOTAL_LIMIT_BYTES
}

/// Refuses roles that together permit more than an access token can say: whoever had them could not use it.
///
/// `field` is what the request has them by.
pub fn fit_together<'a>(field: &str, permissions: impl Iterator<Item = &'a String>) -> Result<(), Refusal> {
    match fit(&together(permissions.cloned())) {
        true => Ok(()),
        false => {
            let rule = format!(
                "would give a user permissions of more than {TOTAL_LIMIT_BYTES} bytes in all its roles together, \
                 which is more than an access token can hold"
            );
            Err(Refusal::field(field, rule))
        }
    }
}

/// Refuses a caller that would grant, take away or take over what it does not hold itself.
pub fn require_all<'a>(caller: &Caller, granted: impl IntoIterator<Item = &'a String>) -> Result<(), Refusal> {
    match granted.into_iter().find(|permission| !covers(caller.permissions(), permission)) {
        Some(permission) => Err(Refusal::no_permission(permission)),
        None => Ok(()),
    }
}

/// Tells whether whoever holds some permissions may do what another one permits; a permission covers that for one of
/// its objects.
pub fn covers(held: &[String], permission: &str) -> bool {
    let base = permission.split_once(':').map_or(permission, |(base, _)| base);
    held.iter().any(|held| held == ALL_PERMISSIONS || held == permission || held == base)
}

/// Checks that a permission is `*`, a known one, or one of those that have objects for one of them.
fn check_permission(permission: &str) -> Result<(), String> {
    if permission == ALL_PERMISSIONS {
        return Ok(());
    }
    let (name, object) = permission.split_once(':').map_or((permission, None), |(name, object)| (name, Some(object)));
    let Some(known) = Permission::ALL.iter().find(|known| known.name() == name) else {
        let names = Permission::ALL.iter().map(|known| known.name());
        return Err(format!("has the {}", nearest::unknown("permission", name, names)));
    };
    match object {
        None => Ok(()),
        Some(_) if !known.has_objects() => {
            let names = Permission::ALL.iter().filter(|known| known.has_objects()).map(|known| known.name());
            let scoped = names.collect::<Vec<_>>().join(" and ");
            Err(format!("has an object after `{name}`, which only {scoped} have: did you mean `{name}`?"))
        }
        // Templates have underscores in their names as well.
        Some(object) if *known == Permission::ResolveTemplates && is_function_name(&object.replace('_', "-")) => Ok(()),
        Some(object) if *known == Permission::ResolveTemplates => {
            Err(format!("must have after `{name}:` the name of a template, not `{object}`"))
        }
        Some(object) if !is_function_name(object) => Err(format!(
            "must have after `{name}:` the name of a function, 1 to {FUNCTION_NAME_LIMIT_CHARACTERS} letters, digits and \
             hyphens"
        )),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_permission_is_a_known_name_and_some_have_an_object() {
        let check = |text: &str, expected| assert_eq!(check_permission(text).is_ok(), expected, "{text}");
        check("*", true);
        check("VIEW_TASKS", true);
        check("EXECUTE_TASK_FUNCTION", true);
        check("EXECUTE_TASK_FUNCTION:my-fn", true);
        check("EXECUTE_API_FUNCTION:my-fn", true);
        check("EXECUTE_TASK_FUNCTION:", false);
        check("EXECUTE_TASK_FUNCTION:a b", false);
        check("EXECUTE_TASK_FUNCTION:a:b", false);
        check("EXECUTE_TASK_FUNCTION:*", false);
        check(&format!("EXECUTE_TASK_FUNCTION:{}", "a".repeat(128)), true);
        check(&format!("EXECUTE_TASK_FUNCTION:{}", "a".repeat(129)), false);
        check("RESOLVE_TEMPLATES:welcome_mail-2", true);
        check("RESOLVE_TEMPLATES:a b", false);
        check("EXECUTE_TASK_FUNCTION:my_fn", false);
        check("VIEW_TASKS:my-fn", false);
        check("", false);
        check("view", false);
        check("VIEW TASKS", false);
        check("*:x", false);
        check("VIEW_EVENT", false);
        check("VIEW_EVENT:x", false);
    }

    #[test]
    fn permissions_are_kept_in_order_and_once() {
        let unsorted = list(&["VIEW_TASKS", "CREATE_TASKS", "VIEW_TASKS"]);
        assert_eq!(checked("permissions", unsorted).unwrap(), list(&["CREATE_TASKS", "VIEW_TASKS"]));
        let refusal = checked("permissions", list(&["VIEW_TASKS", "VIEW_EVENT"])).unwrap_err();
        let expected = "`permissions[1]` has the unknown permission `VIEW_EVENT`: did you mean `VIEW_EVENTS`?";
        assert_eq!((refusal.code, refusal.message.as_str()), (15, expected));
        let refusal = checked("a.b", list(&["VIEW_TASKS:one"])).unwrap_err();
        let expected = "`a.b[0]` has an object after `VIEW_TASKS`, which only EXECUTE_API_FUNCTION and \
                        EXECUTE_TASK_FUNCTION and RESOLVE_TEMPLATES have: did you mean `VIEW_TASKS`?";
        assert_eq!((refusal.code, refusal.message.as_str()), (15, expected));
        let many: Vec<String> = (0..250).map(|n| format!("EXECUTE_TASK_FUNCTION:number-{n}")).collect();
        assert_eq!(checked("permissions", many).unwrap_err().code, 15);
    }

    #[test]
    fn a_permission_covers_itself_and_its_objects() {
        let check = |held: &[&str], permission: &str, expected| {
            assert_eq!(covers(&list(held), permission), expected, "{held:?} {permission}");
        };
        check(&["*"], "*", true);
        check(&["*"], "EXECUTE_TASK_FUNCTION:a", true);
        check(&["EXECUTE_TASK_FUNCTION"], "EXECUTE_TASK_FUNCTION", true);
        check(&["EXECUTE_TASK_FUNCTION"], "EXECUTE_TASK_FUNCTION:a", true);
        check(&["EXECUTE_TASK_FUNCTION:a"], "EXECUTE_TASK_FUNCTION", false);
        check(&["EXECUTE_TASK_FUNCTION:a"], "EXECUTE_TASK_FUNCTION:b", false);
        check(&["VIEW_TASKS"], "*", false);
        check(&[], "VIEW_TASKS", false);
    }
}
