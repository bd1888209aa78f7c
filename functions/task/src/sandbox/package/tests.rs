use super::*;

fn package(files: &[(&str, &str)]) -> Package {
    let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.to_string().into()));
    Package::new(Arc::new(files.collect()))
}

/// A package with most of what Node.js finds files by.
fn sample() -> Package {
    package(&[
        ("index.js", ""),
        ("lib/a.js", ""),
        ("lib/b.json", ""),
        ("lib/index.js", ""),
        ("dir/package.json", r#"{"main": "./start"}"#),
        ("dir/start.js", ""),
        ("both.js", ""),
        ("both/index.js", ""),
        ("url.js", ""),
        ("node_modules/plain/index.js", ""),
        ("node_modules/plain/sub/x.js", ""),
        ("node_modules/main/package.json", r#"{"main": "dist/main.js"}"#),
        ("node_modules/main/dist/main.js", ""),
        ("node_modules/broken/package.json", r#"{"main": "gone.js"}"#),
        ("node_modules/broken/index.js", ""),
        ("node_modules/@scope/name/index.js", ""),
        (
            "node_modules/two/package.json",
            r#"{"exports": {".": {"import": "./i.mjs", "require": "./r.cjs"}, "./x": "./lib/x.js"}}"#,
        ),
        ("node_modules/two/i.mjs", ""),
        ("node_modules/two/r.cjs", ""),
        ("node_modules/two/lib/x.js", ""),
        ("node_modules/two/lib/hidden.js", ""),
        ("node_modules/out/package.json", r#"{"exports": "./../plain/index.js"}"#),
        ("node_modules/plain/node_modules/nested/index.js", ""),
        ("node_modules/nested/index.js", ""),
        ("node_modules/url/index.js", ""),
        ("node_modules/path-only/index.js", ""),
        ("node_modules/single.js", ""),
    ])
}

#[test]
fn names_mean_the_files_that_node_finds() {
    let package = sample();
    let check = |base: &str, name: &str, by: By, expected: &str| {
        let found = match package.resolve(base, name, by) {
            Ok(Found::File(path)) => path,
            Ok(Found::BuiltIn(name)) => format!("built in: {name}"),
            Err(message) => message,
        };
        assert!(
            found == expected || (!expected.starts_with('/') && found.contains(expected)),
            "{base} {name}: {found}"
        );
    };
    let required = |base, name, expected| check(base, name, By::Require, expected);
    required("/index.js", "./lib/a", "/lib/a.js");
    required("/index.js", "./lib/a.js", "/lib/a.js");
    required("/index.js", "./lib/b", "/lib/b.json");
    required("/index.js", "./lib", "/lib/index.js");
    required("/index.js", "./lib/", "/lib/index.js");
    required("/lib/a.js", ".", "/lib/index.js");
    required("/lib/a.js", "..", "/index.js");
    required("/lib/a.js", "../index", "/index.js");
    required("/lib/a.js", "/lib/b.json", "/lib/b.json");
    required("/index.js", "./dir", "/dir/start.js");
    required("/index.js", "./both", "/both.js");
    required("/index.js", "./both/", "/both/index.js");
    required("/index.js", "./url", "/url.js");
    required("/index.js", "./gone", "cannot find the file './gone' that /index.js needs");
    required("/index.js", "../index.js", "cannot find the file");
    required("/index.js", "plain", "/node_modules/plain/index.js");
    required("/lib/a.js", "plain/sub/x", "/node_modules/plain/sub/x.js");
    required("/index.js", "main", "/node_modules/main/dist/main.js");
    required("/index.js", "broken", "/node_modules/broken/index.js");
    required("/index.js", "@scope/name", "/node_modules/@scope/name/index.js");
    required("/index.js", "@scope", "cannot find the module '@scope'");
    required("/index.js", "two", "/node_modules/two/r.cjs");
    check("/index.js", "two", By::Import, "/node_modules/two/i.mjs");
    required("/index.js", "two/x", "/node_modules/two/lib/x.js");
    required("/index.js", "two/lib/hidden.js", "exports no 'two/lib/hidden.js'");
    required("/index.js", "out", "/node_modules/plain/index.js");
    required("/node_modules/plain/index.js", "nested", "/node_modules/plain/node_modules/nested/index.js");
    required("/node_modules/main/dist/main.js", "nested", "/node_modules/nested/index.js");
    required("/index.js", "single", "/node_modules/single.js");
    required("/index.js", "url", "built in: url");
    required("/index.js", "node:url", "built in: url");
    required("/index.js", "url/", "/node_modules/url/index.js");
    required("/index.js", "node:fs", "cannot find the module 'node:fs'");
    required("/index.js", "left-pad", "a script can import assert, ");
    required("/index.js", "", "cannot find the module ''");
}

#[test]
fn a_package_finds_itself_and_what_it_imports() {
    let package = package(&[
        (
            "package.json",
            r##"{"name": "me", "exports": "./index.js", "imports": {"#lib/*": "./lib/*.js", "#u": "url"}}"##,
        ),
        ("index.js", ""),
        ("lib/a.js", ""),
        ("node_modules/x/index.js", ""),
    ]);
    let found = |base, name| package.resolve(base, name, By::Require);
    assert_eq!(found("/lib/a.js", "me"), Ok(Found::File("/index.js".to_owned())));
    assert_eq!(found("/index.js", "#lib/a"), Ok(Found::File("/lib/a.js".to_owned())));
    assert_eq!(found("/index.js", "#u"), Ok(Found::BuiltIn("url".to_owned())));
    assert!(found("/index.js", "#gone").is_err());
    assert!(found("/node_modules/x/index.js", "#lib/a").is_err());
}

#[test]
fn an_entry_point_is_a_file_and_a_name() {
    let package =
        package(&[("index.js", ""), ("src/app.mjs", ""), ("src/my.file.js", ""), ("my-function/other.js", "")]);
    let check = |entry_point: Option<&str>, expected: Result<(&str, &[&str]), &str>| {
        let found = package.entry(entry_point);
        let expected = expected.map(|(path, names)| {
            (path.to_owned(), names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>())
        });
        assert_eq!(found, expected.map_err(str::to_owned), "{entry_point:?}");
    };
    check(None, Ok(("/index.js", &[])));
    check(Some("handler"), Ok(("/index.js", &["handler"])));
    check(Some("index.handler"), Ok(("/index.js", &["handler"])));
    check(Some("index.api.handler"), Ok(("/index.js", &["api", "handler"])));
    check(Some("src/app.handler"), Ok(("/src/app.mjs", &["handler"])));
    check(Some("./src/app.handler"), Ok(("/src/app.mjs", &["handler"])));
    check(Some("src/my.file.handler"), Ok(("/src/my.file.js", &["handler"])));
    check(Some("gone.handler"), Err("the package has no file `gone.js`"));
    check(Some("other.handler"), Err("the package has no file `other.js`, but a file `my-function/other.js`"));
    check(Some("../index.handler"), Err("the package has no file `../index.js`, but a file `index.js`"));
    check(Some("src/app"), Err("the entry point `src/app` must be a file and a name, as `index.handler`"));
}

#[test]
fn the_format_of_a_file_is_that_of_its_ending_or_of_the_nearest_manifest() {
    let package = package(&[
        ("package.json", r#"{"type": "module"}"#),
        ("lib/package.json", r#"{"type": "commonjs"}"#),
        ("node_modules/x/index.js", ""),
        ("node_modules/y/package.json", "{}"),
    ]);
    let check = |path: &str, expected: Format| assert_eq!(package.format(path), expected, "{path}");
    check("/index.js", Format::Module);
    check("/src/deep/a.js", Format::Module);
    check("/index.cjs", Format::CommonJs);
    check("/lib/a.js", Format::CommonJs);
    check("/lib/a.mjs", Format::Module);
    check("/a.json", Format::Json);
    check("/a.node", Format::Native);
    check("/node_modules/x/index.js", Format::Script);
    check("/node_modules/y/index.js", Format::Script);
}
